-- Drills (row E9): a real ladder about somebody whom nothing has happened to. No incident, so nothing that looks at alarms sees one.

CREATE TABLE drill_schedule (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    version         INTEGER NOT NULL, -- of this team's schedule: 1, 2, 3 …
    cron            TEXT NOT NULL,    -- in the organisation's zone
    set_by          UUID NOT NULL REFERENCES person (id),
    set_at          TIMESTAMPTZ NOT NULL,
    removed_by      UUID REFERENCES person (id),
    removed_at      TIMESTAMPTZ, -- removed, or another version took its place
    due_at          TIMESTAMPTZ  -- the next moment; NULL: removed
);
CREATE UNIQUE INDEX drill_schedule_version ON drill_schedule (team_id, version);
CREATE UNIQUE INDEX drill_schedule_in_force ON drill_schedule (team_id) WHERE removed_at IS NULL;
CREATE INDEX drill_schedule_due ON drill_schedule (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE drill (
    id              UUID PRIMARY KEY,
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    team_id         UUID NOT NULL REFERENCES team (id),
    subject_id      UUID NOT NULL REFERENCES person (id),
    ladder_id       UUID NOT NULL REFERENCES ladder (id),
    started_by      UUID NOT NULL REFERENCES person (id), -- or who set the schedule
    schedule_id     UUID REFERENCES drill_schedule (id),
    moment          TIMESTAMPTZ, -- of the schedule
    starts_at       TIMESTAMPTZ NOT NULL,
    step            INTEGER NOT NULL,
    round           INTEGER NOT NULL,
    state           TEXT NOT NULL, -- running, all_answered, ladder_done, ended_by_hand, stepped_aside
    finished_at     TIMESTAMPTZ,
    finished_by     UUID REFERENCES person (id),
    due_at          TIMESTAMPTZ -- the next round
);
CREATE INDEX drill_due ON drill (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX drill_listed ON drill (organisation_id, id);
CREATE UNIQUE INDEX drill_running ON drill (team_id) WHERE state = 'running';
-- Two replicas begin a moment's drill once.
CREATE UNIQUE INDEX drill_moment ON drill (schedule_id, moment);

-- Whom it called, each with a code of their own, and what they answered.
CREATE TABLE drill_call (
    drill_id    UUID NOT NULL REFERENCES drill (id),
    person_id   UUID NOT NULL REFERENCES person (id),
    code        TEXT NOT NULL,
    called_at   TIMESTAMPTZ NOT NULL,
    answer      TEXT, -- taken, cannot
    answered_at TIMESTAMPTZ,
    PRIMARY KEY (drill_id, person_id)
);
CREATE UNIQUE INDEX drill_call_code ON drill_call (person_id, code);

-- Under which occasions its messages went.
CREATE TABLE drill_said (
    drill_id  UUID NOT NULL REFERENCES drill (id),
    person_id UUID NOT NULL REFERENCES person (id),
    occasion  UUID NOT NULL,
    PRIMARY KEY (drill_id, person_id, occasion)
);

-- As what it opened; NULL: before this column. What it became since may be nobody's to know.
ALTER TABLE incident ADD COLUMN opened_as TEXT;

-- A worker's rehearsal by text: which steps, and when the last whole one was.
CREATE TABLE rehearsal (
    person_id       UUID PRIMARY KEY REFERENCES person (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    begun_at        TIMESTAMPTZ NOT NULL,
    in_at           TIMESTAMPTZ,
    out_at          TIMESTAMPTZ,
    sos_at          TIMESTAMPTZ,
    duress_at       TIMESTAMPTZ,
    whole_at        TIMESTAMPTZ,
    over_at         TIMESTAMPTZ -- told then that it is over; NULL: told
);
CREATE INDEX rehearsal_over ON rehearsal (over_at) WHERE over_at IS NOT NULL;
CREATE INDEX rehearsal_listed ON rehearsal (organisation_id);
