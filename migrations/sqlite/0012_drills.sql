-- Drills (row E9): a real ladder about somebody whom nothing has happened to. No incident, so nothing that looks at alarms sees one.

CREATE TABLE drill_schedule (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    version         INTEGER NOT NULL, -- of this team's schedule: 1, 2, 3 …
    cron            TEXT NOT NULL,    -- in the organisation's zone
    set_by          BLOB NOT NULL REFERENCES person (id),
    set_at          TEXT NOT NULL,
    removed_by      BLOB REFERENCES person (id),
    removed_at      TEXT, -- removed, or another version took its place
    due_at          TEXT  -- the next moment; NULL: removed
) STRICT;
CREATE UNIQUE INDEX drill_schedule_version ON drill_schedule (team_id, version);
CREATE UNIQUE INDEX drill_schedule_in_force ON drill_schedule (team_id) WHERE removed_at IS NULL;
CREATE INDEX drill_schedule_due ON drill_schedule (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE drill (
    id              BLOB PRIMARY KEY,
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    team_id         BLOB NOT NULL REFERENCES team (id),
    subject_id      BLOB NOT NULL REFERENCES person (id),
    ladder_id       BLOB NOT NULL REFERENCES ladder (id),
    started_by      BLOB NOT NULL REFERENCES person (id), -- or who set the schedule
    schedule_id     BLOB REFERENCES drill_schedule (id),
    moment          TEXT, -- of the schedule
    starts_at       TEXT NOT NULL,
    step            INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    state           TEXT NOT NULL, -- running, all_answered, ladder_done, ended_by_hand, stepped_aside
    finished_at     TEXT,
    finished_by     BLOB REFERENCES person (id),
    due_at          TEXT -- the next round
) STRICT;
CREATE INDEX drill_due ON drill (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX drill_listed ON drill (organisation_id, id);
CREATE UNIQUE INDEX drill_running ON drill (team_id) WHERE state = 'running';
-- Two replicas begin a moment's drill once.
CREATE UNIQUE INDEX drill_moment ON drill (schedule_id, moment);

-- Whom it called, each with a code of their own, and what they answered.
CREATE TABLE drill_call (
    drill_id    BLOB NOT NULL REFERENCES drill (id),
    person_id   BLOB NOT NULL REFERENCES person (id),
    code        TEXT NOT NULL,
    called_at   TEXT NOT NULL,
    answer      TEXT, -- taken, cannot
    answered_at TEXT,
    PRIMARY KEY (drill_id, person_id)
) STRICT;
CREATE UNIQUE INDEX drill_call_code ON drill_call (person_id, code);

-- Under which occasions its messages went.
CREATE TABLE drill_said (
    drill_id  BLOB NOT NULL REFERENCES drill (id),
    person_id BLOB NOT NULL REFERENCES person (id),
    occasion  BLOB NOT NULL,
    PRIMARY KEY (drill_id, person_id, occasion)
) STRICT;

-- As what it opened; NULL: before this column. What it became since may be nobody's to know.
ALTER TABLE incident ADD COLUMN opened_as TEXT;

-- A worker's rehearsal by text: which steps, and when the last whole one was.
CREATE TABLE rehearsal (
    person_id       BLOB PRIMARY KEY REFERENCES person (id),
    organisation_id BLOB NOT NULL REFERENCES organisation (id),
    begun_at        TEXT NOT NULL,
    in_at           TEXT,
    out_at          TEXT,
    sos_at          TEXT,
    duress_at       TEXT,
    whole_at        TEXT,
    over_at         TEXT -- told then that it is over; NULL: told
) STRICT;
CREATE INDEX rehearsal_over ON rehearsal (over_at) WHERE over_at IS NOT NULL;
CREATE INDEX rehearsal_listed ON rehearsal (organisation_id);
