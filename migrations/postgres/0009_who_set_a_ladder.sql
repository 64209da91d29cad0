-- Ladders are set over the API too (row E1). NULL: by the organisation's file.
ALTER TABLE ladder ADD COLUMN set_by UUID REFERENCES person (id);

-- Two who set one for every team at once: one of them looks again.
CREATE UNIQUE INDEX ladder_of_every_team ON ladder (organisation_id, risk, version) WHERE team_id IS NULL;
