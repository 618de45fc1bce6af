"""Reasons: what was decided for an occurrence, told from the record, the runs and the skips."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron, DstGap
from taskd.core.job import Job
from taskd.core.late import Late
from taskd.core.messages import JobStopped, Paused, Resumed
from taskd.core.reasons import Reason, reason_at, reason_next
from taskd.core.record import SkipReason
from taskd.core.schedule import Every
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, Driver, a_job


def why(driver: Driver, at: datetime) -> Reason:
    runs, skips = list(driver.runs.values()), list(driver.skips.values())
    return reason_at(driver.job, at, driver.now, runs, skips)


def hourly(**more: object) -> Job:
    return replace(a_job(schedule=Every(HOUR)), **more)  # type: ignore[arg-type]


def test_an_occurrence_that_ran_names_its_run() -> None:
    driver = Driver(hourly())
    run = driver.finish(after=MINUTE)
    reason = why(driver, NOON)
    assert (reason.decision, reason.due_at, reason.run) == ("run", NOON, run)
    assert reason.causes == (f"run {run.id} is SUCCEEDED",)


def test_an_instant_that_is_no_occurrence_is_told_the_nearest() -> None:
    driver = Driver(hourly())
    driver.finish(after=MINUTE)
    driver.turn(after=HOUR)
    reason = why(driver, NOON + 30 * MINUTE)
    assert reason.due_at == NOON
    assert "2026-06-01 12:30:00 UTC is no occurrence" in reason.causes[-1]
    assert "the next is 2026-06-01 13:00:00 UTC" in reason.causes[-1]


def test_an_overlap_names_the_run_that_was_met() -> None:
    driver = Driver(hourly())
    (run,) = driver.running
    driver.turn(after=HOUR)
    driver.turn(after=HOUR)
    reason = why(driver, NOON + HOUR)
    assert (reason.decision, reason.due_at) == ("skipped", NOON + HOUR)
    assert reason.causes[0] == f"another run of the job was under way: {run.id}"
    assert "one decision for 2 occurrences" in reason.causes[1]


def test_what_was_missed_is_told_the_policy() -> None:
    driver = Driver(hourly(late=Late(MINUTE)))
    driver.finish()
    driver.turn(after=3 * HOUR + 30 * MINUTE)
    reason = why(driver, NOON + 2 * HOUR)
    assert reason.due_at == NOON + 2 * HOUR
    late = "it was missed: taskd came to it 1h30m late; runs may be 1m late (misfire_grace_time)"
    assert reason.causes[0] == late
    driver.define(hourly())
    assert 'catchup = "latest" runs the latest' in why(driver, NOON + 2 * HOUR).causes[0]


def test_pauses_and_stops_are_told() -> None:
    driver = Driver(hourly())
    driver.finish()
    driver.ask(Paused(jobs=(JOB,), reason="tea"))
    driver.turn(after=3 * HOUR)
    assert "the job is paused: tea" in why(driver, driver.now).causes + why_next(driver).causes
    driver.ask(Resumed(jobs=(JOB,)))
    assert why(driver, NOON + 2 * HOUR).causes[0] == "the job was paused"
    driver.finish()
    driver.ask(JobStopped(job=JOB))
    assert why_next(driver).causes == ("the job is stopped; taskd resume revives it",)


def why_next(driver: Driver) -> Reason:
    return reason_next(driver.job, driver.now)


def test_a_calendar_is_named_before_and_after() -> None:
    closed = Exclude((Calendar("fair", (date(2026, 6, 1),)),), "UTC")
    driver = Driver(hourly(exclude=closed))
    reason = why(driver, NOON)
    assert reason.skip is not None
    assert reason.skip.reason is SkipReason.CALENDAR
    assert reason.causes[0] == "its day is in the calendar fair"
    assert "it will be skipped: its day is in the calendar fair" in why_next(driver).causes


def test_what_is_to_come_is_not_decided_yet() -> None:
    driver = Driver(hourly(jitter=HOUR))
    driver.finish()
    driver.drawn = 0.5
    driver.turn(after=HOUR)
    reason = why_next(driver)
    assert reason.decision == "undecided"
    assert reason.causes == ("due in 1h", "its run is queued 30m later (jitter)")
    later = why(driver, NOON + 90 * MINUTE + 24 * HOUR)
    assert later.due_at == NOON + 26 * HOUR


def test_before_the_first_there_is_nothing() -> None:
    driver = Driver(hourly())
    reason = why(driver, NOON - HOUR)
    assert (reason.due_at, reason.decision) == (None, "none")


def test_what_daylight_saving_did_is_told() -> None:
    cron = Cron(("30 2 * * *",), "Europe/Berlin", "job")
    driver = Driver()
    driver.now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    driver.define(a_job(schedule=cron))
    driver.turn(after=timedelta(hours=13))
    gap = why(driver, datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert gap.run is not None
    assert "on the clocks of Europe/Berlin 02:30 is skipped: runs 03:00" in gap.causes
    driver.finish()
    driver.now = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    driver.turn()
    fold = why(driver, driver.now)
    assert "on the clocks of Europe/Berlin 02:30 comes twice: first pass only" in fold.causes


def test_a_time_that_the_clocks_skip_for_good_is_told_where_somebody_asks_for_it() -> None:
    cron = Cron(("30 2 * * *",), "Europe/Berlin", "job", DstGap.SKIP)
    driver = Driver()
    driver.now = datetime(2026, 3, 28, 1, tzinfo=UTC)
    driver.define(a_job(schedule=cron))
    driver.turn(after=MINUTE * 30)
    driver.finish()
    driver.turn(after=timedelta(hours=30))
    told = why(driver, datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert told.due_at == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    words = "on the clocks of Europe/Berlin 02:30 on 2026-03-29 is skipped: nothing runs"
    assert words in told.causes
