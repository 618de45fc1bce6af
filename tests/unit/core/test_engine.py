"""The engine's turns: what becomes of due jobs, of attempts that end or are lost, of a clock."""

from datetime import UTC, datetime, timedelta

import pytest

from taskd.core.cron import Cron
from taskd.core.job import Call
from taskd.core.messages import (
    Added,
    AttemptFinished,
    ClockStepped,
    Draining,
    HandedBack,
    Page,
    Refilled,
    Refused,
    RunStopped,
    Task,
    Triggered,
)
from taskd.core.record import JobState
from taskd.core.retry import DEFAULT_FAILURE
from taskd.core.run import Outcome, RunId, RunState
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.errors import Stopped
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, Driver, a_job

RATE = Every(MINUTE)
DELAY = Every(MINUTE, Mode.FIXED_DELAY)
MICROSECOND = timedelta(microseconds=1)


def task(name: str, due_at: datetime = NOON, priority: int = 0) -> Task:
    return Task(RunId(name), Call("any:thing"), due_at, priority)


# -- due jobs -------------------------------------------------------------------------------------


def test_a_new_interval_job_runs_at_once_and_its_next_run_is_written_with_it() -> None:
    driver = Driver(a_job(schedule=RATE))
    (start,) = driver.last.starts
    assert (start.run.scheduled_at, start.run.attempt) == (NOON, 1)
    assert driver.last.changes.runs[start.run.id].after == start.run
    assert driver.job.next_due_at == driver.engine.next_wakeup() == NOON + MINUTE


def test_nothing_runs_before_its_instant() -> None:
    driver = Driver(a_job(schedule=At((NOON + MINUTE,))))
    assert driver.turn(after=MINUTE - MICROSECOND).starts == []
    assert len(driver.turn(after=MICROSECOND).starts) == 1


def test_of_missed_occurrences_the_latest_runs_and_the_others_are_skipped() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.finish()
    (start,) = driver.turn(after=10 * MINUTE + SECOND).starts
    assert start.run.scheduled_at == NOON + 10 * MINUTE
    assert driver.skipped == [(NOON + MINUTE, NOON + 9 * MINUTE, 9, "misfire")]
    assert driver.job.next_due_at == NOON + 11 * MINUTE


def test_what_falls_due_while_a_run_is_live_is_overlap_and_is_one_row() -> None:
    driver = Driver(a_job(schedule=RATE))
    for _ in range(3):
        driver.turn(after=MINUTE)
    assert driver.skipped == [(NOON + MINUTE, NOON + 3 * MINUTE, 3, "overlap")]
    assert driver.job.counts == {"SKIPPED": 3}


def test_a_run_between_skips_begins_a_new_row() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.turn(after=MINUTE)
    driver.finish()
    driver.turn(after=MINUTE)
    driver.turn(after=MINUTE)
    assert [count for _, _, count, _ in driver.skipped] == [1, 1]


def test_a_new_schedule_begins_a_new_row_of_skips() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.turn(after=MINUTE)
    driver.define(a_job(schedule=Every(2 * MINUTE)))
    driver.turn(after=2 * MINUTE)
    assert [count for _, _, count, _ in driver.skipped] == [1, 1]


def test_a_fixed_delay_waits_from_the_end_of_its_run() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.turn(after=HOUR)
    assert (driver.job.next_due_at, driver.engine.next_wakeup()) == (None, None)
    driver.finish()
    assert driver.job.next_due_at == NOON + HOUR + MINUTE


def test_a_fixed_delay_that_meets_a_triggered_run_waits_for_its_end() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.finish()
    driver.ask(Triggered(job=JOB))
    driver.turn(after=MINUTE)
    assert driver.skipped == [(NOON + MINUTE, NOON + MINUTE, 1, "overlap")]
    assert driver.job.next_due_at is None
    driver.finish(after=HOUR)
    assert driver.job.next_due_at == NOON + HOUR + 2 * MINUTE


def test_a_job_is_finished_when_its_last_run_has_ended() -> None:
    driver = Driver(a_job(schedule=At((NOON,))))
    states = [driver.job.state]
    driver.finish()
    states.append(driver.job.state)
    assert states == [JobState.ACTIVE, JobState.FINISHED]


def test_a_finished_job_goes_on_when_it_gets_another_instant() -> None:
    driver = Driver(a_job(schedule=At((NOON,))))
    driver.finish()
    driver.define(a_job(schedule=At((NOON, NOON + HOUR))))
    assert (driver.job.state, driver.job.next_due_at) == (JobState.ACTIVE, NOON + HOUR)
    driver.define(a_job(schedule=At((NOON,))))
    assert driver.job.state is JobState.FINISHED


def test_occurrences_that_the_store_has_decided_are_passed_over_with_those_before() -> None:
    driver = Driver()
    job = a_job(schedule=At(tuple(NOON - n * MINUTE for n in range(3))))
    turn = driver.turn(Added(jobs=(job,)), Refused(((JOB, NOON),)))
    assert turn.starts == []
    assert driver.skipped == [(NOON - 2 * MINUTE, NOON - MINUTE, 2, "misfire")]
    assert driver.job.state is JobState.FINISHED


def test_a_refusal_of_a_job_that_is_gone_is_passed_over() -> None:
    assert not Driver().turn(Refused(((JOB, NOON),))).changes


# -- slots ----------------------------------------------------------------------------------------


def test_what_finds_no_slot_waits_and_the_longest_waiting_goes_first() -> None:
    driver = Driver(workers=1)
    driver.ask(Added(tasks=(task("b", NOON - SECOND), task("a"), task("c"))))
    order = []
    while driver.running:
        order.append(driver.finish().id)
    assert order == ["b", "a", "c"]


def test_a_higher_priority_goes_first() -> None:
    driver = Driver(workers=1)
    driver.ask(Added(tasks=(task("first"),)))
    driver.ask(Added(tasks=(task("low", priority=-50), task("normal"), task("high", priority=50))))
    order = []
    while driver.running:
        order.append(driver.finish().id)
    assert order == ["first", "high", "normal", "low"]


def test_a_normal_run_that_waited_an_hour_goes_before_a_critical_one() -> None:
    driver = Driver(workers=1)
    driver.ask(Added(tasks=(task("first"), task("old", NOON - HOUR - SECOND))))
    driver.finish(driver.runs[RunId("old")])
    driver.ask(Added(tasks=(task("patient"),)))
    driver.now += HOUR + SECOND
    driver.ask(Added(tasks=(task("critical", driver.now, 100),)))
    driver.finish()
    assert [run.id for run in driver.running] == ["patient"]


def test_a_run_beyond_the_window_is_read_from_the_store() -> None:
    driver = Driver()
    later = tuple(task(f"{n:05}", NOON + n * SECOND) for n in range(1, 2500))
    driver.ask(Added(tasks=later))
    while (wakeup := driver.engine.next_wakeup()) is not None:
        driver.turn(after=wakeup - driver.now)
        for run in driver.running:
            driver.finish(run)
    assert driver.engine.hunger() == (True, False)
    rest = [run for run in driver.runs.values() if run.state is RunState.PENDING]
    assert rest
    driver.turn(Refilled(pending=Page(tuple(rest[:9]), complete=False)))
    assert driver.engine.hunger() == (False, False)
    assert driver.engine.next_wakeup() == rest[0].due_at


def test_suspects_that_wait_do_not_keep_others_from_their_slots() -> None:
    driver = Driver(workers=2)
    driver.ask(Added(tasks=(task("a"), task("b"))))
    driver.restart()
    driver.ask(Added(tasks=(task("c"),)))
    assert [run.id for run in driver.running] == ["a", "c"]
    assert driver.state(RunId("b")) is RunState.QUEUED


# -- attempts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED])
def test_an_attempt_s_end_is_its_run_s(outcome: Outcome) -> None:
    driver = Driver(a_job())
    driver.ask(Triggered(job=JOB))
    run = driver.finish(outcome=outcome, after=SECOND)
    assert (run.state.value, run.finished_at) == (outcome.value, NOON + SECOND)
    assert driver.job.counts == {outcome.value: 1}
    assert driver.job.last_run == run.id


def test_the_end_of_an_earlier_attempt_changes_nothing() -> None:
    driver = Driver(a_job(schedule=RATE))
    (run,) = driver.running
    driver.restart()
    late = AttemptFinished(run.id, 1, NOON, Outcome.SUCCEEDED)
    assert not driver.turn(late).changes


def test_a_run_that_was_asked_to_stop_and_fails_is_cancelled_one_that_succeeds_succeeded() -> None:
    driver = Driver()
    driver.ask(Added(tasks=(task("heeds"), task("hurries"))))
    for run in list(driver.running):
        driver.ask(RunStopped(run=run.id, reason="enough"))
    assert driver.last.interrupts
    heeds = driver.finish(driver.runs[RunId("heeds")], Outcome.FAILED)
    hurries = driver.finish(driver.runs[RunId("hurries")], Outcome.SUCCEEDED)
    assert (heeds.state, heeds.reason) == (RunState.CANCELLED, "enough")
    assert hurries.state is RunState.SUCCEEDED


def test_carry_hands_the_last_succeeded_result_to_the_next_run() -> None:
    driver = Driver(a_job(schedule=RATE, carry=True))
    assert (driver.last.starts[0].carry, driver.last.starts[0].carried) == (True, None)
    driver.finish(result="7")
    driver.turn(after=MINUTE)
    assert driver.last.starts[0].carried == "7"


# -- crashes --------------------------------------------------------------------------------------


def test_a_run_that_was_running_at_a_crash_is_lost_and_runs_again() -> None:
    driver = Driver(a_job(schedule=RATE))
    (start,) = driver.restart().starts
    assert (start.run.attempt, start.run.crashes) == (2, 1)
    assert [attempt.outcome for attempt in driver.attempts] == [Outcome.LOST]


def test_a_run_that_was_lost_three_times_is_dead() -> None:
    driver = Driver(a_job(schedule=RATE))
    (run,) = driver.running
    for _ in range(DEFAULT_FAILURE.max_crashes):
        driver.restart()
    assert driver.state(run.id) is RunState.DEAD
    assert driver.job.counts == {"DEAD": 1}


def test_a_run_that_was_asked_to_stop_is_not_run_again_after_a_crash() -> None:
    driver = Driver(a_job(schedule=RATE))
    (run,) = driver.running
    driver.ask(RunStopped(run=run.id))
    driver.restart()
    assert driver.state(run.id) is RunState.CANCELLED


def test_after_a_crash_suspects_start_one_at_a_time() -> None:
    driver = Driver(workers=3)
    driver.ask(Added(tasks=(task("a"), task("b"), task("c", NOON + SECOND))))
    driver.restart()
    assert [run.id for run in driver.running] == ["a"]
    driver.turn(after=SECOND)
    assert [run.id for run in driver.running] == ["a", "c"]
    driver.finish(driver.runs[RunId("a")])
    assert [run.id for run in driver.running] == ["b", "c"]


def test_a_run_committed_and_never_started_is_released_and_no_crash_is_counted() -> None:
    driver = Driver(a_job(schedule=RATE))
    (start,) = driver.restart(same_process=True).starts
    assert (start.run.attempt, start.run.crashes) == (2, 0)
    assert driver.attempts[0].outcome is Outcome.RELEASED


def test_a_run_that_the_process_still_executes_goes_on_when_the_engine_is_rebuilt() -> None:
    driver = Driver(a_job(schedule=RATE))
    turn = driver.restart(alive=driver.running, same_process=True)
    assert not turn.changes
    assert driver.finish().state is RunState.SUCCEEDED


def test_a_removed_job_s_running_run_finishes_and_is_not_run_again_after_a_crash() -> None:
    ends, dies = Driver(a_job(schedule=RATE)), Driver(a_job(schedule=RATE))
    for driver in (ends, dies):
        driver.define()
    assert ends.finish().state is RunState.SUCCEEDED
    (run,) = dies.running
    dies.restart()
    assert dies.state(run.id) is RunState.CANCELLED


def test_a_job_that_comes_back_while_its_old_run_is_live_overlaps_it() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.define()
    driver.now += SECOND
    driver.define(a_job(schedule=DELAY))
    assert driver.skipped == [(driver.now, driver.now, 1, "overlap")]
    driver.finish(after=SECOND)
    assert driver.job.next_due_at == driver.now + MINUTE


# -- shutdown -------------------------------------------------------------------------------------


def test_a_draining_engine_refuses_requests_and_starts_nothing() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.finish()
    driver.turn(Draining())
    assert driver.engine.next_wakeup() is None
    with pytest.raises(Stopped):
        driver.ask(Triggered(job=JOB))
    assert not driver.turn(after=HOUR).changes


def test_what_is_handed_back_waits_for_the_next_process_save_what_was_to_stop() -> None:
    driver = Driver()
    driver.ask(Added(tasks=(task("a"), task("b"))))
    driver.ask(RunStopped(run=RunId("b"), reason="enough"))
    driver.turn(Draining(), HandedBack())
    a, b = driver.runs[RunId("a")], driver.runs[RunId("b")]
    assert (a.state, b.state, b.reason) == (RunState.QUEUED, RunState.CANCELLED, "enough")
    assert {attempt.outcome for attempt in driver.attempts} == {Outcome.RELEASED}
    assert [start.run.id for start in driver.restart().starts] == ["a"]


# -- the clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [-24 * HOUR, -HOUR, HOUR, 24 * HOUR])
def test_an_interval_goes_on_by_elapsed_time_when_the_clock_is_set(by: timedelta) -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.finish()
    turn = driver.turn(ClockStepped(by), after=by)
    assert (turn.starts, driver.skipped) == ([], [])
    assert driver.job.next_due_at == driver.now + MINUTE + MICROSECOND
    assert driver.job.next_due_at == driver.engine.next_wakeup()


def test_what_names_a_wall_clock_time_stays_there_when_the_clock_is_set() -> None:
    cron = Cron(("0 13 * * *",), "UTC", "job")
    schedules: tuple[Schedule, ...] = (cron, At((NOON + HOUR,)), Every(HOUR, align=True))
    driver = Driver(*(a_job(f"job-{n}", schedule) for n, schedule in enumerate(schedules)))
    for run in driver.running:
        driver.finish(run)
    driver.ask(Added(tasks=(task("task", NOON + HOUR),)))
    before = dict(driver.jobs)
    driver.turn(ClockStepped(-2 * HOUR), after=-2 * HOUR)
    assert (driver.jobs, driver.state(RunId("task"))) == (before, RunState.PENDING)
    driver.turn(ClockStepped(4 * HOUR), after=4 * HOUR)
    assert driver.state(RunId("task")) is not RunState.PENDING
    assert len(driver.runs) == 5


def test_a_fixed_delay_does_not_wait_longer_when_the_clock_was_set_back_under_its_run() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.turn(ClockStepped(-24 * HOUR), after=-24 * HOUR)
    run = driver.finish(after=SECOND)
    assert run.finished_at == run.started_at  # no negative duration
    assert driver.job.next_due_at == driver.now + MINUTE


def test_an_interval_does_not_wait_longer_when_the_clock_was_set_back_while_down() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.finish()
    driver.now = datetime(2026, 1, 1, tzinfo=UTC)
    driver.restart()
    assert driver.job.next_due_at == driver.now + MINUTE + MICROSECOND


def test_a_restart_leaves_a_cursor_within_its_interval_alone() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.finish()
    assert not driver.restart().changes
