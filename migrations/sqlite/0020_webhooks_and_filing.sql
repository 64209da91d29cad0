-- Other systems: where they are told what happened (row D7), and what they say they have filed (row T6).

CREATE TABLE webhook (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    key             TEXT NOT NULL,
    url             TEXT NOT NULL,
    events          TEXT NOT NULL, -- JSON: the types that are wanted
    secrets         TEXT NOT NULL, -- JSON: one or two, each encrypted under the server key
    set_at          TEXT NOT NULL,
    set_by          BLOB NOT NULL REFERENCES person (id),
    after_tx        INTEGER NOT NULL, -- events up to here stand in webhook_delivery, or need not
    after_seq       INTEGER NOT NULL,
    lease_until     TEXT NOT NULL, -- a process works on it until then
    epoch           INTEGER NOT NULL, -- counts the leases: a late mark of an earlier one is refused
    paused_until    TEXT NOT NULL, -- it is down, or asked to be left alone
    failures        INTEGER NOT NULL, -- since the last success
    failing_since   TEXT, -- NULL: the last try was taken, or there was none
    told_at         TEXT, -- when its administrators last heard that it fails; NULL: not since it began to
    last_success_at TEXT,
    last_failure_at TEXT,
    last_failure    TEXT,
    given_up        INTEGER NOT NULL, -- deliveries that were tried for days
    given_up_at     TEXT,
    disabled_at     TEXT,
    UNIQUE (organisation_id, key)
) STRICT;

-- What is still to be delivered; gone once it is.
CREATE TABLE webhook_delivery (
    webhook_id BLOB NOT NULL REFERENCES webhook (id),
    event_seq  INTEGER NOT NULL,
    due_at     TEXT NOT NULL,
    tries      INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, event_seq)
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, due_at, event_seq);

-- Visits and assessments that somebody has filed elsewhere, under the reference that they have there.
CREATE TABLE filing (
    about           BLOB PRIMARY KEY, -- the visit or the assessment
    kind            TEXT NOT NULL,    -- visit, assessment
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    reference       TEXT NOT NULL,
    filed_at        TEXT NOT NULL,
    filed_by        BLOB NOT NULL REFERENCES person (id)
) STRICT;
CREATE INDEX visit_completed ON visit (organisation_id, ended_at, id) WHERE state IN ('ended', 'recorded');
CREATE INDEX assessment_agreed ON assessment (organisation_id, agreed_at, id) WHERE agreed_at IS NOT NULL;
