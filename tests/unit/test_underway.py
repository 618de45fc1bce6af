"""What is committed ahead begins on its instant, or never: with real time, threads and a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import Scheduler, current_run
from taskd.aside import Aside
from taskd.core.ahead import LEAD, MISSED
from taskd.core.job import Call
from taskd.core.messages import AttemptFinished, Begun
from taskd.core.run import Origin, Outcome, Run, RunId, RunState
from taskd.core.turn import Start
from taskd.stores.history import History
from taskd.task import OneTime
from taskd.underway import UnderWay
from tests.simulation.clock import SimulatedClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

began: dict[str, float] = {}


def note_time() -> None:
    began[current_run.id] = time.time()


class Executor:
    """Notes what it is given, and gives no thread for some."""

    leaked = 0

    def __init__(self, *refused: RunId) -> None:
        self.started: list[RunId] = []
        self._refused = refused

    def start(self, start: Start) -> None:
        if start.run.id in self._refused:
            raise RuntimeError("can't start new thread")
        self.started.append(start.run.id)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        raise AssertionError("nothing is to be interrupted")

    def forget(self, runs: Sequence[RunId]) -> None:
        raise AssertionError("nothing is to be forgotten")

    def stopping(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""


def a_start(name: str, at: datetime | None) -> Start:
    due_at = at or NOON
    run = Run(
        id=RunId(name),
        job=None,
        origin=Origin.SCHEDULE,
        state=RunState.RUNNING,
        scheduled_at=due_at,
        due_at=due_at,
        started_at=due_at,
        attempt=1,
    )
    return Start(run, Call("os:f"), at)


def at_noon(executor: Executor) -> UnderWay:
    clock = SimulatedClock(NOON, lambda _: None)
    return UnderWay(executor, clock, Aside(clock))


def test_a_start_with_an_instant_waits_for_it_and_the_order_is_theirs() -> None:
    executor, clock = Executor(), SimulatedClock(NOON, lambda _: None)
    under_way = UnderWay(executor, clock, Aside(clock))
    for name, at in (("late", NOON + 1.5 * SECOND), ("soon", NOON + SECOND), ("now", None)):
        under_way.start(a_start(name, at))
    assert executor.started == ["now"]
    assert under_way.ahead == {"late", "soon"}
    assert under_way.next_begin() == NOON + SECOND
    clock.passed = SECOND - timedelta(microseconds=1)
    assert not under_way.begin_due()
    clock.passed = 1.8 * SECOND
    assert under_way.begin_due()
    assert executor.started == ["now", "soon", "late"]
    assert under_way.begun == [
        Begun(RunId(run), 1, NOON + 1.8 * SECOND) for run in ("soon", "late")
    ]
    assert under_way.next_begin() is None


def test_what_waits_keeps_nobody_busy() -> None:
    under_way = at_noon(Executor())
    under_way.start(a_start("soon", NOON))
    assert not under_way.is_busy
    assert under_way.begin_due()
    assert under_way.is_busy
    under_way.ended(AttemptFinished(RunId("soon"), 1, NOON, Outcome.SUCCEEDED))
    assert not under_way.is_busy


def test_what_is_taken_back_never_begins() -> None:
    executor = Executor()
    under_way = at_noon(executor)
    under_way.start(a_start("stopped", NOON - SECOND))
    under_way.start(a_start("other", NOON))
    under_way.take_back([RunId("stopped"), RunId("unknown")])
    assert under_way.alive == {("other", 1)}
    assert under_way.next_begin() == NOON
    assert under_way.begin_due()
    assert executor.started == ["other"]


def test_a_start_that_cannot_begin_is_told_of_and_let_go() -> None:
    under_way = at_noon(Executor(RunId("refused")))
    under_way.start(a_start("refused", NOON))
    assert under_way.begin_due()
    assert under_way.has_failed
    assert (under_way.alive, under_way.begun) == (set(), [])


def test_a_start_whose_instant_is_long_gone_is_left_to_the_next_turn() -> None:
    executor = Executor()
    under_way = at_noon(executor)
    under_way.start(a_start("slept", NOON - MISSED))
    assert not under_way.begin_due()
    assert under_way.has_missed
    assert (executor.started, under_way.next_begin()) == ([], None)
    assert under_way.ahead == {"slept"}


@pytest.mark.parametrize("is_durable", [True, False])
def test_no_task_begins_early_and_each_says_when_it_began(tmp_path: Path, is_durable: bool) -> None:
    began.clear()
    store = f"sqlite:///{tmp_path}/t.db" if is_durable else None
    with Scheduler(store, workers=4) as scheduler:
        start = scheduler.clock.now() + LEAD / 2
        due = [start + n * timedelta(milliseconds=7) for n in range(60)]
        tasks = scheduler.schedule_many([OneTime(note_time, at) for at in due])
        for task in tasks:
            scheduler.task(task).wait(30)

        def read(history: History) -> list[Run]:
            return [run for task in tasks if (run := history.run(task)) is not None]

        runs = scheduler.read(read)
    for at, run in zip(due, runs, strict=True):
        assert run.started_at is not None
        assert began[run.id] >= at.timestamp()
        assert at <= run.started_at
        assert run.started_at.timestamp() <= began[run.id]


def test_a_task_whose_start_is_committed_still_waits(tmp_path: Path) -> None:
    with Scheduler(f"sqlite:///{tmp_path}/t.db") as scheduler:
        due_at = scheduler.clock.now() + SECOND
        task = scheduler.task(scheduler.schedule_one_time(note_time, due_at))
        seen: list[tuple[str, datetime]] = []
        while not seen or seen[-1][1] < due_at:
            seen.append((task.status(), scheduler.clock.now()))
        task.wait(30)
    assert {status for status, at in seen if at < due_at} == {"PENDING"}
