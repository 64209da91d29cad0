-- What is asked for after a visit: answers to checklists (row A9), reviews of what was out of the ordinary (rows A5, A7). And things
-- that are in use no more (row P3).

-- Of several things that may be missing of one visit each has its own chase; this says which visit.
ALTER TABLE chase ADD COLUMN visit_id BLOB REFERENCES visit (id);

CREATE TABLE visit_exception (
    visit_id        BLOB PRIMARY KEY REFERENCES visit (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    kind            TEXT NOT NULL, -- emergency, one_off; what was said of it before stands in agreement_private
    reviewed_at     TEXT,
    reviewed_by     BLOB REFERENCES person (id),
    words           TEXT           -- of whoever reviewed it
) STRICT;
CREATE INDEX visit_exception_listed ON visit_exception (organisation_id, visit_id);

ALTER TABLE equipment ADD COLUMN retired_at TEXT; -- NULL: it is in use
ALTER TABLE equipment ADD COLUMN retired_by BLOB REFERENCES person (id);
ALTER TABLE equipment ADD COLUMN retired_because TEXT; -- lost, broken, sold, other
ALTER TABLE equipment ADD COLUMN retired_words TEXT;
-- The number of a phone that was lost goes into the next one.
DROP INDEX equipment_phone;
CREATE UNIQUE INDEX equipment_phone ON equipment (phone, organisation_id) WHERE phone IS NOT NULL AND retired_at IS NULL;
