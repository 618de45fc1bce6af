"""The library, sentence by sentence of its contract."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskd import OneTime, Periodic, Scheduler, TaskFailed, UnknownTask
from taskd.errors import InvalidJob, NotImportable, StoreUnusable
from taskd.testing import FakeClock

SOON = 10.0  # seconds of patience: everything here takes milliseconds
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def say_hello(name: str) -> str:
    return f"hello {name}"


def count_up(total: int, step: int) -> int:
    return total + step


def fail() -> None:
    raise ValueError("no such luck")


def divide(by: int) -> float:
    return 1 / by


def give_a_set(_: object) -> set[int]:
    return {7}


def read(path: str) -> str:
    return Path(path).read_text()


async def later(word: str) -> str:
    await asyncio.sleep(0)
    return word


class Greeter:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> str:
        return f"hello {self.name}"

    def greet(self) -> str:
        return self()

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__


@pytest.fixture(params=["memory", "durable"])
def scheduler(request: pytest.FixtureRequest, store: str) -> Iterator[Scheduler]:
    with Scheduler(None if request.param == "memory" else store) as scheduler:
        yield scheduler


@pytest.fixture
def memory() -> Iterator[Scheduler]:
    with Scheduler() as scheduler:
        yield scheduler


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


def now() -> datetime:
    return datetime.now(UTC)


# -- at a time, periodically, with an error ------------------------------------------------------


def test_a_task_runs_at_its_time_and_not_before(scheduler: Scheduler) -> None:
    due_at = now() + timedelta(seconds=0.2)
    task_id = scheduler.schedule_one_time(say_hello, due_at, args=["Alice"])
    assert scheduler.get_task_status(task_id) == "PENDING"
    assert scheduler.get_task_result(task_id) is None
    assert scheduler.get_task_error(task_id) is None
    assert scheduler.get_task_result(task_id, timeout=SOON) == "hello Alice"
    assert now() >= due_at
    assert scheduler.get_task_status(task_id) == "SUCCEEDED"


@pytest.mark.parametrize("durable", [False, True])
def test_a_periodic_task_with_carry_counts(durable: bool, store: str) -> None:
    clock = FakeClock()
    with Scheduler(store if durable else None, clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(count_up, SECOND, args=[0, 1], carry=True)
        counted = []
        for _ in range(4):
            clock.advance(SECOND / 2)
            counted.append(scheduler.get_task_result(task_id))
            clock.advance(SECOND / 2)
        assert counted == [1, 2, 3, 4]


def test_the_error_of_a_task_prints_as_its_repr(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(divide, now(), args=[0])
    scheduler.task(task_id).wait(SOON)
    assert scheduler.get_task_status(task_id) == "FAILED"
    error = scheduler.get_task_error(task_id)
    assert error is not None
    assert str(error) == "ZeroDivisionError('division by zero')"
    assert (error.type, error.message) == ("ZeroDivisionError", "division by zero")
    assert error.traceback.startswith("Traceback")
    assert "in divide" in error.traceback
    assert "perform" not in error.traceback
    assert scheduler.get_task_result(task_id) is None


def test_the_first_periodic_run_is_at_once_and_the_others_keep_its_grid() -> None:
    clock = FakeClock()
    due: list[float] = []
    with Scheduler(clock=clock) as scheduler:
        clock.advance(0.25)
        scheduler.schedule_periodic(lambda: due.append(clock.elapsed()), timedelta(seconds=0.1))
        clock.advance(0.3)
    assert due == pytest.approx([0.25, 0.35, 0.45, 0.55])


def test_a_periodic_task_that_fails_goes_on_and_carries_what_it_had() -> None:
    clock = FakeClock()
    given: list[int] = []

    def double(value: int) -> int:
        given.append(value)
        if len(given) == 2:
            raise ValueError(value)
        return 2 * value

    with Scheduler(clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(double, SECOND, args=[1], carry=True)
        clock.advance(1)
        assert str(scheduler.get_task_error(task_id)) == "ValueError(2)"
        assert scheduler.get_task_result(task_id) is None
        clock.advance(1)
        assert scheduler.get_task_error(task_id) is None
        assert scheduler.get_task_result(task_id) == 4
    assert given == [1, 2, 2]


def test_a_hundred_tasks_run_at_once_when_asked() -> None:
    barrier = threading.Barrier(100)
    with Scheduler(workers=100) as scheduler:
        tasks = [OneTime(barrier.wait, now(), [SOON]) for _ in range(100)]
        results = [scheduler.task(i).result(SOON) for i in scheduler.schedule_many(tasks)]
    assert sorted(results) == list(range(100))


def test_an_interval_below_a_tenth_of_a_second_is_refused(scheduler: Scheduler) -> None:
    with pytest.raises(InvalidJob, match="100ms"):
        scheduler.schedule_periodic(say_hello, timedelta(seconds=0.0999), args=["x"])
    scheduler.schedule_periodic(say_hello, timedelta(seconds=0.1), args=["x"])


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=9, minutes=30))])
def test_naive_datetimes_are_local_and_aware_ones_of_any_zone(zone: timezone | None) -> None:
    clock = FakeClock()
    due_at = (clock.now() + MINUTE).astimezone(zone)
    with Scheduler(clock=clock) as scheduler:
        when = due_at if zone else due_at.replace(tzinfo=None)
        task_id = scheduler.schedule_one_time(clock.now, when)
        clock.advance(2 * MINUTE)
        assert scheduler.get_task_result(task_id) == due_at


@pytest.mark.parametrize(
    ("naive", "instant"),
    [
        (datetime(2027, 3, 28, 1, 59, 59, 999999), datetime(2027, 3, 28, 0, 59, 59, 999999, UTC)),
        (datetime(2027, 3, 28, 2, 30), datetime(2027, 3, 28, 1, 30, tzinfo=UTC)),  # is left out
        (datetime(2027, 3, 28, 3, 0), datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        (datetime(2027, 10, 31, 2, 30), datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),  # the first
        (datetime(2027, 10, 31, 2, 30, fold=1), datetime(2027, 10, 31, 1, 30, tzinfo=UTC)),
        (datetime(1916, 5, 1), datetime(1916, 4, 30, 22, tzinfo=UTC)),
    ],
)
def test_a_naive_datetime_that_a_clock_leaves_out_is_never_early(
    memory: Scheduler, berlin: None, naive: datetime, instant: datetime
) -> None:
    task_id = memory.schedule_one_time(fail, naive)
    (run,) = memory.read(lambda history: history.runs())
    assert (run.id, run.scheduled_at) == (task_id, instant)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "when",
    [
        datetime(1, 1, 1),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, timezone(-HOUR)),
    ],
)
def test_an_instant_at_the_end_of_the_calendar_is_taken_or_refused_in_words(
    scheduler: Scheduler, when: datetime
) -> None:
    try:
        scheduler.schedule_one_time(say_hello, when, args=["x"])
    except InvalidJob as refused:
        assert refused.key == "at"


def test_a_past_task_runs_at_once(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(say_hello, datetime(1999, 12, 31), args=["x"])
    assert scheduler.get_task_result(task_id, timeout=SOON) == "hello x"


# -- what is checked when it is scheduled --------------------------------------------------------


def test_arguments_are_bound_when_scheduled(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError, match="missing a required argument"):
        scheduler.schedule_one_time(say_hello, now())
    with pytest.raises(TypeError, match="unexpected keyword"):
        scheduler.schedule_one_time(say_hello, now(), args=["x"], kwargs={"nickname": "y"})
    with pytest.raises(TypeError, match="first argument"):
        scheduler.schedule_periodic(fail, SECOND, carry=True)
    assert scheduler.read(lambda history: history.runs()) == []


def test_what_cannot_be_called_is_refused(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError, match="not callable"):
        scheduler.schedule_one_time("say_hello", now())  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match=r"-100\.\.100"):
        scheduler.schedule_one_time(fail, now(), priority=101)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"when": "tomorrow"}, "when is a datetime"),
        ({"when": timedelta(seconds=2)}, "when is a datetime"),
        ({"when": datetime(2027, 1, 1).date()}, "when is a datetime"),
        ({"when": 12.5}, "when is a datetime"),
        ({"args": "Alice"}, "args is a list or a tuple"),
        ({"args": None}, "args is a list or a tuple"),
        ({"args": {"name"}}, "args is a list or a tuple"),
        ({"args": ["x"], "kwargs": [1]}, "kwargs is a dict"),
        ({"args": ["x"], "priority": "high"}, "priority is a number"),
        ({"args": ["x", "y"]}, r"say_hello\(name: 'str'\) -> 'str': too many positional"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(
    scheduler: Scheduler, values: dict[str, Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        scheduler.schedule_one_time(say_hello, **{"when": now(), **values})


def test_an_interval_is_a_timedelta_and_a_task_a_task(scheduler: Scheduler) -> None:
    with pytest.raises(TypeError, match="an interval is a timedelta"):
        scheduler.schedule_periodic(fail, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a task is a OneTime or a Periodic"):
        scheduler.schedule_many([fail])  # type: ignore[list-item]


@pytest.mark.parametrize("workers", [0, -1, "8", 1.5, None])
def test_workers_that_cannot_be_are_refused(workers: Any) -> None:
    with pytest.raises(ValueError, match="workers"):
        Scheduler(workers=workers)


def test_a_word_for_durability_that_taskd_does_not_know_is_refused(store: str) -> None:
    with pytest.raises(ValueError, match='"full" or "normal"'):
        Scheduler(store, durability="ful")


def test_an_address_that_is_no_file_is_refused_with_the_way_to_memory(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="give no address"):
        Scheduler("sqlite:///:memory:", folder=tmp_path)
    with pytest.raises(TypeError, match="sqlite:///"):
        Scheduler(tmp_path / "jobs.db")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_async_function_is_awaited(scheduler: Scheduler) -> None:
    task = scheduler.task(scheduler.schedule_one_time(later, now(), args=["word"]))
    assert task.result(SOON) == "word"


def test_many_are_scheduled_all_or_none(scheduler: Scheduler) -> None:
    good = OneTime(say_hello, now(), ["x"])
    with pytest.raises(TypeError):
        scheduler.schedule_many([good, OneTime(say_hello, now())])
    assert scheduler.read(lambda history: history.runs()) == []
    ids = scheduler.schedule_many([good, Periodic(say_hello, HOUR, ["y"])])
    assert [scheduler.task(i).result(SOON) for i in ids] == ["hello x", "hello y"]


def test_many_are_one_commit(store: str) -> None:
    log = Path(store.removeprefix("sqlite:///") + "-wal")
    with Scheduler(store, clock=FakeClock()) as scheduler:
        tasks = [OneTime(say_hello, scheduler.clock.now() + HOUR, ["x"]) for _ in range(500)]
        scheduler.schedule_many(tasks)
        # A commit for each would write the pages it touches anew: some 8 MB of log.
        assert log.stat().st_size < 2_000_000


def test_ids_are_uuids_in_order(scheduler: Scheduler) -> None:
    ids = scheduler.schedule_many([OneTime(say_hello, now() + HOUR, ["x"]) for _ in range(50)])
    assert ids == sorted(ids)
    assert {uuid.UUID(task_id).version for task_id in ids} == {7}


# -- in memory, and durable ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (lambda: "hello lambda", [], "hello lambda"),
        (Greeter("bound").greet, [], "hello bound"),
        (Greeter("callable"), [], "hello callable"),
        (partial(say_hello, "partial"), [], "hello partial"),
        (pow, [2, 5], 32),
        ([3].pop, [], 3),
        (dict, [[("a", 1)]], {"a": 1}),
    ],
)
def test_in_memory_any_callable_will_do(
    memory: Scheduler, function: Callable[..., object], args: list[object], result: object
) -> None:
    task_id = memory.schedule_one_time(function, now(), args=args)
    assert memory.get_task_result(task_id, timeout=SOON) == result


def test_in_memory_arguments_and_results_are_the_objects_themselves(memory: Scheduler) -> None:
    thing = object()
    task_id = memory.schedule_one_time(lambda given: given, now(), args=[thing])
    assert memory.get_task_result(task_id, timeout=SOON) is thing


@pytest.mark.parametrize(
    "function", [lambda: None, Greeter("x"), Greeter("x").greet, partial(fail), [3].pop]
)
def test_a_durable_scheduler_says_that_functions_must_be_importable(
    store: str, function: Callable[..., object]
) -> None:
    with Scheduler(store) as scheduler, pytest.raises(NotImportable, match=r"name"):
        scheduler.schedule_one_time(function, now())


def test_a_durable_scheduler_takes_whatever_has_an_importable_name(store: str) -> None:
    with Scheduler(store) as scheduler:
        tasks = [OneTime(pow, now(), [2, 5]), OneTime(Greeter.of_class, now())]
        ids = scheduler.schedule_many(tasks)
        assert [scheduler.task(i).result(SOON) for i in ids] == [32, "Greeter"]


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", float("nan"), {1}, "\ud800", {1: "a", "1": "b"}, [({None: 0},)], deep()],
    ids=["object", "bytes", "nan", "set", "surrogate", "key", "key within", "deep"],
)
def test_a_durable_scheduler_takes_json_arguments_only(store: str, value: object) -> None:
    with Scheduler(store) as scheduler:
        with pytest.raises(TypeError, match="must be JSON"):
            scheduler.schedule_one_time(print, now(), args=[value])
        with pytest.raises(TypeError, match="must be JSON"):
            scheduler.schedule_one_time(print, now(), kwargs={"end": value})


def test_a_durable_result_that_is_not_json_is_its_repr_and_is_not_carried(store: str) -> None:
    clock = FakeClock()
    with Scheduler(store, clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(give_a_set, SECOND, args=[0], carry=True)
        clock.advance(1)
        assert scheduler.get_task_status(task_id) == "PENDING"
        assert scheduler.get_task_result(task_id) == "{7}"
        assert scheduler.read(lambda history: history.jobs())[0].carried is None


def test_periodic_tasks_keep_their_grid_and_their_carry_across_a_restart(store: str) -> None:
    clock = FakeClock()
    with Scheduler(store, clock=clock) as scheduler:
        task_id = scheduler.schedule_periodic(count_up, 10 * MINUTE, args=[0, 1], carry=True)
        clock.advance(25 * MINUTE)
        assert scheduler.get_task_result(task_id) == 3
    clock.advance(22 * MINUTE)  # nobody is there at 30 and 40: the latest runs late
    with Scheduler(store, clock=clock) as scheduler:
        clock.advance(4 * MINUTE)
        assert scheduler.get_task_result(task_id) == 5
        runs = scheduler.read(lambda history: history.runs(job=task_id))
    minutes = [(run.scheduled_at - runs[-1].scheduled_at) // MINUTE for run in runs]
    assert minutes == [50, 40, 20, 10, 0]


# -- asking --------------------------------------------------------------------------------------


def test_an_unknown_id_is_a_key_error_that_can_be_read(scheduler: Scheduler) -> None:
    unknown = str(uuid.uuid4())
    for ask in (
        scheduler.task,
        scheduler.stop_task,
        scheduler.get_task_status,
        scheduler.get_task_result,
        scheduler.get_task_error,
    ):
        with pytest.raises(UnknownTask) as caught:
            ask(unknown)
        assert isinstance(caught.value, KeyError)
        assert str(caught.value) == f"there is no task '{unknown}'"


def test_waiting_too_short_is_a_timeout(scheduler: Scheduler) -> None:
    task_id = scheduler.schedule_one_time(say_hello, now() + HOUR, args=["x"])
    with pytest.raises(TimeoutError):
        scheduler.get_task_result(task_id, timeout=0.01)


def test_a_call_never_waits_for_a_task(scheduler: Scheduler, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    task_id = scheduler.schedule_one_time(read, now(), args=[str(gate)])
    while scheduler.get_task_status(task_id) != "RUNNING":
        time.sleep(0)
    assert scheduler.get_task_result(task_id) is None
    assert scheduler.get_task_error(task_id) is None
    other = scheduler.schedule_one_time(say_hello, now(), args=["x"])
    assert scheduler.get_task_result(other, timeout=SOON) == "hello x"
    gate.write_text("open")
    assert scheduler.get_task_result(task_id, timeout=SOON) == "open"


def test_in_memory_scheduling_does_not_wait_for_the_scheduler(memory: Scheduler) -> None:
    held, let_go = threading.Barrier(2), threading.Event()
    memory.inbox.query(lambda: held.wait(SOON) + let_go.wait(SOON))
    held.wait(SOON)
    task_id = memory.schedule_one_time(say_hello, now(), args=["x"])
    let_go.set()
    assert memory.get_task_result(task_id, timeout=SOON) == "hello x"


@pytest.mark.parametrize("durable", [False, True])
def test_many_threads_may_be_the_first_to_schedule_and_ask(durable: bool, store: str) -> None:
    scheduler = Scheduler(store if durable else None)
    begin, results = threading.Barrier(32), list[str]()

    def use() -> None:
        begin.wait(SOON)
        ids = [scheduler.schedule_one_time(say_hello, now(), args=[str(n)]) for n in range(5)]
        assert scheduler.get_task_status(ids[0]) in {"PENDING", "QUEUED", "RUNNING", "SUCCEEDED"}
        results.extend(scheduler.get_task_result(i, timeout=SOON) for i in ids)

    threads = [threading.Thread(target=use) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scheduler.shutdown()
    assert sorted(results) == sorted(f"hello {n}" for n in range(5) for _ in threads)


def test_the_result_can_be_seen_whenever_the_state_says_so(memory: Scheduler) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(1, 200):
            task_id = memory.schedule_one_time(lambda n=number: n, now())
            while memory.get_task_status(task_id) != "SUCCEEDED":
                pass
            assert memory.get_task_result(task_id) == number
    finally:
        sys.setswitchinterval(interval)


def test_what_waits_on_an_event_loop_takes_no_thread(memory: Scheduler) -> None:
    gate = threading.Event()
    task_id = memory.schedule_one_time(gate.wait, now(), args=[SOON])

    async def ask() -> None:
        waiting = [asyncio.ensure_future(memory.aget_task_result(task_id, SOON)) for _ in range(99)]
        await asyncio.sleep(0.05)
        assert await memory.aget_task_status(task_id) == "RUNNING"  # in a thread that is free
        with pytest.raises(TimeoutError, match=f"task {task_id} did not finish within 0.01 s"):
            await memory.aget_task_result(task_id, timeout=0.01)
        gate.set()
        assert await asyncio.gather(*waiting) == [True] * 99

    asyncio.run(ask())


def test_each_method_has_its_awaitable_twin(scheduler: Scheduler) -> None:
    async def use() -> None:
        task_id = await scheduler.aschedule_one_time(say_hello, now(), args=["Alice"])
        assert await scheduler.task(task_id) == "hello Alice"
        assert await scheduler.aget_task_status(task_id) == "SUCCEEDED"
        assert await scheduler.aget_task_result(task_id, timeout=SOON) == "hello Alice"
        assert await scheduler.aget_task_error(task_id) is None
        every = await scheduler.aschedule_periodic(say_hello, HOUR, args=["x"])
        assert await scheduler.task(every) == "hello x"
        assert await scheduler.astop_task(every) == "CANCELLED"
        (many,) = await scheduler.aschedule_many([OneTime(fail, now())])
        with pytest.raises((ValueError, TaskFailed), match="no such luck"):
            await scheduler.task(many)
        await scheduler.ashutdown()

    asyncio.run(use())
