"""Ahead: a start that is committed a moment before it is due, so that no disk makes it late.

Until its instant the run is RUNNING in the store, and nobody has begun it. Whatever would have
decided otherwise by then takes the start back, and nothing is left of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from taskd.core.run import Run, RunState
from taskd.core.value import replace

AHEAD: Final = timedelta(milliseconds=50)
"""The longest time before its instant that a start is committed: all that are due within it share
one transaction. It is too short for anybody to see, and to take one back costs little."""

LEAD: Final = timedelta(milliseconds=10)
"""The shortest: what a commit may take, on a slow disk too, without making the start late."""

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


def as_of(run: Run, now: datetime) -> Run:
    """Return a run as it stands at `now`: one whose start is ahead still waits for it."""
    return unstarted(run) if is_ahead(run, now) else run


def unstarted(run: Run) -> Run:
    """Return a run whose start is taken back as it was before: its attempt does not count."""
    return replace(
        run,
        state=RunState.PENDING,
        queued_at=None,
        first_started_at=None,
        started_at=None,
        attempt=run.attempt - 1,
    )
