-- Concerns (row A10): raised, discussed with a manager, acted on, closed by a person. Checklists (row A9) and what was said of the
-- agreed measures (row A3), each answer with the words that were asked.

CREATE TABLE concern (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    worker_id       UUID NOT NULL REFERENCES person (id), -- of the visit; else whoever raised it
    raised_by       UUID NOT NULL REFERENCES person (id),
    raised_at       TIMESTAMPTZ NOT NULL,
    visit_id        UUID REFERENCES visit (id),
    case_reference  TEXT, -- in capital letters
    kind            TEXT NOT NULL, -- behaviour, safeguarding, risk, property, other
    words           TEXT NOT NULL,
    told            JSONB NOT NULL, -- JSON: who was told of it at once
    state           TEXT NOT NULL, -- raised, discussed, closed
    closed_at       TIMESTAMPTZ,
    closed_by       UUID REFERENCES person (id),
    outcome         TEXT
);
CREATE INDEX concern_listed ON concern (organisation_id, id);
CREATE INDEX concern_open_about_case ON concern (organisation_id, case_reference, id) WHERE state <> 'closed';
CREATE INDEX concern_of_visit ON concern (visit_id) WHERE visit_id IS NOT NULL;

CREATE TABLE concern_discussion (
    concern_id      UUID NOT NULL REFERENCES concern (id),
    number          INTEGER NOT NULL, -- 1, 2, 3 …
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    held_at         TIMESTAMPTZ NOT NULL,
    held_by         UUID NOT NULL REFERENCES person (id), -- the manager
    with_id         UUID NOT NULL REFERENCES person (id),
    words           TEXT NOT NULL,
    recorded_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (concern_id, number)
);

CREATE TABLE concern_action (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    concern_id      UUID NOT NULL REFERENCES concern (id),
    what            TEXT NOT NULL,
    owner_id        UUID NOT NULL REFERENCES person (id),
    due_on          TEXT NOT NULL, -- a day, as YYYY-MM-DD
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      UUID NOT NULL REFERENCES person (id),
    done_at         TIMESTAMPTZ,
    done_by         UUID REFERENCES person (id),
    done_note       TEXT
);
CREATE INDEX concern_action_of ON concern_action (concern_id);

CREATE TABLE checklist (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID REFERENCES team (id), -- NULL: for every team without its own
    whose           TEXT NOT NULL, -- worker, manager
    moment          TEXT NOT NULL, -- before, during, after
    version         INTEGER NOT NULL,
    items           JSONB NOT NULL, -- JSON
    set_by          UUID NOT NULL REFERENCES person (id),
    set_at          TIMESTAMPTZ NOT NULL,
    UNIQUE (organisation_id, team_id, whose, moment, version)
);
CREATE UNIQUE INDEX checklist_of_every_team ON checklist (organisation_id, whose, moment, version) WHERE team_id IS NULL;

-- Each time that one was answered.
CREATE TABLE checklist_answer (
    visit_id        UUID NOT NULL REFERENCES visit (id),
    number          INTEGER NOT NULL, -- of this visit: 1, 2, 3 …
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    whose           TEXT NOT NULL,
    moment          TEXT NOT NULL,
    checklist_id    UUID REFERENCES checklist (id), -- NULL: the one that Homeward comes with
    version         INTEGER NOT NULL, -- 0: the same
    items           JSONB NOT NULL, -- JSON: what was asked
    answers         JSONB NOT NULL, -- JSON
    answered_by     UUID NOT NULL REFERENCES person (id),
    answered_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (visit_id, number)
);

-- Each time that somebody said whether the agreed measures are in place, or were followed.
CREATE TABLE measures_said (
    visit_id        UUID NOT NULL REFERENCES visit (id),
    number          INTEGER NOT NULL, -- of this visit: 1, 2, 3 …
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    moment          TEXT NOT NULL, -- door, after
    kept            TEXT NOT NULL, -- yes, no
    words           TEXT,
    said_by         UUID NOT NULL REFERENCES person (id),
    said_at         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (visit_id, number)
);
