-- The part of its jitter that a job's next occurrence drew, what must not be decided again if the
-- clock is set back, and how many runs its schedule made.

ALTER TABLE jobs ADD COLUMN delay INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN decided_until INTEGER;
ALTER TABLE jobs ADD COLUMN scheduled_runs INTEGER NOT NULL DEFAULT 0;
