"""Ahead: what is due is decided and committed a moment before, so that no disk makes it late.

Of a free slot the run is RUNNING in the store, and nobody has begun it; where there is none it is
QUEUED, and nobody starts it before its instant. Whatever would have decided otherwise by then takes
it back, and nothing is left of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from taskd.core.run import Run, RunState
from taskd.core.value import replace

AHEAD: Final = timedelta(milliseconds=50)
"""The longest time before its instant that a start is committed: all that are due within it share
one transaction. It is too short for anybody to see, and to take one back costs little."""

LEAD: Final = timedelta(milliseconds=20)
"""The shortest: what a turn may take, on a slow disk too, without making the start late."""

MISSED: Final = timedelta(seconds=1)
"""A start that has not begun so long after its instant is decided again: the machine slept, say,
and its job may be one that is not to run late."""


def is_ahead(run: Run, now: datetime) -> bool:
    """Whether a run that is RUNNING has not begun, for its instant has not come.

    One that lies further ahead has begun, before the clock was set back.
    """
    if run.state is not RunState.RUNNING or run.started_at != run.due_at:
        return False
    return now < run.due_at <= now + AHEAD


def is_early(run: Run, now: datetime) -> bool:
    """Whether a run is QUEUED ahead of its instant, which has not come."""
    is_queued = run.state is RunState.QUEUED and not run.attempt and run.queued_at == run.due_at
    return is_queued and now < run.due_at <= now + AHEAD


def as_of(run: Run, now: datetime) -> Run:
    """Return a run as it stands at `now`: one that is ahead still waits for its instant."""
    return undecided(run) if is_ahead(run, now) or is_early(run, now) else run


def undecided(run: Run) -> Run:
    """Return a run that is taken back as it was before: an attempt does not count."""
    return replace(
        run,
        state=RunState.PENDING,
        queued_at=None,
        first_started_at=None,
        started_at=None,
        attempt=run.attempt - (run.state is RunState.RUNNING),
    )
