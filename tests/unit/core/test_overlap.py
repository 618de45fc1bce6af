"""Overlap: the exact ledger of a job of ten ticks on an interval of one, under each policy."""

from collections import Counter
from dataclasses import replace

import pytest

from taskd.core.job import Job, Overlap, Source
from taskd.core.messages import Found, JobsDefined, Retried, Triggered
from taskd.core.record import SkipReason
from taskd.core.retry import FailurePolicy, RetryPolicy
from taskd.core.run import Outcome, Run, RunState
from taskd.core.schedule import Every
from taskd.errors import Conflict, InvalidJob
from tests.unit.core.driver import JOB, NOON, SECOND, Driver, a_job

TICK = SECOND
LENGTH = 10  # ticks that a run takes
TICKS = 30


def a_long_job(overlap: Overlap, max_instances: int | None = None) -> Job:
    job = a_job(schedule=Every(TICK))
    return replace(job, overlap=overlap, max_instances=max_instances, kill_grace=3 * TICK)


def ticking(job: Job, *, heeds: int = 1) -> Driver:
    """The ledger after TICKS of it; a run that is interrupted with stage `heeds` ends at once."""
    driver = Driver(job, workers=50)
    ends = {run.id: LENGTH for run in driver.running}
    for _ in range(TICKS):
        driver.turn(after=TICK)
        heeded = [i.run for i in driver.last.interrupts if i.stage >= heeds]
        for run in driver.running:
            ends[run.id] = ends.get(run.id, LENGTH + 1) - 1
        for name in [r.id for r in driver.running if ends[r.id] == 0 or r.id in heeded]:
            outcome = Outcome.FAILED if name in heeded else Outcome.SUCCEEDED
            driver.finish(driver.runs[name], outcome)
        ends |= {run.id: ends.get(run.id, LENGTH) for run in driver.running}
    return driver


def started(driver: Driver) -> list[int]:
    """The ticks at which runs were started, in order."""
    begun = [run for run in driver.runs.values() if run.first_started_at]
    return sorted((run.first_started_at - NOON) // TICK for run in begun if run.first_started_at)


EVERY_TICK = list(range(TICKS + 1))


@pytest.mark.parametrize(
    ("overlap", "begun", "ledger"),
    [
        # The run of tick 10 ends after that tick was skipped: the next one is that of tick 11.
        (Overlap.SKIP, [0, 11, 22], {"SUCCEEDED": 2, "RUNNING": 1, "skipped": 28}),
        # The one of tick 30 meets one that waits, before that takes the place of the one that ends.
        (Overlap.BUFFER_ONE, [0, 10, 20, 30], {"SUCCEEDED": 3, "RUNNING": 1, "skipped": 27}),
        (Overlap.BUFFER_ALL, [0, 10, 20, 30], {"SUCCEEDED": 3, "RUNNING": 1, "QUEUED": 27}),
        (Overlap.ALLOW, EVERY_TICK, {"SUCCEEDED": 21, "RUNNING": 10}),
        (Overlap.CANCEL_OTHER, EVERY_TICK, {"CANCELLED": 30, "RUNNING": 1}),
        (Overlap.TERMINATE_OTHER, EVERY_TICK, {"CANCELLED": 30, "RUNNING": 1}),
    ],
)
def test_each_policy_gives_its_ledger(
    overlap: Overlap, begun: list[int], ledger: dict[str, int]
) -> None:
    driver = ticking(a_long_job(overlap))
    assert started(driver) == begun
    found = Counter(run.state.value for run in driver.runs.values())
    skipped = sum(skip.count for skip in driver.skips.values())
    assert dict(found) | ({"skipped": skipped} if skipped else {}) == ledger
    assert {skip.reason for skip in driver.skips.values()} <= {SkipReason.OVERLAP}
    assert sum(ledger.values()) == TICKS + 1


def test_what_does_not_heed_is_made_to_end_for_the_newer_run() -> None:
    asked = ticking(a_long_job(Overlap.CANCEL_OTHER), heeds=2)
    made = ticking(a_long_job(Overlap.TERMINATE_OTHER), heeds=2)
    assert started(made) == list(range(TICKS + 1))
    assert len(started(asked)) < TICKS / 2
    replaced = [run for run in asked.runs.values() if run.state is RunState.CANCELLED]
    assert {run.reason for run in replaced} == {"a newer run took its place"}


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ALL, Overlap.ALLOW])
def test_no_more_instances_run_than_are_allowed(overlap: Overlap) -> None:
    driver = Driver(a_long_job(overlap, max_instances=3), workers=50)
    most = 0
    for _ in range(9):
        driver.turn(after=TICK)
        most = max(most, len(driver.running))
    assert most == 3


def test_a_trigger_obeys_overlap_and_names_the_run_it_met() -> None:
    job = replace(a_job(), overlap=Overlap.BUFFER_ONE)
    driver = Driver(job)
    first = driver.ask(Triggered(job=JOB))
    assert isinstance(first, Run)
    driver.ask(Triggered(job=JOB))
    with pytest.raises(Conflict) as met:
        driver.ask(Triggered(job=JOB))
    assert met.value.run == first.id


def test_retries_of_dead_letters_wait_for_one_another() -> None:
    policy = FailurePolicy(retry=RetryPolicy(max_attempts=1))
    driver = Driver(replace(a_job(), failure=policy), workers=9)
    dead = []
    for _ in range(3):
        driver.ask(Triggered(job=JOB))
        dead.append(driver.finish(outcome=Outcome.FAILED).id)
    old = Found(runs=tuple(driver.runs[run] for run in dead))
    again = driver.turn(old, Retried(runs=tuple(dead))).replies[0].value
    assert isinstance(again, tuple)
    assert [run.retry_of for run in again] == dead
    for _ in again:
        assert len(driver.running) == 1
        driver.finish()
    assert not driver.running


def test_a_raised_limit_lets_those_that_wait_start() -> None:
    driver = Driver(replace(a_job(), overlap=Overlap.BUFFER_ALL), workers=9)
    for _ in range(5):
        driver.ask(Triggered(job=JOB))
    counts = []
    for limit in (1, 3, 2):
        job = replace(a_job(), overlap=Overlap.BUFFER_ALL, max_instances=limit)
        driver.turn(JobsDefined(jobs=(job,), source=Source.FILE))
        counts.append(len(driver.running))
    driver.define(replace(a_job(), overlap=Overlap.ALLOW))
    assert [*counts, len(driver.running)] == [1, 3, 3, 5]


def test_a_carried_result_needs_one_run_after_another() -> None:
    with pytest.raises(InvalidJob, match="carry"):
        replace(a_job(carry=True), overlap=Overlap.ALLOW)
    with pytest.raises(InvalidJob, match="max_instances"):
        a_long_job(Overlap.SKIP, max_instances=0)
