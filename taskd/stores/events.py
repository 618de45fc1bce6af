"""Events: what the journal tells of a change. Folding what it tells gives the tables again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from taskd.core.job import JobName
from taskd.core.record import JobState
from taskd.core.run import RunId, microseconds
from taskd.core.turn import Changes, JobChange
from taskd.stores.rows import (
    ATTEMPT_COLUMNS,
    JOB_COLUMNS,
    MARK_COLUMNS,
    RECEIPT_COLUMNS,
    SKIP_COLUMNS,
    STANDING_COLUMNS,
    Row,
    attempt_row,
    instant,
    job_row,
    mark_row,
    receipt_row,
    skip_row,
    standing_row,
)

TASKD: Final = "taskd"
"""The actor of what nobody asked for."""

Values: TypeAlias = dict[str, object]
EventRow: TypeAlias = tuple[int, str, str, str | None, str | None, str]
"""at, actor, kind, job, run, data: an event before it has its place in the journal."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record that something happened: the `seq`-th of the journal, counted from 1.

    `at` is aware UTC, the instant of its commit. `kind` is ``job.WORD``, ``run.STATE`` in lower
    case, ``attempt.OUTCOME``, ``occurrence.skipped``, ``run.marked``, ``request.kept``,
    ``journal.pruned`` or ``journal.cut``. `data`
    holds the columns that changed with their new values, by what they are columns of.
    """

    seq: int
    at: datetime
    actor: str
    kind: str
    job: str | None
    run: str | None
    data: Mapping[str, Any]


def event_from(row: sqlite3.Row) -> Event:
    """Return the event that a row of events holds."""
    return Event(
        seq=row["seq"],
        at=instant(row["at"]),
        actor=row["actor"],
        kind=row["kind"],
        job=row["job"],
        run=row["run"],
        data=json.loads(row["data"]),
    )


def to_json(value: object) -> str:
    """Return an event's data as its column holds it."""
    # ASCII, so that an argument with a lone surrogate (a file name that is not UTF-8) is kept too.
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def event_rows(changes: Changes, deltas: Mapping[RunId, Values]) -> Iterator[EventRow]:
    """Yield the events of one commit; there is at least one where anything changes.

    `deltas` are the columns that each run's change gives new values.

    Each holds the columns that changed, with their new values, also where one became NULL; a new
    row's holds all that are not NULL. What a run's event moved in its job (cursor, counters) and
    the attempt that it ended are told with it.
    """
    at = microseconds(changes.at)
    told: dict[JobName, dict[str, object]] = {}
    for name, job in changes.jobs.items():
        kind, moved = _job_event(job)
        if kind == "job.advanced":
            told[name] = moved
        else:
            yield at, job.actor, kind, name, None, to_json({"job": moved})
    ended = [(attempt.run, attempt.outcome, attempt_row(attempt)) for attempt in changes.attempts]
    with_run: dict[RunId, Row] = {run: row for run, _, row in ended if run in changes.runs}
    for change in changes.runs.values():
        run = change.after
        data = {"run": deltas[run.id]}
        if run.id in with_run:
            data["attempt"] = dict(zip(ATTEMPT_COLUMNS, with_run[run.id], strict=True))
        if run.job in told:
            data["job"] = told.pop(run.job)
        yield at, change.actor, f"run.{run.state.lower()}", run.job, run.id, to_json(data)
    for run_id, outcome, row in ended:
        if with_run.get(run_id) is not row:
            data = {"attempt": dict(zip(ATTEMPT_COLUMNS, row, strict=True))}
            yield at, TASKD, f"attempt.{outcome.lower()}", None, run_id, to_json(data)
    for skip in changes.skips.values():
        data = {"skip": dict(zip(SKIP_COLUMNS, skip_row(skip), strict=True))}
        if skip.job in told:
            data["job"] = told.pop(skip.job)
        yield at, TASKD, "occurrence.skipped", skip.job, None, to_json(data)
    yield from _kept_rows(changes, at)
    for name, moved in told.items():
        yield at, changes.jobs[name].actor, "job.advanced", name, None, to_json({"job": moved})


def _kept_rows(changes: Changes, at: int) -> Iterator[EventRow]:
    for mark in changes.marks.values():
        data = {"mark": dict(zip(MARK_COLUMNS, mark_row(mark), strict=True))}
        yield at, TASKD, "run.marked", None, mark.run, to_json(data)
    for receipt in changes.receipts.values():
        data = {"receipt": dict(zip(RECEIPT_COLUMNS, receipt_row(receipt), strict=True))}
        yield at, TASKD, "request.kept", None, None, to_json(data)
    for note in changes.notes:
        yield at, TASKD, note.kind, None, None, to_json(dict(note.data))


def _job_event(change: JobChange) -> tuple[str, dict[str, object]]:
    before, after = change.before, change.after
    if after is None:
        return "job.removed", {}
    if before is None:
        return "job.added", dict(zip(JOB_COLUMNS, job_row(after), strict=True))
    if before.job is not after.job:
        return "job.changed", _delta(JOB_COLUMNS, job_row(before), job_row(after))
    moved = _delta(STANDING_COLUMNS, standing_row(before), standing_row(after))
    if before.state is after.state:
        return "job.advanced", moved
    return "job.resumed" if after.state is JobState.ACTIVE else f"job.{after.state.value}", moved


def _delta(columns: list[str], before: Row, after: Row) -> dict[str, object]:
    return {c: a for c, b, a in zip(columns, before, after, strict=True) if a != b}
