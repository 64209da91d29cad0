-- By which channel it goes: what is less urgent lets what is more urgent go first, on the same channel.

ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT 'sms';
UPDATE outbox SET channel = (SELECT channel FROM message WHERE id = message_id);
