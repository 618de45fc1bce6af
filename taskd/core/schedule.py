"""Schedules: Every, Cron, At. Each gives the first due instant strictly after an instant."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from taskd.core.duration import check_longest, format_duration
from taskd.core.zones import EPOCH
from taskd.errors import InvalidJob

SHORTEST: Final = timedelta(milliseconds=100)  # of intervals: the contract's lower bound


@dataclass(frozen=True, slots=True)
class Missed:
    """The due instants from one instant to another, both included, without listing them.

    `count` is how many there are (at least 1), `last` the latest of them, `next` the first due
    instant after it, None where the schedule has no more.
    """

    count: int
    last: datetime
    next: datetime | None


class Schedule(Protocol):
    """A rule that gives due instants. All instants are aware UTC."""

    def first(self, now: datetime) -> datetime | None:
        """The first due instant of a job first seen at `now`."""
        ...

    def after(self, instant: datetime, anchor_at: datetime) -> datetime | None:
        """The first due instant strictly after `instant`.

        `anchor_at` is where an interval's grid starts; other schedules ignore it.
        """
        ...

    def missed(self, first: datetime, until: datetime, anchor_at: datetime) -> Missed:
        """The due instants in [first, until], where `first` is itself one of them."""
        ...

    def __str__(self) -> str:
        """The schedule in the words of jobs.toml, such as ``every 10s``."""
        ...


class Mode(StrEnum):
    """From where an interval counts: from due instant to due instant, or from a run's end."""

    FIXED_RATE = "fixed-rate"
    FIXED_DELAY = "fixed-delay"


@dataclass(frozen=True, slots=True)
class Every:
    """A due instant every `interval` (0.1 s to a century), whatever the zone.

    The grid is the anchor plus whole multiples of the interval, or, with `align`, the multiples
    of the interval since the Unix epoch. With `Mode.FIXED_DELAY` there is no grid: the next run is
    due one interval after the end of the last, so that `align` is refused.

    Raises:
        InvalidJob: `interval` is out of range, or `align` is set with a fixed delay.
    """

    interval: timedelta
    mode: Mode = Mode.FIXED_RATE
    align: bool = False

    def __post_init__(self) -> None:
        if self.interval < SHORTEST:
            raise InvalidJob("every", "an interval is at least 100ms")
        check_longest("every", self.interval)
        if self.align and self.mode is Mode.FIXED_DELAY:
            raise InvalidJob(
                "align", "a fixed delay has no grid to align", 'use mode = "fixed-rate"'
            )

    def first(self, now: datetime) -> datetime:
        """`now` itself, where the grid then starts; aligned, the first multiple not before it."""
        return EPOCH - (EPOCH - now) // self.interval * self.interval if self.align else now

    def after(self, instant: datetime, anchor_at: datetime) -> datetime:
        """The first due instant strictly after `instant`, and never before the grid starts.

        For a fixed delay `instant` is the end of the run, and the answer one interval later.
        """
        if self.mode is Mode.FIXED_DELAY:
            return instant + self.interval
        if self.align:
            return EPOCH + ((instant - EPOCH) // self.interval + 1) * self.interval
        return anchor_at + max((instant - anchor_at) // self.interval + 1, 0) * self.interval

    def missed(self, first: datetime, until: datetime, anchor_at: datetime) -> Missed:
        """The due instants in [first, until], by arithmetic, however many they are.

        A fixed delay misses one at most, for its next waits for the end of a run; `next` is then
        what holds if that run is never made: one interval after `until`.
        """
        if self.mode is Mode.FIXED_DELAY:
            return Missed(1, first, until + self.interval)
        steps = (until - first) // self.interval
        last = first + steps * self.interval
        return Missed(steps + 1, last, self.after(last, anchor_at))

    def __str__(self) -> str:
        words = f"every {format_duration(self.interval)}"
        if self.mode is Mode.FIXED_DELAY:
            return f"{words} {self.mode}"
        return f"{words} align" if self.align else words


@dataclass(frozen=True, slots=True)
class At:
    """Due once at each of `instants`, which are aware; kept in UTC, sorted, without repeats.

    Raises:
        InvalidJob: there is none, or one has no time zone.
    """

    instants: tuple[datetime, ...]

    def __post_init__(self) -> None:
        if not self.instants:
            raise InvalidJob("at", "there is no instant", "write at least one")
        for instant in self.instants:
            if instant.utcoffset() is None:
                raise InvalidJob("at", f"{instant} has no time zone", "end it in Z or +01:00")
        in_order = sorted({instant.astimezone(UTC) for instant in self.instants})
        object.__setattr__(self, "instants", tuple(in_order))

    def first(self, now: datetime) -> datetime:  # noqa: ARG002 - a past instant is late, not gone
        """The earliest instant, even when it is past: it is then a late occurrence."""
        return self.instants[0]

    def after(self, instant: datetime, anchor_at: datetime) -> datetime | None:  # noqa: ARG002
        """The first of the instants strictly after `instant`, None after the last."""
        index = bisect_right(self.instants, instant)
        return self.instants[index] if index < len(self.instants) else None

    def missed(self, first: datetime, until: datetime, anchor_at: datetime) -> Missed:
        """The instants in [first, until], where `first` is itself one of them."""
        begin, end = self.instants.index(first), bisect_right(self.instants, until)
        last = self.instants[end - 1]
        return Missed(end - begin, last, self.after(last, anchor_at))

    def __str__(self) -> str:
        first = self.instants[0].isoformat().replace("+00:00", "Z")
        more = len(self.instants) - 1
        return f"at {first} +{more} more" if more else f"at {first}"
