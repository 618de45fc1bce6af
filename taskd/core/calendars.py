"""Calendars: the local dates on which occurrences are skipped."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from taskd.core.zones import DAY, Span, spans, to_instant, to_seconds

EPOCH_DATE: Final = date(1970, 1, 1)
THURSDAY: Final = 3  # day 0 of the Unix epoch, where Monday is 0
# Looking on for the end of a stretch of equal days costs a step a day; the caller asks again.
FAR: Final = 400


@dataclass(frozen=True, slots=True)
class Calendar:
    """A named set of days: `dates`, sorted, and every one of `weekdays` (Monday is 0)."""

    name: str
    dates: tuple[date, ...] = ()
    weekdays: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dates", tuple(sorted(set(self.dates))))
        object.__setattr__(self, "weekdays", tuple(sorted(set(self.weekdays))))


@dataclass(frozen=True, slots=True)
class Exclude:
    """The days of `calendars`, read on the clocks of `timezone` (an IANA name)."""

    calendars: tuple[Calendar, ...]
    timezone: str

    def calendar_at(self, instant: datetime) -> str | None:
        """The name of the first calendar that has the local date of `instant`; None if none has."""
        seconds = to_seconds(instant)
        return self._calendar_of(self._span(seconds), seconds)

    def stretch(self, instant: datetime) -> tuple[str | None, datetime]:
        """What `calendar_at` says of `instant`, and until which instant (exclusive) it holds.

        It may hold for longer: a stretch ends where the zone's offset changes, and after a year.
        """
        seconds = to_seconds(instant)
        span = self._span(seconds)
        name = self._calendar_of(span, seconds)
        day = (seconds + span.offset) // DAY
        for end in range(day + 1, day + FAR):
            opens = end * DAY - span.offset
            if opens >= span.end:
                return name, to_instant(span.end)
            if self._calendar_of(span, opens) != name:
                return name, to_instant(opens)
        return name, to_instant((day + FAR) * DAY - span.offset)

    def _span(self, seconds: int) -> Span:
        return next(spans(self.timezone, seconds, seconds))

    def _calendar_of(self, span: Span, seconds: int) -> str | None:
        day = (seconds + span.offset) // DAY
        weekday, local = (day + THURSDAY) % 7, EPOCH_DATE + timedelta(days=day)
        for calendar in self.calendars:
            if weekday in calendar.weekdays or _has(calendar.dates, local):
                return calendar.name
        return None


def _has(dates: tuple[date, ...], day: date) -> bool:
    index = bisect_left(dates, day)
    return index < len(dates) and dates[index] == day
