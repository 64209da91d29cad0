-- Reports look at a period.
CREATE INDEX visit_ended_in ON visit (organisation_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX incident_of_visit ON incident (visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX incident_opened_in ON incident (organisation_id, opened_at);
