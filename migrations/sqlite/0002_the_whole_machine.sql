-- no-transaction
-- Calls for help, the police, hand-over, follow-ups; visits put on record afterwards; who is asked for what is missing.
-- The same tables stand in ../postgres.

-- SQLite cannot take NOT NULL off a column: the table is made anew, with foreign keys looked at once it stands again.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

CREATE TABLE incident_new (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    subject_id      BLOB NOT NULL REFERENCES person (id),
    visit_id        BLOB REFERENCES visit (id), -- an SOS needs none
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    missed          TEXT,
    opened_at       TEXT NOT NULL,
    after_outage    INTEGER NOT NULL,
    ladder_id       BLOB NOT NULL REFERENCES ladder (id),
    raise           INTEGER NOT NULL,
    step            INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    held_in_raise   INTEGER,
    reached_nobody  INTEGER NOT NULL,
    owner_id        BLOB REFERENCES person (id),
    waits_until     TEXT, -- open: the next round, or the end of the owner's promise
    owner_warned    INTEGER NOT NULL,
    claim           TEXT NOT NULL,
    inside_till     TEXT,
    closed_at       TEXT,
    closed_by       BLOB REFERENCES person (id),
    outcome         TEXT,
    known_by        TEXT,
    worker_now      TEXT, -- JSON
    closing_note    TEXT,
    reviewed_at     TEXT,
    reviewed_by     BLOB REFERENCES person (id),
    learned         TEXT,
    action          TEXT,
    version         INTEGER NOT NULL,
    chain_number    INTEGER NOT NULL,
    chain_hash      BLOB NOT NULL,
    nearest_visit_id BLOB REFERENCES visit (id), -- without a visit: the last or the next one, for its place
    sos_at           TEXT,
    sos_by           BLOB REFERENCES person (id),
    position         TEXT, -- JSON
    pin_used_at      TEXT,
    police           TEXT, -- JSON: log number, officer, when they were told
    with_police      INTEGER NOT NULL DEFAULT FALSE,
    police_reminders INTEGER NOT NULL DEFAULT 0 -- since the owner last said something
) STRICT;
INSERT INTO incident_new (id, organisation_id, team_id, subject_id, visit_id, kind, state, missed, opened_at, after_outage, ladder_id, raise, step, round, held_in_raise, reached_nobody, owner_id, waits_until, owner_warned, claim, inside_till, closed_at, closed_by, outcome, known_by, worker_now, closing_note, reviewed_at, reviewed_by, learned, action, version, chain_number, chain_hash)
SELECT id, organisation_id, team_id, subject_id, visit_id, kind, state, missed, opened_at, after_outage, ladder_id, incident.raise, step, round, held_in_raise, reached_nobody, owner_id, waits_until, owner_warned, claim, inside_till, closed_at, closed_by, outcome, known_by, worker_now, closing_note, reviewed_at, reviewed_by, learned, action, version, chain_number, chain_hash
FROM incident;
DROP TABLE incident;
ALTER TABLE incident_new RENAME TO incident;
CREATE UNIQUE INDEX incident_open ON incident (visit_id) WHERE state = 'open';
CREATE INDEX incident_open_subject ON incident (organisation_id, subject_id) WHERE state = 'open';
CREATE INDEX incident_listed ON incident (organisation_id, id);
-- At most one call for help without a visit for each worker.
CREATE UNIQUE INDEX incident_open_without_visit ON incident (subject_id) WHERE state = 'open' AND visit_id IS NULL;

ALTER TABLE visit ADD COLUMN extended_by_others_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN acted_by BLOB REFERENCES person (id);
CREATE INDEX visit_ended ON visit (organisation_id, worker_id, id) WHERE state = 'ended';

-- What has to be done after an incident, by whom, by when; open until done.
CREATE TABLE follow_up (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    incident_id     BLOB NOT NULL REFERENCES incident (id),
    kind            TEXT NOT NULL,
    what            TEXT NOT NULL,
    owner_id        BLOB NOT NULL REFERENCES person (id),
    due_on          TEXT NOT NULL, -- a day, as YYYY-MM-DD
    created_at      TEXT NOT NULL,
    created_by      BLOB NOT NULL REFERENCES person (id),
    done_at         TEXT,
    done_by         BLOB REFERENCES person (id),
    done_note       TEXT
) STRICT;
CREATE INDEX follow_up_incident ON follow_up (incident_id);
CREATE INDEX follow_up_open ON follow_up (organisation_id, due_on) WHERE done_at IS NULL;

-- Who is asked for something that is missing, and when next. Gone once it is there.
CREATE TABLE chase (
    about           BLOB PRIMARY KEY, -- the visit or the follow-up
    kind            TEXT NOT NULL,    -- record, follow_up
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    person_id       BLOB NOT NULL REFERENCES person (id),
    due_at          TEXT NOT NULL,
    asked           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX chase_due ON chase (due_at);

COMMIT;
PRAGMA foreign_keys = ON;
