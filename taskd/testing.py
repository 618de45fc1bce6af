"""Testing: a clock that advances by hand, so that tests of schedules need no sleep.

    clock = FakeClock()
    with inline_scheduler(clock) as scheduler:
        task = scheduler.schedule_periodic(collect, timedelta(minutes=5))
        clock.advance(timedelta(hours=1))
        assert scheduler.get_task_result(task) == ...

With pytest, the fixtures `taskd_clock` and `taskd_scheduler` are these two, ready to use.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from taskd.core import ports
from taskd.executors.inline import Inline
from taskd.scheduler import Scheduler

PATIENCE_S = 30.0  # of real time: a task that takes longer hangs


class FakeClock:
    """A clock that stands still until `advance`; for one scheduler.

    `start` is the first instant, aware; default 2026-01-01 00:00 UTC.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = self._now = start.astimezone(UTC)
        self._stepped = timedelta(0)
        self._changed = threading.Condition()
        self._until: datetime | None = None
        self._waits_on: ports.Wakeup | None = None

    def now(self) -> datetime:
        """Return the instant it stands at: aware UTC."""
        return self._now + self._stepped

    def elapsed(self) -> float:
        """Return the seconds it was advanced by; a `step` does not count."""
        return (self._now - self._start).total_seconds()

    def advance(self, by: timedelta) -> None:
        """Move on by `by`, stopping at each due instant on the way until its work is done.

        Raises:
            TimeoutError: The scheduler has not started, or a task does not end.
        """
        with self._changed:
            target = self._now + by
            while True:
                self._settle()
                due_at = None if self._until is None else self._until - self._stepped
                if due_at is None or due_at > target:
                    break
                self._now = max(self._now, due_at)
                self._changed.notify_all()
            self._now = target

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward (back, where negative), as an operator or NTP would."""
        with self._changed:
            self._settle()
            self._stepped += by
            assert isinstance(self._waits_on, FakeWakeup)
            self._waits_on.set()
            self._settle()

    def wakeup(self) -> FakeWakeup:
        """Return a new signal that ends a wait of this clock early."""
        return FakeWakeup(self._changed)

    def wait(self, until: datetime | None, wakeup: ports.Wakeup) -> None:
        """Return when it was advanced to `until`, or `wakeup` is set."""
        assert isinstance(wakeup, FakeWakeup)
        with self._changed:
            self._until, self._waits_on = until, wakeup
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_settled())
            self._waits_on = None

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _settle(self) -> None:
        if not self._changed.wait_for(self._is_settled, PATIENCE_S):
            raise TimeoutError("the scheduler has not started, or a task does not end")

    def _is_settled(self) -> bool:
        """Whether the scheduler sleeps, and has no reason to wake."""
        if not isinstance(self._waits_on, FakeWakeup) or self._waits_on.is_set:
            return False
        return self._until is None or self._until > self.now()


class FakeWakeup:
    """The signal of a `FakeClock`."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.is_set = False

    def set(self) -> None:
        """Wake the reader."""
        with self._changed:
            self.is_set = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Take the signal back."""
        with self._changed:
            self.is_set = False

    def fileno(self) -> int:
        """Return no descriptor: only the clock that made it waits for it."""
        return -1

    def close(self) -> None:
        """Do nothing: it holds nothing."""


def inline_scheduler(clock: FakeClock, store: str | None = None) -> Scheduler:
    """Return a scheduler on `clock` that calls tasks one after another, on its own thread."""
    return Scheduler(store, clock=clock, executor=Inline)
