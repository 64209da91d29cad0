-- Of which cases what is due has to be computed anew is asked each minute: without reading what is kept of them.
CREATE INDEX supervision_computed ON supervision (case_id, rules_version);

-- References are compared without blanks, as those of cases.
UPDATE concern SET case_reference = replace(case_reference, ' ', '') WHERE case_reference LIKE '% %';

-- Figures ask about those that are closed too.
DROP INDEX concern_open_about_case;
CREATE INDEX concern_about_case ON concern (organisation_id, case_reference, id) WHERE case_reference IS NOT NULL;
