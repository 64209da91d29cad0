-- Other systems: where they are told what happened (row D7), and what they say they have filed (row T6).

CREATE TABLE webhook (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    key             TEXT NOT NULL,
    url             TEXT NOT NULL,
    events          JSONB NOT NULL, -- JSON: the types that are wanted
    secrets         JSONB NOT NULL, -- JSON: one or two, each encrypted under the server key
    set_at          TIMESTAMPTZ NOT NULL,
    set_by          UUID NOT NULL REFERENCES person (id),
    after_tx        BIGINT NOT NULL, -- events up to here stand in webhook_delivery, or need not
    after_seq       BIGINT NOT NULL,
    lease_until     TIMESTAMPTZ NOT NULL, -- a process works on it until then
    epoch           BIGINT NOT NULL, -- counts the leases: a late mark of an earlier one is refused
    paused_until    TIMESTAMPTZ NOT NULL, -- it is down, or asked to be left alone
    failures        INTEGER NOT NULL, -- since the last success
    failing_since   TIMESTAMPTZ, -- NULL: the last try was taken, or there was none
    told_at         TIMESTAMPTZ, -- when its administrators last heard that it fails; NULL: not since it began to
    last_success_at TIMESTAMPTZ,
    last_failure_at TIMESTAMPTZ,
    last_failure    TEXT,
    given_up        BIGINT NOT NULL, -- deliveries that were tried for days
    given_up_at     TIMESTAMPTZ,
    disabled_at     TIMESTAMPTZ,
    UNIQUE (organisation_id, key)
);

-- What is still to be delivered; gone once it is.
CREATE TABLE webhook_delivery (
    webhook_id UUID NOT NULL REFERENCES webhook (id),
    event_seq  BIGINT NOT NULL,
    due_at     TIMESTAMPTZ NOT NULL,
    tries      INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, event_seq)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, due_at, event_seq);

-- Visits and assessments that somebody has filed elsewhere, under the reference that they have there.
CREATE TABLE filing (
    about           UUID PRIMARY KEY, -- the visit or the assessment
    kind            TEXT NOT NULL,    -- visit, assessment
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    reference       TEXT NOT NULL,
    filed_at        TIMESTAMPTZ NOT NULL,
    filed_by        UUID NOT NULL REFERENCES person (id)
);
CREATE INDEX visit_completed ON visit (organisation_id, ended_at, id) WHERE state IN ('ended', 'recorded');
CREATE INDEX assessment_agreed ON assessment (organisation_id, agreed_at, id) WHERE agreed_at IS NOT NULL;
