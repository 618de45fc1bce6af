"""Rows: the store's columns to and from the core's dataclasses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from taskd.core.job import JobName, Source
from taskd.core.messages import Key, Receipt
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
    Usage,
    microseconds,
)
from taskd.core.turn import Mark
from taskd.core.zones import EPOCH
from taskd.stores.definitions import (
    call_from,
    call_values,
    definition,
    failure_from,
    failure_values,
    job_from,
)

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
    "failures_in_row",
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
    "failure",
    "queued_at",
    "first_started_at",
    "started_at",
    "finished_at",
    "attempt",
    "max_attempts",
    "failures",
    "crashes",
    "fence",
    "stopping",
    "timed_out",
    "abandoned",
    "reason",
    "result",
    "result_repr",
    "error",
    "node",
    "pid",
    "checkpoint",
    "unique_key",
    "retry_of",
    "dismissed_at",
]
ATTEMPT_COLUMNS: Final = [
    "run",
    "number",
    "outcome",
    "started_at",
    "finished_at",
    "node",
    "pid",
    "fence",
    "error",
    "peak_memory",
    "cpu_time",
    "exit_status",
    "signal",
]
MARK_COLUMNS: Final = ["scope", "key", "run", "at"]
RECEIPT_COLUMNS: Final = ["key", "fingerprint", "at", "jobs", "runs"]
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
        record.failures_in_row,
        record.carried,
        record.delay // MICROSECOND,
        _stored(record.decided_until),
        record.scheduled_runs,
    )


def job_record(row: Columns) -> JobRecord:
    """Return the record that a row of jobs holds."""
    return JobRecord(
        job=job_from(JobName(row["name"]), Source(row["source"]), json.loads(row["definition"])),
        state=JobState(row["state"]),
        created_at=instant(row["created_at"]),
        anchor_at=instant(row["anchor_at"]),
        next_due_at=_instant(row["next_due_at"]),
        pause_reason=row["pause_reason"],
        paused_until=_instant(row["paused_until"]),
        counts=json.loads(row["counts"]),
        last_run=row["last_run"],
        failures_in_row=row["failures_in_row"],
        carried=row["carried"],
        delay=timedelta(microseconds=row["delay"]),
        decided_until=_instant(row["decided_until"]),
        scheduled_runs=row["scheduled_runs"],
        version=row["version"],
    )


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
        None if run.call is None else _json(call_values(run.call)),
        None if run.failure is None else _json(failure_values(run.failure)),
        _stored(run.queued_at),
        _stored(run.first_started_at),
        _stored(run.started_at),
        _stored(run.finished_at),
        run.attempt,
        run.max_attempts,
        run.failures,
        run.crashes,
        run.fence,
        int(run.stopping),
        int(run.timed_out),
        int(run.abandoned),
        run.reason,
        None if run.result is None else run.result.text,
        int(run.result is not None and run.result.is_repr),
        _error(run.error),
        run.node,
        run.pid,
        run.checkpoint,
        run.unique_key,
        run.retry_of,
        _stored(run.dismissed_at),
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
        call=None if row["call"] is None else call_from(json.loads(row["call"])),
        failure=None if row["failure"] is None else failure_from(json.loads(row["failure"])),
        queued_at=_instant(row["queued_at"]),
        first_started_at=_instant(row["first_started_at"]),
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        failures=row["failures"],
        crashes=row["crashes"],
        fence=row["fence"],
        stopping=bool(row["stopping"]),
        timed_out=bool(row["timed_out"]),
        abandoned=bool(row["abandoned"]),
        reason=row["reason"],
        result=None if result is None else Result(result, bool(row["result_repr"])),
        error=_error_from(row["error"]),
        node=row["node"],
        pid=row["pid"],
        checkpoint=row["checkpoint"],
        unique_key=row["unique_key"],
        retry_of=row["retry_of"],
        dismissed_at=_instant(row["dismissed_at"]),
    )


def _error(error: RunError | None) -> str | None:
    if error is None:
        return None
    return _json(asdict(error))


def _error_from(stored: str | None) -> RunError | None:
    return None if stored is None else RunError(**json.loads(stored))


# -- attempts, marks, receipts, skips --------------------------------------------------------------


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
        attempt.fence,
        _error(attempt.error),
        attempt.usage.peak_memory,
        None if attempt.usage.cpu_time is None else attempt.usage.cpu_time // MICROSECOND,
        attempt.usage.exit_status,
        attempt.usage.signal,
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
        fence=row["fence"],
        error=_error_from(row["error"]),
        usage=Usage(
            peak_memory=row["peak_memory"],
            cpu_time=None if row["cpu_time"] is None else row["cpu_time"] * MICROSECOND,
            exit_status=row["exit_status"],
            signal=row["signal"],
        ),
    )


def mark_row(mark: Mark) -> Row:
    """Return the columns of a mark, in the order of MARK_COLUMNS."""
    return mark.scope, mark.key, mark.run, microseconds(mark.at)


def receipt_row(receipt: Receipt) -> Row:
    """Return the columns of a receipt, in the order of RECEIPT_COLUMNS."""
    jobs, runs = _json(receipt.jobs), _json(receipt.runs)
    return receipt.key.text, receipt.key.fingerprint, microseconds(receipt.at), jobs, runs


def receipt_from(row: Columns) -> Receipt:
    """Return the receipt that a row of receipts holds."""
    return Receipt(
        key=Key(row["key"], row["fingerprint"]),
        at=instant(row["at"]),
        jobs=tuple(map(JobName, json.loads(row["jobs"]))),
        runs=tuple(map(RunId, json.loads(row["runs"]))),
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
