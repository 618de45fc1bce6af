"""Timeouts: attempts that take too long are interrupted, harder with each stage."""

from __future__ import annotations

from datetime import datetime

from taskd.core.deadlines import ASK, GIVE_UP, INSIST
from taskd.core.ledger import Ledger
from taskd.core.run import Run
from taskd.core.value import replace


def limit_time(ledger: Ledger, run: Run, now: datetime) -> None:
    """Have an attempt under way interrupted when its job's timeout is over.

    One that was asked to end already, before a failure of the store, is next made to.
    """
    if run.stopping or run.timed_out:
        ledger.deadlines.put(run, now + ledger.grace_of(run), INSIST)
        return
    record = ledger.jobs.get(run.job) if run.job else None
    if record is not None and record.job.timeout is not None and run.started_at is not None:
        ledger.deadlines.put(run, run.started_at + record.job.timeout, ASK)


def interrupt_late(ledger: Ledger, now: datetime) -> None:
    """Take the next stage with each attempt whose time is over."""
    while (late := ledger.deadlines.first()) is not None and late.at <= now:
        run = ledger.runs[late.run]
        if late.stage == ASK:
            run = replace(run, timed_out=True)
        elif late.stage == GIVE_UP:
            run = replace(run, abandoned=True)
        if run is not ledger.runs[late.run]:
            ledger.put_run(run)
        ledger.interrupt(run, now, late.stage)
