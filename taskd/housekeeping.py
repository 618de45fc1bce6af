"""Housekeeper: forgets what is too old, a small step at a time between the turns of the loop."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Final

from taskd.core.ports import Clock, Keep, Pruned, Store
from taskd.core.run import MICROSECOND, Run, RunId
from taskd.core.zones import EPOCH
from taskd.errors import Stopped, StoreError, TaskdError

logger = logging.getLogger("taskd.loop")

FIRST: Final = timedelta(seconds=30)  # after the start: others have more to do then
EVERY: Final = timedelta(hours=1)  # from the end of a sweep to the next
PAUSE: Final = timedelta(milliseconds=50)  # between steps, for those who run
LONGEST_STEP_S: Final = 0.010  # half of what a due run may have to wait for
JUMP: Final = timedelta(hours=1)  # forward, of the wall clock
DISTRUST: Final = timedelta(days=1)  # for somebody to set a clock right that jumped
BATCH: Final = 100
LARGEST_BATCH: Final = 2000
FOREVER: Final = timedelta.max


class Newest:
    """What is kept in memory, which is smaller than a disk: the latest tasks, a job's last run.

    The `least` latest finished tasks stay however old they are, the others for `remember`. The
    loop's thread calls it.
    """

    def __init__(self, remember: timedelta, least: int = 1000) -> None:
        self._remember = remember
        self._ends: deque[datetime] = deque(maxlen=least)
        self._every = max(1, least // 10)
        self._since_sweep = 0

    def ended(self, run: Run) -> None:
        """Take note of a finished run."""
        self._since_sweep += 1
        if run.job is None and run.finished_at is not None:
            self._ends.append(run.finished_at)

    def is_due(self) -> bool:
        """Whether so many runs have ended that a sweep is worth it; a sweep begins then."""
        if self._since_sweep < self._every:
            return False
        self._since_sweep = 0
        return True

    def keep(self, now: datetime) -> Keep:
        """Return how long to keep what has ended."""
        is_full = len(self._ends) == self._ends.maxlen
        of_tasks = max(self._remember, now - self._ends[0]) if is_full else FOREVER

        def kept_for(job: str | None) -> tuple[timedelta, timedelta]:
            kept = of_tasks if job is None else timedelta(0)
            return kept, kept

        return kept_for


class Housekeeper:
    """Sweeps the store every hour, and whenever it is asked to. The loop's thread calls it.

    `forget` is told of the runs that are gone: it must return at once. `newest` replaces age where
    the store is in memory, and brings sweeps of its own. A sweep begins when the loop
    is awake in any case: where nothing happens nothing grows. It waits a day when the wall clock
    has jumped forward, which makes everything look old.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forget: Callable[[Sequence[RunId]], None] = lambda _: None,
        newest: Newest | None = None,
    ) -> None:
        self._forget = forget
        self._newest = newest
        self._store = store
        self._clock = clock
        self._due = clock.elapsed() + FIRST.total_seconds()
        self._is_under_way = False
        self._offset = self._wall_offset()
        self._batch = BATCH
        self._asked: list[Future[object]] = []
        self._pruned = Pruned()  # by the sweep that is under way

    def left(self) -> timedelta | None:
        """Return how long until the next step of a sweep that is under way, None when none is."""
        if not self._is_under_way:
            return None
        return timedelta(seconds=max(0.0, self._due - self._clock.elapsed())) + MICROSECOND

    def sweep_now(self, done: Future[object]) -> None:
        """Begin, or go on with, a sweep; tell what it forgot when it is over."""
        self._asked.append(done)
        self._due, self._is_under_way = self._clock.elapsed(), True

    def step(self, keep: Keep) -> None:
        """Take the next step if it is due."""
        began = self._clock.elapsed()
        if self._newest is not None:
            keep = self._newest.keep(self._clock.now())
            if not self._is_under_way and self._newest.is_due():
                self._due = began
        if began < self._due or self._has_jumped():
            return
        try:
            step = self._store.prune(self._clock.now(), keep, self._batch)
        except StoreError as error:
            logger.error("cannot keep house: %s", error)
            self._end(error)
            return
        took = self._clock.elapsed() - began
        if took > LONGEST_STEP_S:
            self._batch = max(1, self._batch // 2)
        elif took < LONGEST_STEP_S / 4:
            self._batch = min(LARGEST_BATCH, self._batch * 2)
        self._pruned += step
        if step.gone:
            self._forget(step.gone)
        self._is_under_way = step.goes_on
        if step:
            pause = timedelta(0) if self._asked else PAUSE
            self._due = self._clock.elapsed() + pause.total_seconds()
        else:
            self._end(None)

    def close(self) -> None:
        """Refuse those who wait for a sweep that is not over."""
        self._end(Stopped("taskd has shut down"))

    def _has_jumped(self) -> bool:
        """Whether the wall clock was set far forward since the last look; then wait."""
        before, self._offset = self._offset, self._wall_offset()
        if self._offset - before < JUMP or self._asked:
            return False
        logger.warning("the clock has jumped forward: old runs are kept for a day longer")
        self._due = self._clock.elapsed() + DISTRUST.total_seconds()
        self._is_under_way = False
        return True

    def _wall_offset(self) -> timedelta:
        return self._clock.now() - EPOCH - timedelta(seconds=self._clock.elapsed())

    def _end(self, error: TaskdError | None) -> None:
        self._is_under_way = False
        self._due = self._clock.elapsed() + EVERY.total_seconds()
        pruned, self._pruned = self._pruned, Pruned()
        asked, self._asked = self._asked, []
        for done in asked:
            if done.set_running_or_notify_cancel():
                if error is not None:
                    done.set_exception(error)
                else:
                    done.set_result(pruned)
