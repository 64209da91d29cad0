-- Texts that people send: kept as they came, done once, and then all but their name is erased.
CREATE TABLE inbound_text (
    provider    TEXT NOT NULL, -- what kind of provider it came by
    provider_id TEXT NOT NULL, -- its name there
    received_at TIMESTAMPTZ NOT NULL,
    sent_at     TIMESTAMPTZ,
    sender      TEXT, -- NULL once it is done
    body        TEXT, -- NULL once it is done
    due_at      TIMESTAMPTZ, -- NULL once it is done
    PRIMARY KEY (provider, provider_id)
);
CREATE INDEX inbound_text_due ON inbound_text (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX person_phone ON person (phone) WHERE phone IS NOT NULL;

-- What became of a message after a provider had taken it: on_its_way, delivered, failed.
ALTER TABLE message ADD COLUMN receipt TEXT;
ALTER TABLE message ADD COLUMN receipt_at TIMESTAMPTZ;
CREATE INDEX message_reference ON message (reference) WHERE reference IS NOT NULL;

-- A call whose provider tells what becomes of it: without a word until then its next channel starts.
CREATE TABLE receipt_due (
    message_id UUID PRIMARY KEY REFERENCES message (id),
    due_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX receipt_due_due ON receipt_due (due_at);
