-- Whether people can be reached where they are said to be, and agree to it (row D6): one row for each address of a person.
-- Triggers keep it in step with the person: whoever writes one, an old binary too, cannot leave a new number with the proof of
-- the old one.

CREATE TABLE proof (
    person_id       BLOB NOT NULL REFERENCES person (id),
    channel         TEXT NOT NULL,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    address         TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'unasked', -- unasked, asked, proved, declined, dead
    since           TEXT, -- in that state
    asked_at        TEXT, -- asked: the last time
    times           INTEGER NOT NULL DEFAULT 0, -- asked: how often
    ask_id          BLOB, -- asked: stands in the link of the last
    code_hash       BLOB, -- asked: of the last
    wrong           INTEGER NOT NULL DEFAULT 0, -- asked: wrong answers to the last
    proved_at       TEXT, -- asked: when it was proved before
    why             TEXT, -- dead: opted_out, no_such_address, failed_on_three_days
    failed_days     INTEGER NOT NULL DEFAULT 0, -- messages failed on so many days since one last arrived
    failed_on       TEXT, -- the last of them, as YYYY-MM-DD
    due_at          TEXT, -- when they are asked next; NULL: not
    PRIMARY KEY (person_id, channel)
) STRICT, WITHOUT ROWID;
CREATE INDEX proof_due ON proof (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX proof_address ON proof (address);
CREATE INDEX proof_organisation ON proof (organisation_id) WHERE state <> 'unasked';
CREATE UNIQUE INDEX proof_ask ON proof (ask_id) WHERE ask_id IS NOT NULL;

-- Due since for ever: asked on the next morning.
INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT id, 'sms', organisation_id, phone, '1970-01-01T00:00:00+00:00' FROM person WHERE phone IS NOT NULL;
INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT id, 'email', organisation_id, email, '1970-01-01T00:00:00+00:00' FROM person WHERE email IS NOT NULL;

CREATE TRIGGER phone_added AFTER INSERT ON person WHEN NEW.phone IS NOT NULL BEGIN
    INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    VALUES (NEW.id, 'sms', NEW.organisation_id, NEW.phone, '1970-01-01T00:00:00+00:00');
END;
CREATE TRIGGER email_added AFTER INSERT ON person WHEN NEW.email IS NOT NULL BEGIN
    INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    VALUES (NEW.id, 'email', NEW.organisation_id, NEW.email, '1970-01-01T00:00:00+00:00');
END;
CREATE TRIGGER phone_changed AFTER UPDATE OF phone ON person WHEN NEW.phone IS NOT OLD.phone BEGIN
    DELETE FROM proof WHERE person_id = NEW.id AND channel = 'sms';
    INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT NEW.id, 'sms', NEW.organisation_id, NEW.phone, '1970-01-01T00:00:00+00:00' WHERE NEW.phone IS NOT NULL;
END;
CREATE TRIGGER email_changed AFTER UPDATE OF email ON person WHEN NEW.email IS NOT OLD.email BEGIN
    DELETE FROM proof WHERE person_id = NEW.id AND channel = 'email';
    INSERT INTO proof (person_id, channel, organisation_id, address, due_at)
    SELECT NEW.id, 'email', NEW.organisation_id, NEW.email, '1970-01-01T00:00:00+00:00' WHERE NEW.email IS NOT NULL;
END;
-- Whoever comes back is asked again.
CREATE TRIGGER person_back AFTER UPDATE OF has_left ON person WHEN OLD.has_left AND NOT NEW.has_left BEGIN
    UPDATE proof SET due_at = '1970-01-01T00:00:00+00:00'
    WHERE person_id = NEW.id AND state IN ('unasked', 'asked', 'proved');
END;

-- Who can be counted on stands in the directory.
CREATE TRIGGER proof_changed AFTER UPDATE OF state, since, times, why ON proof
WHEN (NEW.state, NEW.since, NEW.times, NEW.why) IS NOT (OLD.state, OLD.since, OLD.times, OLD.why) BEGIN
    UPDATE directory_stamp SET stamp = hex(randomblob(16)) WHERE organisation_id = NEW.organisation_id;
END;

-- A message by which whoever runs the service tries a provider, and the code that comes back from that number.
CREATE TABLE provider_test (
    message_id  BLOB PRIMARY KEY REFERENCES message (id),
    phone       TEXT NOT NULL,
    code        TEXT NOT NULL,
    answered_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_test_open ON provider_test (phone) WHERE answered_at IS NULL;
