"""Reruns: final runs done again as new ones, and the dead-letter queue that most of them leave."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from taskd.core.ledger import Ledger
from taskd.core.messages import Dismissed, Retried
from taskd.core.run import Origin, Run, RunId, RunState
from taskd.core.value import replace
from taskd.errors import Conflict


def retry(
    ledger: Ledger, request: Retried, now: datetime, new_id: Callable[[datetime], RunId]
) -> tuple[Run, ...]:
    """Queue a new run for each of the old ones; those of one job run one after another.

    Final states never change: the new run names the old one, has attempts of its own, and goes on
    from its last checkpoint. An old run that was DEAD leaves the dead-letter queue.
    """
    old_runs = [ledger.run(run) for run in dict.fromkeys(request.runs)]
    if request.dead_only:
        old_runs = [run for run in old_runs if _is_dead_letter(run)]
    for old in old_runs:
        _check_can_run_again(ledger, old)
    new_runs = [_again(ledger, old, now, new_id(now)) for old in old_runs]
    for old, new in zip(old_runs, new_runs, strict=True):
        if _is_dead_letter(old):
            ledger.put_run(replace(old, dismissed_at=now), request.actor)
        ledger.put_run(new, request.actor)
    return tuple(new_runs)


def dismiss(ledger: Ledger, request: Dismissed, now: datetime) -> tuple[Run, ...]:
    """Take runs out of the dead-letter queue; their history stays until its time is over."""
    runs = [ledger.run(run) for run in dict.fromkeys(request.runs)]
    for run in runs:
        if run.state is not RunState.DEAD:
            raise Conflict(f"run {run.id} is {run.state}: only a DEAD one is dismissed", run=run.id)
    for run in runs:
        if run.dismissed_at is None:
            ledger.put_run(replace(run, dismissed_at=now), request.actor)
    return tuple(ledger.run(run.id) for run in runs)


def _is_dead_letter(run: Run) -> bool:
    return run.state is RunState.DEAD and run.dismissed_at is None


def _check_can_run_again(ledger: Ledger, old: Run) -> None:
    if not old.state.is_final:
        raise Conflict(f"run {old.id} is {old.state}: only a final run is done again", run=old.id)
    if old.call is not None and old.call.is_local:
        raise Conflict(f"run {old.id} called an object that is gone", run=old.id)
    if old.job is not None and old.job not in ledger.jobs:
        raise Conflict(f"run {old.id} is of job {old.job}, which was removed", run=old.id)


def _again(ledger: Ledger, old: Run, now: datetime, run: RunId) -> Run:
    priority = ledger.jobs[old.job].job.priority if old.job else old.priority
    return Run(
        id=run,
        job=old.job,
        origin=Origin.RETRY,
        state=RunState.QUEUED,
        scheduled_at=now,
        due_at=now,
        queued_at=now,
        priority=priority,
        call=old.call,
        failure=old.failure,
        checkpoint=old.checkpoint,
        retry_of=old.id,
        unique_key=old.unique_key,
    )
