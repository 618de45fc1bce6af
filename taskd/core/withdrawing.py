"""Withdrawing: starts that were committed ahead of their instant are taken back.

A task waits again, as before. The run of a job goes, and its occurrence is undecided again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from taskd.core.ahead import MISSED, undecided
from taskd.core.ledger import Ledger
from taskd.core.messages import (
    AnyRequest,
    Booted,
    JobRemoved,
    JobsDefined,
    JobStopped,
    Paused,
    Resumed,
    Triggered,
)
from taskd.core.planning import unfired
from taskd.core.run import Run, RunId, RunState


def take_back(ledger: Ledger, run: Run) -> None:
    """Take back the start of a run, as if it had never been committed."""
    waiting = keep_back(ledger, run)
    if run.job is None:
        ledger.put_run(waiting)
        return
    ledger.withdraw_run(run)
    ledger.put_job(unfired(ledger.jobs[run.job], run.scheduled_at))


def keep_back(ledger: Ledger, run: Run) -> Run:
    """See to it that a run whose start is ahead does not begin; return it as it was before."""
    ledger.ahead.discard(run.id)
    ledger.deadlines.drop(run.id)
    ledger.turn.taken_back.append(run.id)
    return undecided(run)


def take_back_all(ledger: Ledger) -> None:
    """Take back whatever is ahead."""
    for run in sorted(ledger.ahead):
        take_back(ledger, ledger.runs[run])


def take_back_missed(ledger: Ledger, now: datetime) -> None:
    """Take back what should have begun long ago, and did not."""
    for name in sorted(ledger.ahead):
        run = ledger.runs[name]
        if now - run.due_at >= MISSED:
            take_back(ledger, run)


def make_way(ledger: Ledger) -> bool:
    """Take back the start that is furthest ahead, for a run that waits; return if there was one."""

    def place(run: RunId) -> tuple[datetime, int, RunId]:
        held = ledger.runs[run]
        return held.due_at, -held.priority, run

    with_slot = (run for run in ledger.ahead if ledger.runs[run].state is RunState.RUNNING)
    latest = max(with_slot, key=place, default=None)
    if latest is None:
        return False
    take_back(ledger, ledger.runs[latest])
    return True


def reconsider(ledger: Ledger, request: AnyRequest) -> None:
    """Take back what `request` may decide otherwise: it came before the instant."""
    if not ledger.ahead:
        return
    runs = [ledger.runs[run] for run in sorted(ledger.ahead)]
    for run in _about(ledger, request, [run for run in runs if run.job is not None]):
        take_back(ledger, run)


def _about(ledger: Ledger, request: AnyRequest, runs: Iterable[Run]) -> Iterator[Run]:
    """Yield those of the jobs' `runs` whose job the request is about."""
    match request:
        case JobStopped() | JobRemoved() | Triggered():
            yield from (run for run in runs if run.job == request.job)
        case Paused() | Resumed():
            yield from (run for run in runs if request.jobs is None or run.job in request.jobs)
        case JobsDefined():
            wanted = {job.name: job for job in request.jobs}
            for run in runs:
                assert run.job is not None
                known = ledger.jobs[run.job].job
                if known.source is request.source and wanted.get(known.name) != known:
                    yield run
        case Booted():
            yield from (run for run in runs if run.job and ledger.jobs[run.job].job.boot)
        case _:
            pass
