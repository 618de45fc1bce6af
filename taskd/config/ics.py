"""iCalendar (RFC 5545): the dates that the events of a file touch, with those that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from taskd.config.shape import shown
from taskd.core.cron import HORIZON, REFERENCE
from taskd.errors import InvalidJob

LARGEST_ICS: Final = 4 * 1024 * 1024  # bytes; as jobs.toml itself
LONGEST_EVENT: Final = timedelta(days=366)
FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
FAR: Final = (REFERENCE + HORIZON).replace(tzinfo=None)  # as far as cron expressions are looked for
MOST: Final = 20_000  # days of one event: every day of fifty years


def ics_dates(path: Path, timezone: str) -> list[date]:
    """The local dates that the events of the iCalendar file at `path` (RFC 5545) touch.

    Of an event that repeats (RRULE, RDATE, less EXDATE) those of the next fifty years.

    Raises:
        InvalidJob: it cannot be read.
    """
    # An import of its own: most files have no calendar, and none should wait for this.
    from icalendar import Calendar as Parsed

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_ICS + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidJob("ics", f"{path} cannot be read: {reason.lower()}") from None
    if len(content) > LARGEST_ICS:
        raise InvalidJob("ics", f"{path} is larger than {LARGEST_ICS // 1024**2} MiB")
    try:
        events = [
            event
            for each in Parsed.from_ical(content, multiple=True)
            for event in each.walk("VEVENT")
        ]
    # icalendar raises what its parts raise: ValueError of many kinds, KeyError, IndexError.
    except Exception as error:  # noqa: BLE001
        raise InvalidJob("ics", f"{path} is not an iCalendar file: {error}") from None
    return [day for event in events for day in _event_dates(path, event, timezone)]


def _event_dates(path: Path, event: Mapping[str, object], timezone: str) -> list[date]:
    title = shown(str(event.get("SUMMARY", "")))
    start = getattr(event.get("DTSTART"), "dt", None)
    if not isinstance(start, date):
        raise InvalidJob("ics", f"the event {title} of {path} has no DTSTART")
    for part in ("DTEND", "DURATION"):
        if part in event and not hasattr(event[part], "dt"):
            raise InvalidJob("ics", f"the event {title} of {path} has a {part} that cannot be read")
    end = getattr(event.get("DTEND"), "dt", None)
    length = getattr(event.get("DURATION"), "dt", None)
    first = _local(start, timezone)
    if isinstance(end, date):
        last = _local(end, timezone)
    elif isinstance(length, timedelta):
        last = first + length
    else:  # RFC 5545: a day where it is a date, else no time at all
        last = first if isinstance(start, datetime) else first + timedelta(days=1)
    if not timedelta(0) <= last - first <= LONGEST_EVENT:
        raise InvalidJob("ics", f"the event {title} of {path} ends {last}, and begins {first}")
    # The end is exclusive: what ends at midnight does not touch the day that begins then.
    latest = max(first, last - timedelta(microseconds=1)).date()
    length_days = (latest - first.date()).days + 1
    try:
        starts = list(islice(_starts(event, first, timezone), MOST + 1))
    # dateutil and icalendar raise what their parts raise for a rule that is none.
    except Exception as error:  # noqa: BLE001
        raise InvalidJob(
            "ics", f"the event {title} of {path} repeats in a way that cannot be read: {error}"
        ) from None
    if len(starts) * length_days > MOST:
        hint = 'weekdays = ["sat"] is shorter than a rule for each Saturday'
        raise InvalidJob("ics", f"the event {title} of {path} has more than {MOST} days", hint)
    return [at.date() + timedelta(days=n) for at in starts for n in range(length_days)]


def _starts(event: Mapping[str, Any], first: datetime, timezone: str) -> Iterator[datetime]:
    """When an event begins, each time up to FAR, on its own clock."""
    from dateutil.rrule import rrule, rruleset, rrulestr

    times = rruleset()
    times.rdate(first)
    for rule in _listed(event.get("RRULE")):
        times.rrule(cast("rrule", rrulestr(_rule(rule, timezone), dtstart=first)))
    for key, take in (("RDATE", times.rdate), ("EXDATE", times.exdate)):
        for part in _listed(event.get(key)):
            for each in part.dts:
                begins = each.dt[0] if isinstance(each.dt, tuple) else each.dt
                take(_local(begins, timezone))
    return takewhile(lambda at: at < FAR, iter(times))


def _rule(rule: Mapping[str, Any], timezone: str) -> str:
    """A rule in words of RFC 5545 that ends, and whose end is on the clock of the event."""
    from icalendar.prop import vRecur

    frequency = str(rule["FREQ"][0]).upper()
    if frequency not in FREQUENCIES:
        raise ValueError(f"FREQ={frequency} is less than a day")
    if rule.get("INTERVAL", [1])[0] < 1:
        raise ValueError("INTERVAL is less than 1")
    parts = dict(rule)
    if "COUNT" not in rule:
        parts["UNTIL"] = [min(_local(rule["UNTIL"][0], timezone), FAR) if "UNTIL" in rule else FAR]
    return bytes(vRecur(parts).to_ical()).decode()  # type: ignore[no-untyped-call]


def _listed(value: Any) -> list[Any]:
    """A property that may be there once, several times, or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _local(value: date, timezone: str) -> datetime:
    """`value` as its own clock shows it, naive; a UTC time as that of `timezone` does."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a clock's face
    if value.tzinfo is not None and value.tzname() == "UTC" and value.utcoffset() == timedelta(0):
        value = value.astimezone(UTC).astimezone(ZoneInfo(timezone))
    return value.replace(tzinfo=None)
