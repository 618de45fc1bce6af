"""What a scheduler in memory remembers of what has ended, and what it lets go of."""

from __future__ import annotations

import gc
import uuid
import weakref
from datetime import UTC, datetime, timedelta

import pytest

from taskd import FailurePolicy, OneTime, RetryPolicy, Scheduler, UnknownTask
from taskd.ids import new_id
from taskd.testing import FakeClock

SECOND = timedelta(seconds=1)
LEAST = 1000
SWEEP = LEAST // 10  # runs that end from one look to the next


class Thing:
    """What a weak reference can tell of."""


def make() -> Thing:
    return Thing()


def fail() -> None:
    raise ValueError("no such luck")


def fresh_clock() -> FakeClock:
    """Return a clock that begins after all others, for the ids of a process never run backwards."""
    latest = uuid.UUID(new_id(datetime(2026, 1, 1, tzinfo=UTC))).int >> 80
    return FakeClock(datetime.fromtimestamp(latest // 1000 + 1, UTC))


def test_an_old_task_is_forgotten_once_a_thousand_have_ended_after_it() -> None:
    clock = fresh_clock()
    with Scheduler(clock=clock) as scheduler:
        twice = FailurePolicy(retry=RetryPolicy(max_attempts=2, initial=timedelta(0)))
        dead = scheduler.schedule_one_time(fail, clock.now(), failure=twice)
        first = scheduler.schedule_one_time(make, clock.now())
        clock.advance(SECOND)
        thing = weakref.ref(scheduler.get_task_result(first))
        clock.advance(timedelta(minutes=20))
        gc.collect()
        assert scheduler.get_task_result(first) is thing()  # few are kept, however old
        assert scheduler.get_task_status(dead) == "DEAD"
        many = scheduler.schedule_many([OneTime(make, clock.now())] * (LEAST + SWEEP))
        clock.advance(SECOND)
        clock.advance(SECOND)
        for forgotten in (dead, first):
            with pytest.raises(UnknownTask):
                scheduler.get_task_result(forgotten)
        gc.collect()
        assert thing() is None
        assert isinstance(scheduler.get_task_result(many[0]), Thing)  # it has just ended
        assert scheduler.objects is not None
        assert len(scheduler.objects.results) == len(many)


def test_of_a_periodic_task_the_latest_run_is_kept() -> None:
    clock = fresh_clock()
    with Scheduler(clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(make, SECOND)
        clock.advance(timedelta(seconds=2 * SWEEP))
        clock.advance(SECOND)
        assert isinstance(scheduler.get_task_result(task_id), Thing)
        assert len(scheduler.read(lambda history: history.runs(limit=10_000))) < 2 * SWEEP


def test_the_journal_of_periodic_tasks_alone_does_not_grow_without_end() -> None:
    clock = fresh_clock()
    with Scheduler(clock=clock) as scheduler:
        scheduler.schedule_periodic(make, SECOND)
        for _ in range(20):
            clock.advance(timedelta(seconds=SWEEP))
        head = scheduler.read(lambda history: history.head())
        kept = scheduler.read(lambda history: history.events(0, 10_000))
    assert head > 2000
    assert len(kept) < 1500
