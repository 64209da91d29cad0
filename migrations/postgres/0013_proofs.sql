-- Whether people can be reached where they are said to be, and agree to it (row D6): one row for each address of a person.
-- Triggers keep it in step with the person: whoever writes one, an old binary too, cannot leave a new number with the proof of
-- the old one.

CREATE TABLE proof (
    person_id       UUID NOT NULL REFERENCES person (id),
    channel         TEXT NOT NULL,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    address         TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'unasked', -- unasked, asked, proved, declined, dead
    since           TIMESTAMPTZ, -- in that state
    asked_at        TIMESTAMPTZ, -- asked: the last time
    times           INTEGER NOT NULL DEFAULT 0, -- asked: how often
    ask_id          UUID, -- asked: stands in the link of the last
    code_hash       BYTEA, -- asked: of the last
    wrong           INTEGER NOT NULL DEFAULT 0, -- asked: wrong answers to the last
    proved_at       TIMESTAMPTZ, -- asked: when it was proved before
    why             TEXT, -- dead: opted_out, no_such_address, failed_on_three_days
    failed_days     INTEGER NOT NULL DEFAULT 0, -- messages failed on so many days since one last arrived
    failed_on       TEXT, -- the last of them, as YYYY-MM-DD
    due_at          TIMESTAMPTZ, -- when they are asked next; NULL: not
    PRIMARY KEY (person_id, channel)
);
CREATE INDEX proof_due ON proof (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX proof_address ON proof (address);
CREATE INDEX proof_organisation ON proof (organisation_id) WHERE state <> 'unasked';
CREATE UNIQUE INDEX proof_ask ON proof (ask_id) WHERE ask_id IS NOT NULL;

-- Due since for ever: asked on the next morning.
INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT id, 'sms', organisation_id, phone, 'epoch' FROM person WHERE phone IS NOT NULL;
INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT id, 'email', organisation_id, email, 'epoch' FROM person WHERE email IS NOT NULL;

CREATE FUNCTION addresses_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.phone IS DISTINCT FROM OLD.phone THEN
        DELETE FROM proof WHERE person_id = NEW.id AND channel = 'sms';
        INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
        SELECT NEW.id, 'sms', NEW.organisation_id, NEW.phone, 'epoch' WHERE NEW.phone IS NOT NULL;
    END IF;
    IF TG_OP = 'INSERT' OR NEW.email IS DISTINCT FROM OLD.email THEN
        DELETE FROM proof WHERE person_id = NEW.id AND channel = 'email';
        INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
        SELECT NEW.id, 'email', NEW.organisation_id, NEW.email, 'epoch' WHERE NEW.email IS NOT NULL;
    END IF;
    -- Whoever comes back is asked again.
    IF TG_OP = 'UPDATE' AND OLD.has_left AND NOT NEW.has_left THEN
        UPDATE proof SET due_at = 'epoch' WHERE person_id = NEW.id AND state IN ('unasked', 'asked', 'proved');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER addresses_changed AFTER INSERT OR UPDATE OF phone, email, has_left ON person
FOR EACH ROW EXECUTE FUNCTION addresses_changed();

-- Who can be counted on stands in the directory.
CREATE FUNCTION proof_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stamp_directory(NEW.organisation_id);
    RETURN NULL;
END $$;
CREATE TRIGGER proof_changed AFTER UPDATE ON proof FOR EACH ROW
WHEN ((NEW.state, NEW.since, NEW.times, NEW.why) IS DISTINCT FROM (OLD.state, OLD.since, OLD.times, OLD.why))
EXECUTE FUNCTION proof_changed();

-- A message by which whoever runs the service tries a provider, and the code that comes back from that number.
CREATE TABLE provider_test (
    message_id  UUID PRIMARY KEY REFERENCES message (id),
    phone       TEXT NOT NULL,
    code        TEXT NOT NULL,
    answered_at TIMESTAMPTZ
);
CREATE INDEX provider_test_open ON provider_test (phone) WHERE answered_at IS NULL;
