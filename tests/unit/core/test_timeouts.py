"""Timeouts and stops: asked, then made to end, then given up, and what counts until when."""

from dataclasses import replace
from datetime import timedelta

from taskd.core.job import Job
from taskd.core.messages import (
    AttemptFinished,
    ClockStepped,
    Draining,
    HandedBack,
    JobStopped,
    RunStopped,
    Triggered,
)
from taskd.core.retry import FailurePolicy, RetryPolicy
from taskd.core.run import Outcome, Run, RunState
from tests.unit.core.driver import HOUR, JOB, MINUTE, SECOND, Driver, a_job

RETRIES = FailurePolicy(retry=RetryPolicy(max_attempts=2, initial=timedelta(0)))


def a_limited_job(**more: object) -> Job:
    job = replace(a_job(), timeout=MINUTE, kill_grace=10 * SECOND)
    return replace(job, **more)  # type: ignore[arg-type]


def started(job: Job, workers: int = 1) -> tuple[Driver, Run]:
    driver = Driver(job, workers=workers)
    driver.ask(Triggered(job=JOB))
    (run,) = driver.running
    return driver, run


def stages(driver: Driver, *waits: timedelta) -> list[list[int]]:
    return [[i.stage for i in driver.turn(after=wait).interrupts] for wait in waits]


def test_an_attempt_that_takes_too_long_is_asked_then_made_to_end_then_given_up() -> None:
    driver, run = started(a_limited_job())
    assert driver.engine.next_wakeup() == driver.now + MINUTE
    assert stages(driver, 59 * SECOND, SECOND, 9 * SECOND, SECOND, 10 * SECOND, HOUR) == [
        [],
        [1],
        [],
        [2],
        [3],
        [],
    ]
    kept = driver.runs[run.id]
    assert (kept.state, kept.timed_out, kept.abandoned) == (RunState.RUNNING, True, True)


def test_what_ends_after_its_time_is_no_success() -> None:
    driver, run = started(a_limited_job())
    driver.turn(after=MINUTE)
    ended = driver.finish(run, Outcome.SUCCEEDED, after=SECOND)
    assert (ended.state, ended.result) == (RunState.FAILED, None)
    assert ended.error is not None
    assert ended.error.type == "taskd.errors.TimedOut"
    assert driver.attempts[-1].outcome is Outcome.TIMED_OUT


def test_an_attempt_in_time_is_left_alone() -> None:
    driver, run = started(a_limited_job())
    assert driver.finish(run, after=59 * SECOND).state is RunState.SUCCEEDED
    assert stages(driver, HOUR) == [[]]


def test_an_abandoned_attempt_keeps_its_job_from_starting_and_not_the_slot_from_others() -> None:
    driver, run = started(a_limited_job(failure=RETRIES))
    driver.define(a_limited_job(failure=RETRIES), a_job("other"))
    stages(driver, MINUTE, 10 * SECOND, 10 * SECOND)
    driver.ask(Triggered(job=a_job("other").name))
    assert [r.job for r in driver.running] == [JOB, "other"]
    assert driver.state(run.id) is RunState.RUNNING
    again = driver.finish(run, Outcome.FAILED)
    assert driver.attempts[-1].outcome is Outcome.ABANDONED
    assert again.state in (RunState.RETRYING, RunState.QUEUED)


def test_a_time_out_is_retried_like_any_failure() -> None:
    driver, run = started(a_limited_job(failure=RETRIES))
    driver.turn(after=MINUTE)
    driver.finish(run, Outcome.FAILED)
    driver.turn(after=SECOND)
    assert (driver.runs[run.id].attempt, driver.runs[run.id].timed_out) == (2, False)
    assert stages(driver, MINUTE) == [[1]]


def test_a_stop_takes_the_same_stages_and_force_leaves_out_the_first() -> None:
    driver, run = started(a_limited_job())
    driver.ask(RunStopped(run=run.id))
    assert [i.stage for i in driver.last.interrupts] == [1]
    assert stages(driver, 10 * SECOND) == [[2]]
    driver, run = started(a_limited_job())
    driver.ask(JobStopped(job=JOB, force=True))
    assert [i.stage for i in driver.last.interrupts] == [2]
    assert stages(driver, 10 * SECOND) == [[3]]
    assert driver.finish(run, Outcome.FAILED).state is RunState.CANCELLED


def test_asking_again_does_not_put_off_what_comes_next() -> None:
    driver, run = started(a_limited_job())
    driver.ask(RunStopped(run=run.id))
    driver.turn(after=9 * SECOND)
    driver.ask(RunStopped(run=run.id))
    assert stages(driver, SECOND) == [[2]]


def test_a_timeout_counts_elapsed_time_whatever_the_clock_says() -> None:
    driver, _ = started(a_limited_job())
    driver.now += HOUR
    driver.turn(ClockStepped(by=HOUR))
    assert driver.last.interrupts == []
    assert stages(driver, MINUTE) == [[1]]


def test_time_is_limited_while_draining_and_after_a_new_engine_too() -> None:
    driver, run = started(a_limited_job())
    driver.turn(Draining())
    assert stages(driver, MINUTE) == [[1]]
    driver, run = started(a_limited_job())
    driver.restart(alive=[run], same_process=True)
    assert stages(driver, MINUTE) == [[1]]


def test_an_abandoned_attempt_does_not_hold_up_a_shutdown_and_is_told_as_such() -> None:
    driver, run = started(a_limited_job())
    stages(driver, MINUTE, 10 * SECOND, 10 * SECOND)
    assert driver.engine.running == frozenset()
    assert driver.engine.abandoned == {run.id}
    driver.turn(Draining(), HandedBack())
    assert driver.attempts[-1].outcome is Outcome.ABANDONED
    assert driver.state(run.id) is RunState.FAILED


def test_a_late_end_of_an_earlier_attempt_changes_nothing() -> None:
    driver, run = started(a_limited_job())
    driver.finish(run)
    driver.turn(AttemptFinished(run.id, 1, driver.now, Outcome.FAILED))
    assert driver.state(run.id) is RunState.SUCCEEDED


def test_a_stop_goes_on_where_it_was_after_a_new_engine() -> None:
    driver, run = started(a_limited_job())
    driver.ask(RunStopped(run=run.id))
    driver.restart(alive=[driver.runs[run.id]], same_process=True)
    assert stages(driver, 10 * SECOND, 10 * SECOND) == [[2], [3]]
