"""How a scheduler begins and ends, and what of it outlives its process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import OneTime, Scheduler
from taskd.errors import Stopped, StoreLocked
from taskd.testing import FakeClock

SOON = 10.0  # seconds of patience: everything here takes milliseconds
HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.mark.parametrize("durable", [False, True])
def test_whatever_is_called_after_the_shutdown_raises_stopped(durable: bool, store: str) -> None:
    scheduler = Scheduler(store if durable else None)
    task_id = scheduler.schedule_one_time(len, now(), args=["abc"])
    handle = scheduler.task(task_id)
    handle.wait(SOON)
    scheduler.shutdown()
    scheduler.shutdown()
    for call in (
        lambda: scheduler.schedule_one_time(len, now(), args=["x"]),
        lambda: scheduler.schedule_periodic(len, HOUR, args=["x"]),
        lambda: scheduler.schedule_many([OneTime(len, now(), ["x"])]),
        lambda: scheduler.task(task_id),
        lambda: scheduler.get_task_status(task_id),
        lambda: scheduler.get_task_result(task_id),
        lambda: scheduler.get_task_error(task_id),
        lambda: scheduler.stop_task(task_id),
        scheduler.start,
        handle.status,
        handle.result,
        handle.cancel,
    ):
        with pytest.raises(Stopped):
            call()


def test_nothing_is_taken_while_it_shuts_down() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert let_go.wait(SOON)

    scheduler = Scheduler()
    held = scheduler.schedule_one_time(hold, now())
    assert begun.wait(SOON)
    scheduler.shutdown(wait=False)
    with pytest.raises(Stopped):
        scheduler.schedule_one_time(len, now(), args=["x"])
    assert scheduler.get_task_status(held) == "RUNNING"
    assert not scheduler.join(0)
    let_go.set()
    assert scheduler.join(SOON)


def test_who_waits_for_a_task_is_told_of_the_shutdown() -> None:
    scheduler = Scheduler()
    task = scheduler.task(scheduler.schedule_one_time(len, now() + HOUR, args=["x"]))
    end = task._first_end()
    scheduler.shutdown()
    with pytest.raises(Stopped):
        end.result(SOON)


def test_a_shutdown_from_within_a_task_does_not_wait_for_that_task() -> None:
    scheduler = Scheduler()
    scheduler.schedule_one_time(scheduler.shutdown, now())
    assert scheduler.join(SOON)


def test_a_shutdown_from_within_a_task_of_another_scheduler_waits() -> None:
    ended = threading.Event()

    def nested() -> bool:
        begun = threading.Event()

        def work() -> None:
            begun.set()
            assert not ended.wait(0.05)
            ended.set()

        with Scheduler() as inner:
            inner.schedule_one_time(work, now())
            assert begun.wait(SOON)
        return ended.is_set()

    with Scheduler() as outer:
        assert outer.task(outer.schedule_one_time(nested, now())).result(SOON)


BEGUN, LET_GO = threading.Event(), threading.Event()


def hang_the_first_time() -> str:
    if BEGUN.is_set():
        return "again"
    BEGUN.set()
    assert LET_GO.wait(SOON)
    return "too late"


def test_a_task_that_outlives_the_grace_is_handed_back_to_run_again(store: str) -> None:
    with Scheduler(store) as scheduler:
        task_id = scheduler.schedule_one_time(hang_the_first_time, now())
        assert BEGUN.wait(SOON)
        scheduler.shutdown(grace=timedelta(seconds=0))
    with Scheduler(store) as scheduler:
        assert scheduler.get_task_result(task_id, timeout=SOON) == "again"
        attempts = scheduler.read(lambda history: history.attempts(task_id))
    LET_GO.set()
    assert [attempt.outcome for attempt in attempts] == ["RELEASED", "SUCCEEDED"]


def test_one_store_has_one_scheduler(store: str) -> None:
    with Scheduler(store):
        with pytest.raises(StoreLocked) as caught:
            Scheduler(store)
        assert caught.value.pid == os.getpid()
    Scheduler(store).shutdown()


@pytest.mark.parametrize("durable", [False, True])
def test_a_shutdown_leaves_no_thread_and_no_descriptor(durable: bool, tmp_path: Path) -> None:
    def descriptors() -> set[str]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    gc.collect()  # what other tests left to it is not to go meanwhile
    before = descriptors()
    for number in range(3):
        with Scheduler(f"sqlite:///{tmp_path}/{number}.db" if durable else None) as scheduler:
            scheduler.task(scheduler.schedule_one_time(len, now(), args=["x"])).wait(SOON)
            threads = [t for t in threading.enumerate() if t.name.startswith("taskd-")]
            assert threads
        for thread in threads:
            thread.join(SOON)
            assert not thread.is_alive()
    assert descriptors() <= before


# -- another process -----------------------------------------------------------------------------

IMPORTS = """
import os, sys, threading
from datetime import datetime, timedelta
from taskd import Scheduler, Stopped
"""


def command(script: str, *args: str) -> list[str]:
    return [sys.executable, "-c", IMPORTS + textwrap.dedent(script), *args]


def run(script: str, *args: str) -> str:
    """Run a script to its end and return what it printed."""
    ended = subprocess.run(
        command(script, *args), timeout=30, check=True, stdout=subprocess.PIPE, text=True
    )
    return ended.stdout


def test_a_fork_is_told_to_make_a_scheduler_of_its_own() -> None:
    printed = run(
        """
        with Scheduler() as scheduler:
            task_id = scheduler.schedule_one_time(len, datetime.now(), args=["abc"])
            assert scheduler.get_task_result(task_id, 9) == 3
            child = os.fork()
            if child == 0:
                try:
                    scheduler.get_task_status(task_id)
                except Stopped as refused:
                    print(refused, flush=True)
                sys.exit()
            os.waitpid(child, 0)
            print(scheduler.get_task_status(task_id))
        """
    )
    told, status = printed.splitlines()
    assert "make one after the fork" in told
    assert status == "SUCCEEDED"


@pytest.mark.parametrize("durable", [False, True])
def test_a_scheduler_left_open_never_keeps_the_interpreter_and_prints_are_seen(
    durable: bool, store: str
) -> None:
    printed = run(
        """
        scheduler = Scheduler(*sys.argv[1:])
        scheduler.schedule_periodic(len, timedelta(hours=1), args=["every"])
        task = scheduler.schedule_one_time(print, datetime.now(), args=["printed by a task"])
        scheduler.get_task_result(task, 9)
        """,
        *([store] if durable else []),
    )
    assert printed == "printed by a task\n"


@pytest.mark.parametrize("durable", [False, True])
def test_a_task_that_hangs_does_not_keep_the_interpreter_either(durable: bool, store: str) -> None:
    printed = run(
        """
        gate = sys.argv[1]
        os.mkfifo(gate)
        scheduler = Scheduler(*sys.argv[2:])
        task = scheduler.schedule_one_time(os.open, datetime.now(), args=[gate, os.O_RDONLY])
        while scheduler.get_task_status(task) != "RUNNING":
            pass
        print("left")
        """,
        f"{store.removeprefix('sqlite:///')}-gate",
        *([store] if durable else []),
    )
    assert printed == "left\n"


def test_durable_tasks_survive_a_kill(store: str) -> None:
    script = """
        scheduler, hour = Scheduler(sys.argv[1]), timedelta(hours=1)
        print(scheduler.schedule_one_time(len, datetime.now() + hour, args=["abcd"]), flush=True)
        print(scheduler.schedule_periodic(pow, 2 * hour, args=[2, 3], carry=True), flush=True)
        threading.Event().wait()
        """
    with subprocess.Popen(command(script, store), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        once, every = (process.stdout.readline().strip() for _ in range(2))
        process.send_signal(signal.SIGKILL)
    clock = FakeClock(now())
    with Scheduler(store, clock=clock) as scheduler:
        clock.advance(timedelta(hours=1.5))
        assert scheduler.get_task_result(once) == 4
        assert scheduler.get_task_result(every) == 8
        clock.advance(timedelta(hours=1))
        assert scheduler.get_task_result(every) == 512
