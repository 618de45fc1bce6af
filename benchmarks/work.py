"""The work that contestants are given; it counts itself in the process where it runs."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from threading import Event

from benchmarks.contract import Unable

PATIENCE_S = 300.0
MARKED_S = 0.02  # how long the work of the crash case takes


class Tally:
    """Counts calls, without a lock, for the counter's own cost must not be measured."""

    def __init__(self) -> None:
        self._done = Event()
        self.expect(0)

    def expect(self, calls: int) -> None:
        """Begin anew; `wait` waits for so many calls."""
        self._expected, self._calls = calls, count(1)
        self._done.clear()
        self.late_s: list[float] = []

    def add(self) -> None:
        """Count one call."""
        if next(self._calls) == self._expected:
            self._done.set()

    def called(self) -> int:
        """How many calls there were."""
        return int(repr(self._calls)[len("count(") : -1]) - 1  # a look does not count

    def wait(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait for all expected calls. Raises Unable when they do not come."""
        if not self._done.wait(timeout_s):
            counted = f"{self.called()} of {self._expected} tasks had run"
            raise Unable(f"{counted} after {timeout_s:.0f} s")


tally = Tally()


def nothing() -> None:
    """Do nothing but count."""
    tally.add()


def carry(payload: str) -> str:
    """Take an argument and give it back."""
    tally.add()
    return payload


def note(due_at: float) -> None:
    """Note how late this call is, in seconds of the wall clock."""
    tally.late_s.append(time.time() - due_at)
    tally.add()


def burn(for_s: float) -> None:
    """Be busy in Python for so many seconds."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        sum(range(1000))


def mark(folder: str, number: int) -> None:
    """Work a moment, then leave a file that says so."""
    time.sleep(MARKED_S)
    (Path(folder) / str(number)).touch()


class Marks:
    """The files that `mark` leaves, which outlive a crash."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "marks"
        self.folder.mkdir(exist_ok=True)

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.iterdir())

    def wait(self, count: int, timeout_s: float = PATIENCE_S) -> int:
        """Wait for `count` of them, and return how many are missing when the time is up."""
        end = time.monotonic() + timeout_s
        while len(self) < count and time.monotonic() < end:
            time.sleep(0.01)
        return max(0, count - len(self))

    def last_at(self) -> float:
        """When the last one was made, in seconds of the wall clock."""
        return max((file.stat().st_mtime for file in self.folder.iterdir()), default=0.0)
