-- Calls for help, the police, hand-over, follow-ups; visits put on record afterwards; who is asked for what is missing.
-- The same tables stand in ../sqlite.

ALTER TABLE incident
    ALTER COLUMN visit_id DROP NOT NULL, -- an SOS needs no visit
    ALTER COLUMN missed DROP NOT NULL,
    ADD COLUMN nearest_visit_id UUID REFERENCES visit (id), -- without a visit: the last or the next one, for its place
    ADD COLUMN sos_at           TIMESTAMPTZ,
    ADD COLUMN sos_by           UUID REFERENCES person (id),
    ADD COLUMN position         JSONB,
    ADD COLUMN pin_used_at      TIMESTAMPTZ,
    ADD COLUMN police           JSONB, -- log number, officer, when they were told
    ADD COLUMN with_police      BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN police_reminders INTEGER NOT NULL DEFAULT 0; -- since the owner last said something
-- At most one call for help without a visit for each worker.
CREATE UNIQUE INDEX incident_open_without_visit ON incident (subject_id) WHERE state = 'open' AND visit_id IS NULL;

ALTER TABLE visit
    ADD COLUMN extended_by_others_seconds BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN acted_by                   UUID REFERENCES person (id);
CREATE INDEX visit_ended ON visit (organisation_id, worker_id, id) WHERE state = 'ended';

-- What has to be done after an incident, by whom, by when; open until done.
CREATE TABLE follow_up (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    incident_id     UUID NOT NULL REFERENCES incident (id),
    kind            TEXT NOT NULL,
    what            TEXT NOT NULL,
    owner_id        UUID NOT NULL REFERENCES person (id),
    due_on          TEXT NOT NULL, -- a day, as YYYY-MM-DD
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      UUID NOT NULL REFERENCES person (id),
    done_at         TIMESTAMPTZ,
    done_by         UUID REFERENCES person (id),
    done_note       TEXT
);
CREATE INDEX follow_up_incident ON follow_up (incident_id);
CREATE INDEX follow_up_open ON follow_up (organisation_id, due_on) WHERE done_at IS NULL;

-- Who is asked for something that is missing, and when next. Gone once it is there.
CREATE TABLE chase (
    about           UUID PRIMARY KEY, -- the visit or the follow-up
    kind            TEXT NOT NULL,    -- record, follow_up
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    person_id       UUID NOT NULL REFERENCES person (id),
    due_at          TIMESTAMPTZ NOT NULL,
    asked           INTEGER NOT NULL
);
CREATE INDEX chase_due ON chase (due_at);
