"""Rows: the columns of jobs, marks, receipts and skips, to and from the core's values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from taskd.core.job import JobName, Source
from taskd.core.messages import Key, Receipt
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND, RunId, microseconds
from taskd.core.turn import Mark
from taskd.core.zones import EPOCH
from taskd.stores.definitions import definition, job_from
from taskd.stores.layout import Column, Layout, Row, Values

Columns = Mapping[str, Any]

WORD: Final = attrgetter("value")
"""What is stored of a member of an enumeration."""

MARK_COLUMNS: Final = ("scope", "key", "run", "at")
RECEIPT_COLUMNS: Final = ("key", "fingerprint", "at", "jobs", "runs")
SKIP_COLUMNS: Final = ("job", "first_at", "last_at", "count", "reason", "decided_at")


def instant(microseconds_since_epoch: int) -> datetime:
    """Return the aware UTC instant of a stored integer."""
    return EPOCH + timedelta(microseconds=microseconds_since_epoch)


def maybe_instant(stored: int | None) -> datetime | None:
    """Return the instant of what was stored, if any."""
    return None if stored is None else instant(stored)


def to_text(value: object) -> str:
    """Return a JSON value as a column holds it."""
    # ASCII, so that an argument with a lone surrogate (a file name that is not UTF-8) is kept too.
    return _encode(value)


_encode = json.JSONEncoder(separators=(",", ":")).encode


# -- jobs ---------------------------------------------------------------------------------------

STANDING: Final = Layout[JobRecord](
    JobRecord,
    Column("version"),
    Column("state", stored=WORD),
    Column("anchor_at", stored=microseconds),
    Column("next_due_at", stored=microseconds),
    Column("pause_reason"),
    Column("paused_until", stored=microseconds),
    Column("counts", stored=to_text),
    Column("last_run"),
    Column("failures_in_row"),
    Column("carried"),
    Column("delay", stored=lambda delay: delay // MICROSECOND),
    Column("decided_until", stored=microseconds),
    Column("scheduled_runs"),
)
"""How a job stands: what moves with every run; its definition moves when somebody edits it."""

JOB_COLUMNS: Final = ("name", "definition", "source", "created_at", *STANDING.columns)


def job_row(record: JobRecord) -> Row:
    """Return the columns of a job's record, in the order of JOB_COLUMNS."""
    return (
        record.job.name,
        to_text(definition(record.job)),
        record.job.source.value,
        microseconds(record.created_at),
        *STANDING.row(record),
    )


def job_delta(before: JobRecord | None, after: JobRecord) -> Values:
    """Return the columns that a change gives new values: of a new job, None before, all of them."""
    if before is not None and before.job is after.job:
        return STANDING.delta(before, after)
    columns = zip(JOB_COLUMNS, job_row(after), strict=True)
    if before is None:
        return dict(columns)
    known = job_row(before)
    return {c: v for (c, v), old in zip(columns, known, strict=True) if v != old}


def job_record(row: Columns) -> JobRecord:
    """Return the record that a row of jobs holds."""
    return JobRecord(
        job=job_from(JobName(row["name"]), Source(row["source"]), json.loads(row["definition"])),
        state=JobState(row["state"]),
        created_at=instant(row["created_at"]),
        anchor_at=instant(row["anchor_at"]),
        next_due_at=maybe_instant(row["next_due_at"]),
        pause_reason=row["pause_reason"],
        paused_until=maybe_instant(row["paused_until"]),
        counts=json.loads(row["counts"]),
        last_run=row["last_run"],
        failures_in_row=row["failures_in_row"],
        carried=row["carried"],
        delay=timedelta(microseconds=row["delay"]),
        decided_until=maybe_instant(row["decided_until"]),
        scheduled_runs=row["scheduled_runs"],
        version=row["version"],
    )


# -- marks, receipts, skips --------------------------------------------------------------


def mark_row(mark: Mark) -> Row:
    """Return the columns of a mark, in the order of MARK_COLUMNS."""
    return mark.scope, mark.key, mark.run, microseconds(mark.at)


def receipt_row(receipt: Receipt) -> Row:
    """Return the columns of a receipt, in the order of RECEIPT_COLUMNS."""
    jobs, runs = to_text(receipt.jobs), to_text(receipt.runs)
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
