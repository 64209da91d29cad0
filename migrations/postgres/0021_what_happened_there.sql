-- Each visit is weighed by what happened lately at the same person or place: those few incidents among all.
CREATE INDEX incident_grave ON incident (organisation_id, opened_at)
    WHERE kind = 'sos' OR outcome IN ('threatened', 'assaulted', 'injured');
