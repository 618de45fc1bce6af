"""SqliteStore: one file, one writer, one transaction a turn.

WAL mode; the writer alone checkpoints; readers open short read-only connections of their own (see
`history`). With ``durability = "full"`` a commit is on the disk when it returns; with ``"normal"``
(SQLite's synchronous=NORMAL) it survives a crash of the process and a power loss may take the last
commits, never the consistency.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from taskd.core.job import JobName
from taskd.core.messages import Found, Page, Wanted
from taskd.core.ports import Keep, Pruned
from taskd.core.record import JobRecord
from taskd.core.run import Origin, Run, RunId, microseconds
from taskd.core.turn import Changes, JobChange, RunChange
from taskd.crashpoints import crash_point
from taskd.errors import StoreRefused, StoreUnavailable
from taskd.stores import bulk, rows
from taskd.stores.blocks import UNREADABLE
from taskd.stores.connection import create
from taskd.stores.damage import Examination
from taskd.stores.events import events_of
from taskd.stores.filesystem import refuse_remote
from taskd.stores.history import INDEXED_STATES, LIVE_STATES, History, opened
from taskd.stores.layout import Row, Values
from taskd.stores.lock import StoreLock
from taskd.stores.retention import Retention
from taskd.stores.run_rows import ATTEMPT_COLUMNS, RUNS, attempt_row, run_from
from taskd.stores.writer import Transaction, Writer

Moved: TypeAlias = defaultdict[tuple[str, ...], list[Row]]
"""Rows to write, by the columns that are written."""


PRUNED_AT_ONCE = 200
"""Rows or events in a step of `prune`: a few milliseconds of the writer's time."""

LOAD_JOBS = "SELECT * FROM jobs ORDER BY name"
LOAD_RUNNING = f"SELECT * FROM runs WHERE state = 'RUNNING' AND {INDEXED_STATES} ORDER BY id"
# Without statistics SQLite would take the index of states for these, and sort what it finds.
LOAD_LIVE = (
    f"SELECT * FROM runs INDEXED BY runs_live "
    f"WHERE (job IS NOT NULL OR crashes > 0) AND {LIVE_STATES} AND state <> 'RUNNING'"
)
LOAD_PENDING = (
    "SELECT * FROM runs INDEXED BY runs_pending "
    "WHERE job IS NULL AND state IN ('PENDING', 'RETRYING') ORDER BY due_at, id LIMIT ?"
)
LOAD_QUEUED = (
    "SELECT * FROM runs INDEXED BY runs_queued "
    "WHERE job IS NULL AND crashes = 0 AND state = 'QUEUED' ORDER BY rank, id LIMIT ?"
)
FIND_MARK = "SELECT 1 FROM marks WHERE scope = ? AND key = ?"
FIND_LATEST = "SELECT * FROM runs WHERE unique_key = ? ORDER BY id DESC LIMIT 1"
FIND_RECEIPT = "SELECT * FROM receipts WHERE key = ?"
FIND_RUN = "SELECT * FROM runs WHERE id = ?"
FIND_OCCURRENCE = "SELECT 1 FROM runs WHERE origin = 'schedule' AND job = ? AND scheduled_at = ?"

RUN_KEY = ("id", "state", "attempt")
"""What a run's row must still be like where it is moved: compare-and-set."""
JOB_KEY = ("name", "version")
DELETE_RUN = "DELETE FROM runs WHERE id = ? AND state = ? AND attempt = ?"
DELETE_JOB = "DELETE FROM jobs WHERE name = ? AND version = ?"
PUT_SKIP = (
    "ON CONFLICT (job, first_at) DO UPDATE SET last_at = excluded.last_at, count = excluded.count, "
    "reason = excluded.reason, decided_at = excluded.decided_at"
)


class SqliteStore:
    """The durable home of jobs and runs in the SQLite file `path`, or in memory.

    Opening takes the store's lock, makes or migrates the schema, and refuses what it cannot serve.
    One thread calls it; `history` may be called from any.

    Raises:
        StoreLocked: Another process has it.
        StoreUnusable: Not a database, newer than this version, not ours, not writable, or on a
            network file system.
    """

    def __init__(self, path: Path | None, *, full_durability: bool = True) -> None:
        # Two names of one file are one store: SQLite's own side files go by the real one, too.
        self.path = path.resolve() if path is not None else None
        if self.path is not None:
            refuse_remote(self.path)
        synchronous = "FULL" if full_durability else "NORMAL"
        self._lock = StoreLock(self.path) if self.path is not None else None
        try:
            if self.path is not None:
                create(self.path)
            self._examination = Examination(self.path) if self.path is not None else None
            self._retention = Retention(in_memory=self.path is None)
            self._writer = Writer(self.path, synchronous=synchronous)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    # -- reading ---------------------------------------------------------------------------------

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        """Return every job, and the live runs that memory holds: see the port."""
        with self._guard():
            jobs = tuple(rows.job_record(row) for row in self._db.execute(LOAD_JOBS))
            running = self._runs(LOAD_RUNNING)
            return jobs, running + self._runs(LOAD_LIVE)

    def pending(self, limit: int) -> Page:
        """Return the PENDING and RETRYING tasks that are due soonest."""
        return self._page(LOAD_PENDING, limit)

    def queued(self, limit: int) -> Page:
        """Return the QUEUED tasks of the lowest rank."""
        return self._page(LOAD_QUEUED, limit)

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        """Return those of the runs that exist."""
        with self._guard():
            return tuple(found for run in runs for found in self._runs(FIND_RUN, run))

    def look_up(self, wanted: Wanted) -> Found:
        """Return what there is of what is wanted, and the runs that receipts name."""
        with self._guard():
            receipts = tuple(
                rows.receipt_from(row)
                for key in wanted.receipts
                for row in self._db.execute(FIND_RECEIPT, (key,))
            )
            named = [run for receipt in receipts for run in receipt.runs]
            return Found(
                runs=self.find((*wanted.runs, *named)),
                marks=tuple(m for m in wanted.marks if self._db.execute(FIND_MARK, m).fetchone()),
                receipts=receipts,
                latest=tuple(
                    run for key in wanted.unique_keys for run in self._runs(FIND_LATEST, key)
                ),
            )

    @contextmanager
    def history(self) -> Iterator[History]:
        """Open a short read-only view from any thread; a store in memory lends the writer's own."""
        if self.path is None:
            yield History(self._db)
            return
        with opened(self.path) as history:
            yield history

    # -- writing ---------------------------------------------------------------------------------

    def commit(self, changes: Changes) -> None:
        """Write all of `changes`, with the journal of them, or nothing.

        Raises:
            StoreRefused: A row is not as `changes` believes; nothing was written.
            StoreUnavailable: It failed; nothing was written.
            StoreDoubtful: It failed, and `settled` will tell if it was written.
        """
        crash_point("turn.decided")
        try:
            with self._writer.transaction() as transaction:
                self._write(transaction, changes)
        except sqlite3.IntegrityError as error:
            raise StoreRefused(str(error), self._decided(changes)) from error
        # Text that UTF-8 cannot carry, a number of more than 64 bits, what is not JSON.
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StoreRefused(f"cannot be kept in the store: {error}") from error

    def prune(self, now: datetime, keep: Keep, batch: int = PRUNED_AT_ONCE) -> Pruned:
        """Take one small step to forget what is older than `keep` says; tell what, and if it ends.

        It looks at `batch` rows or events and takes a time in proportion. With the step that
        does not go on a sweep is over; the next step begins another.

        Raises:
            StoreRefused: The journal cannot be read; `verify` tells more. Nothing was written.
            StoreUnavailable, StoreDoubtful: As for `commit`.
        """
        try:
            # What a power loss brings back is forgotten again; the writer need not wait for that.
            with self._writer.transaction(synced=False) as transaction:
                return self._retention.step(transaction, now, keep, batch)
        except UNREADABLE as error:
            raise StoreRefused(f"the journal cannot be cut: {error!r}; run taskd verify") from error

    def settled(self) -> bool | None:
        """Tell what became of a commit that was doubtful: written, or not; None: not known yet."""
        return self._writer.settled()

    def head(self) -> int:
        """Return the sequence of the last event of the journal, 0 where there is none."""
        return self._writer.head.seq

    def damage(self) -> str:
        """Read the whole file and return what is damaged; for a thread of its own."""
        return self._examination.run() if self._examination is not None else ""

    def close(self) -> None:
        """Let go of the file and its lock."""
        crash_point("store.closing")
        if self._examination is not None:
            self._examination.end()
        self._writer.close()
        crash_point("store.closed")
        if self._lock is not None:
            self._lock.release()
        crash_point("store.unlocked")

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        return self._writer.db

    def _write(self, transaction: Transaction, changes: Changes) -> None:
        crash_point("commit.jobs")
        jobs = self._write_jobs(changes.jobs.values())
        crash_point("commit.runs")
        for run in changes.withdrawn.values():
            place = (run.id, run.state.value, run.attempt)
            self._require(self._db.execute(DELETE_RUN, place).rowcount, 1)
        runs = self._write_runs(changes.runs.values(), transaction.commit)
        crash_point("commit.attempts")
        bulk.insert(self._db, "attempts", ATTEMPT_COLUMNS, map(attempt_row, changes.attempts))
        crash_point("commit.skips")
        skips = map(rows.skip_row, changes.skips.values())
        bulk.insert(self._db, "skips", rows.SKIP_COLUMNS, skips, PUT_SKIP)
        marks = map(rows.mark_row, changes.marks.values())
        bulk.insert(self._db, "marks", rows.MARK_COLUMNS, marks)
        receipts = map(rows.receipt_row, changes.receipts.values())
        bulk.insert(self._db, "receipts", rows.RECEIPT_COLUMNS, receipts)
        crash_point("commit.events")
        transaction.append(microseconds(changes.at), events_of(changes, jobs, runs))

    def _write_jobs(self, changes: Iterable[JobChange]) -> dict[JobName, Values]:
        """Write jobs, and return the columns that each change gives new values."""
        deltas: dict[JobName, Values] = {}
        added, removed = [], []
        moved: Moved = defaultdict(list)
        for change in changes:
            before, after = change.before, change.after
            if after is not None:
                delta = deltas[after.job.name] = rows.job_delta(before, after)
                if before is None:
                    added.append(tuple(delta.values()))
                else:
                    given = {"version": after.version, **delta}
                    place = (before.job.name, before.version)
                    moved[tuple(given)].append((*given.values(), *place))
            elif before is not None:
                removed.append((before.job.name, before.version))
        bulk.insert(self._db, "jobs", rows.JOB_COLUMNS, added)
        for columns, parameters in moved.items():
            self._move("jobs", columns, JOB_KEY, parameters)
        for removal in removed:
            self._require(self._db.execute(DELETE_JOB, removal).rowcount, 1)
        return deltas

    def _write_runs(self, changes: Iterable[RunChange], commit: int) -> dict[RunId, Values]:
        """Write runs, and return the columns that each change gives new values.

        They are written by the columns that move, for to set one to what it was, or to its default,
        would cost all the same. `commit` is where the journal will tell of them.
        """
        deltas: dict[RunId, Values] = {}
        added: Moved = defaultdict(list)
        moved: Moved = defaultdict(list)
        for change in changes:
            before, after = change.before, change.after
            if before is None:
                delta = RUNS.told(after)
                added[tuple(delta)].append((*delta.values(), commit))
            else:
                delta = RUNS.delta(before, after)
                place = (before.id, before.state.value, before.attempt)
                moved[tuple(delta)].append((*delta.values(), commit, *place))
            deltas[after.id] = delta
        for columns, parameters in added.items():
            bulk.insert(self._db, "runs", (*columns, "event"), parameters)
        for columns, parameters in moved.items():
            self._move("runs", (*columns, "event"), RUN_KEY, parameters)
        return deltas

    def _move(
        self, table: str, columns: tuple[str, ...], key: tuple[str, ...], moves: Sequence[Row]
    ) -> None:
        """Change existing rows, each of which must still be as it was read (compare-and-set)."""
        self._require(bulk.update(self._db, table, columns, key, moves), len(moves))

    def _require(self, changed: int, expected: int) -> None:
        if changed != expected:
            raise StoreRefused(f"{expected - changed} rows were moved by somebody else")

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
        return tuple(run_from(row) for row in self._db.execute(statement, parameters))

    def _page(self, statement: str, limit: int) -> Page:
        with self._guard():
            runs = self._runs(statement, limit)
            return Page(runs, complete=len(runs) < limit)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            self._writer.ready()
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read the store: {error}") from error
