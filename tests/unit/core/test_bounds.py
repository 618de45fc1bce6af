"""Bounds, jitter and boot: when a schedule begins, ends, waits a little, and runs at a start."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.bounds import Bounds
from taskd.core.cron import Cron
from taskd.core.job import JobName
from taskd.core.messages import Booted, ClockStepped, JobStopped, Paused, Resumed, Triggered
from taskd.core.planning import first_seen, redefined
from taskd.core.record import JobState
from taskd.core.run import Origin
from taskd.core.schedule import At, Every, Mode
from taskd.errors import InvalidJob
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, Driver, a_job

DAILY = Cron(("0 6 * * *",), "UTC", "job")


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        (Every(HOUR), NOON + 90 * MINUTE),
        (Every(HOUR, align=True), NOON + 2 * HOUR),
        (Every(HOUR, Mode.FIXED_DELAY), NOON + 90 * MINUTE),
        (DAILY, NOON + 18 * HOUR),
        (At((NOON, NOON + HOUR, NOON + 5 * HOUR)), NOON + 5 * HOUR),
    ],
    ids=str,
)
def test_nothing_is_due_before_the_start(schedule: Every, due: timedelta) -> None:
    job = replace(a_job(schedule=schedule), bounds=Bounds(NOON + 90 * MINUTE))
    assert first_seen(job, NOON).next_due_at == due
    changed = redefined(first_seen(a_job(schedule=Every(MINUTE)), NOON), job, NOON, live=0)
    assert changed.next_due_at is not None
    assert changed.next_due_at >= NOON + 90 * MINUTE


def test_the_end_is_exclusive_and_finishes_the_job() -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), bounds=Bounds(end_at=NOON + 2 * HOUR)))
    driver.finish()
    driver.turn(after=HOUR)
    assert driver.job.next_due_at is None
    driver.finish()
    assert driver.job.state is JobState.FINISHED
    assert len(driver.runs) == 2


def test_what_was_due_before_the_end_still_runs_after_it() -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), bounds=Bounds(end_at=NOON + 2 * HOUR)))
    driver.finish()
    driver.turn(after=9 * HOUR)
    assert [run.scheduled_at for run in driver.running] == [NOON + HOUR]


def test_a_schedule_makes_so_many_runs_and_triggers_do_not_count() -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), bounds=Bounds(max_runs=2)))
    driver.finish()
    driver.ask(Triggered(job=JOB))
    driver.finish()
    driver.turn(after=HOUR)
    driver.finish()
    assert driver.job.state is JobState.FINISHED
    assert driver.job.scheduled_runs == 2
    assert len(driver.runs) == 3


def test_more_runs_can_be_allowed_later_and_those_made_count() -> None:
    job = replace(a_job(schedule=Every(HOUR)), bounds=Bounds(max_runs=1))
    driver = Driver(job)
    driver.finish()
    driver.define(replace(job, bounds=Bounds(max_runs=2)))
    driver.turn(after=HOUR)
    driver.finish()
    assert driver.job.state is JobState.FINISHED
    assert driver.job.scheduled_runs == 2


@pytest.mark.parametrize(
    ("key", "bounds"),
    [("end_at", lambda: Bounds(NOON, NOON)), ("max_runs", lambda: Bounds(max_runs=0))],
)
def test_bounds_that_hold_nothing_are_refused(key: str, bounds) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidJob) as refusal:
        bounds()
    assert refusal.value.key == key


# -- jitter --------------------------------------------------------------------------------------


def jittered(jitter: timedelta, drawn: float) -> Driver:
    driver = Driver(workers=1)
    driver.drawn = drawn
    driver.define(replace(a_job(schedule=DAILY), jitter=jitter))
    return driver


def test_a_run_is_queued_a_drawn_part_of_its_jitter_later_and_keeps_its_instant() -> None:
    driver = jittered(10 * MINUTE, 0.25)
    assert driver.job.delay == 150 * SECOND
    assert driver.engine.next_wakeup() == NOON + 18 * HOUR + 150 * SECOND
    driver.turn(after=18 * HOUR + 149 * SECOND)
    assert driver.running == []
    driver.turn(after=SECOND)
    assert [run.scheduled_at for run in driver.running] == [NOON + 18 * HOUR]


def test_a_restart_does_not_draw_again() -> None:
    driver = jittered(10 * MINUTE, 0.5)
    driver.drawn = 0.9
    assert not driver.restart().changes
    assert driver.engine.next_wakeup() == NOON + 18 * HOUR + 5 * MINUTE


@given(st.floats(0, 1, exclude_max=True), st.timedeltas(SECOND, timedelta(days=9)))
def test_a_jitter_ends_before_the_next_occurrence(drawn: float, jitter: timedelta) -> None:
    driver = jittered(jitter, drawn)
    assert timedelta(0) <= driver.job.delay <= min(jitter, 24 * HOUR)
    wakes_at = driver.job.wakes_at
    assert wakes_at is not None
    assert wakes_at < NOON + 42 * HOUR
    driver.turn(after=wakes_at - NOON)
    assert [run.scheduled_at for run in driver.running] == [NOON + 18 * HOUR]
    assert driver.skips == {}


def test_what_is_late_already_is_not_delayed() -> None:
    driver = jittered(HOUR, 0.5)
    driver.ask(Paused(jobs=(JOB,)))
    driver.turn(after=40 * HOUR)
    driver.ask(Resumed(jobs=(JOB,)))
    assert [run.scheduled_at for run in driver.running] == [NOON + 18 * HOUR]


def test_a_pause_that_ends_within_the_jitter_decides_nothing_early() -> None:
    driver = jittered(HOUR, 0.5)
    driver.ask(Paused(jobs=(JOB,)))
    driver.turn(after=18 * HOUR + MINUTE)
    driver.ask(Resumed(jobs=(JOB,)))
    assert driver.running == []
    assert driver.engine.next_wakeup() == NOON + 18 * HOUR + 30 * MINUTE


# -- boot ----------------------------------------------------------------------------------------


def test_a_start_of_the_daemon_runs_what_is_to_run_then() -> None:
    on_boot = replace(a_job(), boot=True)
    held = replace(a_job("held"), boot=True)
    driver = Driver(on_boot, held, a_job("other"))
    assert driver.runs == {}
    driver.ask(Paused(jobs=(JobName("held"),)))
    driver.turn(Booted())
    assert [(run.job, run.origin) for run in driver.running] == [(JOB, Origin.BOOT)]
    driver.define(on_boot, held)
    assert len(driver.runs) == 1


def test_a_start_that_finds_a_run_under_way_overlaps_it() -> None:
    driver = Driver(replace(a_job(), boot=True))
    driver.turn(Booted())
    driver.turn(Booted(), after=SECOND)
    assert len(driver.runs) == 1
    assert [row[3] for row in driver.skipped] == ["overlap"]


# -- a clock that was set back -------------------------------------------------------------------


@pytest.mark.parametrize("revive", ["redefine", "stop and resume"])
def test_what_was_decided_is_not_decided_again_when_the_clock_was_set_back(revive: str) -> None:
    hourly = Cron(("0 * * * *",), "UTC", "job")
    driver = Driver(a_job(schedule=hourly))
    driver.finish()
    driver.turn(after=2 * HOUR)
    driver.finish()
    driver.now -= 2 * HOUR
    driver.turn(ClockStepped(-2 * HOUR))
    if revive == "redefine":
        driver.define(a_job(schedule=Cron(("0,30 * * * *",), "UTC", "job")))
        assert driver.job.next_due_at == NOON + 2 * HOUR + 30 * MINUTE
    else:
        driver.ask(JobStopped(job=JOB))
        driver.ask(Resumed(jobs=(JOB,)))
        assert driver.job.next_due_at == NOON + 3 * HOUR
