"""Cron in time zones: Debian's cron(8) rules, against oracles that only know zoneinfo.

The oracle of a wildcard expression reads the wall clock at every minute; the oracle of a fixed
time maps each local date by PEP 495's fold. Neither shares code with what it judges.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.cron import Cron
from taskd.core.schedule import Missed
from taskd.errors import InvalidJob

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CORRECTION = timedelta(hours=3)
HARD_ZONES = (
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("Australia/Lord_Howe", 2026),  # half an hour
    ("Pacific/Apia", 2011),  # a day that was not
    ("Antarctica/Troll", 2026),  # two hours
    ("Antarctica/Casey", 2009),  # three hours at once: a correction
    ("America/Santiago", 2026),  # midnight is skipped
    ("America/Nuuk", 2024),  # the gap crosses midnight
    ("Africa/Casablanca", 2026),  # back for Ramadan
    ("Asia/Dhaka", 2009),  # the year's last hour repeats
)
WILDCARDS: dict[str, Callable[[datetime], bool]] = {
    "*/15 * * * *": lambda at: at.minute % 15 == 0,
    "30 * * * *": lambda at: at.minute == 30,
    "* 2 * * *": lambda at: at.hour == 2,
    "*/20 */3 * * *": lambda at: at.minute % 20 == 0 and at.hour % 3 == 0,
}


def following(cron: Cron, instant: datetime) -> Iterator[datetime]:
    due_at = cron.after(instant, instant)
    while due_at is not None:
        yield due_at
        due_at = cron.after(due_at, due_at)


def between(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    """The due instants in [start, end)."""
    found = []
    for due_at in following(cron, start - timedelta(microseconds=1)):
        if due_at >= end:
            break
        found.append(due_at)
    return found


@cache
def changes(name: str, year: int) -> list[datetime]:
    """The instants, to the minute, after which another offset holds, found by halving days."""
    where, found = ZoneInfo(name), []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        low, high = day, day + DAY
        if low.astimezone(where).utcoffset() != high.astimezone(where).utcoffset():
            while high - low > MINUTE:
                middle = low + (high - low) // 2 // MINUTE * MINUTE
                same = middle.astimezone(where).utcoffset() == low.astimezone(where).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += DAY
    return found


def fixed_time(name: str, day: date, at: time) -> datetime | None:
    """When a job fixed at `at` must run for the local date `day`; None where it must not."""
    local = datetime.combine(day, at, ZoneInfo(name))
    first = local.astimezone(UTC)
    if first.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
        return first
    # PEP 495: in a gap, fold 0 reads the offset before it and fold 1 the one after it.
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    if after - before >= CORRECTION:
        return None
    low, high = local.replace(fold=1).astimezone(UTC), first
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        gone = middle.astimezone(local.tzinfo).utcoffset() == after
        low, high = (low, middle) if gone else (middle, high)
    return high.replace(microsecond=0)


def assert_once_per_date(name: str, year: int) -> None:
    for change in changes(name, year):
        # Times in, at the edges of and around what the clock skips or repeats.
        wall = (change - MINUTE).astimezone(ZoneInfo(name)), change.astimezone(ZoneInfo(name))
        times = {time(moment.hour, moment.minute) for moment in wall} | {time(0, 0), time(2, 30)}
        for at in times:
            cron = Cron((f"{at.minute} {at.hour} * * *",), name, "job")
            first_day = change.date() - 3 * DAY
            days = [first_day + number * DAY for number in range(7)]
            expected = [due for day in days if (due := fixed_time(name, day, at)) is not None]
            found = list(islice(following(cron, expected[0] - MINUTE), len(expected)))
            assert found == expected, f"{name} {at} around {change}"


@cache
def distinct_zones(year: int) -> list[str]:
    """One name for each way in which clocks changed that year."""
    by_changes = {}
    for name in sorted(available_timezones()):
        local = tuple(
            at.astimezone(ZoneInfo(name)).isoformat()
            for change in changes(name, year)
            for at in (change - MINUTE, change)
        )
        by_changes[local] = name
    return list(by_changes.values())


@pytest.mark.parametrize("year", [2009, 2011, 2024])
def test_a_fixed_time_runs_once_per_local_date_in_every_zone(year: int) -> None:
    for name in distinct_zones(year):
        assert_once_per_date(name, year)


@pytest.mark.long
@pytest.mark.parametrize("year", range(2000, 2038))
def test_a_fixed_time_runs_once_per_local_date_in_every_zone_and_year(year: int) -> None:
    for name in distinct_zones(year):
        assert_once_per_date(name, year)


@pytest.mark.parametrize(("name", "year"), HARD_ZONES)
def test_a_fixed_time_runs_once_per_local_date_in_hard_zones(name: str, year: int) -> None:
    assert changes(name, year)
    assert_once_per_date(name, year)


@pytest.mark.parametrize(("name", "year"), HARD_ZONES)
@pytest.mark.parametrize("text", WILDCARDS)
def test_a_wildcard_runs_at_every_real_minute_that_matches(name: str, year: int, text: str) -> None:
    where = ZoneInfo(name)
    matching = WILDCARDS[text]
    for change in changes(name, year):
        start = change - DAY
        minutes = [start + number * MINUTE for number in range(2 * 24 * 60)]
        expected = [at for at in minutes if matching(at.astimezone(where))]
        assert between(Cron((text,), name, "job"), start, start + 2 * DAY) == expected


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_skipped_time_runs_at_the_first_instant_after_the_gap() -> None:
    night = Cron(("30 2 * * *",), "Europe/Berlin", "job")
    assert between(night, at("2026-03-29T00:00+01:00"), at("2026-03-30T00:00+02:00")) == [
        at("2026-03-29T03:00+02:00")
    ]


def test_several_times_in_one_gap_run_once() -> None:
    night = Cron(("0,15,30 2,3 * * *", "45 2 * * *"), "Europe/Berlin", "job")
    assert between(night, at("2026-03-29T00:00+01:00"), at("2026-03-30T00:00+02:00")) == [
        at("2026-03-29T03:00+02:00"),
        at("2026-03-29T03:15+02:00"),
        at("2026-03-29T03:30+02:00"),
    ]


def test_a_repeated_fixed_time_runs_at_the_first_pass_only() -> None:
    night = Cron(("30 2 * * *",), "Europe/Berlin", "job")
    assert between(night, at("2026-10-25T00:00+02:00"), at("2026-10-26T00:00+01:00")) == [
        at("2026-10-25T02:30+02:00")
    ]


def test_a_repeated_wildcard_time_runs_at_both_passes() -> None:
    hourly = Cron(("30 * * * *",), "Europe/Berlin", "job")
    assert between(hourly, at("2026-10-25T02:00+02:00"), at("2026-10-25T03:00+01:00")) == [
        at("2026-10-25T02:30+02:00"),
        at("2026-10-25T02:30+01:00"),
    ]


def test_a_time_in_a_gap_belongs_to_the_date_it_was_meant_for() -> None:
    evening = Cron(("30 23 * * sat",), "America/Nuuk", "job")
    saturday = at("2024-03-30T12:00-02:00")
    assert evening.after(saturday, saturday) == at("2024-03-31T00:00-01:00")


def test_a_day_that_the_zone_dropped_is_not_made_up() -> None:
    noon = Cron(("0 12 30 12 *",), "Pacific/Apia", "job")
    before = at("2011-01-01T00:00-10:00")
    assert noon.after(before, before) == at("2012-12-30T12:00+14:00")


def test_a_wildcard_that_only_names_skipped_times_never_fires() -> None:
    with pytest.raises(InvalidJob, match="does not fire"):
        Cron(("* 2 * 3 L0",), "Europe/Berlin", "job")
    made_up = Cron(("30 2 * 3 L0",), "Europe/Berlin", "job")
    assert made_up.first(at("2026-01-01T00:00Z")) == at("2026-03-29T03:00+02:00")


def test_an_instant_that_two_expressions_name_is_due_once() -> None:
    both = Cron(("*/10 * * * *", "*/15 * * * *"), "UTC", "job")
    start = at("2026-06-01T00:00Z")
    assert [due.minute for due in between(both, start, start + timedelta(hours=1))] == [
        *(0, 10, 15, 20, 30, 40, 45, 50)
    ]


def test_the_first_instant_may_be_now_and_the_next_is_strictly_after() -> None:
    hourly = Cron(("@hourly",), "UTC", "job")
    noon = at("2026-06-01T12:00Z")
    assert hourly.first(noon) == noon
    assert hourly.first(noon + timedelta(microseconds=1)) == noon + timedelta(hours=1)
    assert hourly.after(noon, noon) == noon + timedelta(hours=1)


def test_schedules_end_with_the_calendar() -> None:
    daily = Cron(("@daily",), "Europe/Berlin", "job")
    late = at("9998-12-30T12:00Z")
    assert list(following(daily, late)) == [at("9998-12-30T23:00Z"), at("9998-12-31T23:00Z")]


def test_six_fields_fire_on_seconds() -> None:
    start = at("2026-06-01T12:00Z")
    assert Cron(("*/10 * * * * *",), "UTC", "job").after(start, start) == start + timedelta(
        seconds=10
    )


def test_missed_counts_a_month_of_minutes_and_a_week_of_seconds_by_the_day() -> None:
    start = at("2026-03-15T00:00Z")
    minutes = Cron(("* * * * *",), "Europe/Berlin", "job")
    month = minutes.missed(start, start + 30 * DAY, start)
    assert month == Missed(30 * 1440 + 1, start + 30 * DAY, start + 30 * DAY + MINUTE)
    seconds = Cron(("* * * * * *",), "Europe/Berlin", "job")
    assert seconds.missed(start, start + 7 * DAY, start).count == 7 * 86_400 + 1


EXPRESSIONS = (
    *("30 2 * * *", "0 0 * * *", "15,45 1-3 * * *", "*/15 * * * *", "0 */2 * * *"),
    *("*/20 2 * * *", "30 2 * * sun", "0 3 L * *", "59 23 * * *", "20 30 2 * * *"),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(HARD_ZONES),
    st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=3, unique=True),
    st.timedeltas(timedelta(hours=-30), timedelta(hours=3)),
    st.timedeltas(timedelta(), timedelta(days=4)),
    st.integers(0, 1),
)
def test_missed_counts_what_iterating_would(
    hard: tuple[str, int], texts: list[str], lead: timedelta, down: timedelta, which: int
) -> None:
    name, year = hard
    cron = Cron(tuple(texts), name, "job")
    found = changes(name, year)
    first = cron.first(found[which % len(found)] + lead)
    assert first is not None
    listed = between(cron, first, first + down + timedelta(microseconds=1))
    expected = Missed(len(listed), listed[-1], cron.after(listed[-1], first))
    assert cron.missed(first, first + down, first) == expected


def test_crons_are_equal_and_hash_by_what_was_written() -> None:
    one, same = (Cron(("H 2 * * *",), "Europe/Berlin", "job") for _ in range(2))
    one.after(at("2026-06-01T00:00Z"), at("2026-06-01T00:00Z"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Cron(("H 2 * * *",), "Europe/Berlin", "other")
    assert one != Cron(("H 2 * * *",), "Europe/Paris", "job")


def test_a_cron_is_shown_in_the_words_of_the_file() -> None:
    assert str(Cron(("30 2 * * mon-fri",), "UTC", "job")) == "cron 30 2 * * mon-fri"
    assert str(Cron(("@daily", "0 12 * * *"), "UTC", "job")) == "cron @daily | 0 12 * * *"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berlim", '"Europe/Berlin"'),
        ("berlin", '"Europe/Berlin"'),
        ("new york", '"America/New_York"'),
        ("America", "America"),
        ("", "Europe/Berlin"),
        ("../etc/passwd", "Europe/Berlin"),
        ("/etc/localtime", ""),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        Cron(("@daily",), name, "job")
    assert refusal.value.key == "timezone"
    assert hint in refusal.value.hint


def test_no_expression_is_refused() -> None:
    with pytest.raises(InvalidJob, match="there is no expression"):
        Cron((), "UTC", "job")
