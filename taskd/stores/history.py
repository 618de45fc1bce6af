"""History: what readers ask of the store, on a read-only connection, in short queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from taskd.core.job import JobName, Source
from taskd.core.record import JobRecord, Skip
from taskd.core.run import Attempt, Run, RunId, RunState, microseconds
from taskd.errors import StoreUnavailable
from taskd.stores import rows
from taskd.stores.chain import read_head
from taskd.stores.events import Event
from taskd.stores.reading import Journal
from taskd.stores.run_rows import ATTEMPT_COLUMNS, attempt_from, run_from

IDS_IN_A_STATEMENT = 500  # of the 32,766 variables SQLite allows
INDEXED_STATES = "state <> 'PENDING' AND state <> 'QUEUED' AND state <> 'SUCCEEDED'"
"""The terms of the index of states, to the letter."""
LIVE_STATES = "(state = 'PENDING' OR state = 'QUEUED' OR state = 'RUNNING' OR state = 'RETRYING')"
"""A term of the index of live runs, to the letter."""
NEWEST = "WHERE true"
"""Walking back from the newest run, until there are enough."""
LIVE = f"INDEXED BY runs_live WHERE (job IS NOT NULL OR crashes > 0) AND {LIVE_STATES}"
WAITING_TASKS = {
    RunState.PENDING: (
        "INDEXED BY runs_pending WHERE job IS NULL AND state IN ('PENDING', 'RETRYING')"
    ),
    RunState.QUEUED: (
        "INDEXED BY runs_queued WHERE job IS NULL AND crashes = 0 AND state = 'QUEUED'"
    ),
}
ATTEMPTS = f"""
SELECT {", ".join(ATTEMPT_COLUMNS)} FROM attempts WHERE run = ?1
UNION ALL
SELECT id, attempt, state, started_at, finished_at, node, pid, fence, NULL, NULL, NULL, NULL, NULL
FROM runs WHERE id = ?1 AND state = 'SUCCEEDED'
  AND NOT EXISTS (SELECT 1 FROM attempts WHERE run = id AND number = attempt)
ORDER BY number
"""
"""Those that are kept, and the success that its run tells alone."""


class History:
    """Reads jobs, runs, attempts, skips and events as they were at the last commit."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._journal = Journal(db)

    def jobs(self) -> list[JobRecord]:
        """Return every job, by name."""
        return [
            rows.job_record(row) for row in self._db.execute("SELECT * FROM jobs ORDER BY name")
        ]

    def job(self, name: str) -> JobRecord | None:
        """Return one job, or None."""
        row = self._db.execute("SELECT * FROM jobs WHERE name = ?", (name,)).fetchone()
        return None if row is None else rows.job_record(row)

    def job_names(self) -> list[str]:
        """Return the names of all jobs."""
        return [row[0] for row in self._db.execute("SELECT name FROM jobs ORDER BY name")]

    def added_names(self) -> set[str]:
        """Return the names of the jobs that no file defines."""
        added = self._db.execute("SELECT name FROM jobs WHERE source != ?", (Source.FILE.value,))
        return {row[0] for row in added}

    def outlook(self) -> tuple[int, datetime | None]:
        """Return how many jobs there are, and when the first of them is due."""
        count, due = self._db.execute("SELECT count(*), min(next_due_at) FROM jobs").fetchone()
        return count, rows.maybe_instant(due)

    def has_runs_of(self, job: str) -> bool:
        """Return whether there is any run of a job, be it removed since."""
        row = self._db.execute("SELECT 1 FROM runs WHERE job = ? LIMIT 1", (job,)).fetchone()
        return row is not None

    def run(self, run: str) -> Run | None:
        """Return one run, or None."""
        row = self._db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone()
        return None if row is None else run_from(row)

    def runs_by_id(self, runs: Iterable[RunId]) -> dict[RunId, Run]:
        """Return those of the runs that exist, by id."""
        wanted, found = list(runs), {}
        for start in range(0, len(wanted), IDS_IN_A_STATEMENT):
            part = wanted[start : start + IDS_IN_A_STATEMENT]
            marks = ", ".join("?" * len(part))
            statement = f"SELECT * FROM runs WHERE id IN ({marks})"
            for row in self._db.execute(statement, part):
                run = run_from(row)
                found[run.id] = run
        return found

    def running(self) -> list[Run]:
        """Return the runs that execute now."""
        statement = f"SELECT * FROM runs WHERE state = 'RUNNING' AND {INDEXED_STATES} ORDER BY id"
        return [run_from(row) for row in self._db.execute(statement)]

    def depth(self, most: int) -> int:
        """Return how many runs wait for a slot, at most `most`."""
        statement = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'QUEUED' LIMIT ?)"
        return int(self._db.execute(statement, (most,)).fetchone()[0])

    def runs(
        self,
        *,
        job: str | None = None,
        states: Iterable[RunState] = (),
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Return runs, newest first: of one job, in some states, due since an instant."""
        found = {
            run.id: run
            for state in {*states} or (None,)
            for source in _sources(state, is_of_job=job is not None)
            for run in self._newest(source, job, state, since, limit)
        }
        return sorted(found.values(), key=lambda run: run.id, reverse=True)[:limit]

    def _newest(
        self,
        source: str,
        job: str | None,
        state: RunState | None,
        since: datetime | None,
        limit: int,
    ) -> Iterator[Run]:
        terms = {
            "job = ?": job,
            "state = ?": state and state.value,
            "scheduled_at >= ?": since and microseconds(since),
        }
        asked = {term: value for term, value in terms.items() if value is not None}
        if source == NEWEST and job is None and since is not None:
            # SQLite would rather read all runs backwards, for they are in the wanted order.
            source = f"INDEXED BY runs_by_time {source}"
        statement = f"SELECT * FROM runs {' AND '.join([source, *asked])} ORDER BY id DESC LIMIT ?"
        return map(run_from, self._db.execute(statement, (*asked.values(), limit)))

    def dead(
        self,
        *,
        job: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        oldest_first: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs of the dead-letter queue that ended from `since` until `until`.

        The newest come first, or the oldest.
        """
        terms = {
            "job = ?": job,
            "finished_at >= ?": since and microseconds(since),
            "finished_at < ?": until and microseconds(until),
        }
        asked = {term: value for term, value in terms.items() if value is not None}
        where = " AND ".join(["state = 'DEAD' AND dismissed_at IS NULL", *asked])
        order = "ASC" if oldest_first else "DESC"
        statement = f"SELECT * FROM runs INDEXED BY runs_dead WHERE {where} ORDER BY id {order}"
        return map(run_from, self._db.execute(statement, tuple(asked.values())))

    def has_receipt(self, key: str) -> bool:
        """Return whether a request with that Idempotency-Key was done."""
        row = self._db.execute("SELECT 1 FROM receipts WHERE key = ?", (key,)).fetchone()
        return row is not None

    def attempts(self, run: str) -> list[Attempt]:
        """Return the ended attempts of a run, in order."""
        return [attempt_from(row) for row in self._db.execute(ATTEMPTS, (run,))]

    def events(
        self, after: int, limit: int, *, job: str | None = None, run: str | None = None
    ) -> list[Event]:
        """Return at most `limit` events that follow the `after`-th: all, a job's, or a run's."""
        return self._journal.events(after, limit, job=job, run=run)

    def around(self, job: JobName, at: datetime, limit: int = 20) -> tuple[list[Run], list[Skip]]:
        """Return the scheduled runs of a job and the skips that began at or before `at`.

        They are the latest of them, at most `limit` of each.
        """
        place = (job, microseconds(at), limit)
        runs = self._db.execute(
            "SELECT * FROM runs INDEXED BY runs_occurrence WHERE job = ? AND scheduled_at <= ? "
            "AND job IS NOT NULL AND origin = 'schedule' ORDER BY scheduled_at DESC LIMIT ?",
            place,
        )
        skips = self._db.execute(
            "SELECT * FROM skips WHERE job = ? AND first_at <= ? ORDER BY first_at DESC LIMIT ?",
            place,
        )
        return [run_from(row) for row in runs], [rows.skip_from(row) for row in skips]

    def last_events(
        self, limit: int, *, job: str | None = None, run: str | None = None
    ) -> list[Event]:
        """Return the last `limit` events in their order: of all, of a job, or of a run."""
        return self._journal.last_events(limit, job=job, run=run)

    def head(self) -> int:
        """Return the sequence of the journal's last event, 0 where there is none."""
        return read_head(self._db).seq

    def events_about(self, job: str, after: int, limit: int) -> list[Event]:
        """Return at most `limit` events that follow: a job's, and those that concern every job."""
        return self._journal.events_about(job, after, limit)

    def skips(self, job: JobName) -> list[Skip]:
        """Return the decisions to skip occurrences of a job, in order."""
        statement = "SELECT * FROM skips WHERE job = ? ORDER BY first_at"
        return [rows.skip_from(row) for row in self._db.execute(statement, (job,))]


def _sources(state: RunState | None, *, is_of_job: bool) -> list[str]:
    """Return where the runs of a state are: an index of its own, and the terms that it holds.

    One state at a time, each in the order of its index: together they would be sorted whole.
    """
    match state:
        case None | RunState.SUCCEEDED:
            return [NEWEST]
        case RunState.PENDING | RunState.QUEUED:
            return [LIVE] if is_of_job else [LIVE, WAITING_TASKS[state]]
        case _:
            return [f"WHERE {INDEXED_STATES}"]


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """Open a short read-only view of the store at `path`, from any thread or process.

    Raises:
        StoreUnavailable: It cannot be read.
    """
    try:
        # Closed without a checkpoint: that is the writer's, as SQLite has it for mode=ro.
        address = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")  # all reads of one view see one commit
            yield History(db)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"cannot read {path}: {error}") from error
