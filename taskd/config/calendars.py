"""The [calendars.NAME] tables: each to a Calendar, its file of events read and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from taskd.config.keys import calendar_key_flaws
from taskd.config.kinds import DAY, TEXT, WEEKDAY
from taskd.config.positions import KeyPath
from taskd.config.shape import Flaw, parse, shown
from taskd.core.calendars import Calendar
from taskd.errors import InvalidJob

LARGEST_ICS: Final = 4 * 1024 * 1024  # bytes; as jobs.toml itself
LONGEST_EVENT: Final = timedelta(days=366)


@dataclass(slots=True)
class Calendars:
    """The calendars by name, a wrong one as far as it can be read, and the files they name."""

    by_name: dict[str, Calendar] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)


def calendars_from_tables(
    tables: Mapping[str, object], directory: Path, timezone: str
) -> Calendars:
    """The calendars of the [calendars] table; their files are relative to `directory`.

    An event of a file is on the dates it shows; a UTC time is read on the clocks of `timezone`.
    """
    found = Calendars()
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            found.flaws.append(Flaw((name,), f"expected a table, found {shown(table)}"))
            found.by_name[name] = Calendar(name)
            continue
        shape, flaws = parse(CalendarTable, table)
        flaws += calendar_key_flaws(table)
        if not table.keys() & {"dates", "weekdays", "ics"} and not flaws:
            hint = "write dates, weekdays or ics"
            flaws.append(Flaw((), "a calendar needs some days", hint, at_key=True))
        dates = list(shape.dates)
        if shape.ics:
            path = directory.absolute() / shape.ics
            found.files.append(path)
            try:
                dates += ics_dates(path, timezone)
            except InvalidJob as refusal:
                flaws.append(Flaw(("ics",), refusal.message, refusal.hint))
        found.by_name[name] = Calendar(name, tuple(dates), tuple(shape.weekdays))
        found.flaws += [_below(name, flaw) for flaw in flaws]
    return found


def ics_dates(path: Path, timezone: str) -> list[date]:
    """The local dates that the events of the iCalendar file at `path` (RFC 5545) touch.

    Raises:
        InvalidJob: it cannot be read, or has an event that repeats.
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
    if "RRULE" in event or "RDATE" in event:
        hint = "write its dates out, as events or as dates = [...]"
        raise InvalidJob("ics", f"the event {title} of {path} repeats", hint)
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
    return [first.date() + timedelta(days=n) for n in range((latest - first.date()).days + 1)]


def _local(value: date, timezone: str) -> datetime:
    """`value` as its own clock shows it, naive; a UTC time as that of `timezone` does."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a clock's face
    if value.tzinfo is not None and value.tzname() == "UTC" and value.utcoffset() == timedelta(0):
        value = value.astimezone(UTC).astimezone(ZoneInfo(timezone))
    return value.replace(tzinfo=None)


def _below(name: str, flaw: Flaw) -> Flaw:
    path: KeyPath = (name, *flaw.path)
    return Flaw(path, flaw.message, flaw.hint, flaw.at_key)


class CalendarTable(BaseModel):
    """The values of a [calendars.NAME] table."""

    model_config = ConfigDict(strict=True)

    dates: list[Annotated[date, DAY]] = []
    weekdays: list[Annotated[int, WEEKDAY]] = []
    ics: Annotated[str, TEXT] = ""
