"""Ahead: what is due is decided and committed a moment before, so that no disk makes it late.

Of a free slot the run is RUNNING in the store, and nobody has begun it; where there is none it is
QUEUED, and nobody starts it before its instant. Whatever would have decided otherwise by then takes
it back, and nothing is left of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from taskd.core.run import Origin, Run, RunState
from taskd.core.value import replace

AHEAD: Final = timedelta(milliseconds=50)
"""The longest time before its instant that a start is committed: all that are due within it share
one transaction. It is too short for anybody to see, and to take one back costs little."""

LEAD: Final = timedelta(milliseconds=20)
"""The shortest: what a turn may take, on a slow disk too, without making the start late."""

MISSED: Final = timedelta(seconds=1)
"""A start that has not begun so long after its instant is decided again: the machine slept, say,
and its job may be one that is not to run late."""


def may_be_ahead(run: Run) -> bool:
    """Whether a run stands as one that was decided ahead: for the very instant it is due at."""
    is_of_schedule = run.origin is Origin.SCHEDULE and run.queued_at == run.due_at
    if run.state is RunState.QUEUED:
        return is_of_schedule and not run.attempt
    return is_of_schedule and run.state is RunState.RUNNING and run.started_at == run.due_at


def is_ahead(run: Run, now: datetime) -> bool:
    """Whether a run is RUNNING, or QUEUED, and its instant has not come.

    One that lies further ahead was decided when it was due, before the clock was set back.
    """
    return now < run.due_at <= now + AHEAD and may_be_ahead(run)


def as_of(run: Run, now: datetime) -> Run:
    """Return a run as it stands at `now`: one that is ahead still waits for its instant."""
    return undecided(run) if is_ahead(run, now) else run


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
