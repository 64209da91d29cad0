-- Cases of which what is due could not be computed at once, because somebody else held them: the scheduler does it. Rows are only added
-- and deleted, so that whoever adds one waits for nobody.
CREATE TABLE case_to_compute (
    id              UUID PRIMARY KEY,
    case_id         UUID NOT NULL REFERENCES case_file (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    cause           TEXT NOT NULL -- as in the log
);
CREATE INDEX case_to_compute_of ON case_to_compute (case_id);
