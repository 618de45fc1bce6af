"""Calendars: which local dates they have, and for how long an answer holds."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.calendars import Calendar, Exclude

HOLIDAYS = Calendar("holidays", (date(2026, 12, 25), date(2026, 3, 29), date(2026, 10, 25)))
WEEKENDS = Calendar("weekends", weekdays=(6, 5, 5))
# Beirut's clocks go back at midnight, to the day before; Apia went without a day.
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Pacific/Apia"]
instants = st.datetimes(datetime(2011, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


def named(exclude: Exclude, at: datetime) -> str | None:
    """The calendar of an instant, by zoneinfo and a list."""
    day = at.astimezone(ZoneInfo(exclude.timezone)).date()
    for calendar in exclude.calendars:
        if day in calendar.dates or day.weekday() in calendar.weekdays:
            return calendar.name
    return None


@given(instants, st.sampled_from(ZONES), st.sampled_from([(HOLIDAYS, WEEKENDS), (HOLIDAYS,)]))
def test_a_stretch_of_days_is_what_the_local_dates_say(
    at: datetime, zone: str, calendars: tuple[Calendar, ...]
) -> None:
    exclude = Exclude(calendars, zone)
    name, end = exclude.stretch(at)
    assert name == exclude.calendar_at(at) == named(exclude, at)
    assert end > at
    hours = (end - at) // timedelta(hours=1)
    inside = [at + n * timedelta(hours=1) for n in range(min(hours, 400))]
    assert {named(exclude, each) for each in [*inside, end - timedelta(seconds=1)]} == {name}


@pytest.mark.parametrize("zone", ["Asia/Beirut", "America/Santiago"])
def test_each_pass_of_a_midnight_that_repeats_has_its_own_date(zone: str) -> None:
    exclude = Exclude((WEEKENDS,), zone)
    at, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    while at < end:
        name, until = exclude.stretch(at)
        minutes = {named(exclude, at), named(exclude, until - timedelta(minutes=1))}
        assert minutes == {name}, at
        at = until


def test_a_calendar_keeps_its_days_sorted_and_once() -> None:
    assert WEEKENDS.weekdays == (5, 6)
    assert Calendar("x", (date(2026, 2, 1), date(2026, 1, 1))).dates[0] == date(2026, 1, 1)


def test_the_first_calendar_that_has_a_day_names_it() -> None:
    christmas = datetime(2026, 12, 25, 12, tzinfo=UTC)  # a Friday
    assert Exclude((WEEKENDS, HOLIDAYS), "UTC").calendar_at(christmas) == "holidays"
    assert Exclude((WEEKENDS,), "UTC").calendar_at(christmas) is None
