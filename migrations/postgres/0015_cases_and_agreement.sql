-- Whom visits are to and where, what was assessed, and whether a visit is agreed. What is personal stands in tables of its own,
-- so that it can be erased and the rest still holds.

CREATE TABLE case_file (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    reference       TEXT NOT NULL,
    visiting        TEXT,
    opened_at       TIMESTAMPTZ NOT NULL,
    opened_by       UUID NOT NULL REFERENCES person (id),
    UNIQUE (organisation_id, reference)
);
CREATE TABLE case_private (
    case_id UUID PRIMARY KEY REFERENCES case_file (id),
    body    JSONB NOT NULL -- JSON: name, notes
);

CREATE TABLE place (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    case_id         UUID NOT NULL REFERENCES case_file (id),
    whose_home      TEXT NOT NULL,
    added_at        TIMESTAMPTZ NOT NULL,
    added_by        UUID NOT NULL REFERENCES person (id)
);
CREATE INDEX place_of_case ON place (case_id, id);
CREATE TABLE place_private (
    place_id UUID PRIMARY KEY REFERENCES place (id),
    body     JSONB NOT NULL -- JSON: address, access, household
);

CREATE TABLE assessment (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    case_id         UUID NOT NULL REFERENCES case_file (id),
    place_id        UUID NOT NULL REFERENCES place (id),
    version         INTEGER NOT NULL,
    rating          TEXT NOT NULL,
    information     TEXT NOT NULL,
    review_on       TEXT NOT NULL, -- YYYY-MM-DD
    made_at         TIMESTAMPTZ NOT NULL,
    made_by         UUID NOT NULL REFERENCES person (id),
    agreed_at       TIMESTAMPTZ,
    agreed_by       UUID REFERENCES person (id),
    UNIQUE (place_id, version)
);
CREATE TABLE assessment_private (
    assessment_id UUID PRIMARY KEY REFERENCES assessment (id),
    body          JSONB NOT NULL -- JSON: factors, covers
);
-- The dates of the visits for which it was used again: nothing had changed.
CREATE TABLE assessment_use (
    visit_id      UUID PRIMARY KEY REFERENCES visit (id),
    assessment_id UUID NOT NULL REFERENCES assessment (id),
    on_day        TEXT NOT NULL,
    said_by       UUID NOT NULL REFERENCES person (id),
    said_at       TIMESTAMPTZ NOT NULL
);
CREATE INDEX assessment_used ON assessment_use (assessment_id, on_day);

-- How an organisation decides, and who stands in for whom.
CREATE TABLE agreement_rules (
    organisation_id UUID PRIMARY KEY REFERENCES organisation (id),
    body            JSONB NOT NULL -- JSON
);
CREATE TABLE deputy (
    person_id       UUID PRIMARY KEY REFERENCES person (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    deputy_id       UUID REFERENCES person (id),
    away_until      TIMESTAMPTZ
);

CREATE TABLE agreement (
    visit_id        UUID PRIMARY KEY REFERENCES visit (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    worker_id       UUID NOT NULL REFERENCES person (id),
    case_id         UUID REFERENCES case_file (id),
    place_id        UUID REFERENCES place (id),
    assessment_id   UUID REFERENCES assessment (id),
    company         TEXT NOT NULL,
    changed         TEXT NOT NULL,
    begins_at       TIMESTAMPTZ NOT NULL, -- when it is to begin, or began
    state           TEXT NOT NULL,  -- agreed, waiting, asked, not_agreed, refused
    approver        TEXT,           -- waiting, asked: who can agree
    reasons         JSONB NOT NULL,
    at_the_door     BOOLEAN NOT NULL, -- begun without being agreed
    risk_before     TEXT,           -- at the door: what it was before it ran as high risk
    times           INTEGER NOT NULL, -- how often people were asked
    due_at          TIMESTAMPTZ,          -- when they are asked again
    decided_by      UUID REFERENCES person (id),
    decided_at      TIMESTAMPTZ,
    own_visit       BOOLEAN NOT NULL, -- decided by the worker, as the organisation allows
    version         BIGINT NOT NULL
);
CREATE INDEX agreement_due ON agreement (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agreement_open ON agreement (organisation_id, begins_at) WHERE state IN ('waiting', 'asked', 'not_agreed');
CREATE INDEX agreement_of_case ON agreement (case_id, begins_at);
CREATE TABLE agreement_private (
    visit_id UUID PRIMARY KEY REFERENCES visit (id),
    body     JSONB NOT NULL -- JSON: what is out of the ordinary, what was said
);

-- The codes by which managers answer whether a visit is agreed; other words than an alarm's, so the same letters do no harm.
CREATE TABLE agreement_code (
    person_id  UUID NOT NULL REFERENCES person (id),
    code       TEXT NOT NULL,
    visit_id   UUID NOT NULL REFERENCES visit (id),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (person_id, code)
);
CREATE UNIQUE INDEX agreement_code_visit ON agreement_code (visit_id, person_id);

-- Something happened at a visit: others who go there, or are there, are to be told.
CREATE TABLE others_to_warn (
    incident_id     UUID PRIMARY KEY REFERENCES incident (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    due_at          TIMESTAMPTZ NOT NULL
);
CREATE INDEX others_to_warn_due ON others_to_warn (due_at);
