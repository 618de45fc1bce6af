"""Forecast: what is to run as things stand, and how that differs after a change."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron
from taskd.core.forecast import Forecast, compare, forecast, upcoming
from taskd.core.late import Catchup, Late
from taskd.core.planning import first_seen, redefined
from taskd.core.record import JobRecord, JobState
from taskd.core.schedule import At, Every, Mode, Schedule
from tests.unit.core.driver import HOUR, MINUTE, NOON, SECOND, a_job

DAY = timedelta(days=1)


def seen(schedule: Schedule | None) -> JobRecord:
    return first_seen(a_job(schedule=schedule), NOON)


def test_what_comes_is_known_as_far_as_the_schedule_tells() -> None:
    assert upcoming(seen(Every(HOUR)), 3) == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert upcoming(seen(At((NOON,))), 3) == [NOON]
    assert upcoming(seen(Every(HOUR, mode=Mode.FIXED_DELAY)), 3) == [NOON]
    assert upcoming(seen(None), 3) == []
    assert upcoming(replace(seen(Every(HOUR)), state=JobState.STOPPED), 3) == []


def test_a_calendar_that_excludes_all_ends_the_search() -> None:
    week = Exclude((Calendar("always", weekdays=tuple(range(7))),), "UTC")
    record = first_seen(replace(a_job(schedule=Every(HOUR)), exclude=week), NOON)
    assert forecast(record, NOON, NOON + 9 * DAY, 5) == Forecast(0, (), NOON + 9 * DAY)


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.STOPPED, JobState.FINISHED])
def test_a_job_that_is_held_or_over_has_no_runs(state: JobState) -> None:
    record = replace(seen(Every(HOUR)), state=state)
    assert forecast(record, NOON, NOON + DAY, 5).count == 0
    assert forecast(None, NOON, NOON + DAY, 5).count == 0


def test_all_are_counted_and_the_first_are_listed() -> None:
    found = forecast(seen(Every(SECOND / 10)), NOON, NOON + 7 * DAY, 3)
    assert found.count == 7 * 864_000 + 1
    assert found.runs == tuple(NOON + n * SECOND / 10 for n in range(4))
    assert found.until == found.runs[-1]


@pytest.mark.parametrize(("catchup", "late"), [(Catchup.LATEST, 1), (Catchup.ALL, 4)])
def test_what_is_late_runs_as_it_would_after_a_start(catchup: Catchup, late: int) -> None:
    job = replace(a_job(schedule=Every(HOUR)), late=Late(catchup=catchup))
    found = forecast(first_seen(job, NOON), NOON + 3 * HOUR, NOON + 5 * HOUR, 9)
    assert found.runs[-2:] == (NOON + 4 * HOUR, NOON + 5 * HOUR)
    assert len(found.runs) == found.count == late + 2


def test_no_more_runs_are_foreseen_than_are_allowed() -> None:
    job = replace(a_job(schedule=Every(MINUTE)), bounds=Bounds(max_runs=5))
    for most in (2, 9):
        assert forecast(first_seen(job, NOON), NOON, NOON + DAY, most).count == 5


def changed(old: Schedule, new: Schedule, days: int = 3) -> tuple[list[int], list[int], list[int]]:
    """The hours from noon of what is gone and new, and by how many each that moved did."""
    before = seen(old)
    after = redefined(before, a_job(schedule=new), NOON, live=0)
    until = NOON + days * DAY
    was, will_be = (forecast(each, NOON, until, 99) for each in (before, after))
    shift = compare(was, will_be, UTC)
    gone, come = ([(at - NOON) // HOUR for at in ats] for ats in (shift.gone, shift.new))
    return gone, come, [(b - a) // HOUR for a, b in shift.moved]


def daily(text: str) -> Cron:
    return Cron((text,), "UTC", "job")


def test_a_run_of_another_time_on_the_same_date_moved() -> None:
    assert changed(daily("0 14 * * *"), daily("0 16 * * *")) == ([], [], [2, 2, 2])


def test_a_run_that_would_be_today_is_new_and_no_earlier_one_of_tomorrow() -> None:
    assert changed(daily("0 9 * * *"), daily("0 13 * * *")) == ([69], [1], [4, 4])


def test_a_run_of_another_weekday_moved() -> None:
    assert changed(daily("0 14 * * tue"), daily("0 14 * * thu"), 7) == ([], [], [48])


def test_what_comes_more_often_is_new() -> None:
    gone, new, moved = changed(daily("30 */6 * * *"), daily("30 */3 * * *"), 1)
    assert (gone, new, moved) == ([], [3, 9, 15, 21], [])


def test_an_interval_that_changed_begins_after_a_whole_one() -> None:
    gone, new, moved = changed(Every(HOUR), Every(2 * HOUR), 1)
    assert 0 in gone
    assert (new, moved) == ([], [])


def test_a_day_that_is_excluded_no_more_is_compared_too() -> None:
    job = a_job(schedule=daily("0 14 * * *"))
    closed = replace(job, exclude=Exclude((Calendar("fair", (date(2026, 6, 2),)),), "UTC"))
    record = first_seen(closed, NOON)
    until = NOON + 3 * DAY
    before, after = (
        forecast(each, NOON, until, 9) for each in (record, redefined(record, job, NOON, live=0))
    )
    shift = compare(before, after, UTC)
    assert (shift.gone, shift.moved) == ((), ())
    assert shift.new == (datetime(2026, 6, 2, 14, tzinfo=UTC),)
