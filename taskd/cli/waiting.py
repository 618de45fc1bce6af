"""Waiting for runs to end, and what their end means for the exit status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from taskd.cli.failures import Exit
from taskd.cli.times import clock, took
from taskd.client import FINAL_STATES, Client, Document

# How long a due job may take to become a run that `runs` shows.
_GLANCE: Final = timedelta(milliseconds=50)


class Deadline:
    """The moment at which a verb gives up; never, without `seconds`."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else clock().elapsed() + seconds

    def left(self) -> float | None:
        """The seconds left, at least 0; None where there is no end."""
        return None if self._end is None else max(0.0, self._end - clock().elapsed())

    @property
    def passed(self) -> bool:
        """Whether it is time to give up."""
        return self.left() == 0.0


def verdict(runs: Sequence[Document | None]) -> Exit:
    """0 where each run succeeded, 124 where one is not final (or not there) yet, else 1."""
    states = [run["state"] if run else None for run in runs]
    if any(state not in FINAL_STATES for state in states):
        return Exit.TIMED_OUT
    return Exit.DONE if all(state == "SUCCEEDED" for state in states) else Exit.FAILED


def ending(run: Document) -> str:
    """How a run stands, in a sentence: ``SUCCEEDED in 1.2s``, ``FAILED: ValueError: no``."""
    state = str(run["state"])
    if state not in FINAL_STATES:
        return f"still {state}"
    if error := run.get("error"):
        return f"{state}: {error['type']}: {error['message']}"
    if run.get("reason"):
        return f"{state}: {run['reason']}"
    lasted = took(duration_of(run))
    return f"{state} in {lasted}" if lasted else state


def duration_of(run: Document) -> float | None:
    """The seconds from a run's start to its end; None where it lacks one of them."""
    started, finished = run.get("started_at"), run.get("finished_at")
    if not started or not finished:
        return None
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()


def first_run(
    daemon: Client, job: str, since: datetime, next_due_at: str | None, deadline: Deadline
) -> Document | None:
    """The first run that a job gets from `since` on; None where the deadline comes before it."""
    from taskd.clock import Wakeup

    never = Wakeup()
    due = datetime.fromisoformat(next_due_at) if next_due_at else clock().now()
    try:
        while not (runs := _made_since(daemon, job, since)) and not deadline.passed:
            until = max(due, clock().now() + _GLANCE)
            if (left := deadline.left()) is not None:
                until = min(until, clock().now() + timedelta(seconds=left))
            clock().wait(until, never)
    finally:
        never.close()
    return runs[-1] if runs else None


def _made_since(daemon: Client, job: str, since: datetime) -> list[Document]:
    # An id is a UUIDv7 (RFC 9562): it begins with the milliseconds at which its run was made. A
    # run may be due long before that, and may be of an earlier job of the same name.
    stamp = f"{int(since.timestamp() * 1000):012x}"
    floor = f"{stamp[:8]}-{stamp[8:]}"
    return [run for run in daemon.runs(job=job, limit=10) if run["id"] >= floor]
