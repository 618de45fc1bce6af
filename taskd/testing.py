"""Testing: a clock that advances by hand, so that tests of schedules need no sleep.

    clock = FakeClock()
    with Scheduler(clock=clock, workers=1) as scheduler:
        scheduler.schedule_periodic(collect, timedelta(minutes=5))
        clock.advance(timedelta(hours=1))
        assert collected == 13

When `advance` returns, everything that became due has run and its effects can be seen. With
``workers=1`` tasks run one after another, so that also those of one instant keep their order.
pytest finds the fixtures `taskd_clock` and `taskd_scheduler`: these two, ready to use.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from taskd.core import ports


class FakeClock:
    """A clock that stands still until `advance`, for any number of schedulers.

    `start` is the first instant (naive: local time), 2026-01-01 00:00 UTC by default. `patience_s`
    is how long, in real time, the work of one instant may take.
    """

    def __init__(
        self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, patience_s: float = 30.0
    ) -> None:
        self._start = start.astimezone(UTC)
        self._passed = self._set_by = timedelta(0)
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._sleepers: list[FakeWakeup] = []

    def now(self) -> datetime:
        """Return the instant it stands at: aware UTC."""
        return self._start + self._passed + self._set_by

    def elapsed(self) -> float:
        """Return the seconds it was advanced by; a `step` does not count."""
        return self._passed.total_seconds()

    def advance(self, by: timedelta | float) -> None:
        """Move on by `by` (seconds, where a number), stopping at each due instant on the way.

        At every stop it waits until all that is due has run. A task must not call it.

        Raises:
            TimeoutError: A task does not end, or a scheduler was not started.
            ValueError: `by` is negative; see `step`.
        """
        by = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if by < timedelta(0):
            raise ValueError("time only goes forward; step() sets the clock back")
        with self._changed:
            target = self._passed + by
            while (due := self._next_stop()) is not None and due <= target:
                self._passed = max(self._passed, due)
                self._changed.notify_all()
            self._passed = target

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward (back, where negative), as an operator or NTP would."""
        with self._changed:
            self._settle()
            self._set_by += by
            for sleeper in self._sleepers:
                sleeper.set()
            self._settle()

    def wakeup(self) -> FakeWakeup:
        """Return a new signal that ends a wait of this clock early."""
        return FakeWakeup(self._changed, self._sleepers)

    def wait(self, until: datetime | None, wakeup: ports.Wakeup, *, busy: bool = False) -> None:
        """Return when it was advanced to `until`, or `wakeup` is set."""
        assert isinstance(wakeup, FakeWakeup)
        with self._changed:
            wakeup.until, wakeup.is_settled = until, not busy
            self._changed.notify_all()
            self._changed.wait_for(lambda: wakeup.is_set or self._is_due(until))
            wakeup.is_settled = False

    def close(self) -> None:
        """Do nothing: it holds nothing, and may serve the next scheduler."""

    def _next_stop(self) -> timedelta | None:
        """Return when the next instant is due, once the work of this one is done."""
        self._settle()
        due = [sleeper.until for sleeper in self._sleepers if sleeper.until is not None]
        return min(due) - self._start - self._set_by if due else None

    def _settle(self) -> None:
        if not self._changed.wait_for(self._is_settled, self._patience_s):
            raise TimeoutError("a task does not end, or a scheduler was not started")

    def _is_settled(self) -> bool:
        """Whether every scheduler sleeps, with nothing under way and no reason to wake."""
        return all(
            sleeper.is_settled and not sleeper.is_set and not self._is_due(sleeper.until)
            for sleeper in self._sleepers
        )

    def _is_due(self, instant: datetime | None) -> bool:
        return instant is not None and instant <= self.now()


class FakeWakeup:
    """The signal of one scheduler to a `FakeClock`, and how that scheduler sleeps."""

    def __init__(self, changed: threading.Condition, sleepers: list[FakeWakeup]) -> None:
        self._changed = changed
        self._sleepers = sleepers
        self.is_set = False
        self.is_settled = False
        self.until: datetime | None = None
        sleepers.append(self)

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
        """Take the scheduler off the clock: it has shut down."""
        with self._changed:
            if self in self._sleepers:
                self._sleepers.remove(self)
            self._changed.notify_all()
