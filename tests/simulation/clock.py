"""Simulated time: it passes only when the loop waits, and its wall clock can be set."""

from collections.abc import Callable
from datetime import datetime, timedelta

from taskd.core.ports import Wakeup

ZERO = timedelta(0)


class Signal:
    """A wakeup for one thread: the loop looks at its inbox before every wait."""

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


class SimulatedClock:
    """Whole microseconds that pass only when the loop waits; the wall clock can be set."""

    def __init__(self, start: datetime, on_wait: Callable[[datetime | None], None]) -> None:
        self._start = start
        self._on_wait = on_wait
        self.passed = ZERO
        self.offset = ZERO

    def now(self) -> datetime:
        return self._start + self.passed + self.offset

    def elapsed(self) -> float:
        return self.passed / timedelta(seconds=1)

    def wakeup(self) -> Wakeup:
        return Signal()

    def wait(self, until: datetime | None, wakeup: Wakeup, *, busy: bool = False) -> None:
        self._on_wait(until)

    def close(self) -> None:
        pass
