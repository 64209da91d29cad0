-- The ground: who there is, what is watched, what opens, what is said, what happened.
-- The same tables stand in ../sqlite.

CREATE TABLE installation (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    key_check    BYTEA NOT NULL, -- HMAC of a fixed text under the server key: a second key is noticed at start
    committed_at TIMESTAMPTZ           -- when a round of the timer was last committed
);

CREATE TABLE organisation (
    id           UUID PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    zone         TEXT NOT NULL,
    duty_manager UUID,
    last_resort  JSONB NOT NULL, -- array of numbers
    chain_number BIGINT NOT NULL,
    chain_hash   BYTEA NOT NULL
);

CREATE TABLE team (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    key             TEXT NOT NULL,
    name            TEXT NOT NULL,
    parent_id       UUID REFERENCES team (id),
    policy          JSONB NOT NULL,
    UNIQUE (organisation_id, key)
);

CREATE TABLE person (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    key             TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT, -- NULL: an outside contact, without an account
    phone           TEXT,
    email           TEXT,
    manager_id      UUID REFERENCES person (id),
    has_left        BOOLEAN NOT NULL,
    UNIQUE (organisation_id, key)
);

CREATE TABLE emergency_contact (
    person_id  UUID NOT NULL REFERENCES person (id),
    position   INTEGER NOT NULL,
    contact_id UUID NOT NULL REFERENCES person (id),
    PRIMARY KEY (person_id, position)
);

CREATE TABLE pin (
    person_id    UUID PRIMARY KEY REFERENCES person (id),
    hash         BYTEA,
    wrong        INTEGER NOT NULL,
    locked_until TIMESTAMPTZ
);

CREATE TABLE token (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    person_id       UUID NOT NULL REFERENCES person (id),
    label           TEXT NOT NULL,
    hash            BYTEA NOT NULL UNIQUE,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    revoked_at      TIMESTAMPTZ
);

CREATE TABLE ladder (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID REFERENCES team (id), -- NULL: for every team without its own
    risk            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    body            JSONB NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    UNIQUE (organisation_id, team_id, risk, version)
);

CREATE TABLE visit (
    id                 UUID PRIMARY KEY,
    organisation_id    UUID NOT NULL REFERENCES organisation (id),
    team_id            UUID NOT NULL REFERENCES team (id),
    worker_id          UUID NOT NULL REFERENCES person (id),
    state              TEXT NOT NULL,
    purpose            TEXT,
    place              TEXT,
    case_reference     TEXT,
    visiting           TEXT,
    risk               TEXT NOT NULL,
    no_signal_expected BOOLEAN NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL,
    expected_arrival   TIMESTAMPTZ,
    expected_departure TIMESTAMPTZ NOT NULL,
    deadline_number    INTEGER NOT NULL,
    reminders_done     INTEGER NOT NULL,
    arrived_at         TIMESTAMPTZ,
    last_contact_at    TIMESTAMPTZ,
    extended_seconds   BIGINT NOT NULL,
    ended_at           TIMESTAMPTZ,
    ended_how          TEXT,
    ended_by           UUID,
    outcome            TEXT,
    seen_whom          TEXT,
    work_undertaken    TEXT,
    recorded_at        TIMESTAMPTZ,
    version            BIGINT NOT NULL,
    chain_number       BIGINT NOT NULL,
    chain_hash         BYTEA NOT NULL
);
CREATE INDEX visit_running ON visit (organisation_id, worker_id, id) WHERE state IN ('planned', 'begun');
CREATE INDEX visit_listed ON visit (organisation_id, id);

-- When a watched visit next needs the timer. No second predicate: overdue is due_at <= now.
CREATE TABLE visit_deadline (
    visit_id UUID PRIMARY KEY REFERENCES visit (id),
    due_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX visit_deadline_due ON visit_deadline (due_at);

CREATE TABLE incident (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    subject_id      UUID NOT NULL REFERENCES person (id),
    visit_id        UUID NOT NULL REFERENCES visit (id),
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    missed          TIMESTAMPTZ NOT NULL,
    opened_at       TIMESTAMPTZ NOT NULL,
    after_outage    BOOLEAN NOT NULL,
    ladder_id       UUID NOT NULL REFERENCES ladder (id),
    raise           INTEGER NOT NULL,
    step            INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    held_in_raise   INTEGER,
    reached_nobody  BOOLEAN NOT NULL,
    owner_id        UUID REFERENCES person (id),
    waits_until     TIMESTAMPTZ, -- open: the next round, or the end of the owner's promise
    owner_warned    BOOLEAN NOT NULL,
    claim           TEXT NOT NULL,
    inside_till     TIMESTAMPTZ,
    closed_at       TIMESTAMPTZ,
    closed_by       UUID REFERENCES person (id),
    outcome         TEXT,
    known_by        TEXT,
    worker_now      JSONB,
    closing_note    TEXT,
    reviewed_at     TIMESTAMPTZ,
    reviewed_by     UUID REFERENCES person (id),
    learned         TEXT,
    action          TEXT,
    version         BIGINT NOT NULL,
    chain_number    BIGINT NOT NULL,
    chain_hash      BYTEA NOT NULL
);
CREATE UNIQUE INDEX incident_open ON incident (visit_id) WHERE state = 'open';
CREATE INDEX incident_open_subject ON incident (organisation_id, subject_id) WHERE state = 'open';
CREATE INDEX incident_listed ON incident (organisation_id, id);

CREATE TABLE incident_deadline (
    incident_id UUID PRIMARY KEY REFERENCES incident (id),
    due_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX incident_deadline_due ON incident_deadline (due_at);

-- Who was called about an incident, and the code by which they speak of it.
CREATE TABLE alarm_code (
    person_id   UUID NOT NULL REFERENCES person (id),
    code        TEXT NOT NULL,
    incident_id UUID NOT NULL REFERENCES incident (id),
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (person_id, code)
);
CREATE UNIQUE INDEX alarm_code_incident ON alarm_code (incident_id, person_id);

-- What was said to whom, and what came of it.
CREATE TABLE message (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    recipient_id    UUID REFERENCES person (id), -- NULL: a last-resort number, or the operator
    visit_id        UUID REFERENCES visit (id),
    incident_id     UUID REFERENCES incident (id),
    raise           INTEGER, -- a round's messages: of which round
    step            INTEGER,
    round           INTEGER,
    occasion        UUID NOT NULL,
    purpose         TEXT NOT NULL,
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    short_text      TEXT NOT NULL, -- in the words of every channel: the next one may be needed
    subject         TEXT NOT NULL,
    body            TEXT NOT NULL,
    state           TEXT NOT NULL, -- pending, accepted, refused, taken_back
    provider        TEXT,
    reference       TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    finished_at     TIMESTAMPTZ
);
CREATE INDEX message_incident ON message (organisation_id, incident_id) WHERE incident_id IS NOT NULL;
CREATE INDEX message_visit ON message (organisation_id, visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX message_listed ON message (organisation_id, created_at);
CREATE INDEX message_occasion ON message (organisation_id, occasion);

-- What is still to be sent. A claim moves due_at to the end of its lease: an expired lease is simply due again.
CREATE TABLE outbox (
    message_id   UUID PRIMARY KEY REFERENCES message (id),
    rank         INTEGER NOT NULL,
    due_at       TIMESTAMPTZ NOT NULL,
    first_due_at TIMESTAMPTZ NOT NULL,
    epoch        BIGINT NOT NULL, -- counts the claims: a late mark of an earlier one is refused
    tries        INTEGER NOT NULL
);
CREATE INDEX outbox_due ON outbox (rank, due_at);

CREATE TABLE idempotency (
    person_id  UUID NOT NULL REFERENCES person (id),
    route      TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BYTEA NOT NULL,
    status     INTEGER,
    reply      TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (person_id, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- What happened. Takes inserts only; the triggers below refuse anything else, whoever asks.
CREATE TABLE event (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx              BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint), -- readers stay below the oldest running one
    organisation_id UUID NOT NULL,
    chain           UUID NOT NULL,
    chain_kind      TEXT NOT NULL, -- visit, incident, organisation
    number          BIGINT NOT NULL,
    team_id         UUID,
    subject_id      UUID,
    kind            TEXT NOT NULL,
    happened_at     TIMESTAMPTZ NOT NULL,
    learned_at      TIMESTAMPTZ NOT NULL,
    door            TEXT NOT NULL,
    actor_id        UUID,
    body            TEXT NOT NULL,
    private_hash    BYTEA,
    hash            BYTEA NOT NULL
);
CREATE UNIQUE INDEX event_chain ON event (chain, number);
CREATE INDEX event_order ON event (organisation_id, tx, seq);

CREATE FUNCTION refuse_to_change_events() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the event log takes inserts only'; END $$;
CREATE TRIGGER event_never_changes BEFORE UPDATE OR DELETE ON event
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_events();
CREATE TRIGGER event_never_truncated BEFORE TRUNCATE ON event
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_events();

-- Personal words of events: erasable. The chain holds their salted hash and stays whole.
CREATE TABLE event_private (
    chain  UUID NOT NULL,
    number BIGINT NOT NULL,
    salt   BYTEA NOT NULL,
    words  TEXT NOT NULL,
    PRIMARY KEY (chain, number)
);
