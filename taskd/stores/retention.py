"""Retention: forgets old finished runs, old skips, and the journal of what is gone, in small steps.

A sweep passes the runs in the order of their ids, then the skips. Dead letters that nobody let go
of, and the last run of each job, stay. Then the journal is cut: piece by piece its oldest events
are removed, and in the same transaction one event tells anew, whole, the rows that they had told
and that still stand, so that folding what is left gives the tables, after each step.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from taskd.core.ports import Keep, Pruned
from taskd.core.run import MICROSECOND, RunId, RunState, microseconds
from taskd.stores.blocks import Head, unpacked
from taskd.stores.chain import CUT, Cut, read_cut
from taskd.stores.events import TASKD
from taskd.stores.journal import Key, made, read_row
from taskd.stores.writer import Transaction

PRUNED: Final = "journal.pruned"
CUT_AT_LEAST: Final = 1000
"""Events: fewer are not worth a cut."""
WORTH: Final = 2
"""A cut begins when it removes this many events for each row that the cut before had to tell anew.
So, whatever is kept for how long, telling rows anew stays a part of the journal's own writing, and
the journal holds little more than its age allows and a few times the rows that are kept longer."""
PIECE: Final = 1024 * 1024
"""Characters that a step which cuts reads at most, for a result may be large."""

Rows: TypeAlias = dict[str, list[dict[str, object]]]

SWEEP_RUNS: Final = (
    "SELECT runs.id, runs.job, runs.state, runs.finished_at, "
    "runs.dismissed_at IS NOT NULL AS is_dismissed, "
    "runs.id IS jobs.last_run AS is_last "
    "FROM runs LEFT JOIN jobs ON jobs.name = runs.job "
    "WHERE runs.id > ? AND runs.id < ? ORDER BY runs.id LIMIT ?"
)
JOB_NAMES: Final = "SELECT name FROM jobs"
SWEEP_SKIPS: Final = (
    "SELECT job, first_at, decided_at FROM skips WHERE (job, first_at) > (?, ?) "
    "ORDER BY job, first_at LIMIT ?"
)
DELETE_RUN: Final = "DELETE FROM runs WHERE id = ?"
DELETE_ATTEMPTS: Final = "DELETE FROM attempts WHERE run = ?"
DELETE_SKIP: Final = "DELETE FROM skips WHERE job = ? AND first_at = ?"
OLDEST_BLOCKS: Final = "SELECT * FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq"
DELETE_BLOCKS: Final = "DELETE FROM journal WHERE seq <= ?"
BLOCK_TIME: Final = "SELECT at FROM journal WHERE seq <= ? ORDER BY seq DESC LIMIT 1"

FIRST_SKIP: Final = ("", 0)


class Retention:
    """Where a sweep stands. A new one begins with the oldest run, which is never wrong.

    `in_memory`, dead letters go as other failed runs do, and the journal, which nobody reads there,
    as soon as any run may.
    """

    def __init__(self, *, in_memory: bool = False) -> None:
        self._in_memory = in_memory
        self._run: str | None = ""  # the last run looked at; None: all are
        self._skip: tuple[str, int] | None = FIRST_SKIP

    def step(self, transaction: Transaction, now: datetime, keep: Keep, batch: int) -> Pruned:
        """Look at `batch` rows or events, forget what is too old; tell what, and if there is more.

        The sweep is over when there is not.
        """
        at = microseconds(now)
        if self._run is not None:
            return self._sweep_runs(transaction, at, keep, batch, after=self._run)
        if self._skip is not None:
            self._skip = self._sweep_skips(transaction, at, keep, batch, after=self._skip)
            return Pruned()
        self._run, self._skip = "", FIRST_SKIP  # also where the journal cannot be cut
        kept = _shortest(transaction.db, keep) if self._in_memory else keep(None)[0]
        removed = cut_journal(transaction, at, kept, batch)
        if removed:
            self._run = self._skip = None
        return Pruned(events=removed, goes_on=removed > 0)

    def _sweep_runs(
        self, transaction: Transaction, at: int, keep: Keep, batch: int, *, after: str
    ) -> Pruned:
        shortest = _shortest(transaction.db, keep)
        place = (after, _first_id(_cutoff(at, shortest)), batch)
        found = transaction.db.execute(SWEEP_RUNS, place).fetchall()
        old = [row["id"] for row in found if self._is_old(row, at, keep)]
        _forget(transaction, at, runs=old)
        self._run = found[-1]["id"] if len(found) == batch else None
        return Pruned(runs=len(old), gone=tuple(map(RunId, old)))

    def _sweep_skips(
        self, transaction: Transaction, at: int, keep: Keep, batch: int, *, after: tuple[str, int]
    ) -> tuple[str, int] | None:
        found = transaction.db.execute(SWEEP_SKIPS, (*after, batch)).fetchall()
        old = [(job, first) for job, first, decided in found if decided < _cutoff(at, keep(job)[0])]
        _forget(transaction, at, skips=old)
        return (found[-1]["job"], found[-1]["first_at"]) if len(found) == batch else None

    def _is_old(self, row: sqlite3.Row, at: int, keep: Keep) -> bool:
        state = RunState(row["state"])
        if not state.is_final or row["is_last"] or row["finished_at"] is None:
            return False
        if state is RunState.DEAD and not self._in_memory and not row["is_dismissed"]:
            return False
        success, failed = keep(row["job"])
        kept = failed if state in (RunState.DEAD, RunState.FAILED) else success
        return bool(row["finished_at"] < _cutoff(at, kept))


def _shortest(db: sqlite3.Connection, keep: Keep) -> timedelta:
    """Return the shortest time that any finished run is kept."""
    names = [None, *(name for (name,) in db.execute(JOB_NAMES))]
    return min(min(keep(name)) for name in names)


def _first_id(at: int) -> str:
    """Return what sorts before the id of every run that was made at `at` or later.

    An id begins with the time of its making (UUIDv7), and no run ends before that: those that are
    too young need not be looked at.
    """
    time = f"{max(0, at // 1000):012x}"
    return f"{time[:8]}-{time[8:]}"


def _cutoff(at: int, kept: timedelta) -> int:
    return at - kept // MICROSECOND  # of integers, for timedelta.max means: for ever


def _forget(
    transaction: Transaction,
    at: int,
    *,
    runs: list[str] | None = None,
    skips: list[tuple[str, int]] | None = None,
) -> None:
    if not runs and not skips:
        return
    told = {"runs": runs or [], "skips": skips or []}
    transaction.append(at, [(TASKD, PRUNED, None, None, told)])
    ids = [(run,) for run in runs or ()]
    transaction.db.executemany(DELETE_RUN, ids)
    transaction.db.executemany(DELETE_ATTEMPTS, ids)
    transaction.db.executemany(DELETE_SKIP, skips or ())


# -- the journal ---------------------------------------------------------------------------------


def cut_journal(transaction: Transaction, at: int, kept: timedelta, batch: int) -> int:
    """Remove about `batch` of the oldest events, older than `kept`; return how many it did."""
    db, cut = transaction.db, read_cut(transaction.db)
    if cut.until <= cut.at.seq:
        until = _last_before(db, _cutoff(at, kept), cut.at.seq, transaction.head.seq)
        if until - cut.at.seq < max(CUT_AT_LEAST, WORTH * cut.kept):
            return 0
        cut = replace(cut, until=until, kept=0)
    first = cut.at.seq
    cut, rows = _oldest(db, cut, batch)
    told = {"cut": cut.to_json(), "rows": rows}
    transaction.append(at, [(TASKD, CUT, None, None, told)])
    db.execute(DELETE_BLOCKS, (cut.at.seq,))
    return cut.at.seq - first


def _oldest(db: sqlite3.Connection, cut: Cut, batch: int) -> tuple[Cut, Rows]:
    """Return the cut after the next few events, and the rows they told that still stand."""
    rows: Rows = {}
    seen: set[Key] = set()
    size, count = 0, 0
    for block in db.execute(OLDEST_BLOCKS, (cut.at.seq, cut.until)):
        if size > PIECE or count >= batch:
            break
        events = unpacked(block)
        size, count = size + len(block["told"]), count + len(events)
        cut = replace(cut, at=Head(block["seq"] + len(events) - 1, block["hash"]))
        for key in (key for event in events for key in made(event)):
            row = None if key in seen else read_row(db, key)
            seen.add(key)
            if row is not None:
                size += sum(len(value) for value in row.values() if isinstance(value, str))
                rows.setdefault(key[0], []).append(row)
    return replace(cut, kept=cut.kept + sum(map(len, rows.values()))), rows


def _last_before(db: sqlite3.Connection, instant: int, cut: int, head: int) -> int:
    """Return a sequence with events up to it older than `instant`, found by bisection.

    Where the clock was set back they are not in the order of time; then it is one of the places
    where their time passes `instant`, and any place will do.
    """
    while cut < head:
        middle = (cut + head + 1) // 2
        row = db.execute(BLOCK_TIME, (middle,)).fetchone()
        if row is not None and row["at"] < instant:
            cut = middle
        else:
            head = middle - 1
    return cut
