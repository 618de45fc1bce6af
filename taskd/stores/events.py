"""Events: what the journal tells of a change. Folding what it tells gives the tables again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from taskd.core.job import JobName
from taskd.core.record import JobState
from taskd.core.run import RunId, microseconds
from taskd.core.turn import Changes, JobChange, Mark, RunChange
from taskd.stores.layout import Values
from taskd.stores.rows import (
    MARK_COLUMNS,
    RECEIPT_COLUMNS,
    SKIP_COLUMNS,
    mark_row,
    receipt_row,
    skip_row,
)
from taskd.stores.run_rows import attempt_values

TASKD: Final = "taskd"
"""The actor of what nobody asked for."""

MarkKey: TypeAlias = tuple[str, str]
Told: TypeAlias = tuple[str, str, str | None, str | None, Mapping[str, object]]
"""actor, kind, job, run, data: an event before it has its place in the journal."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record that something happened: the `seq`-th of the journal, counted from 1.

    `at` is aware UTC, the instant of its commit, and `commit` the sequence of that one's first
    event. `kind` is ``job.WORD``, ``run.STATE`` in lower case, ``attempt.OUTCOME``,
    ``occurrence.skipped``, ``run.marked``, ``run.withdrawn``, ``request.kept``, ``journal.pruned``
    or ``journal.cut``. A ``run.running`` whose ``started_at`` is later than `at` was committed
    ahead of that instant, and ``run.withdrawn`` takes one of those back. `data` holds the columns
    that changed with their new values, by what they are columns of; ``prev`` is the `commit` of the
    event before this one that tells of the run, ``reason`` why somebody stopped or resumed the job.
    """

    seq: int
    commit: int
    at: datetime
    actor: str
    kind: str
    job: str | None
    run: str | None
    data: Mapping[str, Any]


def events_of(
    changes: Changes, jobs: Mapping[JobName, Values], runs: Mapping[RunId, Values]
) -> Iterator[Told]:
    """Yield the events of one commit; there is at least one where anything changes.

    `jobs` and `runs` are the columns that each one's change gives new values.

    Each holds the columns that changed, with their new values, also where one became NULL; a new
    row's holds all that are not at their default. What a run's event moved in its job (cursor,
    counters) and the attempt that it ended are told with it.
    """
    told: dict[JobName, Values] = {}
    for name, job in changes.jobs.items():
        kind, moved = _job_kind(job), jobs.get(name, {})
        if kind == "job.advanced":
            told[name] = moved
        else:
            why = {"reason": job.reason} if job.reason else {}
            yield job.actor, kind, name, None, {"job": moved, **why}
    for run in changes.withdrawn.values():
        due = {"scheduled_at": microseconds(run.scheduled_at)}
        yield TASKD, "run.withdrawn", run.job, run.id, {"withdrawn": due}
    marks = dict(changes.marks)
    yield from _run_events(changes, runs, told, marks)
    for skip in changes.skips.values():
        data = {"skip": dict(zip(SKIP_COLUMNS, skip_row(skip), strict=True))}
        if skip.job in told:
            data["job"] = told.pop(skip.job)
        yield TASKD, "occurrence.skipped", skip.job, None, data
    for mark in marks.values():
        yield TASKD, "run.marked", None, mark.run, {"mark": _mark_values(mark)}
    yield from _kept_rows(changes)
    for name, moved in told.items():
        yield changes.jobs[name].actor, "job.advanced", name, None, {"job": moved}


def _run_events(
    changes: Changes,
    deltas: Mapping[RunId, Values],
    told: dict[JobName, Values],
    marks: dict[MarkKey, Mark],
) -> Iterator[Told]:
    """Yield the events of runs and attempts; what they tell of jobs and marks is taken out."""
    with_run = {each.run: each for each in changes.attempts if each.run in changes.runs}
    for change in changes.runs.values():
        run = change.after
        kind, data = _run_event(change, deltas[run.id], marks)
        if run.id in with_run:
            data["attempt"] = attempt_values(with_run[run.id])
        if run.job in told:
            data["job"] = told.pop(run.job)
        yield change.actor, kind, run.job, run.id, data
    for attempt in changes.attempts:
        if with_run.get(attempt.run) is not attempt:
            data = {"attempt": attempt_values(attempt)}
            yield TASKD, f"attempt.{attempt.outcome.lower()}", None, attempt.run, data


def _run_event(change: RunChange, delta: Values, marks: dict[MarkKey, Mark]) -> tuple[str, Values]:
    """Return the kind and the data of a run's event; a run that did nothing but mark tells that."""
    run = change.after
    kind, data = f"run.{run.state.lower()}", Values(run=delta)
    if not delta:
        for key, mark in marks.items():
            if mark.run == run.id:
                kind, data = "run.marked", {"mark": _mark_values(marks.pop(key))}
                break
    if change.before is not None:
        data["prev"] = change.before.event
    return kind, data


def _mark_values(mark: Mark) -> Values:
    return dict(zip(MARK_COLUMNS, mark_row(mark), strict=True))


def _kept_rows(changes: Changes) -> Iterator[Told]:
    for receipt in changes.receipts.values():
        data = {"receipt": dict(zip(RECEIPT_COLUMNS, receipt_row(receipt), strict=True))}
        yield TASKD, "request.kept", None, None, data
    for note in changes.notes:
        yield TASKD, note.kind, None, None, note.data


def _job_kind(change: JobChange) -> str:
    before, after = change.before, change.after
    if after is None:
        return "job.removed"
    if before is None:
        return "job.added"
    if before.job is not after.job:
        return "job.changed"
    if before.state is after.state:
        return "job.advanced"
    return "job.resumed" if after.state is JobState.ACTIVE else f"job.{after.state.value}"
