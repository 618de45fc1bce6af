"""Within: what an attempt under way may ask of the engine about its own run."""

from __future__ import annotations

from datetime import datetime

from taskd.core.ledger import Ledger
from taskd.core.messages import Checkpointed, Marked
from taskd.core.run import Run, RunId, RunState
from taskd.core.turn import Mark
from taskd.core.value import replace
from taskd.errors import Conflict


def mark(ledger: Ledger, request: Marked, now: datetime) -> bool:
    """Make a mark and return whether it is the first of its name."""
    run = _check_is_under_way(ledger, request.run, request.attempt)
    if ledger.known.is_marked(request.scope, request.mark):
        return False
    ledger.put_mark(Mark(request.scope, request.mark, request.run, now))
    ledger.put_run(run)  # so that its row says where the journal tells of it
    return True


def checkpoint(ledger: Ledger, request: Checkpointed) -> None:
    """Keep what an attempt leaves for the next one."""
    run = _check_is_under_way(ledger, request.run, request.attempt)
    ledger.put_run(replace(run, checkpoint=request.data), request.actor)


def _check_is_under_way(ledger: Ledger, run: RunId, attempt: int) -> Run:
    """Refuse an attempt that counts as ended: another may have taken its place."""
    held = ledger.runs.get(run)
    if held is None or held.state is not RunState.RUNNING or held.attempt != attempt:
        raise Conflict(f"attempt {attempt} of run {run} is not under way any more", run=run)
    return held
