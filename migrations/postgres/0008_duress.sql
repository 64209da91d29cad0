-- Duress (row V8): a second PIN and a word of the worker's own. Both PINs write the same columns of the same row; the timer finds
-- what the one says and the other does not.

ALTER TABLE pin ADD COLUMN duress_hash BYTEA;
ALTER TABLE pin ADD COLUMN word_hash BYTEA;
ALTER TABLE pin ADD COLUMN given_at TIMESTAMPTZ; -- when a PIN was last given
ALTER TABLE pin ADD COLUMN silent BOOLEAN NOT NULL DEFAULT false; -- a silent alarm is still to be raised, since given_at
CREATE INDEX pin_silent ON pin (given_at) WHERE silent;

-- Until a person releases it, which they can once it is closed, the subject of a duress alarm may not know that there was one.
ALTER TABLE incident ADD COLUMN released_at TIMESTAMPTZ;
ALTER TABLE incident ADD COLUMN released_by UUID REFERENCES person (id);
