"""Runs: the transition table, the stamps of a move, and how an attempt's end settles a run."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from taskd.core.run import (
    FINAL,
    MAX_CRASHES,
    TRANSITIONS,
    Origin,
    Outcome,
    Result,
    Run,
    RunError,
    RunId,
    RunState,
    microseconds,
    move,
    settle,
    start,
)
from taskd.errors import IllegalTransition
from tests.unit.core.driver import HOUR, NOON, SECOND

RUN = Run(
    id=RunId("run"),
    job=None,
    origin=Origin.SCHEDULE,
    state=RunState.QUEUED,
    scheduled_at=NOON,
    due_at=NOON,
)
RUNNING = start(RUN, NOON, node="here", pid=1)
EDGES = {
    "PENDING": "QUEUED SKIPPED CANCELLED",
    "QUEUED": "RUNNING SKIPPED CANCELLED",
    "RUNNING": "QUEUED RETRYING SUCCEEDED FAILED DEAD CANCELLED",
    "RETRYING": "QUEUED CANCELLED",
}


def test_the_table_has_the_edges_of_the_contract_and_no_others() -> None:
    edges = {before: set(after.split()) for before, after in EDGES.items()}
    assert {before: after for before, after in TRANSITIONS.items() if after} == edges


@pytest.mark.parametrize(("before", "after"), list(product(RunState, RunState)))
def test_a_run_moves_along_an_edge_or_not_at_all(before: RunState, after: RunState) -> None:
    run = replace(RUN, state=before)
    if after in TRANSITIONS[before]:
        assert move(run, after, NOON).state is after
    else:
        with pytest.raises(IllegalTransition):
            move(run, after, NOON)


def test_a_final_state_is_one_that_no_edge_leaves() -> None:
    assert {state for state in RunState if not TRANSITIONS[state]} == FINAL
    assert all(state.is_final == (state in FINAL) for state in RunState)


def test_a_run_that_ends_is_stamped_with_when_and_why() -> None:
    ended = move(RUN, RunState.CANCELLED, NOON + SECOND, reason="enough")
    assert (ended.finished_at, ended.reason) == (NOON + SECOND, "enough")


def test_a_start_is_the_next_attempt_of_its_node_and_process() -> None:
    again = start(move(RUNNING, RunState.QUEUED, NOON), NOON + HOUR, node="there", pid=2)
    assert (again.attempt, again.started_at, again.node, again.pid) == (2, NOON + HOUR, "there", 2)


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
    run, attempt = settle(RUNNING, outcome, NOON + SECOND)
    assert (run.state, attempt.outcome) == (state, outcome)
    assert (attempt.number, attempt.started_at, attempt.finished_at) == (1, NOON, NOON + SECOND)
    assert run.crashes == (outcome is Outcome.LOST)


def test_a_result_is_kept_with_a_success_an_error_with_a_failure() -> None:
    result, error = Result("7"), RunError("ValueError", "bad")
    assert settle(RUNNING, Outcome.SUCCEEDED, NOON, result=result)[0].result == result
    run, attempt = settle(RUNNING, Outcome.FAILED, NOON, error=error)
    assert (run.error, attempt.error) == (error, error)


def test_the_last_crash_makes_a_run_dead() -> None:
    nearly = replace(RUNNING, crashes=MAX_CRASHES - 1)
    assert settle(nearly, Outcome.LOST, NOON)[0].state is RunState.DEAD
    assert settle(nearly, Outcome.RELEASED, NOON)[0].state is RunState.QUEUED


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.RELEASED])
def test_a_run_that_was_asked_to_stop_is_not_queued_again(outcome: Outcome) -> None:
    stopping = replace(RUNNING, stopping=True, reason="enough", crashes=MAX_CRASHES)
    run, _ = settle(stopping, outcome, NOON)
    assert (run.state, run.reason) == (RunState.CANCELLED, "enough")


def test_no_attempt_ends_before_it_began() -> None:
    run, attempt = settle(RUNNING, Outcome.SUCCEEDED, NOON - HOUR)
    assert run.finished_at == attempt.finished_at == NOON


def test_a_point_of_priority_is_worth_36_seconds_of_waiting() -> None:
    assert replace(RUN, priority=1).rank == microseconds(NOON - timedelta(seconds=36))
    assert RUN.rank == microseconds(NOON)
