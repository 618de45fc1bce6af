"""Rows: the store's columns to and from the core's dataclasses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from taskd.core.cron import Cron
from taskd.core.job import Call, Executor, Job, JobName, Source
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
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.core.zones import EPOCH

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
        version=row["version"],
    )


def definition(job: Job) -> dict[str, object]:
    """Return a job's definition as JSON values; what is at its default is left out."""
    values: dict[str, object] = {"call": _call(job.call)}
    if job.schedule is not None:
        values["schedule"] = _schedule(job.schedule)
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
    schedule = values.get("schedule")
    return Job(
        name=name,
        source=source,
        call=_call_from(values["call"]),
        schedule=None if schedule is None else _schedule_from(schedule),
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


def _schedule(schedule: Schedule) -> dict[str, object]:
    match schedule:
        case Every():
            every: dict[str, object] = {"every": schedule.interval // MICROSECOND}
            return every | {"mode": schedule.mode.value, "align": schedule.align}
        case Cron():
            cron: dict[str, object] = {"cron": list(schedule.expressions)}
            return cron | {"timezone": schedule.timezone, "seed": schedule.seed}
        case At():
            return {"at": [microseconds(at) for at in schedule.instants]}
        case _:
            raise TypeError(f"cannot store a schedule of type {type(schedule).__name__}")


def _schedule_from(values: dict[str, Any]) -> Schedule:
    if "every" in values:
        interval = timedelta(microseconds=values["every"])
        return Every(interval, Mode(values["mode"]), values["align"])
    if "cron" in values:
        return Cron(tuple(values["cron"]), values["timezone"], values["seed"])
    return At(tuple(instant(at) for at in values["at"]))


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
