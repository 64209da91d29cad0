-- Concerns (row A10): raised, discussed with a manager, acted on, closed by a person. Checklists (row A9) and what was said of the
-- agreed measures (row A3), each answer with the words that were asked.

CREATE TABLE concern (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    worker_id       BLOB NOT NULL REFERENCES person (id), -- of the visit; else whoever raised it
    raised_by       BLOB NOT NULL REFERENCES person (id),
    raised_at       TEXT NOT NULL,
    visit_id        BLOB REFERENCES visit (id),
    case_reference  TEXT, -- in capital letters
    kind            TEXT NOT NULL, -- behaviour, safeguarding, risk, property, other
    words           TEXT NOT NULL,
    told            TEXT NOT NULL, -- JSON: who was told of it at once
    state           TEXT NOT NULL, -- raised, discussed, closed
    closed_at       TEXT,
    closed_by       BLOB REFERENCES person (id),
    outcome         TEXT
) STRICT;
CREATE INDEX concern_listed ON concern (organisation_id, id);
CREATE INDEX concern_open_about_case ON concern (organisation_id, case_reference, id) WHERE state <> 'closed';
CREATE INDEX concern_of_visit ON concern (visit_id) WHERE visit_id IS NOT NULL;

CREATE TABLE concern_discussion (
    concern_id      BLOB NOT NULL REFERENCES concern (id),
    number          INTEGER NOT NULL, -- 1, 2, 3 …
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    held_at         TEXT NOT NULL,
    held_by         BLOB NOT NULL REFERENCES person (id), -- the manager
    with_id         BLOB NOT NULL REFERENCES person (id),
    words           TEXT NOT NULL,
    recorded_at     TEXT NOT NULL,
    PRIMARY KEY (concern_id, number)
) STRICT;

CREATE TABLE concern_action (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    concern_id      BLOB NOT NULL REFERENCES concern (id),
    what            TEXT NOT NULL,
    owner_id        BLOB NOT NULL REFERENCES person (id),
    due_on          TEXT NOT NULL, -- a day, as YYYY-MM-DD
    created_at      TEXT NOT NULL,
    created_by      BLOB NOT NULL REFERENCES person (id),
    done_at         TEXT,
    done_by         BLOB REFERENCES person (id),
    done_note       TEXT
) STRICT;
CREATE INDEX concern_action_of ON concern_action (concern_id);

CREATE TABLE checklist (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB REFERENCES team (id), -- NULL: for every team without its own
    whose           TEXT NOT NULL, -- worker, manager
    moment          TEXT NOT NULL, -- before, during, after
    version         INTEGER NOT NULL,
    items           TEXT NOT NULL, -- JSON
    set_by          BLOB NOT NULL REFERENCES person (id),
    set_at          TEXT NOT NULL,
    UNIQUE (organisation_id, team_id, whose, moment, version)
) STRICT;
CREATE UNIQUE INDEX checklist_of_every_team ON checklist (organisation_id, whose, moment, version) WHERE team_id IS NULL;

-- Each time that one was answered.
CREATE TABLE checklist_answer (
    visit_id        BLOB NOT NULL REFERENCES visit (id),
    number          INTEGER NOT NULL, -- of this visit: 1, 2, 3 …
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    whose           TEXT NOT NULL,
    moment          TEXT NOT NULL,
    checklist_id    BLOB REFERENCES checklist (id), -- NULL: the one that Homeward comes with
    version         INTEGER NOT NULL, -- 0: the same
    items           TEXT NOT NULL, -- JSON: what was asked
    answers         TEXT NOT NULL, -- JSON
    answered_by     BLOB NOT NULL REFERENCES person (id),
    answered_at     TEXT NOT NULL,
    PRIMARY KEY (visit_id, number)
) STRICT;

-- Each time that somebody said whether the agreed measures are in place, or were followed.
CREATE TABLE measures_said (
    visit_id        BLOB NOT NULL REFERENCES visit (id),
    number          INTEGER NOT NULL, -- of this visit: 1, 2, 3 …
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    moment          TEXT NOT NULL, -- door, after
    kept            TEXT NOT NULL, -- yes, no
    words           TEXT,
    said_by         BLOB NOT NULL REFERENCES person (id),
    said_at         TEXT NOT NULL,
    PRIMARY KEY (visit_id, number)
) STRICT;
