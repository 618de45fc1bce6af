-- The same indexes in other words. SQLite puts a list of IN into a table of its own, for each row
-- that is written, where the list has more than two: that made a run cost half as much again.
DROP INDEX runs_by_state;
CREATE INDEX runs_by_state ON runs (state, id)
  WHERE state <> 'PENDING' AND state <> 'QUEUED' AND state <> 'SUCCEEDED';
DROP INDEX runs_live;
CREATE INDEX runs_live ON runs (job)
  WHERE (job IS NOT NULL OR crashes > 0)
    AND (state = 'PENDING' OR state = 'QUEUED' OR state = 'RUNNING' OR state = 'RETRYING');
