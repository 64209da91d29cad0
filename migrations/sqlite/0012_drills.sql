-- Drills (row E9): a real ladder about somebody whom nothing has happened to. No incident, so nothing that looks at alarms sees one.

CREATE TABLE drill (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    subject_id      BLOB NOT NULL REFERENCES person (id),
    ladder_id       BLOB NOT NULL REFERENCES ladder (id),
    started_by      BLOB NOT NULL REFERENCES person (id),
    starts_at       TEXT NOT NULL,
    step            INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    state           TEXT NOT NULL, -- running, taken, ended
    finished_at     TEXT,
    finished_by     BLOB REFERENCES person (id), -- ended by nobody: a real alarm ended it
    due_at          TEXT -- the next round; after its end: what still waits to be sent is taken back
) STRICT;
CREATE INDEX drill_due ON drill (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX drill_running ON drill (subject_id) WHERE state = 'running';

-- Whom it called, each with a code of their own.
CREATE TABLE drill_call (
    drill_id    BLOB NOT NULL REFERENCES drill (id),
    person_id   BLOB NOT NULL REFERENCES person (id),
    code        TEXT NOT NULL,
    called_at   TEXT NOT NULL,
    PRIMARY KEY (drill_id, person_id)
) STRICT;
CREATE INDEX drill_call_code ON drill_call (person_id, code);

CREATE INDEX message_of_a_drill ON message (recipient_id) WHERE purpose = 'drill' AND state = 'pending';
