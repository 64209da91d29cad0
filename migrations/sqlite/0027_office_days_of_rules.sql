-- Working days are counted by the days on which the office works: each version of the rules keeps those of its time, for figures.
ALTER TABLE due_rules ADD COLUMN office_days TEXT NOT NULL DEFAULT '["Mon","Tue","Wed","Thu","Fri"]'; -- JSON
UPDATE due_rules SET office_days =
    coalesce((SELECT json_extract(r.body, '$.office_days') FROM agreement_rules r WHERE r.organisation_id = due_rules.organisation_id),
             office_days);
