"""What a type checker must know of the library: mypy reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, assert_type

from taskd import (
    FailurePolicy,
    OneTime,
    Periodic,
    Retry,
    RetryPolicy,
    Scheduler,
    Task,
    TaskError,
    UnknownTask,
    current_run,
)
from taskd.testing import FakeClock


def count_up(total: int, step: int) -> int:
    return total + step


def scheduling(scheduler: Scheduler, when: datetime) -> None:
    assert_type(scheduler.schedule_one_time(print, when), str)
    assert_type(scheduler.schedule_one_time(count_up, when, args=[1], kwargs={"step": 1}), str)
    assert_type(scheduler.schedule_periodic(count_up, timedelta(1), args=(0, 1), carry=True), str)
    tasks: Sequence[OneTime | Periodic] = [OneTime(print, when), Periodic(print, timedelta(1))]
    assert_type(scheduler.schedule_many(tasks), list[str])
    assert_type(scheduler.schedule_many([OneTime(print, when)]), list[str])


def asking(scheduler: Scheduler, task_id: str) -> None:
    assert_type(scheduler.get_task_status(task_id), str)
    assert_type(scheduler.get_task_result(task_id, timeout=5), Any)
    assert_type(scheduler.get_task_error(task_id), TaskError | None)
    assert_type(scheduler.stop_task(task_id), str)
    task = assert_type(scheduler.task(task_id), Task)
    assert_type(task.id, str)
    assert_type(task.result(5), Any)
    assert_type(task.exception(timeout=5), BaseException | None)
    assert_type((task.done(), task.running(), task.cancelled()), tuple[bool, bool, bool])
    assert_type(task.cancel(), bool)


async def awaiting(scheduler: Scheduler, when: datetime) -> None:
    task_id = assert_type(await scheduler.aschedule_one_time(print, when), str)
    assert_type(await scheduler.aschedule_periodic(print, timedelta(1)), str)
    assert_type(await scheduler.aschedule_many([]), list[str])
    assert_type(await scheduler.aget_task_status(task_id), str)
    assert_type(await scheduler.aget_task_result(task_id, timeout=1), Any)
    assert_type(await scheduler.aget_task_error(task_id), TaskError | None)
    assert_type(await scheduler.astop_task(task_id), str)
    assert_type(await scheduler.task(task_id), Any)
    await scheduler.ashutdown()


def living() -> None:
    with Scheduler("sqlite:///jobs.db", workers=100, clock=FakeClock()) as scheduler:
        assert_type(scheduler, Scheduler)
    error: KeyError = UnknownTask("x")
    assert_type(str(error), str)
    assert_type(current_run.cancelled, bool)
    assert_type(current_run.scheduled_at, datetime)


def failing(scheduler: Scheduler, when: datetime) -> None:
    retry = RetryPolicy(max_attempts=5, initial=timedelta(seconds=2), retry_on=("OSError",))
    policy = FailurePolicy(retry=retry, max_crashes=1)
    assert_type(scheduler.schedule_one_time(print, when, failure=policy), str)
    assert_type(scheduler.schedule_periodic(print, timedelta(1), failure=policy), str)
    assert_type(Scheduler(categories={"transient": [OSError, "app.Late"]}).outage.error, str)
    assert_type(current_run.once("key"), bool)
    assert_type(current_run.fence, int)
    assert_type(current_run.last_checkpoint, Any)
    current_run.checkpoint({"done": 3})
    raise Retry("later", after=timedelta(minutes=1))


def mistakes(scheduler: Scheduler, when: datetime) -> None:
    scheduler.schedule_one_time("print", when)  # type: ignore[arg-type]
    scheduler.schedule_one_time(print, 5)  # type: ignore[arg-type]
    scheduler.schedule_periodic(print, 5)  # type: ignore[arg-type]
    scheduler.get_task_status(5)  # type: ignore[arg-type]
    scheduler.schedule_one_time(print, when, [1])  # type: ignore[call-arg]
    scheduler.schedule_one_time(print, when, failure=RetryPolicy())  # type: ignore[arg-type]
    Scheduler(categories={"transient": [int]})  # type: ignore[list-item]
