"""Duplicates: whether a run that is to be made is the same piece of work as one that is there."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taskd.core.job import Call, Job
from taskd.core.ledger import Ledger
from taskd.core.messages import Triggered
from taskd.core.run import Run, RunState, move
from taskd.core.unique import OnConflict, Scope

WAITING: Final = (RunState.PENDING, RunState.QUEUED, RunState.RETRYING)
UNDONE: Final = (RunState.CANCELLED, RunState.SKIPPED)


def call_of(job: Job, request: Triggered) -> Call | None:
    """Return what a triggered run calls, None where that is what its job calls."""
    if request.args is None and request.kwargs is None:
        return None
    args = job.call.args if request.args is None else request.args
    kwargs = job.call.kwargs if request.kwargs is None else request.kwargs
    return Call(job.call.target, args, kwargs)


def unique_key(job: Job, call: Call | None) -> str | None:
    """Return what tells a run of `job` from others, None where nothing has to."""
    if job.unique is None:
        return None
    meant = call or job.call
    return f"{job.name}:{job.unique.key_of(meant.args, meant.kwargs)}"


def same_work(ledger: Ledger, job: Job, call: Call | None, now: datetime) -> Run | None:
    """Return the run that stands for the work of a run to be made, None where none does.

    One that waits gives its place to the new run where the job wants that, and is cancelled.
    """
    key = unique_key(job, call)
    held = ledger.known.latest_of(key) if key is not None else None
    if held is None or job.unique is None or not _stands(job, held, now):
        return None
    if job.unique.on_conflict is OnConflict.REPLACE and held.state in WAITING:
        ledger.put_run(move(held, RunState.CANCELLED, now, reason="a newer run took its place"))
        return None
    return held


def _stands(job: Job, held: Run, now: datetime) -> bool:
    assert job.unique is not None
    match job.unique.scope:
        case Scope.PENDING:
            return held.state in WAITING
        case Scope.INCOMPLETE:
            return not held.state.is_final
        case Scope.PERIOD:
            assert job.unique.period is not None
            return held.state not in UNDONE and now - held.scheduled_at < job.unique.period
