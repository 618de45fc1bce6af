-- The index of states is for the few runs that are not on the common way, from waiting to success:
-- to keep that up to date for every move cost more than the moves themselves. Runs that wait have
-- indexes of their own, and those that succeeded are found by walking back.
DROP INDEX runs_by_state;
CREATE INDEX runs_by_state ON runs (state, id)
  WHERE state NOT IN ('PENDING', 'QUEUED', 'SUCCEEDED');
