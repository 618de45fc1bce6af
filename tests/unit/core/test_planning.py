"""Planning: every occurrence up to now is decided, once, and the cursor stands behind them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.cron import Cron
from taskd.core.late import Late
from taskd.core.planning import (
    after_run,
    concluded,
    drop_missed,
    first_seen,
    plan,
    redefined,
    rescued,
    resumed,
    stepped,
)
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.schedule import At, Every, Mode, Schedule
from tests.unit.core.driver import HOUR, MINUTE, NOON, SECOND, a_job

schedules: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(Every, st.timedeltas(SECOND, 3 * HOUR), st.just(Mode.FIXED_RATE), st.booleans()),
    st.lists(st.datetimes(datetime(2026, 6, 1), datetime(2026, 6, 3), timezones=st.just(UTC)))
    .filter(bool)
    .map(lambda instants: At(tuple(instants))),
    st.sampled_from([Cron(("*/7 * * * *",), "UTC", "job"), Cron(("30 5 * * *",), "UTC", "job")]),
)
later = st.timedeltas(timedelta(0), 30 * HOUR)


def listed(record: JobRecord, until: datetime) -> list[datetime]:
    """The occurrences from the record's cursor to `until`, one by one."""
    found, due_at = list[datetime](), record.next_due_at
    assert record.job.schedule is not None
    while due_at is not None and due_at <= until:
        found.append(due_at)
        due_at = record.job.schedule.after(due_at, record.anchor_at)
    return found


@given(schedules, later, st.booleans())
def test_a_plan_decides_each_due_occurrence_once(
    schedule: Schedule, wait: timedelta, busy: bool
) -> None:
    record = first_seen(a_job(schedule=schedule), NOON)
    now = NOON + wait
    due = listed(record, now)
    if not due:
        return
    decided = plan(record, now, live=int(busy))
    skipped = due if busy else due[:-1]
    assert decided.runs == (() if busy else (due[-1],))
    skips = [decision for decision in decided.decisions if isinstance(decision, Skip)]
    found = [(skip.first_at, skip.last_at, skip.count) for skip in skips]
    assert found == ([(skipped[0], skipped[-1], len(skipped))] if skipped else [])
    assert decided.next_due_at is None or decided.next_due_at > now
    assert decided.next_due_at == schedule.after(due[-1], NOON)


@given(schedules, later)
def test_a_resumed_job_keeps_its_latest_missed_occurrence_and_skips_the_others(
    schedule: Schedule, wait: timedelta
) -> None:
    record = replace(first_seen(a_job(schedule=schedule), NOON), state=JobState.PAUSED)
    due = listed(record, NOON + wait)
    active, skips = resumed(record, NOON + wait, live=0)
    assert active.state is JobState.ACTIVE
    assert active.next_due_at == (due[-1] if due else record.next_due_at)
    assert sum(skip.count for skip in skips) == max(len(due) - 1, 0)


@given(schedules, later)
def test_dropping_what_was_missed_counts_all_of_it(schedule: Schedule, wait: timedelta) -> None:
    record = first_seen(a_job(schedule=schedule), NOON)
    due = listed(record, NOON + wait)
    skips = drop_missed(record, NOON + wait, SkipReason.STOPPED)
    assert sum(skip.count for skip in skips) == len(due)


@given(schedules, schedules, later)
def test_a_changed_schedule_never_fires_at_once(
    old: Schedule, new: Schedule, wait: timedelta
) -> None:
    record = first_seen(a_job(schedule=old), NOON)
    changed = redefined(record, a_job(schedule=new), NOON + wait, live=0)
    if old == new:
        assert changed.next_due_at == record.next_due_at
    else:
        assert changed.next_due_at is None or changed.next_due_at > NOON + wait


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.STOPPED])
def test_a_held_job_stays_held_when_it_is_redefined(state: JobState) -> None:
    record = replace(first_seen(a_job(schedule=Every(MINUTE)), NOON), state=state)
    changed = redefined(record, a_job(schedule=Every(HOUR)), NOON, live=0)
    assert changed.state is state
    assert changed.next_due_at == (None if state is JobState.STOPPED else NOON + HOUR)


def test_a_fixed_delay_that_is_new_to_a_busy_job_waits_for_its_run() -> None:
    record = first_seen(a_job(schedule=Every(HOUR)), NOON)
    delay = a_job(schedule=Every(HOUR, Mode.FIXED_DELAY))
    assert redefined(record, delay, NOON, live=1).next_due_at is None
    assert redefined(record, delay, NOON, live=0).next_due_at == NOON + HOUR


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.STOPPED])
def test_a_fixed_delay_that_is_resumed_while_a_run_is_live_waits_for_its_end(
    state: JobState,
) -> None:
    job = replace(a_job(schedule=Every(HOUR, Mode.FIXED_DELAY)), late=Late(MINUTE))
    held = replace(first_seen(job, NOON), state=state)
    later = NOON + 5 * HOUR
    alone, _ = resumed(held, later, live=0)
    busy, skips = resumed(held, later, live=1)
    assert alone.next_due_at == later + HOUR
    assert busy.next_due_at is None
    assert sum(skip.count for skip in skips) == (state is JobState.PAUSED)
    assert after_run(busy, later + MINUTE).next_due_at == later + HOUR + MINUTE


@given(st.integers(-100, 100))
def test_a_grid_that_moves_with_the_clock_meets_none_of_its_old_instants(minutes: int) -> None:
    record = first_seen(a_job(schedule=Every(MINUTE)), NOON)
    moved = stepped(record, minutes * MINUTE)
    assert moved.next_due_at is not None
    assert (moved.next_due_at - NOON) % MINUTE == timedelta(microseconds=1)
    assert moved.anchor_at == moved.next_due_at


def test_only_an_interval_that_waits_for_longer_than_it_is_is_rescued() -> None:
    every = first_seen(a_job(schedule=Every(HOUR)), NOON)
    assert rescued(every, NOON - HOUR) is every
    earlier = NOON - HOUR - SECOND
    assert rescued(every, earlier).next_due_at == earlier + HOUR + timedelta(microseconds=1)
    at = first_seen(a_job(schedule=At((NOON,))), NOON)
    assert rescued(at, NOON - 99 * HOUR) is at


@pytest.mark.parametrize(
    ("record", "busy", "state"),
    [
        (first_seen(a_job(), NOON), False, JobState.ACTIVE),
        (first_seen(a_job(schedule=At((NOON,))), NOON), False, JobState.ACTIVE),
        (first_seen(a_job(schedule=At((NOON,)), enabled=False), NOON), False, JobState.ACTIVE),
        (
            replace(first_seen(a_job(schedule=At((NOON,))), NOON), next_due_at=None),
            True,
            JobState.ACTIVE,
        ),
        (
            replace(first_seen(a_job(schedule=At((NOON,))), NOON), next_due_at=None),
            False,
            JobState.FINISHED,
        ),
    ],
    ids=["trigger only", "has more", "disabled", "busy", "over"],
)
def test_a_job_is_finished_when_an_enabled_schedule_has_no_more_and_nothing_is_live(
    record: JobRecord, busy: bool, state: JobState
) -> None:
    assert concluded(record, live=int(busy)).state is state
