"""Runs: the transition table, and the stamps of a move."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from taskd.core.run import (
    FINAL,
    TRANSITIONS,
    Origin,
    Run,
    RunId,
    RunState,
    microseconds,
    move,
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
    "RUNNING": "PENDING QUEUED RETRYING SUCCEEDED FAILED DEAD CANCELLED",
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


def test_a_point_of_priority_is_worth_36_seconds_of_waiting() -> None:
    assert replace(RUN, priority=1).rank == microseconds(NOON - timedelta(seconds=36))
    assert RUN.rank == microseconds(NOON)
