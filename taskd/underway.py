"""UnderWay: the attempts that this process has: those that execute, and those to begin in a moment.

What was committed ahead waits with the loop, in its timer, until its instant has come: a thread
that waited for each would have to be woken first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Final

from taskd.aside import Aside
from taskd.core.ahead import MISSED
from taskd.core.messages import AttemptFinished, Begun
from taskd.core.ports import Clock, Executor
from taskd.core.run import RunId
from taskd.core.turn import Interrupt, Start

logger = logging.getLogger("taskd.loop")


TURN: Final = timedelta(milliseconds=1)  # about what a turn takes, but for its commit


class UnderWay:
    """Hands attempts to `executor`, at their instant where they have one; for the loop's thread.

    `alive` are those that it has, and those that wait. `begun` are those that waited and began,
    until the next turn takes note of them. `has_failed` says that one could not begin, `has_missed`
    that the instant of one is long gone: the next turn takes it back.
    """

    def __init__(self, executor: Executor, clock: Clock, aside: Aside) -> None:
        self._executor = executor
        self._clock = clock
        self._aside = aside
        self.has_failed = False
        self.has_missed = False
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

    def start(self, start: Start) -> None:
        """Begin an attempt, or keep it until its instant."""
        if start.at is not None:
            self._waiting[start.run.id] = start
            heappush(self._heap, (start.at, next(self._places), start))
        elif not self._hand_over(start):
            return
        self.alive.add((start.run.id, start.run.attempt))

    def begin_due(self) -> bool:
        """Begin what waits and whose instant has come; return whether there was any."""
        has_begun, now = False, self._clock.now()
        while (at := self.next_begin()) is not None and at <= now:
            start = heappop(self._heap)[2]
            if now - at >= MISSED:
                self.has_missed = True
                continue
            has_begun = True
            run = self._waiting.pop(start.run.id).run
            if self._hand_over(start):
                self.begun.append(Begun(run.id, run.attempt, now))
            else:
                self.alive.discard((run.id, run.attempt))
        return has_begun

    def let_begin(self) -> None:
        """Wait for a start that is due before a turn that began now would be over.

        For one only: where they follow each other at once, the turns must go on between them.
        """
        at = self.next_begin()
        if at is not None and at - self._clock.now() < TURN:
            self._aside.rest(at)
            self.begin_due()

    def begin_beside(self, work: Callable[[], None]) -> None:
        """Do `work`, which waits for the disk; begin what is due meanwhile, where that is slow.

        Raises what `work` does.
        """
        if self.next_begin() is None:
            work()
        else:
            self._aside.do(work, next_begin=self.next_begin, begin_due=self.begin_due)

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
            self.has_failed = True
            return False
        return True
