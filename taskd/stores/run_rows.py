"""Run rows: the columns of runs and their attempts, to and from the core's values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from operator import attrgetter
from typing import Any, Final

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
from taskd.stores.definitions import call_from, call_values, failure_from, failure_values
from taskd.stores.layout import Column, Layout, Row, Values
from taskd.stores.rows import WORD, Columns, instant, maybe_instant, to_text

STATES: Final = {state.value: state for state in RunState}
ORIGINS: Final = {origin.value: origin for origin in Origin}

RUNS: Final = Layout[Run](
    Run,
    Column("id"),
    Column("job"),
    Column("origin", stored=WORD),
    Column("state", stored=WORD),
    Column("scheduled_at", stored=microseconds),
    Column("due_at", stored=microseconds),
    Column("rank", "scheduled_at", derived=attrgetter("rank")),
    Column("priority"),
    Column("call", stored=lambda call: to_text(call_values(call))),
    Column("failure", stored=lambda policy: to_text(failure_values(policy))),
    Column("queued_at", stored=microseconds),
    Column("first_started_at", stored=microseconds),
    Column("started_at", stored=microseconds),
    Column("finished_at", stored=microseconds),
    Column("attempt"),
    Column("max_attempts"),
    Column("failures"),
    Column("crashes"),
    Column("fence"),
    Column("stopping", stored=int),
    Column("timed_out", stored=int),
    Column("abandoned", stored=int),
    Column("reason"),
    Column("result", stored=attrgetter("text")),
    Column(
        "result_repr", "result", derived=lambda run: int(bool(run.result and run.result.is_repr))
    ),
    Column("error", stored=lambda error: to_text(asdict(error))),
    Column("node"),
    Column("pid"),
    Column("checkpoint"),
    Column("unique_key"),
    Column("retry_of"),
    Column("dismissed_at", stored=microseconds),
)
"""What the journal tells of a run; `event`, the last column, says where it does."""

RUN_COLUMNS: Final = (*RUNS.columns, "event")


def run_from(row: Iterable[Any]) -> Run:
    """Return the run that a row of runs holds, in the order of RUN_COLUMNS."""
    # By place: sqlite3.Row would look through all names for each of them.
    (
        id_, job, origin, state, scheduled_at, due_at, _, priority, call, failure, queued_at,
        first_started_at, started_at, finished_at, attempt, max_attempts, failures, crashes, fence,
        stopping, timed_out, abandoned, reason, result, result_repr, error, node, pid, checkpoint,
        unique_key, retry_of, dismissed_at, event,
    ) = row  # fmt: skip
    return Run(
        id=RunId(id_), job=job, origin=ORIGINS[origin], state=STATES[state],
        scheduled_at=instant(scheduled_at), due_at=instant(due_at), priority=priority,
        call=None if call is None else call_from(json.loads(call)),
        failure=None if failure is None else failure_from(json.loads(failure)),
        queued_at=maybe_instant(queued_at), first_started_at=maybe_instant(first_started_at),
        started_at=maybe_instant(started_at), finished_at=maybe_instant(finished_at),
        attempt=attempt, max_attempts=max_attempts, failures=failures, crashes=crashes,
        fence=fence, stopping=bool(stopping), timed_out=bool(timed_out),
        abandoned=bool(abandoned), reason=reason,
        result=None if result is None else Result(result, bool(result_repr)),
        error=_error_from(error), node=node, pid=pid, checkpoint=checkpoint,
        unique_key=unique_key, retry_of=retry_of, dismissed_at=maybe_instant(dismissed_at),
        event=event,
    )  # fmt: skip


def _error(error: RunError | None) -> str | None:
    return None if error is None else to_text(asdict(error))


def _error_from(stored: str | None) -> RunError | None:
    return None if stored is None else RunError(**json.loads(stored))


# -- attempts -----------------------------------------------------------------------------------

ATTEMPT_COLUMNS: Final = (
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
)


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


def attempt_values(attempt: Attempt) -> Values:
    """Return the columns of an attempt that are not NULL, by name."""
    columns = zip(ATTEMPT_COLUMNS, attempt_row(attempt), strict=True)
    return {column: value for column, value in columns if value is not None}


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
