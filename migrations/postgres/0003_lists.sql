-- Which incidents a list of first calls after an outage names: it is taken back once none of them needs anybody.

CREATE TABLE listed_call (
    incident_id UUID NOT NULL REFERENCES incident (id),
    message_id  UUID NOT NULL REFERENCES message (id),
    PRIMARY KEY (incident_id, message_id)
);
CREATE INDEX listed_call_message ON listed_call (message_id);
