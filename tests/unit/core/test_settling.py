"""Settling: what each end of an attempt makes of its run, under each policy."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskd.core.messages import AttemptFinished
from taskd.core.retry import FailurePolicy, Jitter, OnCrash, RetryPolicy
from taskd.core.run import Attempt, Origin, Outcome, Result, Run, RunError, RunId, RunState, start
from taskd.core.settling import settle
from tests.successes import success_of
from tests.unit.core.driver import HOUR, MINUTE, NOON, SECOND

QUEUED = Run(
    id=RunId("run"),
    job=None,
    origin=Origin.SCHEDULE,
    state=RunState.QUEUED,
    scheduled_at=NOON,
    due_at=NOON,
)
RUNNING = start(QUEUED, NOON, node="here", pid=1, fence=7)
ERROR = RunError("ValueError", "bad")
ONCE = FailurePolicy()
THRICE = FailurePolicy(retry=RetryPolicy(max_attempts=3, initial=SECOND, jitter=Jitter.NONE))


def settled(
    outcome: Outcome = Outcome.FAILED,
    policy: FailurePolicy = ONCE,
    run: Run = RUNNING,
    at: timedelta = SECOND,
    **more: object,
) -> tuple[Run, Attempt]:
    ended = AttemptFinished(run.id, run.attempt, NOON + at, outcome)
    after, attempt = settle(run, replace(ended, **more), policy, lambda: 0.5)  # type: ignore[arg-type]
    return after, attempt or success_of(after)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCEEDED, RunState.SUCCEEDED),
        (Outcome.FAILED, RunState.FAILED),
        (Outcome.CANCELLED, RunState.CANCELLED),
        (Outcome.LOST, RunState.QUEUED),
        (Outcome.RELEASED, RunState.QUEUED),
    ],
)
def test_an_attempt_s_end_settles_its_run(outcome: Outcome, state: RunState) -> None:
    run, attempt = settled(outcome)
    assert (run.state, attempt.outcome) == (state, outcome)
    assert (attempt.number, attempt.started_at, attempt.fence) == (1, NOON, 7)
    assert attempt.finished_at == NOON + SECOND
    assert (run.crashes, run.failures) == (outcome is Outcome.LOST, outcome is Outcome.FAILED)


def test_a_result_is_kept_with_a_success_an_error_with_a_failure() -> None:
    failed, attempt = settled(error=ERROR)
    assert (failed.error, attempt.error) == (ERROR, ERROR)
    again = replace(failed, state=RunState.RUNNING)
    run, _ = settled(Outcome.SUCCEEDED, run=again, result=Result("7"))
    assert (run.result, run.error) == (Result("7"), None)


def test_no_attempt_ends_before_it_began() -> None:
    run, attempt = settled(Outcome.SUCCEEDED, at=-HOUR)
    assert run.finished_at == attempt.finished_at == NOON


# -- retries --------------------------------------------------------------------------------------


def test_a_failure_with_attempts_left_waits_for_the_next() -> None:
    run, _ = settled(policy=THRICE, error=ERROR)
    assert (run.state, run.due_at) == (RunState.RETRYING, NOON + 2 * SECOND)
    assert (run.error, run.finished_at) == (ERROR, None)


def test_the_last_failure_makes_a_run_dead_and_says_why() -> None:
    run, _ = settled(policy=THRICE, run=replace(RUNNING, failures=2, attempt=5))
    assert (run.state, run.reason) == (RunState.DEAD, "3 attempts failed, and no more are allowed")


def test_a_failure_that_the_policy_gives_up_on_is_final_at_once() -> None:
    policy = replace(THRICE, retry=replace(THRICE.retry, give_up_on=("business",)))
    business = replace(ERROR, category="business")
    assert settled(policy=policy, error=business)[0].state is RunState.FAILED
    assert settled(policy=policy, error=ERROR)[0].state is RunState.RETRYING


def test_a_policy_may_name_a_class_that_the_error_s_inherits_from() -> None:
    policy = replace(THRICE, retry=replace(THRICE.retry, retry_on=("OSError",)))
    classes = ("ConnectionError", "OSError", "Exception", "BaseException", "object")
    assert settled(policy=policy, classes=classes)[0].state is RunState.RETRYING
    assert settled(policy=policy, classes=classes[2:])[0].state is RunState.FAILED


def test_no_attempt_starts_after_the_longest_time_since_the_first() -> None:
    policy = replace(THRICE, retry=replace(THRICE.retry, max_elapsed=MINUTE))
    assert settled(policy=policy, at=59 * SECOND)[0].state is RunState.RETRYING
    run, _ = settled(policy=policy, at=60 * SECOND)
    assert (run.state, run.reason) == (RunState.DEAD, "retry.max_elapsed, 1m, is used up")


def test_a_callable_that_asks_for_another_attempt_gets_it_when_it_says() -> None:
    policy = replace(THRICE, retry=replace(THRICE.retry, retry_on=("OSError",)))
    run, _ = settled(policy=policy, wants_retry=True, retry_after=HOUR)
    assert (run.state, run.due_at) == (RunState.RETRYING, NOON + SECOND + HOUR)
    run, _ = settled(policy=policy, wants_retry=True)
    assert run.due_at == NOON + 2 * SECOND


def test_a_callable_that_asks_for_more_attempts_than_are_allowed_is_dead() -> None:
    run, _ = settled(policy=ONCE, wants_retry=True)
    assert (run.state, run.reason) == (RunState.DEAD, "1 attempt failed, and no more are allowed")


# -- crashes, releases and stops ------------------------------------------------------------------


def test_the_last_crash_makes_a_run_dead_however_many_attempts_are_left() -> None:
    nearly = replace(RUNNING, crashes=2)
    run, _ = settled(Outcome.LOST, THRICE, nearly)
    assert (run.state, run.reason) == (RunState.DEAD, "its process died 3 times")
    assert settled(Outcome.RELEASED, THRICE, nearly)[0].state is RunState.QUEUED


def test_a_lost_attempt_is_none_of_those_that_may_fail() -> None:
    run, _ = settled(policy=THRICE, run=replace(RUNNING, attempt=3, crashes=2))
    assert (run.state, run.failures) == (RunState.RETRYING, 1)


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.RELEASED])
def test_a_run_that_may_be_attempted_once_is_not_attempted_again(outcome: Outcome) -> None:
    policy = replace(THRICE, on_crash=OnCrash.FAIL)
    run, _ = settled(outcome, policy)
    assert run.state is RunState.FAILED
    assert "may not be attempted twice" in run.reason


def test_an_attempt_that_never_began_is_released_whatever_the_policy() -> None:
    policy = FailurePolicy(on_crash=OnCrash.FAIL)
    run, _ = settled(Outcome.RELEASED, policy, has_begun=False)
    assert run.state is RunState.QUEUED


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.LOST, Outcome.RELEASED])
def test_a_run_that_was_asked_to_stop_is_cancelled_by_whatever_ends_it(outcome: Outcome) -> None:
    stopping = replace(RUNNING, stopping=True, reason="enough", crashes=9)
    run, attempt = settled(outcome, THRICE, stopping)
    assert (run.state, run.reason) == (RunState.CANCELLED, "enough")
    assert attempt.outcome is (Outcome.CANCELLED if outcome is Outcome.FAILED else outcome)
