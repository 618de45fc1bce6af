"""Backlog: who is due next, who starts next, and who has to wait for whom."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from taskd.core.backlog import Backlog
from taskd.core.job import JobName
from taskd.core.run import Origin, Run, RunId, RunState, microseconds
from tests.unit.core.driver import NOON, SECOND

LIMITS = {JobName("single"): 1, JobName("double"): 2}
jobs = st.sampled_from([None, *LIMITS])


def a_run(
    name: str, state: RunState = RunState.QUEUED, *, job: str | None = None, **more: object
) -> Run:
    run = Run(
        id=RunId(name),
        job=JobName(job) if job else None,
        origin=Origin.SCHEDULE,
        state=state,
        scheduled_at=NOON,
        due_at=NOON,
    )
    return replace(run, **more)  # type: ignore[arg-type]


def a_backlog(*runs: Run, window: int = 100) -> Backlog:
    backlog = Backlog(window, LIMITS.__getitem__)
    for run in runs:
        backlog.place(run)
    return backlog


def test_the_run_of_the_lowest_rank_starts_next() -> None:
    backlog = a_backlog(a_run("b"), a_run("a"), a_run("urgent", job="single", priority=9))
    assert backlog.best() == "urgent"


def test_a_job_s_second_run_waits_for_its_first_and_holds_up_nobody() -> None:
    first, second = a_run("a", job="single"), a_run("b", job="single")
    backlog = a_backlog(first, second, a_run("c"))
    backlog.place(replace(first, state=RunState.RUNNING))
    assert backlog.best() == "c"
    backlog.place(replace(first, state=RunState.SUCCEEDED))
    assert backlog.best() == "b"


def test_the_soonest_of_tasks_and_of_runs_of_jobs_is_due_next() -> None:
    backlog = a_backlog(
        a_run("task", RunState.PENDING, due_at=NOON + 2 * SECOND),
        a_run("again", RunState.RETRYING, job="single", due_at=NOON + SECOND),
    )
    due = backlog.next_due()
    assert due == (microseconds(NOON + SECOND), "again")


def test_suspects_start_one_at_a_time_and_hold_up_nobody() -> None:
    one, two = a_run("one", crashes=1), a_run("two", crashes=1)
    backlog = a_backlog(replace(one, state=RunState.RUNNING), two, a_run("zzz"))
    assert backlog.best() == "zzz"
    backlog.place(replace(one, state=RunState.SUCCEEDED))
    assert backlog.best() == "two"


def test_a_suspect_that_was_given_up_holds_up_no_other() -> None:
    one, two = a_run("one", crashes=1), a_run("two", crashes=1)
    backlog = a_backlog(replace(one, state=RunState.RUNNING, abandoned=True), two)
    assert backlog.best() == "two"


def test_a_suspect_of_a_job_waits_for_the_job_s_other_run() -> None:
    running = a_run("a", RunState.RUNNING, job="single")
    backlog = a_backlog(running, a_run("b", job="single", crashes=1))
    assert backlog.best() is None
    backlog.place(replace(running, state=RunState.FAILED))
    assert backlog.best() == "b"


def test_runs_of_jobs_are_here_however_many_and_tasks_beyond_the_window_are_not() -> None:
    backlog = a_backlog(window=2)
    for n in range(9):
        assert backlog.place(a_run(f"job-{n}", job="single")) == []
    asleep = [name for n in range(9) for name in backlog.place(a_run(f"task-{n}"))]
    assert asleep


@given(st.lists(st.tuples(jobs, st.integers(0, 2), st.integers(-9, 9)), max_size=12), st.data())
def test_whatever_starts_and_ends_limits_hold_and_nobody_waits_for_ever(
    asked: list[tuple[JobName | None, int, int]], data: st.DataObject
) -> None:
    runs = {
        RunId(f"{n}"): a_run(f"{n}", job=job, crashes=crashes, priority=priority)
        for n, (job, crashes, priority) in enumerate(asked)
    }
    backlog = a_backlog(*runs.values())
    running: dict[RunId, Run] = {}
    waiting = dict(runs)
    while waiting or running:
        best = backlog.best()
        if best is not None and (not running or data.draw(st.booleans())):
            run = running[best] = replace(waiting.pop(best), state=RunState.RUNNING)
            backlog.place(run)
        else:
            assert running, "something waits and nothing can start"
            name = data.draw(st.sampled_from(sorted(running)))
            backlog.place(replace(running.pop(name), state=RunState.SUCCEEDED))
        instances = Counter(run.job for run in running.values() if run.job)
        assert all(count <= LIMITS[job] for job, count in instances.items())
        assert sum(bool(run.crashes) for run in running.values()) <= 1
        assert backlog.running == running.keys()


def test_a_run_that_waits_longer_overtakes_one_that_came_later_with_more_priority() -> None:
    old = a_run("old", scheduled_at=NOON - timedelta(hours=2))
    assert a_backlog(old, a_run("new", priority=100)).best() == "old"
