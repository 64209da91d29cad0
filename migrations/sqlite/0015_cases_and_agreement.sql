-- Whom visits are to and where, what was assessed, and whether a visit is agreed. What is personal stands in tables of its own,
-- so that it can be erased and the rest still holds.

CREATE TABLE case_file (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    reference       TEXT NOT NULL,
    visiting        TEXT,
    opened_at       TEXT NOT NULL,
    opened_by       BLOB NOT NULL REFERENCES person (id),
    UNIQUE (organisation_id, reference)
) STRICT;
CREATE TABLE case_private (
    case_id BLOB PRIMARY KEY REFERENCES case_file (id),
    body    TEXT NOT NULL -- JSON: name, notes
) STRICT;

CREATE TABLE place (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    case_id         BLOB NOT NULL REFERENCES case_file (id),
    whose_home      TEXT NOT NULL,
    added_at        TEXT NOT NULL,
    added_by        BLOB NOT NULL REFERENCES person (id)
) STRICT;
CREATE INDEX place_of_case ON place (case_id, id);
CREATE TABLE place_private (
    place_id BLOB PRIMARY KEY REFERENCES place (id),
    body     TEXT NOT NULL -- JSON: address, access, household
) STRICT;

CREATE TABLE assessment (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    case_id         BLOB NOT NULL REFERENCES case_file (id),
    place_id        BLOB NOT NULL REFERENCES place (id),
    version         INTEGER NOT NULL,
    rating          TEXT NOT NULL,
    information     TEXT NOT NULL,
    review_on       TEXT NOT NULL, -- YYYY-MM-DD
    made_at         TEXT NOT NULL,
    made_by         BLOB NOT NULL REFERENCES person (id),
    agreed_at       TEXT,
    agreed_by       BLOB REFERENCES person (id),
    UNIQUE (place_id, version)
) STRICT;
CREATE TABLE assessment_private (
    assessment_id BLOB PRIMARY KEY REFERENCES assessment (id),
    body          TEXT NOT NULL -- JSON: factors, covers
) STRICT;
-- The dates of the visits for which it was used again: nothing had changed.
CREATE TABLE assessment_use (
    visit_id      BLOB PRIMARY KEY REFERENCES visit (id),
    assessment_id BLOB NOT NULL REFERENCES assessment (id),
    on_day        TEXT NOT NULL,
    said_by       BLOB NOT NULL REFERENCES person (id),
    said_at       TEXT NOT NULL
) STRICT;
CREATE INDEX assessment_used ON assessment_use (assessment_id, on_day);

-- How an organisation decides, and who stands in for whom.
CREATE TABLE agreement_rules (
    organisation_id BLOB PRIMARY KEY REFERENCES organisation (id),
    body            TEXT NOT NULL -- JSON
) STRICT;
CREATE TABLE deputy (
    person_id       BLOB PRIMARY KEY REFERENCES person (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    deputy_id       BLOB REFERENCES person (id),
    away_until      TEXT
) STRICT;

CREATE TABLE agreement (
    visit_id        BLOB PRIMARY KEY REFERENCES visit (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    worker_id       BLOB NOT NULL REFERENCES person (id),
    case_id         BLOB REFERENCES case_file (id),
    place_id        BLOB REFERENCES place (id),
    assessment_id   BLOB REFERENCES assessment (id),
    company         TEXT NOT NULL,
    changed         TEXT NOT NULL,
    begins_at       TEXT NOT NULL, -- when it is to begin, or began
    state           TEXT NOT NULL,  -- agreed, waiting, asked, not_agreed, refused
    approver        TEXT,           -- waiting, asked: who can agree
    reasons         TEXT NOT NULL,
    at_the_door     INTEGER NOT NULL, -- begun without being agreed
    risk_before     TEXT,           -- at the door: what it was before it ran as high risk
    times           INTEGER NOT NULL, -- how often people were asked
    due_at          TEXT,          -- when they are asked again
    decided_by      BLOB REFERENCES person (id),
    decided_at      TEXT,
    own_visit       INTEGER NOT NULL, -- decided by the worker, as the organisation allows
    version         INTEGER NOT NULL
) STRICT;
CREATE INDEX agreement_due ON agreement (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agreement_open ON agreement (organisation_id, begins_at) WHERE state IN ('waiting', 'asked', 'not_agreed');
CREATE INDEX agreement_of_case ON agreement (case_id, begins_at);
CREATE TABLE agreement_private (
    visit_id BLOB PRIMARY KEY REFERENCES visit (id),
    body     TEXT NOT NULL -- JSON: what is out of the ordinary, what was said
) STRICT;

-- The codes by which managers answer whether a visit is agreed; other words than an alarm's, so the same letters do no harm.
CREATE TABLE agreement_code (
    person_id  BLOB NOT NULL REFERENCES person (id),
    code       TEXT NOT NULL,
    visit_id   BLOB NOT NULL REFERENCES visit (id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (person_id, code)
) STRICT;
CREATE UNIQUE INDEX agreement_code_visit ON agreement_code (visit_id, person_id);

-- Something happened at a visit: others who go there, or are there, are to be told.
CREATE TABLE others_to_warn (
    incident_id     BLOB PRIMARY KEY REFERENCES incident (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    due_at          TEXT NOT NULL
) STRICT;
CREATE INDEX others_to_warn_due ON others_to_warn (due_at);
