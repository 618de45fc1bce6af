"""Replaying: a recorded turn is explained by some order of its inputs, or it differs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskd.core.ahead import AHEAD
from taskd.core.planning import first_seen
from taskd.core.record import JobRecord, JobState, SkipReason
from taskd.core.replaying import (
    Asked,
    Ended,
    Made,
    RecordedTurn,
    Verdict,
    Withdrawn,
    asked_of,
    decide_again,
)
from taskd.core.run import MICROSECOND, RunId
from taskd.core.schedule import Every, Mode
from tests.unit.core.driver import HOUR, MINUTE, NOON, a_job

RUN = RunId("run")
HOURLY = replace(first_seen(a_job(schedule=Every(HOUR)), NOON), next_due_at=NOON + HOUR, version=3)


def a_turn(at: timedelta = HOUR, *, after: JobRecord | None = None, **more: object) -> RecordedTurn:
    """A turn in which the hourly job ran on time."""
    due_at = NOON + HOUR
    after = after or replace(HOURLY, next_due_at=due_at + HOUR, version=4)
    turn = RecordedTurn(
        seq=7,
        at=NOON + at,
        before=HOURLY,
        after=after,
        live=frozenset(),
        verdicts=(Verdict(due_at, due_at, 1, None),),
    )
    return replace(turn, **more)  # type: ignore[arg-type]


def test_a_run_that_was_due_is_decided_again() -> None:
    decision = decide_again(a_turn())
    assert decision.agrees
    assert decision.recorded == decision.again


@pytest.mark.parametrize(
    "turn",
    [
        a_turn(live=frozenset({RUN})),  # it overlaps
        a_turn(at=HOUR - AHEAD - MICROSECOND),  # it was not due for long
        a_turn(at=HOUR - AHEAD, live=frozenset({RUN})),
        a_turn(after=replace(HOURLY, next_due_at=NOON + 3 * HOUR, version=4)),
        a_turn(after=replace(HOURLY, next_due_at=NOON + 2 * HOUR, version=5)),  # a turn is missing
        a_turn(verdicts=()),
        a_turn(taken={NOON + HOUR}),
    ],
)
def test_what_does_not_follow_differs(turn: RecordedTurn) -> None:
    assert not decide_again(turn).agrees


def test_a_run_may_be_decided_a_moment_ahead_of_its_instant() -> None:
    assert decide_again(a_turn(at=HOUR - AHEAD)).agrees


def test_what_was_withdrawn_may_be_decided_again() -> None:
    after = replace(HOURLY, version=5)
    before = replace(HOURLY, next_due_at=NOON + 2 * HOUR, version=4, scheduled_runs=1)
    turn = a_turn(
        HOUR - AHEAD,
        before=before,
        after=after,
        live=frozenset({RUN}),
        withdrawn=Withdrawn(RUN, NOON + HOUR),
        verdicts=(),
    )
    assert decide_again(turn).agrees
    assert not decide_again(replace(turn, withdrawn=None)).agrees


def test_a_run_that_ended_in_the_turn_is_not_overlapped() -> None:
    ended = Ended(RUN, NOON + HOUR)
    assert decide_again(a_turn(live=frozenset({RUN}), happened=(ended,))).agrees


def test_any_order_of_the_inputs_will_do() -> None:
    """A run that was asked for ended at once, or the one before it did: the job is free, or not."""
    other = RunId("other")
    delay = Every(HOUR, Mode.FIXED_DELAY)
    before = replace(HOURLY, job=a_job(schedule=delay), next_due_at=None)
    after = replace(before, next_due_at=NOON + 2 * HOUR, version=4)
    for happened in (
        (Made(other), Ended(RUN, NOON + HOUR)),
        (Ended(RUN, NOON + HOUR), Made(other)),
    ):
        turn = a_turn(before=before, after=after, live=frozenset({RUN}), verdicts=())
        assert decide_again(replace(turn, happened=happened)).agrees


def test_the_clock_moves_the_grid_before_anything_is_decided() -> None:
    moved = MINUTE + MICROSECOND
    due_at = NOON + HOUR + moved
    after = replace(HOURLY, anchor_at=NOON + moved, next_due_at=due_at + HOUR, version=4)
    turn = a_turn(at=HOUR + moved, after=after, verdicts=(Verdict(due_at, due_at, 1, None),))
    assert decide_again(replace(turn, steps=(MINUTE,))).agrees
    assert not decide_again(replace(turn, steps=(2 * MINUTE,))).agrees


def test_a_process_that_shuts_down_fires_nothing() -> None:
    after = replace(HOURLY, version=4)
    assert decide_again(a_turn(after=after, verdicts=())).agrees


@pytest.mark.parametrize(
    ("was", "state", "asked"),
    [
        (JobState.ACTIVE, JobState.PAUSED, [Asked.PAUSED]),
        (JobState.PAUSED, JobState.ACTIVE, [Asked.RESUMED]),
        (JobState.STOPPED, JobState.FINISHED, [Asked.RESUMED]),
        (JobState.PAUSED, JobState.STOPPED, [Asked.STOPPED]),
        (JobState.ACTIVE, JobState.FINISHED, []),
        (JobState.ACTIVE, JobState.ACTIVE, []),
    ],
)
def test_what_was_asked_shows_in_the_state(
    was: JobState, state: JobState, asked: list[Asked]
) -> None:
    assert list(asked_of(replace(HOURLY, state=was), replace(HOURLY, state=state))) == asked


def test_the_skips_of_a_resumed_job_are_decided_again() -> None:
    at = 3 * HOUR
    before = replace(HOURLY, state=JobState.PAUSED)
    after = replace(HOURLY, next_due_at=NOON + 4 * HOUR, version=4)
    skipped = Verdict(NOON + HOUR, NOON + 2 * HOUR, 2, SkipReason.PAUSED)
    ran = Verdict(NOON + at, NOON + at, 1, None)
    turn = a_turn(at=at, after=after, before=before, verdicts=(skipped, ran))
    assert decide_again(turn).agrees
    wrong = replace(skipped, reason=SkipReason.MISFIRE)
    assert not decide_again(replace(turn, verdicts=(wrong, ran))).agrees
