"""The dialect: what a cron expression means, against a reading of it day by day and by hand."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.cron import Cron
from taskd.core.dialect import NICKNAMES, read_fields
from taskd.core.expression import read
from taskd.errors import InvalidJob

EPOCH = date(1970, 1, 1)


@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("5", [5]),
        ("1,2,50", [1, 2, 50]),
        ("10-13", [10, 11, 12, 13]),
        ("10-10", [10]),
        ("58-1", [0, 1, 58, 59]),
        ("50-10/7", [4, 50, 57]),
        ("*/20", [0, 20, 40]),
        ("7/20", [7, 27, 47]),
        ("59/15", [59]),
        ("1-10/4,30", [1, 5, 9, 30]),
        ("*", list(range(60))),
        ("*,5", list(range(60))),
    ],
)
def test_a_field_is_values_ranges_steps_and_lists(field: str, minutes: list[int]) -> None:
    assert read_fields(f"{field} * * * *", "").minutes == tuple(minutes)


def test_names_ranges_that_wrap_and_weekday_7_are_read() -> None:
    assert read_fields("0 0 * NOV-feb *", "").months == (1, 2, 11, 12)
    assert read_fields("0 0 * * Fri-Mon", "").weekdays == ("0", "1", "5", "6")
    assert read_fields("0 0 * * 5-7", "").weekdays == ("0", "5", "6")
    assert read_fields("0 0 * * 7", "").weekdays == ("0",)
    assert read_fields("0 0 * * 0-7", "").weekdays == ("*",)


def test_six_fields_begin_with_the_seconds() -> None:
    fields = read_fields("15 30 2 * * *", "")
    assert (fields.seconds, fields.minutes, fields.hours) == ((15,), (30,), (2,))


def test_nicknames_are_five_fields() -> None:
    for nickname, text in NICKNAMES.items():
        assert read_fields(nickname.upper(), "x") == read_fields(text, "x")


def test_h_is_stable_for_a_job_and_differs_between_jobs() -> None:
    names = [f"job-{number}" for number in range(50)]
    minutes = [read_fields("H * * * *", name).minutes for name in names]
    assert minutes == [read_fields("H * * * *", name).minutes for name in names]
    assert len(set(minutes)) > 20


def test_h_keeps_to_its_range_and_to_days_that_every_month_has() -> None:
    for number in range(200):
        fields = read_fields("H(10-19) H H * *", f"job-{number}")
        assert 10 <= fields.minutes[0] <= 19
        assert 1 <= int(fields.days[0]) <= 28


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 25 * * *", "hour 25 is outside 0-23"),
        ("60 0 * * *", "minute 60 is outside 0-59"),
        ("60 0 0 * * *", "second 60 is outside 0-59"),
        ("0 0 0 * *", "day 0 is outside 1-31"),
        ("0 0 * 13 *", "month 13 is outside 1-12"),
        ("0 0 * * 8", "weekday 8 is outside 0-7"),
        ("0 0 * foo *", "month 'foo' is not a number or a name"),
        ("1,,2 * * * *", "minute '' cannot be read"),
        ("-5 * * * *", "minute '-5' cannot be read"),
        ("*/0 * * * *", "has a step of 0"),
        ("R * * * *", "R is not supported"),
        ("R(0-9)/2 * * * *", "R is not supported"),
        ("h,30 * * * *", "H stands alone"),
        ("H(0-99) * * * *", "minute 99 is outside 0-59"),
        ("H(9-3) * * * *", "write the lower end first"),
        ("0 ? * * *", "? stands alone"),
        ("0 0 1,? * *", "cannot be read"),
        ("0 0 LW * *", "LW is not supported"),
        ("0 0 L-3 * *", "L-3 is not supported"),
        ("0 0 32W * *", "day 32 is outside 1-31"),
        ("0 0 * * mon#6", "#6 is outside 1-5"),
        ("@reboot", "@reboot has no instants"),
        ("@every 5m", "is not a nickname"),
        ("", "0 fields where there must be 5 or 6"),
        ("* * * *", "4 fields where there must be 5 or 6"),
        ("* * * * * * 2026", "7 fields where there must be 5 or 6"),
        ("0 0 * * *" + " " * 250, "longer than 256 characters"),
        (",".join(["1"] * 62) + " * * * *", "more than 60 commas"),
        ("\u0661 * * * *", "other than printable ASCII"),
        ("0 0\n* * *", "other than printable ASCII"),
        ("0 0 31 2 *", "does not fire within the next 50 years"),
        ("0 0 30 feb *", "does not fire within the next 50 years"),
    ],
)
def test_what_cannot_be_is_refused_by_field_and_value(text: str, says: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        Cron((text,), "UTC", "job")
    assert refusal.value.key == "cron"
    assert says in str(refusal.value)


def test_an_expression_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidJob, match="is not a text"):
        Cron((5,), "UTC", "job")  # type: ignore[arg-type]


def _month(day: date) -> list[date]:
    first = day.replace(day=1)
    days = [first + timedelta(days=number) for number in range(31)]
    return [each for each in days if each.month == day.month]


def _nearest(number: int, day: date) -> bool:
    month = _month(day)
    target = month[min(number, len(month)) - 1]
    workdays = [each for each in month if each.weekday() < 5]
    return day == min(workdays, key=lambda each: abs(each - target))


def _is_second_friday(day: date) -> bool:
    return day.weekday() == 4 and 8 <= day.day <= 14


DAYS: dict[str, Callable[[date], bool]] = {
    "13": lambda day: day.day == 13,
    "1,31": lambda day: day.day in (1, 31),
    "29-2": lambda day: day.day in (29, 30, 31, 1, 2),
    "L": lambda day: day == _month(day)[-1],
    "15,L": lambda day: day.day == 15 or day == _month(day)[-1],
    "1W": lambda day: _nearest(1, day),
    "15W": lambda day: _nearest(15, day),
    "31W": lambda day: _nearest(31, day),
    "10,1W,15W": lambda day: day.day == 10 or _nearest(1, day) or _nearest(15, day),
}
WEEKDAYS: dict[str, Callable[[date], bool]] = {
    "mon-fri": lambda day: day.weekday() < 5,
    "0": lambda day: day.weekday() == 6,
    "sat-mon": lambda day: day.weekday() in (5, 6, 0),
    "fri#2": _is_second_friday,
    "1#5": lambda day: day.weekday() == 0 and day.day >= 29,
    "L5": lambda day: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month,
    "friL": lambda day: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month,
    "wed,fri#2": lambda day: day.weekday() == 2 or _is_second_friday(day),
}
STARS: dict[str, Callable[[date], bool]] = {
    "*": lambda day: True,
    "?": lambda day: True,
}
# Debian's crontab(5): what begins with a star does not count as restricted.
ODD_DAYS: dict[str, Callable[[date], bool]] = {"*/2": lambda day: day.day % 2 == 1}
EVEN_WEEKDAYS: dict[str, Callable[[date], bool]] = {
    "*/2": lambda day: day.isoweekday() % 7 % 2 == 0
}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*DAYS, *STARS, "*/2"]),
    st.sampled_from([*WEEKDAYS, *STARS, "*/2"]),
    st.sampled_from(["*", "2", "feb,nov", "1-12", "4-9"]),
    st.integers(10_000, 30_000),
)
def test_days_are_those_that_a_calendar_read_by_hand_gives(
    days: str, weekdays: str, months: str, since: int
) -> None:
    by_day = (DAYS | STARS | ODD_DAYS)[days]
    by_weekday = (WEEKDAYS | STARS | EVEN_WEEKDAYS)[weekdays]
    by_month = {"2": [2], "feb,nov": [2, 11], "4-9": [4, 5, 6, 7, 8, 9]}.get(months, range(1, 13))
    join = any if days in DAYS and weekdays in WEEKDAYS else all
    expected = [
        number
        for number in range(since, since + 400)
        if (day := EPOCH + timedelta(days=number)).month in by_month
        and join((by_day(day), by_weekday(day)))
    ]
    expression = read(f"0 0 {days} {months} {weekdays}", "")
    found, number = [], expression.next_day(since)
    while number < since + 400:
        found.append(number)
        number = expression.next_day(number + 1)
    assert found == expected


def test_leap_days_are_found_across_the_century_that_skips_one() -> None:
    leap = Cron(("0 0 29 2 *",), "UTC", "job")
    at = datetime(2096, 2, 29, tzinfo=UTC)
    assert leap.after(at, at) == datetime(2104, 2, 29, tzinfo=UTC)
