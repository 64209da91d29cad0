-- What else a worker is awaited to do: to begin what was planned, to say during a visit that all is well, to be home. Several
-- on one visit. Who confirms at the end of the day that everybody is out.

ALTER TABLE visit ADD COLUMN check_every_seconds BIGINT;
ALTER TABLE visit ADD COLUMN home_within_seconds BIGINT;
ALTER TABLE visit ADD COLUMN check_due_at TIMESTAMPTZ;
ALTER TABLE visit ADD COLUMN check_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN check_reminders_done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN left_at TIMESTAMPTZ;
ALTER TABLE visit ADD COLUMN home_by TIMESTAMPTZ;
ALTER TABLE visit ADD COLUMN party_id UUID; -- the visit of whoever started it, which is in it too
CREATE INDEX visit_party ON visit (party_id) WHERE party_id IS NOT NULL;
DROP INDEX visit_running;
CREATE INDEX visit_running ON visit (organisation_id, worker_id, id) WHERE state IN ('planned', 'begun', 'going_home');

ALTER TABLE incident ADD COLUMN awaited TEXT NOT NULL DEFAULT 'departure'; -- of what was missed

-- One row for each team that has a closing time. Asked: somebody has to say that everybody is out.
CREATE TABLE end_of_day (
    team_id         UUID PRIMARY KEY REFERENCES team (id),
    organisation_id UUID NOT NULL REFERENCES organisation (id),
    due_at          TIMESTAMPTZ NOT NULL, -- the next closing time; while somebody is asked: when the next is
    day             TEXT, -- while somebody is asked: of which day, as YYYY-MM-DD
    asked           INTEGER NOT NULL, -- so many times
    asked_id        UUID REFERENCES person (id), -- whom last
    code            TEXT -- by which they confirm it
);
CREATE INDEX end_of_day_due ON end_of_day (due_at);
