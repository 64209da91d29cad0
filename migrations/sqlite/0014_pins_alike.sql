-- A PIN and a duress PIN cost the database the same: each changes this index.
DROP INDEX pin_silent;
CREATE INDEX pin_silent ON pin (silent, given_at);
