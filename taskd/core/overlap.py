"""Overlap: what becomes of a run that is due while others of its job are live."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from taskd.core.deadlines import ASK, INSIST
from taskd.core.job import Job, Overlap
from taskd.core.ledger import Ledger
from taskd.core.run import Run, RunId, RunState, move
from taskd.core.value import replace

REPLACED: Final = "a newer run took its place"
STAGES: Final = {Overlap.CANCEL_OTHER: ASK, Overlap.TERMINATE_OTHER: INSIST}


def met_by(ledger: Ledger, job: Job) -> RunId | None:
    """Return the run that keeps another one of `job` from being made, None where none does."""
    return None if job.has_room(ledger.count_live(job.name)) else _oldest(ledger, job)


def make_room(ledger: Ledger, job: Job, now: datetime, actor: str = "taskd") -> None:
    """End the live runs of a job whose policy it is that a newer one takes their place."""
    stage = STAGES.get(job.overlap)
    live = ledger.live.get(job.name, ())
    if stage is None or len(live) < job.instances:
        return
    for name in sorted(live):
        run = ledger.runs[name]
        if run.state is not RunState.RUNNING:
            ledger.put_run(move(run, RunState.CANCELLED, now, reason=REPLACED), actor)
        elif not run.stopping:
            run = replace(run, stopping=True, reason=REPLACED)
            ledger.put_run(run, actor)
            ledger.interrupt(run, now, stage)


def _oldest(ledger: Ledger, job: Job) -> RunId:
    """Return the live run that is first to end, as far as can be known."""

    def place(name: RunId) -> tuple[bool, RunId]:
        run: Run = ledger.runs[name]
        return run.state is not RunState.RUNNING, name

    return min(ledger.live[job.name], key=place)
