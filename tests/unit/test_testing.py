"""Tests of schedules need no sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from taskd import Scheduler
from taskd.testing import FakeClock

MINUTE = timedelta(minutes=1)


def test_advancing_runs_everything_that_becomes_due_on_the_way_at_its_instant(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    seen: list[datetime] = []
    taskd_scheduler.schedule_periodic(lambda: seen.append(taskd_clock.now()), 5 * MINUTE)
    taskd_clock.advance(timedelta(hours=1))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert seen == [start + n * 5 * MINUTE for n in range(13)]


def test_nothing_runs_while_the_clock_stands(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    task_id = taskd_scheduler.schedule_one_time(lambda: 1, taskd_clock.now() + MINUTE)
    taskd_clock.advance(MINUTE - timedelta(microseconds=1))
    assert taskd_scheduler.get_task_status(task_id) == "PENDING"
    taskd_clock.advance(timedelta(microseconds=1))
    assert taskd_scheduler.get_task_result(task_id) == 1


def test_an_interval_goes_on_by_elapsed_time_when_the_wall_clock_is_set(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    calls: list[float] = []
    taskd_scheduler.schedule_periodic(lambda: calls.append(taskd_clock.elapsed()), MINUTE)
    taskd_clock.advance(MINUTE)
    taskd_clock.step(timedelta(days=-1))
    taskd_clock.advance(2 * MINUTE + timedelta(seconds=1))
    taskd_clock.step(timedelta(hours=3))
    taskd_clock.advance(MINUTE)
    assert [round(at) for at in calls] == [0, 60, 120, 180, 240]
