"""Tests of schedules need no sleep."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import OneTime, Periodic, Scheduler
from taskd.core import ports
from taskd.testing import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_advancing_runs_everything_that_becomes_due_on_the_way_at_its_instant(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    seen: list[datetime] = []
    taskd_scheduler.schedule_periodic(lambda: seen.append(taskd_clock.now()), 5 * MINUTE)
    taskd_clock.advance(timedelta(hours=1))
    assert seen == [START + n * 5 * MINUTE for n in range(13)]
    assert taskd_clock.now() == START + timedelta(hours=1)


def test_tasks_run_one_after_another_in_the_order_of_their_instants(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    seen: list[object] = []
    minutes = [3, 1, 2, 1]
    tasks = [OneTime(seen.append, START + n * MINUTE, [(n, i)]) for i, n in enumerate(minutes)]
    taskd_scheduler.schedule_many([*tasks, Periodic(seen.append, 2 * MINUTE, ["every"])])
    taskd_clock.advance(3 * MINUTE)
    assert seen == ["every", (1, 1), (1, 3), (2, 2), "every", (3, 0)]


def test_nothing_runs_while_the_clock_stands(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    task_id = taskd_scheduler.schedule_one_time(lambda: 1, taskd_clock.now() + MINUTE)
    taskd_clock.advance(MINUTE - timedelta(microseconds=1))
    assert taskd_scheduler.get_task_status(task_id) == "PENDING"
    taskd_clock.advance(timedelta(microseconds=1))
    assert taskd_scheduler.get_task_result(task_id) == 1


def test_the_clock_stands_still_while_tasks_run() -> None:
    clock = FakeClock()
    seen: list[datetime] = []
    together = threading.Barrier(2)

    def work() -> None:
        together.wait(10)
        seen.append(clock.now())

    with Scheduler(clock=clock) as scheduler:
        scheduler.schedule_many([OneTime(work, START + MINUTE), OneTime(work, START + MINUTE)])
        clock.advance(timedelta(days=1))
        assert seen == [START + MINUTE, START + MINUTE]


def test_a_task_may_ask_and_stop_and_schedule_as_ever(
    taskd_clock: FakeClock, taskd_scheduler: Scheduler
) -> None:
    seen: list[object] = []
    is_known = threading.Event()

    def count() -> None:
        assert is_known.wait(10)
        seen.append(taskd_scheduler.get_task_status(task_id))
        if len(seen) == 3:
            taskd_scheduler.stop_task(task_id)
            taskd_scheduler.schedule_one_time(seen.append, START + 5 * MINUTE, args=["later"])

    task_id = taskd_scheduler.schedule_periodic(count, MINUTE)
    is_known.set()
    taskd_clock.advance(timedelta(hours=1))
    assert seen == ["RUNNING", "RUNNING", "RUNNING", "later"]


def test_advance_takes_seconds_and_goes_forward_only() -> None:
    clock = FakeClock()
    clock.advance(90)
    clock.advance(0.5)
    assert clock.now() == START + timedelta(seconds=90.5)
    assert clock.elapsed() == 90.5
    with pytest.raises(ValueError, match="forward"):
        clock.advance(timedelta(seconds=-1))


def test_a_task_that_does_not_end_is_told_of() -> None:
    clock, let_go = FakeClock(patience_s=0.05), threading.Event()
    with Scheduler(clock=clock) as scheduler:
        scheduler.schedule_one_time(lambda: let_go.wait(10), START)
        with pytest.raises(TimeoutError, match="does not end"):
            clock.advance(MINUTE)
        assert clock.now() == START
        let_go.set()


def test_a_clock_serves_the_scheduler_before_a_restart_and_the_one_after(tmp_path: Path) -> None:
    clock = FakeClock()
    store = f"sqlite:///{tmp_path}/jobs.db"
    with Scheduler(store, clock=clock) as scheduler:
        task_id = scheduler.schedule_one_time(len, START + timedelta(hours=2), args=["abc"])
        clock.advance(timedelta(hours=1))
    clock.advance(timedelta(days=1))
    with Scheduler(store, clock=clock) as scheduler:
        clock.advance(0)
        assert scheduler.get_task_result(task_id) == 3


def test_two_schedulers_may_share_a_clock() -> None:
    clock = FakeClock()
    seen: list[tuple[str, float]] = []
    with Scheduler(clock=clock) as one, Scheduler(clock=clock) as other:
        one.schedule_periodic(lambda: seen.append(("one", clock.elapsed())), 2 * MINUTE)
        clock.advance(MINUTE)
        other.schedule_periodic(lambda: seen.append(("other", clock.elapsed())), 2 * MINUTE)
        clock.advance(3 * MINUTE)
    assert seen == [("one", 0), ("other", 60), ("one", 120), ("other", 180), ("one", 240)]


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


def test_it_is_a_clock_of_the_core() -> None:
    clock: ports.Clock = FakeClock()
    wakeup: ports.Wakeup = clock.wakeup()
    wakeup.set()
    clock.wait(None, wakeup)


# -- what loading it costs -----------------------------------------------------------------------


def run(text: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", text], timeout=30, check=True, capture_output=True, text=True
    ).stdout


def test_the_clock_needs_no_pytest() -> None:
    text = "import sys; sys.modules['pytest'] = None; from taskd.testing import FakeClock"
    assert run(f"{text}; print(FakeClock().now())") == "2026-01-01 00:00:00+00:00\n"


def test_the_plugin_loads_nothing_of_taskd_before_a_fixture_is_used() -> None:
    loaded = "*[name for name in sys.modules if name.startswith('taskd')]"
    text = f"import sys, taskd.pytest_plugin; print({loaded})"
    assert run(text) == "taskd taskd.pytest_plugin\n"


USERS_TEST = """
from datetime import timedelta

def test_it(taskd_clock, taskd_scheduler):
    task = taskd_scheduler.schedule_periodic(lambda n: n + 1, timedelta(1), args=[0], carry=True)
    taskd_clock.advance(timedelta(9))
    assert taskd_scheduler.get_task_result(task) == 10
"""


def test_pytest_finds_the_fixtures_by_itself(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(
        command, check=False, cwd=tmp_path, timeout=60, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
