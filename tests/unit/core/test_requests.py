"""Requests: what each does to a job in each state, and when it is refused."""

from dataclasses import replace

import pytest

from taskd.core.diff import Diff
from taskd.core.job import Call, JobName, Source
from taskd.core.late import Catchup, Late
from taskd.core.messages import (
    Added,
    AnyRequest,
    Found,
    JobRemoved,
    JobsDefined,
    JobStopped,
    Paused,
    Resumed,
    RunStopped,
    Task,
    Triggered,
)
from taskd.core.record import JobState
from taskd.core.run import Outcome, Run, RunId, RunState
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.errors import Conflict, UnknownTask
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, Driver, a_job

RATE = Every(MINUTE)
DELAY = Every(MINUTE, Mode.FIXED_DELAY)
STOP = JobStopped(job=JOB)
PAUSE = Paused(jobs=(JOB,))
RESUME = Resumed(jobs=(JOB,))
TRIGGER = Triggered(job=JOB)


def idle(schedule: Schedule | None = RATE, *, source: Source = Source.FILE) -> Driver:
    """A job whose first run has ended; its next is due in a minute."""
    driver = Driver()
    job = a_job(schedule=schedule, source=source)
    driver.ask(JobsDefined(jobs=(job,), source=source))
    for run in driver.running:
        driver.finish(run)
    return driver


# -- the file -------------------------------------------------------------------------------------


def test_the_same_file_changes_nothing() -> None:
    driver = idle()
    driver.turn(JobsDefined(jobs=(a_job(schedule=RATE),), source=Source.FILE))
    assert driver.last.replies[0].value == Diff((), (), (), (JOB,))
    assert not driver.last.changes


def test_a_change_of_anything_but_the_schedule_keeps_the_next_run() -> None:
    driver = idle()
    driver.turn(after=SECOND)
    driver.define(a_job(schedule=RATE, carry=True))
    assert (driver.job.job.carry, driver.job.next_due_at) == (True, NOON + MINUTE)


def test_a_changed_interval_starts_its_grid_one_interval_from_now() -> None:
    driver = idle()
    driver.turn(after=SECOND)
    driver.define(a_job(schedule=Every(HOUR)))
    assert driver.last.starts == []
    assert driver.job.next_due_at == driver.job.anchor_at + HOUR == NOON + SECOND + HOUR


def test_a_changed_instant_that_is_past_is_not_run() -> None:
    driver = idle()
    driver.define(a_job(schedule=At((NOON - HOUR,))))
    assert (driver.last.starts, driver.job.state) == ([], JobState.FINISHED)


def test_what_was_due_under_the_old_schedule_is_decided_before_it_goes() -> None:
    missed, held = idle(), idle()
    held.ask(PAUSE)
    for driver in (missed, held):
        driver.now += 2 * MINUTE
        driver.define(a_job(schedule=Every(HOUR)))
    assert missed.skipped == [(NOON + MINUTE, NOON + 2 * MINUTE, 2, "misfire")]
    assert held.skipped == [(NOON + MINUTE, NOON + 2 * MINUTE, 2, "paused")]


def test_a_job_that_left_the_file_is_dropped_with_its_waiting_runs_and_missed_occurrences() -> None:
    driver = Driver(a_job(schedule=RATE), workers=0)
    (run,) = driver.runs.values()
    driver.now += MINUTE
    driver.define()
    assert (driver.jobs, driver.state(run.id)) == ({}, RunState.CANCELLED)
    assert driver.skipped == [(NOON + MINUTE, NOON + MINUTE, 1, "stopped")]


def test_the_file_cannot_take_a_name_that_was_added() -> None:
    driver = idle(source=Source.CLI)
    with pytest.raises(Conflict):
        driver.define(a_job())


def test_the_file_leaves_added_jobs_alone() -> None:
    driver = idle(source=Source.CLI)
    assert driver.define() == Diff((), (), (), ())
    assert driver.jobs.keys() == {JOB}


def test_a_disabled_job_is_never_due_and_is_due_again_when_enabled() -> None:
    driver = Driver(a_job(schedule=RATE, enabled=False))
    assert (driver.engine.next_wakeup(), driver.job.state) == (None, JobState.ACTIVE)
    driver.define(a_job(schedule=RATE))
    assert driver.job.next_due_at == NOON + MINUTE


@pytest.mark.parametrize(("request_", "state"), [(STOP, "stopped"), (PAUSE, "paused")])
def test_a_held_job_stays_so_when_its_entry_changes(request_: AnyRequest, state: str) -> None:
    driver = idle()
    driver.ask(request_)
    driver.define(a_job(schedule=Every(HOUR)))
    assert driver.job.state.value == state
    assert driver.engine.next_wakeup() is None


# -- add and remove -------------------------------------------------------------------------------


def test_jobs_and_tasks_are_added_all_or_none() -> None:
    driver = idle()
    task = Task(RunId("task"), Call("any:thing"), NOON)
    with pytest.raises(Conflict):
        driver.ask(Added(jobs=(a_job("new"), a_job()), tasks=(task,)))
    assert not driver.last.changes


def test_a_task_that_is_asked_for_again_is_not_begun_anew() -> None:
    driver = Driver()
    task = Task(RunId("task"), Call("any:thing"), NOON)
    driver.ask(Added(tasks=(task,)))
    driver.ask(Added(tasks=(task,)))
    assert not driver.last.changes


def test_a_job_of_the_file_is_removed_in_the_file() -> None:
    with pytest.raises(Conflict):
        idle().ask(JobRemoved(job=JOB))


def test_removing_an_added_job_cancels_its_waiting_run() -> None:
    driver = Driver(workers=0)
    driver.ask(Added(jobs=(a_job(schedule=RATE, source=Source.CLI),)))
    (run,) = driver.runs
    assert driver.ask(JobRemoved(job=JOB)) == (driver.runs[run],)
    assert (driver.jobs, driver.state(run)) == ({}, RunState.CANCELLED)


# -- stop -----------------------------------------------------------------------------------------


def test_stopping_a_job_ends_its_schedule_and_asks_its_run_to_end() -> None:
    driver = Driver(a_job(schedule=RATE))
    driver.ask(STOP)
    (run,) = driver.running
    assert (run.stopping, [end.run for end in driver.last.interrupts]) == (True, [run.id])
    assert (driver.job.state, driver.job.next_due_at) == (JobState.STOPPED, None)
    driver.finish(outcome=Outcome.CANCELLED)
    assert driver.job.state is JobState.STOPPED


@pytest.mark.parametrize("schedule", [RATE, DELAY])
def test_a_stopped_job_that_is_resumed_goes_on_after_now(schedule: Schedule) -> None:
    driver = idle(schedule)
    driver.ask(STOP)
    driver.turn(after=HOUR)
    driver.ask(RESUME)
    assert (driver.skipped, driver.last.starts) == ([], [])
    assert driver.job.next_due_at == NOON + HOUR + MINUTE


def test_a_job_resumed_while_its_stopped_run_is_live_waits_for_that_run() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.ask(STOP)
    driver.ask(RESUME)
    driver.turn(after=MINUTE)
    assert driver.last.starts == []
    driver.finish(outcome=Outcome.CANCELLED, after=HOUR)
    assert driver.job.next_due_at == NOON + HOUR + 2 * MINUTE


def test_a_stopped_job_without_more_instants_is_finished_when_resumed() -> None:
    driver = idle(At((NOON + MINUTE,)))
    driver.ask(STOP)
    driver.turn(after=HOUR)
    driver.ask(RESUME)
    assert driver.job.state is JobState.FINISHED


def test_why_a_job_was_stopped_or_resumed_goes_with_its_change() -> None:
    driver = idle()
    driver.ask(JobStopped(job=JOB, reason="the source is gone"))
    stopped = driver.last.changes.jobs[JOB]
    driver.ask(Resumed(jobs=(JOB,), reason="it is back"))
    resumed = driver.last.changes.jobs[JOB]
    assert [stopped.reason, resumed.reason] == ["the source is gone", "it is back"]


def test_the_skips_that_a_resume_decides_leave_its_reason_alone() -> None:
    driver = Driver(replace(a_job(schedule=RATE), late=Late(catchup=Catchup.SKIP)))
    driver.ask(PAUSE)
    driver.turn(after=HOUR)
    driver.ask(Resumed(jobs=(JOB,), reason="it is back"))
    assert driver.skipped
    assert driver.last.changes.jobs[JOB].reason == "it is back"


def test_stopping_a_waiting_run_cancels_it_at_once() -> None:
    driver = Driver(a_job(schedule=RATE), workers=0)
    (run,) = driver.runs
    stopped = driver.ask(RunStopped(run=run, reason="enough"))
    assert isinstance(stopped, Run)
    assert (stopped.state, stopped.reason) == (RunState.CANCELLED, "enough")


def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    driver = Driver(a_job(schedule=RATE), workers=0)
    (run,) = driver.runs
    again = RunStopped(run=run)
    assert isinstance(driver.turn(again, again).replies[1].error, Conflict)
    assert driver.engine.wants([again], NOON).runs == (run,)
    assert isinstance(driver.turn(Found((driver.runs[run],)), again).replies[0].error, Conflict)
    assert not driver.last.changes


# -- pause and resume -----------------------------------------------------------------------------


def test_of_what_a_pause_missed_the_latest_runs() -> None:
    driver = idle()
    driver.ask(PAUSE)
    assert not driver.turn(after=3 * MINUTE + SECOND).changes
    driver.ask(RESUME)
    assert [start.run.scheduled_at for start in driver.last.starts] == [NOON + 3 * MINUTE]
    assert driver.skipped == [(NOON + MINUTE, NOON + 2 * MINUTE, 2, "paused")]


def test_a_pause_ends_by_itself_at_its_until() -> None:
    driver = idle()
    driver.ask(Paused(jobs=(JOB,), until=NOON + HOUR))
    assert driver.engine.next_wakeup() == NOON + HOUR
    driver.turn(after=HOUR)
    assert (driver.job.state, len(driver.last.starts)) == (JobState.ACTIVE, 1)


def test_a_pause_until_a_past_instant_is_over_at_once() -> None:
    driver = idle()
    driver.ask(Paused(jobs=(JOB,), until=NOON - HOUR))
    assert driver.job.state is JobState.ACTIVE


def test_a_paused_fixed_delay_counts_from_the_end_of_its_run_and_waits_to_be_resumed() -> None:
    driver = Driver(a_job(schedule=DELAY))
    driver.ask(PAUSE)
    driver.finish(after=SECOND)
    driver.turn(after=HOUR)
    assert (driver.job.next_due_at, driver.running) == (NOON + SECOND + MINUTE, [])
    driver.ask(RESUME)
    assert len(driver.running) == 1


def test_a_paused_job_whose_last_run_ends_is_finished_when_resumed() -> None:
    driver = Driver(a_job(schedule=At((NOON,))))
    driver.ask(PAUSE)
    driver.finish()
    states = [driver.job.state]
    driver.ask(RESUME)
    assert [*states, driver.job.state] == [JobState.PAUSED, JobState.FINISHED]


def test_pause_all_holds_the_active_and_resume_all_releases_the_paused() -> None:
    driver = Driver(a_job("a"), a_job("b"), a_job("c"))
    driver.ask(JobStopped(job=JobName("c")))
    driver.ask(Paused(jobs=None))
    held = [record.state.value for record in driver.jobs.values()]
    driver.ask(Resumed(jobs=None))
    released = [record.state.value for record in driver.jobs.values()]
    assert sorted(held) == ["paused", "paused", "stopped"]
    assert sorted(released) == ["active", "active", "stopped"]


def test_pause_all_and_resume_all_leave_a_disabled_job_alone() -> None:
    driver = Driver(a_job("a"), replace(a_job("b"), enabled=False))
    driver.ask(Paused(jobs=None))
    held = {name: record.state.value for name, record in driver.jobs.items()}
    driver.ask(Resumed(jobs=None))
    released = {record.state.value for record in driver.jobs.values()}
    assert (held, released) == ({"a": "paused", "b": "active"}, {"active"})


def test_a_job_that_failures_paused_is_forgiven_them_when_it_is_resumed() -> None:
    driver = Driver(replace(a_job(), pause_after_failures=2))

    def fail() -> str:
        driver.ask(TRIGGER)
        driver.finish(outcome=Outcome.FAILED)
        return driver.job.state.value

    states = [fail(), fail()]
    driver.ask(RESUME)
    assert [*states, driver.job.failures_in_row] == ["active", "paused", 0]
    assert [fail(), fail()] == ["active", "paused"]


@pytest.mark.parametrize("first", [STOP, None])
def test_there_is_nothing_to_pause_in_a_stopped_or_finished_job(first: AnyRequest | None) -> None:
    driver = idle(At((NOON,)))
    if first is not None:
        driver.ask(first)
    with pytest.raises(Conflict):
        driver.ask(PAUSE)


def test_a_finished_or_disabled_job_cannot_be_resumed() -> None:
    with pytest.raises(Conflict):
        idle(At((NOON,))).ask(RESUME)
    with pytest.raises(Conflict):
        Driver(a_job(schedule=RATE, enabled=False)).ask(RESUME)


# -- trigger --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [PAUSE, STOP, None])
def test_a_paused_stopped_or_disabled_job_can_be_triggered_and_stays_as_it_is(
    first: AnyRequest | None,
) -> None:
    driver = idle()
    driver.ask(first) if first else driver.define(a_job(schedule=RATE, enabled=False))
    before = driver.job
    driver.ask(TRIGGER)
    driver.finish()
    assert (driver.job.state, driver.job.next_due_at) == (before.state, before.next_due_at)
    assert driver.job.counts["SUCCEEDED"] == 2


def test_a_trigger_while_a_run_is_live_is_refused_and_names_it() -> None:
    driver = Driver(a_job(schedule=RATE))
    with pytest.raises(Conflict) as refused:
        driver.ask(TRIGGER)
    assert refused.value.run == driver.running[0].id


def test_a_trigger_may_bring_arguments_of_its_own() -> None:
    driver = Driver(a_job())
    driver.ask(Triggered(job=JOB, kwargs={"region": "eu"}))
    assert driver.last.starts[0].call == Call("any:thing", (1,), {"region": "eu"})
    driver.finish()
    driver.ask(Triggered(job=JOB, args=(2,)))
    assert driver.last.starts[0].call == Call("any:thing", (2,))


@pytest.mark.parametrize(
    "request_",
    [STOP, PAUSE, RESUME, TRIGGER, JobRemoved(job=JOB), RunStopped(run=RunId("none"))],
    ids=lambda request_: type(request_).__name__,
)
def test_a_request_for_what_there_is_not_is_refused_and_changes_nothing(
    request_: AnyRequest,
) -> None:
    driver = Driver()
    with pytest.raises(UnknownTask):
        driver.ask(request_)
    assert not driver.last.changes
