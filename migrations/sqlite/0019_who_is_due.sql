-- Who is due a visit (rows T1 to T4).

-- By what an organisation decides it; each version stays.
CREATE TABLE due_rules (
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL, -- JSON: rules, nation, closures, bank holidays, when digests go
    set_by          BLOB REFERENCES person (id), -- NULL: the organisation's file
    set_at          TEXT NOT NULL,
    PRIMARY KEY (organisation_id, version)
) STRICT;

-- What is known of the supervision of a case, and what has happened about it. What is due is computed from that each time.
CREATE TABLE supervision (
    case_id         BLOB PRIMARY KEY REFERENCES case_file (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    worker_id       BLOB REFERENCES person (id), -- whose case it is; NULL: nobody's yet
    known           TEXT NOT NULL, -- JSON: what people said
    history         TEXT NOT NULL, -- JSON: visits whose outcome is known, open concerns
    standing        TEXT NOT NULL, -- JSON: what was due when it was last computed
    rules_version   INTEGER NOT NULL -- by which rules; 0: by none yet
) STRICT;
CREATE INDEX supervision_of ON supervision (organisation_id);

-- When a team's next digest goes.
CREATE TABLE due_digest (
    team_id         BLOB PRIMARY KEY REFERENCES team (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    due_at          TEXT NOT NULL
) STRICT;
CREATE INDEX due_digest_due ON due_digest (due_at);

-- The visits of a case, however its reference was typed.
CREATE INDEX visit_of_case ON visit (organisation_id, upper(replace(case_reference, ' ', '')), arrived_at)
    WHERE case_reference IS NOT NULL;
