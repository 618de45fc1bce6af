-- The journal tells a commit in one row, and a new run's columns that are at their default are
-- neither written nor told.

-- Each block's hash is over the hash before and all of its columns, so that none can be changed,
-- moved or removed unseen. Events of earlier versions are blocks of one each, in the very text that
-- their hashes are over.
CREATE TABLE journal (
  seq  INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  told TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;

INSERT INTO journal
SELECT seq, at,
  length(actor) || ' ' || length(kind) || ' ' || ifnull(length(job), -1) || ' '
  || ifnull(length(run), -1) || ' ' || actor || kind || ifnull(job, '') || ifnull(run, '') || data,
  hash
FROM events ORDER BY seq;

-- Where the journal begins: the last of these says it.
CREATE INDEX journal_cut ON journal (seq)
  WHERE substr(told, 1, 25) = '[[["taskd","journal.cut",'
     OR substr(told, 1, 28) = '5 11 -1 -1 taskdjournal.cut{';

-- Where the journal tells the latest of each run: at this sequence or soon after it. What a cut told
-- anew is told there and later, not before.
CREATE TEMP TABLE told_anew (run TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
INSERT OR REPLACE INTO told_anew
SELECT json_extract(row.value, '$.id'), events.seq
FROM events, json_each(events.data, '$.rows.runs') AS row
WHERE events.kind = 'journal.cut' ORDER BY events.seq;

CREATE TABLE new_runs (
  id           TEXT PRIMARY KEY,
  job          TEXT,
  origin       TEXT NOT NULL,
  state        TEXT NOT NULL,
  scheduled_at INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,
  rank         INTEGER NOT NULL,
  priority     INTEGER NOT NULL DEFAULT 0,
  call         TEXT,
  failure      TEXT,
  queued_at    INTEGER,
  first_started_at INTEGER,
  started_at   INTEGER,
  finished_at  INTEGER,
  attempt      INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 1,
  failures     INTEGER NOT NULL DEFAULT 0,
  crashes      INTEGER NOT NULL DEFAULT 0,
  fence        INTEGER NOT NULL DEFAULT 0,
  stopping     INTEGER NOT NULL DEFAULT 0,
  timed_out    INTEGER NOT NULL DEFAULT 0,
  abandoned    INTEGER NOT NULL DEFAULT 0,
  reason       TEXT NOT NULL DEFAULT '',
  result       TEXT,
  result_repr  INTEGER NOT NULL DEFAULT 0,
  error        TEXT,
  node         TEXT NOT NULL DEFAULT '',
  pid          INTEGER NOT NULL DEFAULT 0,
  checkpoint   TEXT,
  unique_key   TEXT,
  retry_of     TEXT,
  dismissed_at INTEGER,
  event        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

INSERT INTO new_runs
SELECT runs.*, ifnull((
  SELECT max(seq) FROM events
  WHERE events.run = runs.id
    AND seq > ifnull((SELECT seq FROM told_anew WHERE told_anew.run = runs.id), 0)
), 0)
FROM runs ORDER BY id;

DROP TABLE temp.told_anew;
DROP TABLE events;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;

-- For the loop: the two ordered sets of tasks that wait, the runs that execute, and the few others
-- that are in memory: the live ones of jobs, and those that lost an attempt.
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
