"""Rows: the store's columns to and from the core's dataclasses, and the journal's of a change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from taskd.core.job import Call, Executor, Job, JobName, Source
from taskd.core.messages import Changes, JobChange, RunChange
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import (
    MICROSECOND,
    Attempt,
    Origin,
    Outcome,
    Result,
    Run,
    RunError,
    RunId,
    RunState,
    microseconds,
)
from taskd.core.zones import EPOCH
from taskd.stores.timing import timing_from, timing_values

Row = tuple[object, ...]
Columns = Mapping[str, Any]

STANDING_COLUMNS: Final = [
    "version",
    "state",
    "anchor_at",
    "next_due_at",
    "pause_reason",
    "paused_until",
    "counts",
    "last_run",
    "carried",
    "delay",
    "decided_until",
    "scheduled_runs",
]
"""How a job stands: what moves with every run; its definition moves when somebody edits it."""
JOB_COLUMNS: Final = ["name", "definition", "source", "created_at", *STANDING_COLUMNS]
RUN_COLUMNS: Final = [
    "id",
    "job",
    "origin",
    "state",
    "scheduled_at",
    "due_at",
    "rank",
    "priority",
    "call",
    "queued_at",
    "started_at",
    "finished_at",
    "attempt",
    "crashes",
    "stopping",
    "reason",
    "result",
    "result_repr",
    "error",
    "node",
    "pid",
]
ATTEMPT_COLUMNS: Final = [
    "run",
    "number",
    "outcome",
    "started_at",
    "finished_at",
    "node",
    "pid",
    "error",
]
SKIP_COLUMNS: Final = ["job", "first_at", "last_at", "count", "reason", "decided_at"]
EVENT_COLUMNS: Final = ["at", "actor", "kind", "job", "run", "data"]


def instant(microseconds_since_epoch: int) -> datetime:
    """Return the aware UTC instant of a stored integer."""
    return EPOCH + timedelta(microseconds=microseconds_since_epoch)


def _stored(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _instant(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)


def _json(value: object) -> str:
    # ASCII, so that an argument with a lone surrogate (a file name that is not UTF-8) is kept too.
    return json.dumps(value, separators=(",", ":"))


# -- jobs ---------------------------------------------------------------------------------------


def job_row(record: JobRecord) -> Row:
    """Return the columns of a job's record, in the order of JOB_COLUMNS."""
    return (
        record.job.name,
        _json(definition(record.job)),
        record.job.source.value,
        microseconds(record.created_at),
        *standing_row(record),
    )


def standing_row(record: JobRecord) -> Row:
    """Return how a job stands, in the order of STANDING_COLUMNS."""
    return (
        record.version,
        record.state.value,
        microseconds(record.anchor_at),
        _stored(record.next_due_at),
        record.pause_reason,
        _stored(record.paused_until),
        _json(record.counts),
        record.last_run,
        record.carried,
        record.delay // MICROSECOND,
        _stored(record.decided_until),
        record.scheduled_runs,
    )


def job_record(row: Columns) -> JobRecord:
    """Return the record that a row of jobs holds."""
    return JobRecord(
        job=_job(JobName(row["name"]), Source(row["source"]), json.loads(row["definition"])),
        state=JobState(row["state"]),
        created_at=instant(row["created_at"]),
        anchor_at=instant(row["anchor_at"]),
        next_due_at=_instant(row["next_due_at"]),
        pause_reason=row["pause_reason"],
        paused_until=_instant(row["paused_until"]),
        counts=json.loads(row["counts"]),
        last_run=row["last_run"],
        carried=row["carried"],
        delay=timedelta(microseconds=row["delay"]),
        decided_until=_instant(row["decided_until"]),
        scheduled_runs=row["scheduled_runs"],
        version=row["version"],
    )


def definition(job: Job) -> dict[str, object]:
    """Return a job's definition as JSON values; what is at its default is left out."""
    values: dict[str, object] = {"call": _call(job.call), **timing_values(job)}
    optional = {
        "description": (job.description, ""),
        "tags": (list(job.tags), []),
        "enabled": (job.enabled, True),
        "priority": (job.priority, 0),
        "carry": (job.carry, False),
        "executor": (job.executor.value, Executor.THREAD.value),
    }
    return values | {key: value for key, (value, default) in optional.items() if value != default}


def _job(name: JobName, source: Source, values: dict[str, Any]) -> Job:
    return Job(
        name=name,
        source=source,
        call=_call_from(values["call"]),
        **timing_from(values),
        description=values.get("description", ""),
        tags=tuple(values.get("tags", ())),
        enabled=values.get("enabled", True),
        priority=values.get("priority", 0),
        carry=values.get("carry", False),
        executor=Executor(values.get("executor", Executor.THREAD.value)),
    )


def _call(call: Call) -> dict[str, object]:
    return {"target": call.target, "args": list(call.args), "kwargs": dict(call.kwargs)}


def _call_from(values: dict[str, Any]) -> Call:
    return Call(values["target"], tuple(values["args"]), values["kwargs"])


# -- runs ---------------------------------------------------------------------------------------


def run_row(run: Run) -> Row:
    """Return the columns of a run, in the order of RUN_COLUMNS."""
    return (
        run.id,
        run.job,
        run.origin.value,
        run.state.value,
        microseconds(run.scheduled_at),
        microseconds(run.due_at),
        run.rank,
        run.priority,
        None if run.call is None else _json(_call(run.call)),
        _stored(run.queued_at),
        _stored(run.started_at),
        _stored(run.finished_at),
        run.attempt,
        run.crashes,
        int(run.stopping),
        run.reason,
        None if run.result is None else run.result.text,
        int(run.result is not None and run.result.is_repr),
        _error(run.error),
        run.node,
        run.pid,
    )


def run_from(row: Columns) -> Run:
    """Return the run that a row of runs holds."""
    result = row["result"]
    return Run(
        id=RunId(row["id"]),
        job=row["job"],
        origin=Origin(row["origin"]),
        state=RunState(row["state"]),
        scheduled_at=instant(row["scheduled_at"]),
        due_at=instant(row["due_at"]),
        priority=row["priority"],
        call=None if row["call"] is None else _call_from(json.loads(row["call"])),
        queued_at=_instant(row["queued_at"]),
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        attempt=row["attempt"],
        crashes=row["crashes"],
        stopping=bool(row["stopping"]),
        reason=row["reason"],
        result=None if result is None else Result(result, bool(row["result_repr"])),
        error=_error_from(row["error"]),
        node=row["node"],
        pid=row["pid"],
    )


def _error(error: RunError | None) -> str | None:
    if error is None:
        return None
    return _json(asdict(error))


def _error_from(stored: str | None) -> RunError | None:
    return None if stored is None else RunError(**json.loads(stored))


# -- attempts and skips -------------------------------------------------------------------------


def attempt_row(attempt: Attempt) -> Row:
    """Return the columns of an attempt, in the order of ATTEMPT_COLUMNS."""
    return (
        attempt.run,
        attempt.number,
        attempt.outcome.value,
        microseconds(attempt.started_at),
        microseconds(attempt.finished_at),
        attempt.node,
        attempt.pid,
        _error(attempt.error),
    )


def attempt_from(row: Columns) -> Attempt:
    """Return the attempt that a row of attempts holds."""
    return Attempt(
        run=RunId(row["run"]),
        number=row["number"],
        outcome=Outcome(row["outcome"]),
        started_at=instant(row["started_at"]),
        finished_at=instant(row["finished_at"]),
        node=row["node"],
        pid=row["pid"],
        error=_error_from(row["error"]),
    )


def skip_row(skip: Skip) -> Row:
    """Return the columns of a skip, in the order of SKIP_COLUMNS."""
    return (
        skip.job,
        microseconds(skip.first_at),
        microseconds(skip.last_at),
        skip.count,
        skip.reason.value,
        microseconds(skip.decided_at),
    )


def skip_from(row: Columns) -> Skip:
    """Return the skip that a row of skips holds."""
    return Skip(
        job=JobName(row["job"]),
        first_at=instant(row["first_at"]),
        last_at=instant(row["last_at"]),
        count=row["count"],
        reason=SkipReason(row["reason"]),
        decided_at=instant(row["decided_at"]),
    )


# -- the journal --------------------------------------------------------------------------------


def event_rows(changes: Changes) -> Iterator[Row]:
    """Yield the journal's rows for one commit, in the order of EVENT_COLUMNS.

    Each event holds the columns that changed, with their new values, so that folding the journal
    gives the tables. What a run's event moved in its job (cursor, counters) is told with it.
    """
    at = microseconds(changes.at)
    told: dict[JobName, dict[str, object]] = {}
    for name, job in changes.jobs.items():
        kind, moved = _job_event(job)
        if kind == "job.advanced":
            told[name] = moved
        else:
            yield at, job.actor, kind, name, None, _json({"job": moved})
    ended = {attempt.run: attempt_row(attempt) for attempt in changes.attempts}
    for run in changes.runs.values():
        data = {"run": _run_delta(run)}
        if run.after.id in ended:
            data["attempt"] = dict(zip(ATTEMPT_COLUMNS, ended[run.after.id], strict=True))
        if run.after.job in told:
            data["job"] = told.pop(run.after.job)
        yield (
            at,
            run.actor,
            f"run.{run.after.state.lower()}",
            run.after.job,
            run.after.id,
            _json(data),
        )
    for skip in changes.skips.values():
        data = {"skip": dict(zip(SKIP_COLUMNS, skip_row(skip), strict=True))}
        if skip.job in told:
            data["job"] = told.pop(skip.job)
        yield at, "taskd", "occurrence.skipped", skip.job, None, _json(data)
    for name, moved in told.items():
        yield at, changes.jobs[name].actor, "job.advanced", name, None, _json({"job": moved})


def _run_delta(change: RunChange) -> dict[str, object]:
    after = run_row(change.after)
    if change.before is None:
        return {c: v for c, v in zip(RUN_COLUMNS, after, strict=True) if v not in (None, "")}
    return _delta(RUN_COLUMNS, run_row(change.before), after)


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
