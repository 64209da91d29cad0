-- The ground: who there is, what is watched, what opens, what is said, what happened.
-- Times are UTC texts that sort as they read; ids are 16 bytes. The same tables stand in ../postgres.

CREATE TABLE installation (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    key_check    BLOB NOT NULL, -- HMAC of a fixed text under the server key: a second key is noticed at start
    committed_at TEXT           -- when a round of the timer was last committed
) STRICT;

CREATE TABLE organisation (
    id           BLOB PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    zone         TEXT NOT NULL,
    duty_manager BLOB,
    last_resort  TEXT NOT NULL, -- JSON array of numbers
    chain_number INTEGER NOT NULL,
    chain_hash   BLOB NOT NULL
) STRICT;

CREATE TABLE team (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    key             TEXT NOT NULL,
    name            TEXT NOT NULL,
    parent_id       BLOB REFERENCES team (id),
    policy          TEXT NOT NULL, -- JSON
    UNIQUE (organisation_id, key)
) STRICT;

CREATE TABLE person (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    key             TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT, -- NULL: an outside contact, without an account
    phone           TEXT,
    email           TEXT,
    manager_id      BLOB REFERENCES person (id),
    has_left        INTEGER NOT NULL,
    UNIQUE (organisation_id, key)
) STRICT;

CREATE TABLE emergency_contact (
    person_id  BLOB NOT NULL REFERENCES person (id),
    position   INTEGER NOT NULL,
    contact_id BLOB NOT NULL REFERENCES person (id),
    PRIMARY KEY (person_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    person_id    BLOB PRIMARY KEY REFERENCES person (id),
    hash         BLOB,
    wrong        INTEGER NOT NULL,
    locked_until TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    person_id       BLOB NOT NULL REFERENCES person (id),
    label           TEXT NOT NULL,
    hash            BLOB NOT NULL UNIQUE,
    created_at      TEXT NOT NULL,
    expires_at      TEXT,
    revoked_at      TEXT
) STRICT;

CREATE TABLE ladder (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB REFERENCES team (id), -- NULL: for every team without its own
    risk            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL, -- JSON
    created_at      TEXT NOT NULL,
    UNIQUE (organisation_id, team_id, risk, version)
) STRICT;

CREATE TABLE visit (
    id                 BLOB PRIMARY KEY,
    organisation_id    BLOB NOT NULL REFERENCES organisation (id),
    team_id            BLOB NOT NULL REFERENCES team (id),
    worker_id          BLOB NOT NULL REFERENCES person (id),
    state              TEXT NOT NULL,
    purpose            TEXT,
    place              TEXT,
    case_reference     TEXT,
    visiting           TEXT,
    risk               TEXT NOT NULL,
    no_signal_expected INTEGER NOT NULL,
    created_at         TEXT NOT NULL,
    expected_arrival   TEXT,
    expected_departure TEXT NOT NULL,
    deadline_number    INTEGER NOT NULL,
    reminders_done     INTEGER NOT NULL,
    arrived_at         TEXT,
    last_contact_at    TEXT,
    extended_seconds   INTEGER NOT NULL,
    ended_at           TEXT,
    ended_how          TEXT,
    ended_by           BLOB,
    outcome            TEXT,
    seen_whom          TEXT,
    work_undertaken    TEXT,
    recorded_at        TEXT,
    version            INTEGER NOT NULL,
    chain_number       INTEGER NOT NULL,
    chain_hash         BLOB NOT NULL
) STRICT;
CREATE INDEX visit_running ON visit (organisation_id, worker_id, id) WHERE state IN ('planned', 'begun');
CREATE INDEX visit_listed ON visit (organisation_id, id);

-- When a watched visit next needs the timer. No second predicate: overdue is due_at <= now.
CREATE TABLE visit_deadline (
    visit_id BLOB PRIMARY KEY REFERENCES visit (id),
    due_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX visit_deadline_due ON visit_deadline (due_at);

CREATE TABLE incident (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    subject_id      BLOB NOT NULL REFERENCES person (id),
    visit_id        BLOB NOT NULL REFERENCES visit (id),
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    missed          TEXT NOT NULL,
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
    chain_hash      BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX incident_open ON incident (visit_id) WHERE state = 'open';
CREATE INDEX incident_open_subject ON incident (organisation_id, subject_id) WHERE state = 'open';
CREATE INDEX incident_listed ON incident (organisation_id, id);

CREATE TABLE incident_deadline (
    incident_id BLOB PRIMARY KEY REFERENCES incident (id),
    due_at      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_deadline_due ON incident_deadline (due_at);

-- Who was called about an incident, and the code by which they speak of it.
CREATE TABLE alarm_code (
    person_id   BLOB NOT NULL REFERENCES person (id),
    code        TEXT NOT NULL,
    incident_id BLOB NOT NULL REFERENCES incident (id),
    created_at  TEXT NOT NULL,
    PRIMARY KEY (person_id, code)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alarm_code_incident ON alarm_code (incident_id, person_id);

-- What was said to whom, and what came of it.
CREATE TABLE message (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    recipient_id    BLOB REFERENCES person (id), -- NULL: a last-resort number, or the operator
    visit_id        BLOB REFERENCES visit (id),
    incident_id     BLOB REFERENCES incident (id),
    raise           INTEGER, -- a round's messages: of which round
    step            INTEGER,
    round           INTEGER,
    occasion        BLOB NOT NULL,
    purpose         TEXT NOT NULL,
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    short_text      TEXT NOT NULL, -- in the words of every channel: the next one may be needed
    subject         TEXT NOT NULL,
    body            TEXT NOT NULL,
    state           TEXT NOT NULL, -- pending, accepted, refused, taken_back
    provider        TEXT,
    reference       TEXT,
    created_at      TEXT NOT NULL,
    finished_at     TEXT
) STRICT;
CREATE INDEX message_incident ON message (organisation_id, incident_id) WHERE incident_id IS NOT NULL;
CREATE INDEX message_visit ON message (organisation_id, visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX message_listed ON message (organisation_id, created_at);
CREATE INDEX message_occasion ON message (organisation_id, occasion);

-- What is still to be sent. A claim moves due_at to the end of its lease: an expired lease is simply due again.
CREATE TABLE outbox (
    message_id   BLOB PRIMARY KEY REFERENCES message (id),
    rank         INTEGER NOT NULL,
    due_at       TEXT NOT NULL,
    first_due_at TEXT NOT NULL,
    epoch        INTEGER NOT NULL, -- counts the claims: a late mark of an earlier one is refused
    tries        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (rank, due_at);

CREATE TABLE idempotency (
    person_id  BLOB NOT NULL REFERENCES person (id),
    route      TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    status     INTEGER,
    reply      TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (person_id, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- What happened. Takes inserts only; the triggers below refuse anything else, whoever asks.
CREATE TABLE event (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    tx              INTEGER NOT NULL DEFAULT 0, -- one writer: the order of seq is the order of commits
    organisation_id BLOB NOT NULL,
    chain           BLOB NOT NULL,
    chain_kind      TEXT NOT NULL, -- visit, incident, organisation
    number          INTEGER NOT NULL,
    team_id         BLOB,
    subject_id      BLOB,
    kind            TEXT NOT NULL,
    happened_at     TEXT NOT NULL,
    learned_at      TEXT NOT NULL,
    door            TEXT NOT NULL,
    actor_id        BLOB,
    body            TEXT NOT NULL,
    private_hash    BLOB,
    hash            BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_chain ON event (chain, number);
CREATE INDEX event_order ON event (organisation_id, tx, seq);

CREATE TRIGGER event_never_changes BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event log takes inserts only'); END;
CREATE TRIGGER event_never_goes BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event log takes inserts only'); END;
-- INSERT OR REPLACE deletes without asking the trigger above, unless recursive_triggers is on; this one always asks.
CREATE TRIGGER event_never_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE chain = NEW.chain AND number = NEW.number)
  OR EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the event log takes inserts only'); END;

-- Personal words of events: erasable. The chain holds their salted hash and stays whole.
CREATE TABLE event_private (
    chain  BLOB NOT NULL,
    number INTEGER NOT NULL,
    salt   BLOB NOT NULL,
    words  TEXT NOT NULL,
    PRIMARY KEY (chain, number)
) STRICT, WITHOUT ROWID;
