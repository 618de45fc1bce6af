-- Instants are whole microseconds since the Unix epoch; states are the words of the specification.

CREATE TABLE jobs (
  name         TEXT PRIMARY KEY,
  version      INTEGER NOT NULL,
  definition   TEXT NOT NULL,
  source       TEXT NOT NULL,
  state        TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  anchor_at    INTEGER NOT NULL,
  next_due_at  INTEGER,
  pause_reason TEXT NOT NULL,
  paused_until INTEGER,
  counts       TEXT NOT NULL,
  last_run     TEXT,
  failures_in_row INTEGER NOT NULL,
  carried      TEXT
) STRICT, WITHOUT ROWID;

-- A run without a job is a task of the library and brings its own call and failure policy.
CREATE TABLE runs (
  id           TEXT PRIMARY KEY,
  job          TEXT,
  origin       TEXT NOT NULL,
  state        TEXT NOT NULL,
  scheduled_at INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,
  rank         INTEGER NOT NULL,
  priority     INTEGER NOT NULL,
  call         TEXT,
  failure      TEXT,
  queued_at    INTEGER,
  first_started_at INTEGER,
  started_at   INTEGER,
  finished_at  INTEGER,
  attempt      INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  failures     INTEGER NOT NULL,
  crashes      INTEGER NOT NULL,
  fence        INTEGER NOT NULL,
  stopping     INTEGER NOT NULL,
  timed_out    INTEGER NOT NULL,
  abandoned    INTEGER NOT NULL,
  reason       TEXT NOT NULL,
  result       TEXT,
  result_repr  INTEGER NOT NULL,
  error        TEXT,
  node         TEXT NOT NULL,
  pid          INTEGER NOT NULL,
  checkpoint   TEXT,
  unique_key   TEXT,
  retry_of     TEXT,
  dismissed_at INTEGER
) STRICT, WITHOUT ROWID;

-- For the loop: the two ordered sets of tasks that wait, and the few runs that are in memory:
-- the live ones of jobs, and those that lost an attempt.
CREATE INDEX runs_pending ON runs (due_at, id)
  WHERE job IS NULL AND state IN ('PENDING', 'RETRYING');
CREATE INDEX runs_queued ON runs (rank, id)
  WHERE job IS NULL AND crashes = 0 AND state = 'QUEUED';
CREATE INDEX runs_live ON runs (job)
  WHERE (job IS NOT NULL OR crashes > 0)
    AND state IN ('PENDING', 'QUEUED', 'RUNNING', 'RETRYING');
CREATE INDEX runs_unique ON runs (unique_key, id) WHERE unique_key IS NOT NULL;
CREATE INDEX runs_dead ON runs (id) WHERE state = 'DEAD' AND dismissed_at IS NULL;

-- For readers: newest first of a state or a job, and whatever was due since an instant.
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_job ON runs (job, id) WHERE job IS NOT NULL;
CREATE INDEX runs_by_time ON runs (scheduled_at, id);

-- One decision for every due instant, whoever makes it.
CREATE UNIQUE INDEX runs_occurrence ON runs (job, scheduled_at)
  WHERE job IS NOT NULL AND origin = 'schedule';

CREATE TABLE attempts (
  run         TEXT NOT NULL,
  number      INTEGER NOT NULL,
  outcome     TEXT NOT NULL,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  node        TEXT NOT NULL,
  pid         INTEGER NOT NULL,
  fence       INTEGER NOT NULL,
  error       TEXT,
  peak_memory INTEGER,
  cpu_time    INTEGER,
  exit_status INTEGER,
  signal      TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- Keys that callables named first, by job or callable.
CREATE TABLE marks (
  scope TEXT NOT NULL,
  key   TEXT NOT NULL,
  run   TEXT NOT NULL,
  at    INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

-- What requests with an Idempotency-Key have done.
CREATE TABLE receipts (
  key         TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  at          INTEGER NOT NULL,
  jobs        TEXT NOT NULL,
  runs        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Occurrences that never became runs.
CREATE TABLE skips (
  job        TEXT NOT NULL,
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  count      INTEGER NOT NULL,
  reason     TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (job, first_at)
) STRICT, WITHOUT ROWID;

-- The journal: what changed, in the order of the commits; never updated. Each event's hash is over
-- the hash before and all of its columns, so that none can be changed, moved or removed unseen.
CREATE TABLE events (
  seq   INTEGER PRIMARY KEY,
  at    INTEGER NOT NULL,
  actor TEXT NOT NULL,
  kind  TEXT NOT NULL,
  job   TEXT,
  run   TEXT,
  data  TEXT NOT NULL,
  hash  BLOB NOT NULL
) STRICT;

-- For readers: what happened to a run.
CREATE INDEX events_by_run ON events (run) WHERE run IS NOT NULL;

-- Where the journal begins: the last of these says it.
CREATE INDEX events_cut ON events (seq) WHERE kind = 'journal.cut';
