"""SqliteStore: one file, one writer, one transaction a turn.

WAL mode; the writer alone checkpoints; readers open short read-only connections of their own (see
`history`). With ``durability = "full"`` a commit is on the disk when it returns; with ``"normal"``
(SQLite's synchronous=NORMAL) it survives a crash of the process and a power loss may take the last
commits, never the consistency.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from taskd.core.job import JobName
from taskd.core.messages import Changes, JobChange, Page, RunChange
from taskd.core.record import JobRecord
from taskd.core.run import Origin, Run, RunId, microseconds
from taskd.errors import StoreError, StoreRefused, StoreUnavailable, StoreUnusable
from taskd.stores import rows
from taskd.stores.history import History
from taskd.stores.lock import StoreLock
from taskd.stores.migrations import migrate

MEMORY = ":memory:"


def _insert(table: str, columns: Sequence[str], conflict: str = "") -> str:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}"


def _assign(columns: Iterable[str]) -> str:
    return ", ".join(f"{column} = ?" for column in columns)


LIVE = "('PENDING', 'QUEUED', 'RUNNING', 'RETRYING')"
LOAD_JOBS = "SELECT * FROM jobs ORDER BY name"
LOAD_RUNNING = "SELECT * FROM runs WHERE state = 'RUNNING' ORDER BY id"
LOAD_LIVE = f"SELECT * FROM runs WHERE job IS NOT NULL AND state IN {LIVE} AND state <> 'RUNNING'"
LOAD_PENDING = (
    "SELECT * FROM runs WHERE state IN ('PENDING', 'RETRYING') ORDER BY due_at, id LIMIT ?"
)
LOAD_QUEUED = "SELECT * FROM runs WHERE state = 'QUEUED' ORDER BY rank, id LIMIT ?"
FIND_RUN = "SELECT * FROM runs WHERE id = ?"
FIND_OCCURRENCE = "SELECT 1 FROM runs WHERE origin = 'schedule' AND job = ? AND scheduled_at = ?"

INSERT_RUN = _insert("runs", rows.RUN_COLUMNS)
UPDATE_RUN = (
    f"UPDATE runs SET {_assign(rows.RUN_COLUMNS[1:])} WHERE id = ? AND state = ? AND attempt = ?"
)
INSERT_JOB = _insert("jobs", rows.JOB_COLUMNS)
UPDATE_JOB = f"UPDATE jobs SET {_assign(rows.JOB_COLUMNS)} WHERE name = ? AND version = ?"
UPDATE_STANDING = f"UPDATE jobs SET {_assign(rows.STANDING_COLUMNS)} WHERE name = ? AND version = ?"
DELETE_JOB = "DELETE FROM jobs WHERE name = ? AND version = ?"
INSERT_ATTEMPT = _insert("attempts", rows.ATTEMPT_COLUMNS)
PUT_SKIP = _insert(
    "skips",
    rows.SKIP_COLUMNS,
    "ON CONFLICT (job, first_at) DO UPDATE SET last_at = excluded.last_at, count = excluded.count, "
    "reason = excluded.reason, decided_at = excluded.decided_at",
)
INSERT_EVENT = _insert("events", rows.EVENT_COLUMNS)


class SqliteStore:
    """The durable home of jobs and runs in the SQLite file `path`, or in memory.

    Opening takes the store's lock, makes or migrates the schema, and refuses what it cannot serve.
    One thread calls it; `history` may be called from any.

    Raises:
        StoreLocked: Another process has it.
        StoreUnusable: Not a database, newer than this version, not ours, or not writable.
    """

    def __init__(self, path: Path | None, *, full_durability: bool = True) -> None:
        self.path = path
        self._synchronous = "FULL" if full_durability else "NORMAL"
        self._lock = StoreLock(path) if path is not None else None
        try:
            self._db = self._connect()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    # -- reading ---------------------------------------------------------------------------------

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        """Return every job, and the RUNNING runs with all live ones of jobs."""
        with self._guard():
            jobs = tuple(rows.job_record(row) for row in self._db.execute(LOAD_JOBS))
            running = self._runs(LOAD_RUNNING)
            return jobs, running + self._runs(LOAD_LIVE)

    def pending(self, limit: int) -> Page:
        """Return the PENDING and RETRYING runs that are due soonest."""
        return self._page(LOAD_PENDING, limit)

    def queued(self, limit: int) -> Page:
        """Return the QUEUED runs of the lowest rank."""
        return self._page(LOAD_QUEUED, limit)

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        """Return those of the runs that exist."""
        with self._guard():
            return tuple(found for run in runs for found in self._runs(FIND_RUN, run))

    @contextmanager
    def history(self) -> Iterator[History]:
        """Open a short read-only view from any thread; a store in memory lends the writer's own."""
        if self.path is None:
            yield History(self._db)
            return
        try:
            db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read {self.path}: {error}") from error
        db.row_factory = sqlite3.Row
        try:
            yield History(db)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read {self.path}: {error}") from error
        finally:
            db.close()

    # -- writing ---------------------------------------------------------------------------------

    def commit(self, changes: Changes) -> None:
        """Write all of `changes`, with the journal of them, or nothing.

        Raises:
            StoreRefused: A row is not as `changes` believes; nothing was written.
            StoreUnavailable: It failed, or its outcome is unknown: the store was reopened, read it.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write(changes)
            self._db.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            self._roll_back()
            raise StoreRefused(str(error), self._decided(changes)) from error
        except StoreRefused:
            self._roll_back()
            raise
        # Text that UTF-8 cannot carry, a number of more than 64 bits: sqlite3 raises its own.
        except (ValueError, OverflowError) as error:
            self._roll_back()
            raise StoreRefused(f"cannot be kept in the store: {error}") from error
        except sqlite3.Error as error:
            self._reopen()
            raise StoreUnavailable(f"cannot write the store: {error}") from error

    def close(self) -> None:
        """Let go of the file and its lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    # -- inside ----------------------------------------------------------------------------------

    def _write(self, changes: Changes) -> None:
        self._write_jobs(changes.jobs.values())
        self._write_runs(changes.runs.values())
        self._db.executemany(INSERT_ATTEMPT, map(rows.attempt_row, changes.attempts))
        self._db.executemany(PUT_SKIP, map(rows.skip_row, changes.skips.values()))
        self._db.executemany(INSERT_EVENT, rows.event_rows(changes))

    def _write_jobs(self, changes: Iterable[JobChange]) -> None:
        added, defined, moved, removed = [], [], [], []
        for change in changes:
            before, after = change.before, change.after
            if before is None:
                if after is not None:
                    added.append(rows.job_row(after))
            elif after is None:
                removed.append((before.job.name, before.version))
            elif before.job is not after.job:
                defined.append((*rows.job_row(after), before.job.name, before.version))
            else:
                moved.append((*rows.standing_row(after), before.job.name, before.version))
        self._db.executemany(INSERT_JOB, added)
        self._change(UPDATE_JOB, defined)
        self._change(UPDATE_STANDING, moved)
        self._change(DELETE_JOB, removed)

    def _write_runs(self, changes: Iterable[RunChange]) -> None:
        added, moved = [], []
        for change in changes:
            row = rows.run_row(change.after)
            if change.before is None:
                added.append(row)
            else:
                before = change.before
                moved.append((*row[1:], before.id, before.state.value, before.attempt))
        self._db.executemany(INSERT_RUN, added)
        self._change(UPDATE_RUN, moved)

    def _change(self, statement: str, parameters: Sequence[rows.Row]) -> None:
        """Change existing rows, each of which must still be as it was read (compare-and-set)."""
        if not parameters:
            return
        changed = self._db.executemany(statement, parameters).rowcount
        if changed != len(parameters):
            raise StoreRefused(f"{len(parameters) - changed} rows were moved by somebody else")

    def _decided(self, changes: Changes) -> tuple[tuple[JobName, datetime], ...]:
        """Return the occurrences of `changes` that the store has decided already."""
        found = []
        for change in changes.runs.values():
            run = change.after
            if change.before is None and run.job is not None and run.origin is Origin.SCHEDULE:
                place = (run.job, microseconds(run.scheduled_at))
                if self._db.execute(FIND_OCCURRENCE, place).fetchone():
                    found.append((run.job, run.scheduled_at))
        return tuple(found)

    def _runs(self, statement: str, *parameters: object) -> tuple[Run, ...]:
        return tuple(rows.run_from(row) for row in self._db.execute(statement, parameters))

    def _page(self, statement: str, limit: int) -> Page:
        with self._guard():
            runs = self._runs(statement, limit)
            return Page(runs, complete=len(runs) < limit)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read the store: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        path = MEMORY if self.path is None else str(self.path)
        db = None
        try:
            if self.path is not None:
                # Arguments may be secrets; SQLite gives the WAL the mode of the file.
                self.path.touch(mode=0o600)
            # Made on the thread that makes the Scheduler, used by the loop's.
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA busy_timeout = 5000")
            migrate(db, path)
            if self.path is not None:
                db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
        except OSError as error:
            raise StoreUnusable(path, str(error.strerror), "make it writable for us") from error
        except sqlite3.Error as error:
            if db is not None:
                db.close()
            raise StoreUnusable(path, str(error), _fix(error)) from error
        except StoreError:
            if db is not None:
                db.close()
            raise
        return db

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # some errors make SQLite roll back by itself
            self._db.execute("ROLLBACK")

    def _reopen(self) -> None:
        """Drop a connection whose last commit may or may not have happened; the file knows."""
        if self.path is None:
            self._roll_back()
            return
        self._db.close()
        self._db = self._connect()


def _fix(error: sqlite3.Error) -> str:
    match error.sqlite_errorname:
        case "SQLITE_NOTADB":
            return "move the file away, or give another path"
        case "SQLITE_CORRUPT":
            return "restore a backup, or move the file away to begin anew; it was not changed"
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_READONLY_DIRECTORY" | "SQLITE_PERM":
            return "make the file and its directory writable for this user"
        case _:
            return "see that the disk is well and has room"
