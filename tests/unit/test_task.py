"""The handle of a task, in the manner of concurrent.futures.Future."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import Cancel, Scheduler, TaskFailed, current_run
from taskd.testing import FakeClock

SOON = 10.0  # seconds of patience: everything here takes milliseconds
HOUR = timedelta(hours=1)


@pytest.fixture
def memory() -> Iterator[Scheduler]:
    with Scheduler() as scheduler:
        yield scheduler


@pytest.fixture(params=["memory", "durable"])
def scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scheduler]:
    store = None if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    with Scheduler(store) as scheduler:
        yield scheduler


def now() -> datetime:
    return datetime.now(UTC)


def say_hello(name: str) -> str:
    return f"hello {name}"


def fail() -> None:
    raise ValueError("no such luck")


class Gate:
    """A callable that says when it has begun and ends when it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> bool:
        self.begun.set()
        assert self.let_go.wait(SOON)
        return current_run.cancelled


# -- results and errors --------------------------------------------------------------------------


def test_result_raises_what_the_task_raised(memory: Scheduler) -> None:
    raised = KeyError("x")

    def raise_it() -> None:
        raise raised

    task = memory.task(memory.schedule_one_time(raise_it, now()))
    with pytest.raises(KeyError) as caught:
        task.result(SOON)
    assert caught.value is raised
    assert task.exception(SOON) is raised
    error = memory.get_task_error(task.id)
    assert error is not None
    assert error.exception is raised


def test_a_durable_result_raises_the_words_of_the_error(tmp_path: Path) -> None:
    with Scheduler(f"sqlite:///{tmp_path}/jobs.db") as scheduler:
        task = scheduler.task(scheduler.schedule_one_time(fail, now()))
        with pytest.raises(TaskFailed) as caught:
            task.result(SOON)
        assert (caught.value.type, caught.value.message) == ("ValueError", "no such luck")
        assert "in fail" in caught.value.traceback
        assert isinstance(task.exception(SOON), TaskFailed)


@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, BaseException]
)
def test_what_would_end_a_process_or_a_loop_ends_the_task_alone(
    memory: Scheduler, kind: type[BaseException]
) -> None:
    def leave() -> None:
        raise kind("bye")

    task = memory.task(memory.schedule_one_time(leave, now()))
    assert isinstance(task.exception(SOON), kind)
    error = memory.get_task_error(task.id)
    assert error is not None
    assert str(error) == f"{kind.__name__}('bye')"
    other = memory.schedule_one_time(say_hello, now(), args=["x"])
    assert memory.get_task_result(other, timeout=SOON) == "hello x"


def test_a_handle_tells_how_its_task_stands(memory: Scheduler) -> None:
    gate = Gate()
    task = memory.task(memory.schedule_one_time(gate, now()))
    assert gate.begun.wait(SOON)
    assert (task.status(), task.running(), task.done()) == ("RUNNING", True, False)
    with pytest.raises(TimeoutError, match="did not finish within"):
        task.result(0.01)
    gate.let_go.set()
    assert task.exception(SOON) is None
    assert (task.status(), task.running(), task.done()) == ("SUCCEEDED", False, True)
    assert not task.cancelled()
    assert not task.cancel()
    assert task.status() == "SUCCEEDED"


def test_a_periodic_task_is_running_while_a_run_is_under_way_else_pending(
    memory: Scheduler,
) -> None:
    gate = Gate()
    task_id = memory.schedule_periodic(gate, HOUR)
    assert gate.begun.wait(SOON)
    assert memory.get_task_status(task_id) == "RUNNING"
    gate.let_go.set()
    assert memory.task(task_id).result(SOON) is False
    assert memory.get_task_status(task_id) == "PENDING"
    assert memory.stop_task(task_id) == "CANCELLED"
    assert memory.get_task_result(task_id) is False


def test_the_objects_of_a_periodic_task_are_those_of_its_latest_run_alone() -> None:
    clock = FakeClock()
    results = [object() for _ in range(3)]

    def next_one() -> object:
        if clock.elapsed() == 1:
            raise ValueError(1)
        return results[int(clock.elapsed())]

    with Scheduler(clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(next_one, timedelta(seconds=1))
        clock.advance(0.5)
        assert scheduler.get_task_result(task_id) is results[0]
        clock.advance(1)
        assert scheduler.get_task_result(task_id) is None
        clock.advance(1)
        assert scheduler.get_task_result(task_id) is results[2]
        assert scheduler.objects is not None
        assert list(scheduler.objects.results.values()) == [results[2]]
        assert not scheduler.objects.errors


def test_results_and_errors_can_be_asked_for_while_runs_come_and_go(memory: Scheduler) -> None:
    turn = iter(range(1_000_000))

    def alternate() -> int:
        if next(turn) % 2:
            raise ValueError("odd")
        return 0

    task = memory.task(memory.schedule_periodic(alternate, timedelta(seconds=0.1)))
    task.wait(SOON)
    for _ in range(4):
        end = memory.inbox.watch(task.id)
        while not end.done():
            assert task.latest_result() in (0, None)
            assert isinstance(task.exception(0), ValueError | None)
            error = task.latest_error()
            assert error is None or str(error.exception) == error.message


# -- stopping ------------------------------------------------------------------------------------


def test_a_stopped_task_never_runs(scheduler: Scheduler) -> None:
    task = scheduler.task(scheduler.schedule_one_time(say_hello, now() + HOUR, args=["x"]))
    assert scheduler.stop_task(task.id) == "CANCELLED"
    assert scheduler.stop_task(task.id) == "CANCELLED"
    assert task.cancelled()
    assert task.done()
    with pytest.raises(CancelledError):
        task.result(SOON)
    with pytest.raises(CancelledError):
        task.exception(SOON)
    assert scheduler.get_task_result(task.id, timeout=SOON) is None


def test_a_running_task_is_asked_to_stop_and_stays_running_until_it_does(
    memory: Scheduler,
) -> None:
    gate = Gate()

    def heed() -> None:
        if gate():
            raise Cancel("as asked")

    task = memory.task(memory.schedule_one_time(heed, now()))
    assert gate.begun.wait(SOON)
    assert memory.stop_task(task.id) == "RUNNING"
    gate.let_go.set()
    with pytest.raises(CancelledError, match="as asked"):
        task.result(SOON)
    assert memory.get_task_status(task.id) == "CANCELLED"


def test_who_waits_for_a_periodic_task_that_is_stopped_before_its_first_run_is_told() -> None:
    with Scheduler(workers=1) as scheduler, ThreadPoolExecutor() as pool:
        gate = Gate()
        scheduler.schedule_one_time(gate, now())
        assert gate.begun.wait(SOON)
        task = scheduler.task(scheduler.schedule_periodic(say_hello, HOUR, args=["x"]))
        waiter: Future[object] = pool.submit(task.result)
        assert task.cancel()
        with pytest.raises(CancelledError):
            waiter.result(SOON)
        with pytest.raises(CancelledError):
            task.result()
        assert scheduler.get_task_result(task.id, timeout=SOON) is None
        gate.let_go.set()


def test_a_task_may_stop_itself_and_schedule_others(memory: Scheduler) -> None:
    ids: list[str] = []
    ready = threading.Event()

    def once() -> str:
        assert ready.wait(SOON)
        assert memory.stop_task(ids[0]) == "RUNNING"
        return memory.schedule_one_time(say_hello, now(), args=["inner"])

    ids.append(memory.schedule_periodic(once, HOUR))
    ready.set()
    inner = memory.task(ids[0]).result(SOON)
    assert memory.get_task_result(inner, timeout=SOON) == "hello inner"
    assert memory.get_task_status(ids[0]) == "CANCELLED"


# -- awaiting ------------------------------------------------------------------------------------


def test_awaiting_raises_what_result_raises(scheduler: Scheduler) -> None:
    async def use() -> None:
        failed = scheduler.schedule_one_time(fail, now())
        with pytest.raises((ValueError, TaskFailed), match="no such luck"):
            await scheduler.task(failed)
        stopped = scheduler.schedule_one_time(fail, now() + HOUR)
        waiter = asyncio.ensure_future(scheduler.task(stopped))
        await scheduler.astop_task(stopped)
        with pytest.raises(CancelledError):
            await waiter

    asyncio.run(asyncio.wait_for(use(), SOON))


def test_awaiting_a_task_that_raised_stop_iteration_comes_to_an_end(memory: Scheduler) -> None:
    async def use() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await memory.task(memory.schedule_one_time(lambda: next(iter([])), now()))

    asyncio.run(asyncio.wait_for(use(), SOON))


def test_to_stop_awaiting_leaves_the_task_alone(memory: Scheduler) -> None:
    gate = Gate()
    task = memory.task(memory.schedule_one_time(gate, now()))

    async def use() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.05)

    asyncio.run(use())
    gate.let_go.set()
    assert task.result(SOON) is False
