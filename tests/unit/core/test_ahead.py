"""Starts that are committed ahead: which, for how long, and who takes them back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from taskd.core.ahead import AHEAD, LEAD, MISSED, as_of, is_ahead
from taskd.core.calendars import Calendar, Exclude
from taskd.core.job import Job, JobName, Overlap, Source
from taskd.core.late import Late
from taskd.core.messages import (
    Added,
    AnyRequest,
    AttemptFinished,
    Begun,
    ClockStepped,
    Draining,
    JobRemoved,
    JobsDefined,
    JobStopped,
    Paused,
    Resumed,
    RunStopped,
    Task,
    Triggered,
)
from taskd.core.record import SkipReason
from taskd.core.retry import FailurePolicy, OnCrash
from taskd.core.run import MICROSECOND, Outcome, Run, RunId, RunState
from taskd.core.schedule import Every, Mode
from taskd.core.unique import Unique
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, Driver, a_job

HOURLY = a_job(schedule=Every(HOUR))
TASK = RunId("task")


def driven(job: Job = HOURLY, *, workers: int = 2) -> Driver:
    """A driver whose job ran at noon and is due in an hour."""
    driver = Driver(job, workers=workers, ahead=True)
    for run in driver.running:
        driver.finish(run)
    return driver


def come_close(driver: Driver, by: timedelta = LEAD) -> Run:
    """Go on until just before the next hour, and return what is ahead."""
    driver.turn(after=NOON + HOUR - by - driver.now)
    (run,) = driver.running
    return run


def a_task(driver: Driver, after: timedelta, id: RunId = TASK, **more: object) -> Task:
    return Task(id, HOURLY.call, driver.now + after, **more)  # type: ignore[arg-type]


def begun(driver: Driver, run: Run) -> Begun:
    assert run.started_at is not None
    driver.now = max(driver.now, run.started_at)
    return Begun(run.id, run.attempt, driver.now)


def test_the_loop_looks_shortly_before_and_commits_the_start_with_its_instant() -> None:
    driver = driven()
    assert driver.engine.next_wakeup() == NOON + HOUR - LEAD
    run = come_close(driver)
    (start,) = driver.last.starts
    assert (start.run, start.at) == (run, NOON + HOUR)
    assert run.started_at == run.queued_at == run.scheduled_at == NOON + HOUR
    assert driver.job.next_due_at == NOON + 2 * HOUR
    assert driver.engine.next_wakeup() == NOON + 2 * HOUR - LEAD


def test_nothing_further_ahead_is_committed() -> None:
    driver = driven()
    driver.turn(after=HOUR - AHEAD - MICROSECOND)
    assert driver.running == []
    driver.turn(after=MICROSECOND)
    assert len(driver.running) == 1


def test_until_its_instant_it_is_to_be_seen_as_waiting() -> None:
    driver = driven()
    run = come_close(driver)
    assert is_ahead(run, driver.now)
    seen = as_of(run, driver.now)
    assert (seen.state, seen.attempt, seen.started_at) == (RunState.PENDING, 0, None)
    assert as_of(run, NOON + HOUR) == run
    assert as_of(run, NOON) == run  # the clock was set back: it runs


def test_what_begins_in_time_is_written_no_more_and_what_begins_late_says_so() -> None:
    driver = driven()
    run = come_close(driver)
    driver.now = NOON + HOUR
    assert not driver.turn(Begun(run.id, run.attempt, driver.now)).changes
    late = NOON + HOUR + SECOND
    driver.now = late
    driver.turn(Begun(run.id, run.attempt, late))
    assert (driver.runs[run.id].started_at, driver.runs[run.id].first_started_at) == (late, late)


def test_all_that_is_due_within_the_time_shares_a_turn_as_far_as_there_are_slots() -> None:
    driver = driven(workers=3)
    driver.now = NOON + MINUTE
    ids = [RunId(f"task-{n}") for n in range(4)]
    tasks = tuple(
        a_task(driver, SECOND + n * timedelta(milliseconds=10), id) for n, id in enumerate(ids)
    )
    driver.ask(Added(tasks=tasks))
    driver.turn(after=SECOND - LEAD)
    assert [start.run.id for start in driver.last.starts] == ids[:3]
    first = driver.runs[ids[0]]
    ended = AttemptFinished(first.id, 1, NOON + MINUTE + SECOND, Outcome.SUCCEEDED)
    driver.turn(begun(driver, first), ended)
    assert [start.run.id for start in driver.last.starts] == ids[3:]


def test_of_those_of_one_instant_the_higher_priority_gets_the_slot() -> None:
    driver = driven(workers=1)
    low, high = RunId("a-low"), RunId("b-high")
    tasks = (a_task(driver, SECOND, low), a_task(driver, SECOND, high, priority=50))
    driver.ask(Added(tasks=tasks))
    driver.turn(after=SECOND - LEAD)
    assert [run.id for run in driver.running] == [high]


@pytest.mark.parametrize(
    "change",
    [
        {"failure": FailurePolicy(on_crash=OnCrash.FAIL)},
        {"failure": FailurePolicy(max_crashes=1)},
        {"jitter": MINUTE},
        {"unique": Unique()},
        {"exclude": Exclude((Calendar("all", weekdays=tuple(range(7))),), "UTC")},
        {"enabled": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_could_be_decided_otherwise_is_decided_when_it_is_due(
    change: dict[str, object],
) -> None:
    driver = driven(replace(HOURLY, **change))  # type: ignore[arg-type]
    driver.turn(after=HOUR - LEAD)
    assert driver.running == []
    wakeup = driver.engine.next_wakeup()
    assert wakeup is None or wakeup >= NOON + HOUR


def test_a_job_that_still_runs_is_decided_when_it_is_due() -> None:
    driver = Driver(HOURLY, ahead=True)
    driver.turn(after=HOUR - LEAD)
    assert not driver.last.changes
    driver.turn(after=LEAD)
    assert driver.skipped == [(NOON + HOUR, NOON + HOUR, 1, "overlap")]


def asks() -> list[tuple[str, Callable[[], AnyRequest]]]:
    later = replace(HOURLY, schedule=Every(2 * HOUR))
    return [
        ("stop", lambda: JobStopped(job=JOB)),
        ("pause", lambda: Paused(jobs=(JOB,))),
        ("pause all", lambda: Paused(jobs=None)),
        ("change", lambda: JobsDefined(jobs=(later,), source=Source.FILE)),
        ("drop", lambda: JobsDefined(jobs=(), source=Source.FILE)),
    ]


@pytest.mark.parametrize(("name", "ask"), asks(), ids=lambda value: str(value))
def test_who_changes_a_job_before_the_instant_is_heeded(
    name: str, ask: Callable[[], AnyRequest]
) -> None:
    driver = driven()
    run = come_close(driver)
    turn = driver.turn(ask())
    assert turn.taken_back == [run.id]
    assert run.id not in driver.runs
    assert not turn.interrupts
    driver.turn(after=LEAD)
    assert driver.running == [], name


def test_a_pause_that_ends_is_decided_as_if_nothing_had_been_ahead() -> None:
    driver = driven()
    come_close(driver)
    driver.ask(Paused(jobs=(JOB,)))
    assert (driver.job.next_due_at, driver.job.scheduled_runs) == (NOON + HOUR, 1)
    driver.now = NOON + HOUR + MINUTE
    driver.ask(Resumed(jobs=(JOB,)))
    (run,) = driver.running
    assert (run.scheduled_at, run.started_at) == (NOON + HOUR, NOON + HOUR + MINUTE)


def test_a_trigger_overlaps_nothing_that_has_not_begun() -> None:
    driver = driven()
    run = come_close(driver)
    triggered = driver.ask(Triggered(job=JOB))
    assert isinstance(triggered, Run)
    assert run.id not in driver.runs
    driver.turn(after=LEAD)
    assert [r.id for r in driver.running] == [triggered.id]
    assert driver.skipped == [(NOON + HOUR, NOON + HOUR, 1, "overlap")]


def test_loading_the_same_file_takes_nothing_back() -> None:
    driver = driven()
    run = come_close(driver)
    driver.define(HOURLY)
    assert driver.running == [run]


def test_what_asks_about_another_job_takes_nothing_back() -> None:
    driver = Driver(HOURLY, a_job("other"), ahead=True)
    driver.finish()
    run = come_close(driver)
    driver.ask(Paused(jobs=(JobName("other"),)))
    assert driver.running == [run]


def test_a_removed_job_leaves_nothing_behind() -> None:
    driver = Driver(ahead=True)
    driver.ask(Added(jobs=(replace(HOURLY, source=Source.CLI),)))
    driver.finish()
    come_close(driver)
    assert driver.ask(JobRemoved(job=JOB)) == ()
    assert driver.running == []


@pytest.mark.parametrize("is_task", [True, False])
def test_a_run_that_is_stopped_before_its_instant_never_begins(is_task: bool) -> None:
    driver = driven()
    if is_task:
        driver.ask(JobStopped(job=JOB))
        driver.ask(Added(tasks=(a_task(driver, HOUR),)))
    run = come_close(driver)
    turn = driver.turn(RunStopped(run=run.id))
    assert turn.taken_back == [run.id]
    assert not turn.interrupts
    stopped = driver.runs[run.id]
    assert (stopped.state, stopped.attempt, stopped.started_at) == (RunState.CANCELLED, 0, None)
    assert driver.attempts == []


def test_what_waits_for_a_slot_gets_that_of_the_latest_start_ahead() -> None:
    driver = driven(workers=1)
    run = come_close(driver)
    driver.ask(Added(tasks=(a_task(driver, timedelta(0)),)))
    assert [r.id for r in driver.running] == [TASK]
    assert run.id not in driver.runs
    driver.turn(after=LEAD)
    (waiting,) = [r for r in driver.runs.values() if r.state is RunState.QUEUED]
    assert waiting.scheduled_at == NOON + HOUR


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_clock_that_is_set_takes_a_task_back_to_its_instant(by: timedelta) -> None:
    driver = driven()
    driver.ask(JobStopped(job=JOB))
    driver.ask(Added(tasks=(a_task(driver, HOUR),)))
    run = come_close(driver)
    driver.now += by
    turn = driver.turn(ClockStepped(by))
    assert turn.taken_back == [run.id]
    if by > timedelta(0):
        assert driver.runs[run.id].started_at == driver.now
    else:
        assert (driver.state(run.id), driver.runs[run.id].due_at) == (
            RunState.PENDING,
            NOON + HOUR,
        )


def test_a_clock_that_is_set_moves_the_grid_of_what_is_ahead() -> None:
    driver = driven()
    run = come_close(driver)
    driver.now -= 2 * HOUR
    driver.turn(ClockStepped(-2 * HOUR))
    (again,) = driver.running
    assert again.id != run.id
    assert again.scheduled_at == NOON - HOUR + MICROSECOND


def test_what_has_begun_when_the_clock_is_set_goes_on() -> None:
    driver = driven()
    run = come_close(driver)
    noted = begun(driver, run)
    driver.now -= HOUR
    turn = driver.turn(noted, ClockStepped(-HOUR))
    assert turn.taken_back == []
    assert driver.state(run.id) is RunState.RUNNING


def test_a_shutdown_takes_back_what_is_ahead() -> None:
    driver = driven()
    run = come_close(driver)
    turn = driver.turn(Draining())
    assert turn.taken_back == [run.id]
    assert driver.running == []
    assert driver.job.next_due_at == NOON + HOUR


def test_a_restart_before_the_instant_decides_again_and_counts_no_crash() -> None:
    driver = driven()
    run = come_close(driver)
    driver.now += LEAD / 2
    driver.restart()
    (again,) = driver.running
    assert run.id not in driver.runs
    assert (again.scheduled_at, again.attempt, again.crashes) == (NOON + HOUR, 1, 0)
    assert driver.attempts == []


def test_a_restart_after_the_instant_cannot_know_and_counts_a_crash() -> None:
    driver = driven()
    run = come_close(driver)
    driver.now = NOON + HOUR
    driver.restart()
    again = driver.runs[run.id]
    assert (again.attempt, again.crashes, again.started_at) == (2, 1, driver.now)


def test_a_new_engine_of_the_same_process_goes_on_with_what_is_ahead() -> None:
    driver = driven()
    run = come_close(driver)
    driver.restart(alive=[run], ahead=[run], same_process=True)
    assert driver.running == [run]
    driver.ask(Paused(jobs=(JOB,)))
    assert driver.running == []


def test_a_new_engine_takes_back_what_the_process_let_go_of() -> None:
    driver = driven()
    run = come_close(driver)
    driver.restart(same_process=True)
    assert run.id not in driver.runs
    (again,) = driver.running
    assert again.scheduled_at == NOON + HOUR


def test_a_fixed_delay_counts_from_the_end_of_a_run_that_was_ahead() -> None:
    driver = driven(a_job(schedule=Every(HOUR, Mode.FIXED_DELAY)))
    run = come_close(driver)
    assert driver.job.next_due_at is None
    driver.turn(begun(driver, run))
    driver.finish(run, after=MINUTE)
    assert driver.job.next_due_at == NOON + 2 * HOUR + MINUTE


def test_a_newer_run_takes_no_place_of_one_that_has_not_begun() -> None:
    driver = driven(replace(HOURLY, overlap=Overlap.CANCEL_OTHER))
    run = come_close(driver)
    driver.ask(Triggered(job=JOB))
    assert run.id not in driver.runs
    assert driver.last.interrupts == []


@pytest.mark.parametrize("late", [MISSED, HOUR])
def test_what_the_machine_slept_over_is_decided_again_by_the_late_policy(late: timedelta) -> None:
    driver = driven(replace(HOURLY, late=Late(grace=MINUTE)))
    run = come_close(driver)
    driver.turn(after=LEAD + late)
    assert run.id not in driver.runs
    assert driver.last.taken_back == [run.id]
    if late <= MINUTE:
        (again,) = driver.running
        assert (again.scheduled_at, again.started_at) == (NOON + HOUR, NOON + HOUR + late)
    else:
        (skip,) = driver.skips.values()
        assert (skip.first_at, skip.reason) == (NOON + HOUR, SkipReason.MISFIRE)


def two_jobs() -> tuple[Driver, Run, Run]:
    """A driver with one slot and two jobs, both ahead: one has the slot, the other is queued."""
    driver = Driver(HOURLY, a_job("other", Every(HOUR)), workers=1, ahead=True)
    while driver.running:
        driver.finish(driver.running[0])
    driver.turn(after=NOON + HOUR - LEAD - driver.now)
    (running,) = driver.running
    (queued,) = (run for run in driver.runs.values() if run.state is RunState.QUEUED)
    return driver, running, queued


def test_what_gets_no_slot_is_queued_ahead_and_shown_as_waiting_for_its_instant() -> None:
    driver, running, queued = two_jobs()
    assert queued.queued_at == queued.due_at == running.started_at == NOON + HOUR
    assert is_ahead(queued, driver.now)
    seen = as_of(queued, driver.now)
    assert (seen.state, seen.attempt, seen.queued_at) == (RunState.PENDING, 0, None)
    assert as_of(queued, NOON + HOUR) == queued


def test_what_is_queued_ahead_starts_when_it_is_due_and_a_slot_is_free() -> None:
    driver, running, queued = two_jobs()
    assert driver.engine.next_wakeup() == NOON + HOUR
    driver.turn(begun(driver, running))
    assert not driver.last.changes
    driver.finish(running)
    assert [(run.id, run.attempt) for run in driver.running] == [(queued.id, 1)]


def test_what_is_queued_ahead_takes_no_slot_that_is_free_before_its_instant() -> None:
    driver, running, queued = two_jobs()
    driver.ask(JobStopped(job=running.job or JOB))
    assert driver.running == []
    assert driver.state(queued.id) is RunState.QUEUED
    driver.turn(after=LEAD)
    assert [run.id for run in driver.running] == [queued.id]


def test_what_is_queued_ahead_can_be_decided_otherwise_too() -> None:
    driver, _, queued = two_jobs()
    driver.ask(Paused(jobs=(queued.job or JOB,)))
    assert queued.id not in driver.runs
    driver, running, queued = two_jobs()
    assert driver.turn(Draining()).taken_back == sorted([running.id, queued.id])
    driver, _, queued = two_jobs()
    driver.ask(RunStopped(run=queued.id))
    assert (driver.runs[queued.id].state, driver.runs[queued.id].attempt) == (
        RunState.CANCELLED,
        0,
    )


def test_a_restart_before_the_instant_decides_what_was_queued_ahead_again() -> None:
    driver, running, queued = two_jobs()
    driver.now += LEAD / 2
    driver.restart()
    assert {running.id, queued.id}.isdisjoint(driver.runs)
    again = sorted(run.state for run in driver.runs.values() if not run.state.is_final)
    assert again == [RunState.QUEUED, RunState.RUNNING]
    driver.restart(same_process=True, ahead=driver.running, alive=[])
    assert all(run.scheduled_at == NOON + HOUR for run in driver.running)


def test_a_triggered_run_is_never_taken_for_one_that_is_ahead() -> None:
    driver = driven()
    run = driver.ask(Triggered(job=JOB))
    assert isinstance(run, Run)
    driver.now -= LEAD
    driver.restart()
    assert (driver.state(run.id), driver.runs[run.id].crashes) == (RunState.RUNNING, 1)
