"""One cron expression as the local times it names.

Local times are numbers here: a *local second* is what a wall clock shows, in seconds since
1970-01-01 00:00 on that clock, and a *day* is its date, in days. No zone is known to this file.
croniter finds the days; it is given naive midnights, never zones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Final

from croniter import croniter

from taskd.core.dialect import MONTH, Fields, read_fields

DAY: Final = 86_400
NEVER: Final = 10_000 * 366  # a day after the last one that datetime knows


@dataclass(frozen=True, slots=True)
class ClockTimes:
    """The times of day of an expression, in seconds after midnight: sorted, and not listed."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def __getitem__(self, index: int) -> int:
        rest, second = divmod(index, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self.hours[hour] * 3600 + self.minutes[minute] * 60 + self.seconds[second]


class Calendar:
    """The days that one day-of-month field, month field and weekday field agree on.

    Keeps its last answer, so that one instance belongs to one thread.
    """

    __slots__ = ("_answer", "_asked", "_fields")

    def __init__(self, day_of_month: str, months: str, weekday: str) -> None:
        self._fields = f"0 0 {day_of_month} {months} {weekday}"
        self._asked, self._answer = 0, -1

    def next(self, day: int) -> int:
        """The first of the days that is not before `day`; NEVER if none is within 50 years."""
        if self._fields == "0 0 * * *":
            return day
        if not self._asked <= day <= self._answer:
            self._asked, self._answer = day, _next_day(self._fields, day)
        return self._answer


@lru_cache(maxsize=8192)
def _next_day(fields: str, day: int) -> int:
    """The first day that is not before `day`; of many jobs most ask for the same few."""
    try:
        # One second before midnight, because croniter answers strictly after.
        iterator = copy(_iterator(fields))
        return int(iterator.get_next(float, start_time=day * DAY - 1.0)) // DAY
    except (ValueError, OverflowError):
        # CroniterBadDateError: nothing for 50 years. The others: past what datetime can hold.
        return NEVER


@lru_cache(maxsize=1024)
def _iterator(fields: str) -> croniter[float]:
    """A croniter to copy from: copying costs a tenth of reading the fields again."""
    return croniter(fields, 0.0, day_or=False)


@dataclass(frozen=True, slots=True)
class Expression:
    """A cron expression that was read: which local seconds it names. Belongs to one thread."""

    text: str
    fields: Fields
    times: ClockTimes
    calendars: tuple[Calendar, ...] = field(repr=False, compare=False)

    def next_day(self, day: int) -> int:
        """The first matching day that is not before `day`; NEVER if none is within 50 years."""
        return min(calendar.next(day) for calendar in self.calendars)

    def next(self, local: int) -> int:
        """The first local second that matches and is not before `local`."""
        today, time = divmod(local, DAY)
        day = self.next_day(today)
        if day == today:
            index = bisect_left(self.times, time)
            if index < len(self.times):
                return day * DAY + self.times[index]
            day = self.next_day(today + 1)
        return day * DAY + self.times[0]


def count(expressions: Sequence[Expression], begin: int, end: int) -> tuple[int, int]:
    """How many local seconds in [begin, end) any of `expressions` matches, and the last of them.

    The last is `begin` where there is none. A day costs the same however many times it has.
    """
    total, last = 0, begin
    for day in range(begin // DAY, (end - 1) // DAY + 1):
        today = {one.times for one in expressions if one.next_day(day) == day}
        if not today:
            continue
        times = today.pop() if len(today) == 1 else _union(frozenset(today))
        low = bisect_left(times, begin - day * DAY)
        high = bisect_left(times, end - day * DAY)
        if low < high:
            total += high - low
            last = day * DAY + times[high - 1]
    return total, last


@lru_cache(maxsize=8)
def _union(parts: frozenset[ClockTimes]) -> tuple[int, ...]:
    return tuple(sorted({times[index] for times in parts for index in range(len(times))}))


def read(text: str, seed: str, *, either: bool = True) -> Expression:
    """The expression that `text` spells; `seed` settles its ``H``, the same way every time.

    With `either`, where both day fields are restricted, a day that matches one of them will do.

    Raises:
        InvalidJob: it cannot be read, or is longer than 256 characters.
    """
    return expression(read_fields(text, seed, either=either), text)


def expression(fields: Fields, text: str = "") -> Expression:
    """The expression of `fields`, as `text` spells them."""
    times = ClockTimes(fields.hours, fields.minutes, fields.seconds)
    return Expression(text, fields, times, tuple(Calendar(*days) for days in _calendars(fields)))


@lru_cache(maxsize=1024)  # of many jobs most ask for the same few
def _calendars(fields: Fields) -> tuple[tuple[str, str, str], ...]:
    """The fields of the calendars whose days, taken together, are those of `fields`."""
    months = "*" if len(fields.months) == MONTH.cycle else ",".join(map(str, fields.months))
    days, weekdays = _alternatives(fields.days), _alternatives(fields.weekdays)
    if fields.either:
        return (
            *((day, months, "*") for day in days),
            *(("*", months, weekday) for weekday in weekdays),
        )
    return tuple((day, months, weekday) for day, weekday in product(days, weekdays))


@lru_cache(maxsize=1024)
def _alternatives(items: tuple[str, ...]) -> tuple[str, ...]:
    """`items` split into fields that croniter can take, which is any mix, but one kind in each."""
    plain = [item for item in items if "w" not in item and "#" not in item and item[:-1] != "l"]
    rest = [item for item in items if item not in plain]
    return (",".join(plain), *rest) if plain else tuple(rest)
