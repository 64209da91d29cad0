-- Whoever was on the visit with a worker under duress may be held too: they learn of it as little as the worker's own phone.
ALTER TABLE incident ADD COLUMN companions JSONB; -- array of people; NULL: none
CREATE INDEX incident_withheld ON incident (organisation_id) WHERE kind = 'duress' AND released_at IS NULL;
