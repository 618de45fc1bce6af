"""Time zones as stretches of constant offset, in whole seconds since the Unix epoch.

*Local seconds* are an instant's seconds plus the offset: what the wall clock shows, as a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from taskd.errors import InvalidJob

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
DAY: Final = 86_400
# The years whose ends, and the days around them, datetime can hold in every zone.
FIRST_YEAR, LAST_YEAR = 2, 9998
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // SECOND
# A change that turns the clock back by a day is remembered that long, and foreseen.
LOOK_AROUND: Final = 2 * DAY


@dataclass(frozen=True, slots=True)
class Span:
    """The instants `start` <= instant < `end` (seconds since the epoch), of one `offset` (seconds).

    `seen` is the local second that the wall clock had reached when the span began: behind `opens`
    after a gap, ahead of it when local times are about to repeat, and equal to it otherwise.
    From `again` on, the span's local seconds are shown once more by the one after it; it is
    `closes` where none is.
    """

    start: int
    end: int
    offset: int
    seen: int
    again: int

    @property
    def opens(self) -> int:
        """The first local second of the span."""
        return self.start + self.offset

    @property
    def closes(self) -> int:
        """The first local second after the span, on its own clock."""
        return self.end + self.offset


def zone(name: str) -> ZoneInfo:
    """The IANA time zone called `name`.

    Raises:
        InvalidJob: there is none; the hint is the nearest name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):  # OSError: the name of a directory
        raise InvalidJob("timezone", f"{name!r} is not a time zone", _nearest(str(name))) from None


def to_seconds(instant: datetime) -> int:
    """The whole seconds since the epoch at `instant`, rounded down."""
    return (instant - EPOCH) // SECOND


def to_instant(seconds: int) -> datetime:
    """The aware UTC instant `seconds` after the epoch."""
    return EPOCH + timedelta(seconds=seconds)


def spans(timezone: str, since: int, until: int) -> Iterator[Span]:
    """The spans of `timezone` that hold the instants from `since` to `until`, in order.

    They are cut at the years' ends; those of the years 1 and 9999 are left out.
    """
    first, last = to_instant(since).year, to_instant(min(until, LATEST)).year
    for year in range(max(first, FIRST_YEAR), min(last, LAST_YEAR) + 1):
        for span in _spans_of(timezone, year):
            if span.end > since and span.start <= until:
                yield span


@lru_cache(maxsize=4096)
def _spans_of(timezone: str, year: int) -> tuple[Span, ...]:
    where = zone(timezone)
    begin = to_seconds(datetime(year, 1, 1, tzinfo=UTC))
    end = to_seconds(datetime(year + 1, 1, 1, tzinfo=UTC))
    start, last = begin - LOOK_AROUND, end + LOOK_AROUND
    offset = _offset(where, start)
    seen, found = start + offset, []
    for change in (*_changes(where, start, last), last):
        closes, after = change + offset, _offset(where, change)
        found.append(Span(start, change, offset, seen, min(closes, change + after)))
        seen, start, offset = closes, change, after
    return tuple(_cut(span, begin, end) for span in found if span.end > begin and span.start < end)


def _cut(span: Span, begin: int, end: int) -> Span:
    start, end = max(span.start, begin), min(span.end, end)
    seen = max(span.seen, start + span.offset) if start > span.start else span.seen
    return replace(span, start=start, end=end, seen=seen, again=min(span.again, end + span.offset))


def _changes(where: ZoneInfo, start: int, end: int) -> Iterator[int]:
    """The instants in (start, end) from which another offset holds.

    zoneinfo does not tell them. No zone goes to another offset and back within a day.
    """
    while start < end:
        low, high = start, min(start + DAY, end)
        offset = _offset(where, low)
        if _offset(where, high) == offset:
            start = high
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if _offset(where, middle) == offset:
                low = middle
            else:
                high = middle
        if high < end:
            yield high
        start = high


def _offset(where: ZoneInfo, seconds: int) -> int:
    offset = to_instant(seconds).astimezone(where).utcoffset() or timedelta()
    return offset // SECOND


def _nearest(name: str) -> str:
    names = {known.lower(): known for known in available_timezones()}
    city = name.lower().replace(" ", "_")
    close = [known for known in names if known.endswith(f"/{city}")]
    close = close or get_close_matches(city, names, n=1)
    return f'did you mean "{names[close[0]]}"?' if close else 'write a name such as "Europe/Berlin"'
