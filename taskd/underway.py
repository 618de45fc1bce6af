"""UnderWay: the attempts that this process has: those that execute, and those to begin in a moment.

What was committed ahead waits with the loop, in its timer, until its instant has come: a thread
that waited for each would have to be woken first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import heappop, heappush
from itertools import count

from taskd.core.messages import AttemptFinished, Begun
from taskd.core.ports import Executor
from taskd.core.run import RunId
from taskd.core.turn import Interrupt, Start

logger = logging.getLogger("taskd.loop")


class UnderWay:
    """Hands attempts to `executor`, at their instant where they have one; for the loop's thread.

    `alive` are those that it has, and those that wait. `begun` are those that waited and began,
    until the next turn takes note of them.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.alive: set[tuple[RunId, int]] = set()
        self.begun: list[Begun] = []
        self._waiting: dict[RunId, Start] = {}
        self._heap: list[tuple[datetime, int, Start]] = []
        self._places = count()

    @property
    def is_busy(self) -> bool:
        """Whether any execute."""
        return len(self.alive) > len(self._waiting)

    @property
    def ahead(self) -> frozenset[RunId]:
        """The runs whose start waits for its instant."""
        return frozenset(self._waiting)

    def next_begin(self) -> datetime | None:
        """Return the soonest of these instants."""
        while self._heap and self._waiting.get(self._heap[0][2].run.id) is not self._heap[0][2]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def start(self, start: Start) -> bool:
        """Begin an attempt, or keep it until its instant; return false where it cannot begin."""
        if start.at is not None:
            self._waiting[start.run.id] = start
            heappush(self._heap, (start.at, next(self._places), start))
        elif not self._hand_over(start):
            return False
        self.alive.add((start.run.id, start.run.attempt))
        return True

    def begin_due(self, now: datetime) -> Iterator[bool]:
        """Begin what waits and is due at `now`, and tell of each whether it could."""
        while (at := self.next_begin()) is not None and at <= now:
            start = heappop(self._heap)[2]
            run = self._waiting.pop(start.run.id).run
            has_begun = self._hand_over(start)
            if has_begun:
                self.begun.append(Begun(run.id, run.attempt, now))
            else:
                self.alive.discard((run.id, run.attempt))
            yield has_begun

    def take_back(self, runs: Sequence[RunId]) -> None:
        """See to it that what waits does not begin."""
        for run in runs:
            start = self._waiting.pop(run, None)
            if start is not None:
                self.alive.discard((run, start.run.attempt))

    def interrupt(self, interrupt: Interrupt) -> None:
        """Interrupt an attempt that executes."""
        try:
            self._executor.interrupt(interrupt.run, interrupt.stage)
        # A plug-in's own fault. The next stage comes, should the attempt not end.
        except Exception:
            logger.exception("cannot interrupt run %s", interrupt.run)

    def ended(self, ended: AttemptFinished) -> None:
        """Let go of an attempt whose end is written."""
        self.alive.discard((ended.run, ended.attempt))

    def _hand_over(self, start: Start) -> bool:
        try:
            self._executor.start(start)
        # The machine gives no thread, say. What was not started is handed back by a new engine.
        except Exception:
            logger.exception("cannot start a run")
            return False
        return True
