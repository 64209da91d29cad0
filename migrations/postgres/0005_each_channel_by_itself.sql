-- Each channel is claimed by itself: its messages stand together, the most urgent first.

DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (channel, rank, due_at);

-- Whether its providers have asked to be left alone: whole (no), asked (they have, and that is logged), over (for so long that
-- the next channel has started).
ALTER TABLE outbox ADD COLUMN patience TEXT NOT NULL DEFAULT 'whole';
