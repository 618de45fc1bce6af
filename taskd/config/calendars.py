"""The [calendars.NAME] tables: each to a Calendar, its file of events read and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from taskd.config.ics import ics_dates
from taskd.config.keys import calendar_key_flaws
from taskd.config.kinds import DAY, TEXT, WEEKDAY
from taskd.config.positions import KeyPath
from taskd.config.shape import Flaw, parse, shown
from taskd.core.calendars import Calendar
from taskd.errors import InvalidJob


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


def _below(name: str, flaw: Flaw) -> Flaw:
    path: KeyPath = (name, *flaw.path)
    return Flaw(path, flaw.message, flaw.hint, flaw.at_key)


class CalendarTable(BaseModel):
    """The values of a [calendars.NAME] table."""

    model_config = ConfigDict(strict=True)

    dates: list[Annotated[date, DAY]] = []
    weekdays: list[Annotated[int, WEEKDAY]] = []
    ics: Annotated[str, TEXT] = ""
