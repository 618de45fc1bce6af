"""Deadlines: when an attempt under way is to be interrupted next, and how hard.

An interruption has three stages, `kill_grace` apart: the attempt is asked to end, then made to as
far as its executor can, then given up: a thread that will not end loses its slot, and counts as
running until it does.
"""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from taskd.core.run import Run, RunId

ASK: Final = 1
INSIST: Final = 2
GIVE_UP: Final = 3


class Deadline(NamedTuple):
    """At `at`, attempt `attempt` of `run` is to be interrupted with `stage`."""

    at: datetime
    run: RunId
    attempt: int
    stage: int


class Deadlines:
    """The next deadline of each attempt that has one; a later `put` replaces an earlier one."""

    def __init__(self) -> None:
        self._next: dict[RunId, Deadline] = {}
        self._heap: list[Deadline] = []

    def put(self, run: Run, at: datetime, stage: int) -> None:
        """Have the latest attempt of `run` interrupted at `at`."""
        deadline = Deadline(at, run.id, run.attempt, stage)
        self._next[run.id] = deadline
        heapq.heappush(self._heap, deadline)

    def stage(self, run: RunId) -> int:
        """Return the stage that comes next for a run, 0 where none does."""
        deadline = self._next.get(run)
        return deadline.stage if deadline else 0

    def drop(self, run: RunId) -> None:
        """Forget a run whose attempt has ended."""
        self._next.pop(run, None)

    def first(self) -> Deadline | None:
        """Return the soonest deadline."""
        while self._heap and self._next.get(self._heap[0].run) != self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def shift(self, by: timedelta) -> None:
        """Move all by what the wall clock was set, for they count by elapsed time."""
        self._next = {run: d._replace(at=d.at + by) for run, d in self._next.items()}
        self._heap = sorted(self._next.values())
