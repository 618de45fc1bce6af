"""Ports: what the loop needs of the world around it. Implemented in `stores` and `executors`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from taskd.core.messages import Found, Page, Wanted
from taskd.core.record import JobRecord
from taskd.core.run import Run, RunId
from taskd.core.turn import Changes, Start

Keep: TypeAlias = Callable[[str | None], tuple[timedelta, timedelta]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many runs and events were forgotten; it is true while there is more to look at.

    `gone` are the runs of one step; a sum of steps does not name them.
    """

    runs: int = 0
    events: int = 0
    goes_on: bool = True
    gone: tuple[RunId, ...] = ()

    def __bool__(self) -> bool:
        return self.goes_on

    def __add__(self, later: Pruned) -> Pruned:
        return Pruned(self.runs + later.runs, self.events + later.events, later.goes_on)


class Wakeup(Protocol):
    """A signal with many writers and one reader: it stays set until the reader clears it."""

    def set(self) -> None:
        """Wake the reader; from any thread or signal handler."""
        ...

    def clear(self) -> None:
        """Take the signal back; for the reader alone, who looks at its inbox afterwards."""
        ...

    def fileno(self) -> int:
        """The descriptor that is readable while the signal is set."""
        ...

    def close(self) -> None:
        """Release what it holds; a later `set` does nothing."""
        ...


class Clock(Protocol):
    """What tells the time and waits for it. `wait` is for one thread, the rest for any."""

    def now(self) -> datetime:
        """The wall-clock time: aware UTC, in whole microseconds, never rounded up."""
        ...

    def elapsed(self) -> float:
        """Seconds since some fixed point: counts suspend, unmoved when the wall clock is set."""
        ...

    def wakeup(self) -> Wakeup:
        """A new signal that ends a wait of this clock early."""
        ...

    def wait(self, until: datetime | None, wakeup: Wakeup, *, busy: bool = False) -> None:
        """Return when `until` has come, `wakeup` is set, or the wall clock was stepped.

        None waits without a deadline. The wakeup is left as it is. `busy` says that attempts are
        under way: a clock that is advanced by hand stands still until they have ended.
        """
        ...

    def close(self) -> None:
        """Release what the clock holds; nobody may be waiting."""
        ...


class Store(Protocol):
    """The durable home of jobs, runs and the journal. The loop's thread alone calls it."""

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        """Return every job, and the live runs that execute, are of jobs, or lost an attempt.

        The others, tasks that wait, stay in the store until their page is asked for.
        """
        ...

    def pending(self, limit: int) -> Page:
        """Return the PENDING and RETRYING tasks that are due soonest."""
        ...

    def queued(self, limit: int) -> Page:
        """Return the QUEUED tasks of the lowest rank that lost no attempt."""
        ...

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        """Return those of the runs that exist."""
        ...

    def head(self) -> int:
        """Return the sequence number of the journal's last event, 0 when there is none."""
        ...

    def look_up(self, wanted: Wanted) -> Found:
        """Return what there is of what is wanted, and the runs that receipts name."""
        ...

    def commit(self, changes: Changes) -> None:
        """Write all of `changes`, with the journal of them, or nothing.

        Raises:
            StoreRefused: A row is not as `changes` believes; nothing was written.
            StoreUnavailable: It failed, and nothing of it is written.
            StoreDoubtful: It failed, and nobody knows yet if it is written: `settled` will tell.
        """
        ...

    def settled(self) -> bool | None:
        """Tell what became of a doubtful commit: written, or not; None: not known yet."""
        ...

    def prune(self, now: datetime, keep: Keep, batch: int) -> Pruned:
        """Look at `batch` rows, forget what is too old; return what, and if the sweep goes on.

        `keep` gives for a job's name, None for tasks, how long to keep what went well and what
        failed. Raises what `commit` does.
        """
        ...

    def damage(self) -> str:
        """Read everything, and return what is damaged; empty where nothing is found.

        Unlike the rest it is for a thread of its own. `close` ends it early.
        """
        ...

    def close(self) -> None:
        """Let go of the store and its lock."""
        ...


class Executor(Protocol):
    """Calls callables, each attempt in its own slot, and reports each end to the loop's inbox."""

    def start(self, start: Start) -> None:
        """Begin an attempt; returns at once."""
        ...

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """Interrupt a running attempt, harder with each stage; one that is not running is left.

        1 asks it to end, 2 makes it end as far as that can be done, 3 gives it up: where it does
        not end, its slot is replaced, and its end is reported when it comes.
        """
        ...

    @property
    def leaked(self) -> int:
        """How many attempts were given up and have not ended."""
        ...

    def forget(self, runs: Sequence[RunId]) -> None:
        """Let go of what is kept of runs that are in the store no more; returns at once."""
        ...

    def stopping(self) -> None:
        """Tell every running attempt that taskd is shutting down."""
        ...

    def close(self) -> None:
        """Take no more attempts; does not wait for those that run."""
        ...
