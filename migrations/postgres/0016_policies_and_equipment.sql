-- Policy documents and who has acknowledged which version of them (row P1).

CREATE TABLE policy_document (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    key             TEXT NOT NULL,
    title           TEXT NOT NULL,
    kind            TEXT NOT NULL, -- home_visits, lone_working, other
    roles           JSONB,         -- JSON array of roles; NULL: everybody with a role
    UNIQUE (organisation_id, key)
);

CREATE TABLE policy_version (
    document_id     UUID NOT NULL REFERENCES policy_document (id),
    number          INTEGER NOT NULL, -- of this document: 1, 2, 3 …; the highest is in force
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    link            TEXT NOT NULL,
    changed         TEXT,          -- what, in words; NULL: the first
    due_on          TEXT NOT NULL, -- the last day for it, as YYYY-MM-DD
    added_at        TIMESTAMPTZ NOT NULL,
    added_by        UUID NOT NULL REFERENCES person (id),
    PRIMARY KEY (document_id, number)
);

CREATE TABLE policy_acknowledgement (
    person_id       UUID NOT NULL REFERENCES person (id),
    document_id     UUID NOT NULL REFERENCES policy_document (id),
    number          INTEGER NOT NULL,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    at              TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (person_id, document_id, number)
);
CREATE INDEX policy_acknowledgement_document ON policy_acknowledgement (document_id, person_id);

-- What is out with whom (row P3).
CREATE TABLE equipment (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    key             TEXT NOT NULL,
    label           TEXT NOT NULL,
    kind            TEXT NOT NULL, -- lone_worker_device, phone, pool_car, hire_car, own_car, other
    registration    TEXT,          -- of a car
    phone           TEXT,          -- of a phone, or of a device that has one
    holder_id       UUID REFERENCES person (id), -- NULL: it is in
    lent_at         TIMESTAMPTZ,
    due_back_at     TIMESTAMPTZ,          -- NULL: until it is given back
    last_holder_id  UUID REFERENCES person (id), -- who had it before it came in
    tested_on       TEXT,          -- of a device: as YYYY-MM-DD
    test_result     TEXT,          -- works, faulty
    UNIQUE (organisation_id, key)
);
-- One number is one phone, and one phone has one holder.
CREATE UNIQUE INDEX equipment_phone ON equipment (phone, organisation_id) WHERE phone IS NOT NULL;
CREATE INDEX equipment_holder ON equipment (organisation_id, holder_id, key) WHERE holder_id IS NOT NULL;

-- By which secret a device speaks: of each only the hash. One that was replaced or revoked still calls for help.
CREATE TABLE device_url (
    hash            BYTEA PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    equipment_id    UUID NOT NULL REFERENCES equipment (id),
    issued_at       TIMESTAMPTZ NOT NULL,
    issued_by       UUID NOT NULL REFERENCES person (id),
    revoked_at      TIMESTAMPTZ
);
CREATE UNIQUE INDEX device_url_in_force ON device_url (equipment_id) WHERE revoked_at IS NULL;
