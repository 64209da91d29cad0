-- What managers said is filed elsewhere too, in the order in which they did (row T6).
CREATE INDEX oversight_recorded ON oversight (organisation_id, at, id);
