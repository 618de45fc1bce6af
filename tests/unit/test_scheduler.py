"""The library, sentence by sentence of its contract."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from taskd import Cancel, Scheduler, TaskFailed, UnknownTask, current_run
from taskd.errors import InvalidJob, NotImportable, Stopped, StoreLocked
from taskd.task import OneTime, Periodic

SOON = 10.0  # seconds of patience: everything here takes milliseconds


def say_hello(name: str) -> str:
    return f"hello {name}"


def count_up(total: int, step: int) -> int:
    return total + step


def fail() -> None:
    raise ValueError("no such luck")


@pytest.fixture(params=["memory", "durable"])
def scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scheduler]:
    store = None if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    with Scheduler(store) as scheduler:
        yield scheduler


@pytest.fixture
def memory() -> Iterator[Scheduler]:
    with Scheduler() as scheduler:
        yield scheduler


def now() -> datetime:
    return datetime.now(UTC)


def test_a_task_runs_at_its_time_and_not_before(scheduler: Scheduler) -> None:
    due_at = now() + timedelta(seconds=0.2)
    task_id = scheduler.schedule_one_time(say_hello, due_at, args=["Alice"])
    assert scheduler.get_task_status(task_id) == "PENDING"
    assert scheduler.get_task_result(task_id) is None
    assert scheduler.get_task_result(task_id, timeout=SOON) == "hello Alice"
    assert now() >= due_at
    assert scheduler.get_task_status(task_id) == "SUCCEEDED"


def test_a_periodic_task_carries_its_result_into_the_next_call(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_periodic(count_up, timedelta(seconds=0.1), args=[0, 1], carry=True)
    ended = [scheduler.inbox.watch(task_id).result(SOON) for _ in range(2)]
    assert scheduler.get_task_result(task_id) >= len(ended)
    assert scheduler.stop_task(task_id) == "CANCELLED"
    runs = scheduler.read(lambda history: history.runs(job=task_id))
    assert scheduler.get_task_result(task_id) == len(runs)


def test_the_error_of_a_task_is_reported(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(partial_or_fail(scheduler), now())
    scheduler.task(task_id).wait(SOON)
    assert scheduler.get_task_status(task_id) == "FAILED"
    error = scheduler.get_task_error(task_id)
    assert error is not None
    assert str(error) == "ValueError('no such luck')"
    assert (error.type, error.message) == ("ValueError", "no such luck")
    assert error.traceback.startswith("Traceback")
    assert "perform" not in error.traceback
    assert scheduler.get_task_result(task_id) is None


def partial_or_fail(scheduler: Scheduler) -> Callable[[], object]:
    return partial(fail) if scheduler.objects is not None else fail


def test_an_error_in_memory_is_the_exception_itself(memory: Scheduler) -> None:
    raised = KeyError("x")

    def raise_it() -> None:
        raise raised

    task_id = memory.schedule_one_time(raise_it, now())
    with pytest.raises(KeyError) as caught:
        memory.task(task_id).result(SOON)
    assert caught.value is raised
    error = memory.get_task_error(task_id)
    assert error is not None
    assert error.exception is raised


def test_a_hundred_tasks_run_at_once_when_asked() -> None:
    barrier = threading.Barrier(100)
    with Scheduler(workers=100) as scheduler:
        tasks = [OneTime(barrier.wait, now(), [SOON]) for _ in range(100)]
        results = [scheduler.task(i).result(SOON) for i in scheduler.schedule_many(tasks)]
    assert sorted(results) == list(range(100))


def test_an_interval_below_a_tenth_of_a_second_is_refused(scheduler: Scheduler) -> None:
    with pytest.raises(InvalidJob, match="100ms"):
        scheduler.schedule_periodic(say_hello, timedelta(seconds=0.09), args=["x"])


def test_arguments_are_bound_when_scheduled(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        scheduler.schedule_one_time(say_hello, now())
    with pytest.raises(TypeError, match="unexpected keyword"):
        scheduler.schedule_one_time(say_hello, now(), args=["x"], kwargs={"nickname": "y"})
    with pytest.raises(TypeError, match="first argument"):
        scheduler.schedule_periodic(fail, timedelta(seconds=1), carry=True)


def test_many_are_scheduled_all_or_none(scheduler: Scheduler) -> None:
    good = OneTime(say_hello, now(), ["x"])
    with pytest.raises(TypeError):
        scheduler.schedule_many([good, OneTime(say_hello, now())])
    assert scheduler.read(lambda history: history.runs()) == []
    ids = scheduler.schedule_many([good, Periodic(say_hello, timedelta(hours=1), ["y"])])
    assert [scheduler.task(i).result(SOON) for i in ids] == ["hello x", "hello y"]


def test_in_memory_any_callable_will_do_and_results_are_the_objects_themselves(
    memory: Scheduler,
) -> None:
    thing = object()
    assert memory.task(memory.schedule_one_time(lambda: thing, now())).result(SOON) is thing
    assert memory.task(memory.schedule_one_time([3].pop, now())).result(SOON) == 3


def test_a_durable_scheduler_takes_importable_functions_and_json_only(tmp_path: Path) -> None:
    with Scheduler(f"sqlite:///{tmp_path}/jobs.db") as scheduler:
        with pytest.raises(NotImportable, match="imported by name"):
            scheduler.schedule_one_time(lambda: None, now())
        with pytest.raises(TypeError, match="must be JSON"):
            scheduler.schedule_one_time(say_hello, now(), args=[object()])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_a_process_ends_the_task_alone(
    memory: Scheduler, kind: type[BaseException]
) -> None:
    def leave() -> None:
        raise kind("bye")

    task_id = memory.schedule_one_time(leave, now())
    memory.task(task_id).wait(SOON)
    error = memory.get_task_error(task_id)
    assert error is not None
    assert error.type == kind.__name__
    assert memory.task(memory.schedule_one_time(say_hello, now(), args=["x"])).result(SOON)


def test_an_unknown_id_is_a_key_error_that_can_be_read(scheduler: Scheduler) -> None:
    with pytest.raises(UnknownTask) as caught:
        scheduler.get_task_status(str(uuid.uuid4()))
    assert isinstance(caught.value, KeyError)
    assert str(caught.value).startswith("there is no task '")


def test_ids_are_uuids_in_order(scheduler: Scheduler) -> None:
    later = now() + timedelta(hours=1)
    ids = scheduler.schedule_many([OneTime(say_hello, later, ["x"]) for _ in range(50)])
    assert ids == sorted(ids)
    assert {uuid.UUID(task_id).version for task_id in ids} == {7}


def test_waiting_too_short_is_a_timeout(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(say_hello, now() + timedelta(hours=1), args=["x"])
    with pytest.raises(TimeoutError):
        scheduler.get_task_result(task_id, timeout=0.01)


def test_a_stopped_task_never_runs(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(say_hello, now() + timedelta(hours=1), args=["x"])
    assert scheduler.stop_task(task_id) == "CANCELLED"
    assert scheduler.stop_task(task_id) == "CANCELLED"
    with pytest.raises(CancelledError):
        scheduler.task(task_id).result(SOON)


def test_a_running_task_is_asked_to_stop_and_stays_running_until_it_does(
    memory: Scheduler,
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def heed() -> None:
        begun.set()
        let_go.wait(SOON)
        assert current_run.cancelled
        raise Cancel("as asked")

    task_id = memory.schedule_one_time(heed, now())
    assert begun.wait(SOON)
    assert memory.stop_task(task_id) == "RUNNING"
    let_go.set()
    assert memory.task(task_id).wait(SOON).reason == "as asked"
    assert memory.get_task_status(task_id) == "CANCELLED"


def test_a_periodic_task_is_running_while_a_run_is_under_way(memory: Scheduler) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        let_go.wait(SOON)

    task_id = memory.schedule_periodic(hold, timedelta(hours=1))
    assert begun.wait(SOON)
    assert memory.get_task_status(task_id) == "RUNNING"
    let_go.set()
    memory.task(task_id).wait(SOON)
    assert memory.get_task_status(task_id) == "PENDING"


def test_naive_datetimes_are_local_and_past_ones_run_at_once(memory: Scheduler) -> None:
    past = datetime.now().replace(microsecond=0)  # noqa: DTZ005 (naive is the point)
    past -= timedelta(minutes=5)
    run = memory.task(memory.schedule_one_time(say_hello, past, args=["x"])).wait(SOON)
    assert run.scheduled_at == past.astimezone(UTC)


def test_any_thread_may_schedule_and_ask(scheduler: Scheduler) -> None:
    results: list[str] = []

    def use() -> None:
        ids = [scheduler.schedule_one_time(say_hello, now(), args=[str(n)]) for n in range(5)]
        results.extend(scheduler.get_task_result(task_id, timeout=SOON) for task_id in ids)

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"hello {n}" for n in range(5) for _ in threads)


def test_a_task_may_schedule_another(memory: Scheduler) -> None:
    def outer() -> str:
        return memory.schedule_one_time(say_hello, now(), args=["inner"])

    inner = memory.task(memory.schedule_one_time(outer, now())).result(SOON)
    assert memory.get_task_result(inner, timeout=SOON) == "hello inner"


def test_the_handle_can_be_awaited_and_each_method_has_its_twin(scheduler: Scheduler) -> None:
    async def use() -> None:
        task_id = await scheduler.aschedule_one_time(say_hello, now(), args=["Alice"])
        assert await scheduler.task(task_id) == "hello Alice"
        assert await scheduler.aget_task_status(task_id) == "SUCCEEDED"
        assert await scheduler.aget_task_result(task_id, timeout=SOON) == "hello Alice"
        assert await scheduler.aget_task_error(task_id) is None
        every = await scheduler.aschedule_periodic(say_hello, timedelta(hours=1), args=["x"])
        assert await scheduler.task(every) == "hello x"
        assert await scheduler.astop_task(every) == "CANCELLED"
        (many,) = await scheduler.aschedule_many([OneTime(fail, now())])
        with pytest.raises((ValueError, TaskFailed), match="no such luck"):
            await scheduler.task(many)

    asyncio.run(use())


def test_nothing_is_taken_after_the_shutdown(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(say_hello, now(), args=["x"])
    scheduler.shutdown()
    scheduler.shutdown()
    with pytest.raises(Stopped):
        scheduler.schedule_one_time(say_hello, now(), args=["x"])
    with pytest.raises(Stopped):
        scheduler.stop_task(task_id)


def test_one_store_has_one_scheduler(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/jobs.db"
    with Scheduler(store):
        with pytest.raises(StoreLocked) as caught:
            Scheduler(store)
        assert caught.value.pid == os.getpid()
    Scheduler(store).shutdown()


def test_a_shutdown_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before = held()
    for number in range(3):
        with Scheduler(f"sqlite:///{tmp_path}/{number}.db") as scheduler:
            scheduler.task(scheduler.schedule_one_time(say_hello, now(), args=["x"])).wait(SOON)
            threads = [t for t in threading.enumerate() if t.name.startswith("taskd-")]
        for thread in threads:
            thread.join(SOON)
    assert held() == before


LEFT_OPEN = """
import threading, sys
from datetime import datetime
from taskd import Scheduler
scheduler = Scheduler(*sys.argv[1:])
if not sys.argv[1:]:
    begun = threading.Event()
    scheduler.schedule_one_time(lambda: (begun.set(), threading.Event().wait()), datetime.now())
    begun.wait()
else:
    scheduler.schedule_one_time(print, datetime.now(), args=["printed"])
    scheduler.get_task_result(scheduler.schedule_one_time(len, datetime.now(), args=["abc"]), 9)
"""


@pytest.mark.parametrize("durable", [False, True])
def test_a_scheduler_left_open_never_keeps_the_interpreter(durable: bool, tmp_path: Path) -> None:
    store = [f"sqlite:///{tmp_path}/jobs.db"] if durable else []
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, *store],
        timeout=30,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ended.stdout == ("printed\n" if durable else "")


COUNTS = """
import sys
from taskd import Scheduler
from datetime import datetime, timedelta
scheduler = Scheduler(sys.argv[1])
if len(sys.argv) == 3:
    scheduler.schedule_one_time(len, datetime.now() + timedelta(seconds=0.5), args=["abc"])
    print(scheduler.schedule_one_time(len, datetime.now() + timedelta(seconds=0.5), args=["abcd"]))
    sys.stdout.flush()
    __import__("threading").Event().wait()
"""


def test_durable_tasks_survive_a_kill(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/jobs.db"
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTS, store, "wait"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    task_id = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Scheduler(store) as scheduler:
        assert scheduler.get_task_result(task_id, timeout=SOON) == 4
