-- Management oversight (row T5): what managers say of cases, visits, incidents and assessments, and where it is asked for.

-- Where an organisation asks for it.
CREATE TABLE oversight_rules (
    organisation_id BLOB PRIMARY KEY REFERENCES organisation (id),
    body            TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE oversight (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    about           TEXT NOT NULL, -- case, visit, incident, assessment
    about_id        BLOB NOT NULL,
    at              TEXT NOT NULL,
    by_id           BLOB NOT NULL REFERENCES person (id),
    words           TEXT           -- NULL: erased
) STRICT;
CREATE INDEX oversight_of ON oversight (about_id);

-- That it is asked for, by a day. What is neither done nor asked for no more is still missing.
CREATE TABLE oversight_asked (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    rule            TEXT NOT NULL, -- assessment_rated, incident_closed, visit_begun_not_agreed, case_at_risk
    about           TEXT NOT NULL,
    about_id        BLOB NOT NULL,
    worker_id       BLOB REFERENCES person (id), -- whose visit, alarm, assessment or case it is; NULL: nobody's
    asked_on        TEXT NOT NULL, -- a day, as YYYY-MM-DD
    due_on          TEXT NOT NULL, -- a day
    done_on         TEXT,          -- a day
    done_by         BLOB REFERENCES oversight (id),
    withdrawn_on    TEXT           -- a day: it was asked for no more
) STRICT;
CREATE UNIQUE INDEX oversight_asked_once ON oversight_asked (about_id, rule) WHERE done_on IS NULL AND withdrawn_on IS NULL;
CREATE INDEX oversight_missing ON oversight_asked (organisation_id, due_on, id) WHERE done_on IS NULL AND withdrawn_on IS NULL;
CREATE INDEX oversight_asked_due ON oversight_asked (organisation_id, due_on);
