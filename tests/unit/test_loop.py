"""The loop: one transaction a turn, and one recovery path for all that can go wrong with it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import Scheduler
from taskd.clock import SystemClock
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import Added, JobRemoved, JobStopped, Task, Triggered
from taskd.core.ports import Wakeup
from taskd.core.run import Run
from taskd.core.schedule import Every
from taskd.errors import Stopped, StoreRefused, UnknownTask
from taskd.ids import new_id
from taskd.task import OneTime

SOON = 20.0
begun, let_go = threading.Event(), threading.Event()


def hold() -> str:
    begun.set()
    let_go.wait(SOON)
    return "let go"


def now() -> datetime:
    return datetime.now(UTC)


def a_job(name: str) -> Job:
    return Job(
        name=JobName(name),
        call=Call("os:getpid"),
        schedule=Every(timedelta(hours=1)),
        source=Source.API,
    )


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Scheduler]:
    begun.clear()
    let_go.clear()
    with Scheduler(f"sqlite:///{tmp_path}/t.db") as scheduler:
        scheduler.read_in_turn(lambda _: None)
        yield scheduler
        let_go.set()


def test_what_gathers_during_a_turn_is_one_commit(tmp_path: Path) -> None:
    scheduler = Scheduler(f"sqlite:///{tmp_path}/t.db")
    later = now() + timedelta(hours=1)
    asked = [
        scheduler.inbox.ask(Added(tasks=(Task(new_id(later), Call("os:getpid"), later),)))
        for _ in range(100)
    ]
    scheduler.start()
    wait(asked, SOON)
    scheduler.shutdown()
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute(
            "SELECT count(*), json_array_length(told, '$[0]') FROM journal"
        ).fetchone() == (1, 100)


def test_a_bad_request_is_answered_alone(durable: Scheduler) -> None:
    good = durable.inbox.ask(Added(jobs=(a_job("good"),)))
    bad = durable.inbox.ask(JobRemoved(JobName("nobody")))
    assert good.result(SOON)
    with pytest.raises(UnknownTask):
        bad.result(SOON)


def test_a_poisoned_request_is_answered_alone_and_the_others_lose_nothing(tmp_path: Path) -> None:
    scheduler = Scheduler(f"sqlite:///{tmp_path}/t.db")
    before = scheduler.inbox.ask(Added(jobs=(a_job("before"),)))
    poison = scheduler.inbox.ask(Added(jobs=(replace(a_job("poison"), call=Call("os:f", (b"",))),)))
    after = scheduler.inbox.ask(Added(jobs=(a_job("after"),)))
    scheduler.start()
    assert before.result(SOON)
    assert after.result(SOON)
    with pytest.raises(StoreRefused):
        poison.result(SOON)
    assert scheduler.read(lambda history: history.job_names()) == ["after", "before"]
    scheduler.shutdown()


def test_a_row_moved_behind_its_back_makes_it_read_anew(durable: Scheduler, tmp_path: Path) -> None:
    assert durable.inbox.ask(Added(jobs=(a_job("j"),))).result(SOON)
    durable.inbox.watch("j").cancel()
    durable.task("j").wait(SOON)
    with closing(sqlite3.connect(tmp_path / "t.db")) as db, db:
        db.execute("UPDATE jobs SET version = version + 1, state = 'paused' WHERE name = 'j'")
    assert durable.inbox.ask(JobStopped(JobName("j"))).result(SOON)
    assert durable.get_task_status("j") == "CANCELLED"


def test_a_restart_finds_what_was_handed_back(tmp_path: Path) -> None:
    begun.clear()
    let_go.clear()
    store = f"sqlite:///{tmp_path}/t.db"
    scheduler = Scheduler(store)
    task_id = scheduler.schedule_one_time(hold, now())
    assert begun.wait(SOON)
    scheduler.shutdown(grace=timedelta(0))
    let_go.set()
    with Scheduler(store) as again:
        assert again.get_task_result(task_id, timeout=SOON) == "let go"
        attempts = again.read(lambda history: history.attempts(task_id))
    assert [attempt.outcome.value for attempt in attempts] == ["RELEASED", "SUCCEEDED"]


def test_everybody_who_waits_is_answered_at_the_end() -> None:
    scheduler = Scheduler()
    task_id = scheduler.schedule_one_time(lambda: None, now() + timedelta(hours=1))
    end = scheduler.inbox.watch(task_id)
    scheduler.shutdown()
    late = scheduler.inbox.ask(Triggered(JobName("x")))
    for answer in (end, late):
        with pytest.raises(Stopped):
            answer.result(SOON)


def test_priority_decides_who_goes_first() -> None:
    seen: list[int] = []
    ended: list[Run] = []
    gate = threading.Event()
    with Scheduler(workers=1, on_end=ended.append) as scheduler:
        scheduler.schedule_one_time(gate.wait, now(), args=[SOON], priority=100)
        ids = [
            scheduler.schedule_one_time(seen.append, now(), args=[p], priority=p)
            for p in (0, -100, 100, 50)
        ]
        scheduler.read_in_turn(lambda _: None)
        gate.set()
        for task_id in ids:
            scheduler.task(task_id).wait(SOON)
    assert seen == [100, 50, 0, -100]
    assert len(ended) == 5


def test_more_waiting_runs_than_memory_holds_all_run() -> None:
    count = 5000
    with Scheduler(workers=4) as scheduler:
        due_at = now() + timedelta(seconds=0.2)
        ids = scheduler.schedule_many([OneTime(len, due_at, ["x"]) for _ in range(count)])
        for task_id in ids:
            scheduler.task(task_id).wait(SOON)
        states = scheduler.read(lambda history: history.runs(limit=count))
    assert {run.state.value for run in states} == {"SUCCEEDED"}


class CountingClock(SystemClock):
    """Remembers until when each wait was to last."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[datetime | None] = []

    def wait(self, until: datetime | None, wakeup: Wakeup, *, busy: bool = False) -> None:
        self.waits.append(until)
        super().wait(until, wakeup, busy=busy)


def test_an_idle_loop_sleeps_until_the_next_due_instant_and_a_message_costs_one_turn() -> None:
    clock = CountingClock()
    with Scheduler(clock=clock) as scheduler:
        scheduler.read_in_turn(lambda _: None)
        due_at = now() + timedelta(hours=1)
        scheduler.schedule_one_time(len, due_at, args=["x"])
        scheduler.read_in_turn(lambda _: None)
        before = len(clock.waits)
        for _ in range(5):
            scheduler.read_in_turn(lambda _: None)
        assert len(clock.waits) <= before + 5 + 1  # one may not have begun before we counted
        assert set(clock.waits[-5:]) == {due_at}


class StoppedClock(SystemClock):
    """The clock of a process that is stopped for a minute after some of its readings."""

    slept = timedelta(0)
    stops = 0

    def now(self) -> datetime:
        reading = super().now() + self.slept
        if self.stops:
            self.stops, self.slept = self.stops - 1, self.slept + timedelta(minutes=1)
        return reading

    def elapsed(self) -> float:
        return super().elapsed() + self.slept.total_seconds()


def test_a_process_that_is_stopped_between_two_clocks_takes_it_for_no_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = StoppedClock()
    with Scheduler(clock=clock) as scheduler:
        scheduler.read_in_turn(lambda _: None)
        clock.stops = 5
        while clock.stops:
            scheduler.read_in_turn(lambda _: None)
    assert "the wall clock was set" not in caplog.text


def test_a_read_that_fails_is_its_askers_alone(durable: Scheduler) -> None:
    bad = durable.inbox.query(lambda: 1 // 0)
    good = durable.inbox.query(lambda: "well")
    with pytest.raises(ZeroDivisionError):
        bad.result(SOON)
    assert good.result(SOON) == "well"


def test_an_asker_that_does_not_wait_is_no_harm(durable: Scheduler) -> None:
    durable.inbox.watch("x").cancel()
    durable.inbox.query(lambda: 1).cancel()
    durable.inbox.ask(Added(jobs=(a_job("j"),))).cancel()
    assert durable.read_in_turn(lambda history: history.job_names()) == ["j"]
