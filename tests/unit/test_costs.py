"""What a run costs, in exact numbers, which are the same on any machine: a guard against decay.

Where a change makes one of them smaller, write the smaller number here. Where it makes one larger,
say in its commit what that buys.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import Scheduler
from taskd.core.cron import Cron
from taskd.core.engine import Engine
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import Added, AttemptFinished, Task
from taskd.core.run import Outcome, Result, RunId
from taskd.core.schedule import Every
from taskd.core.turn import Start
from taskd.ids import new_id
from taskd.inbox import Inbox
from taskd.loop import Loop
from taskd.stores.sqlite import SqliteStore
from taskd.testing import FakeClock
from tests.simulation.clock import SimulatedClock

SECOND = timedelta(seconds=1)
IN_ORDER = ("SCAN runs USING INDEX runs_pending", "SCAN runs USING INDEX runs_queued")
"""Partial indexes that hold nothing else, walked up to the limit."""


@dataclass
class Costs:
    """What the store was made to do."""

    commits: int = 0
    statements: Counter[str] = field(default_factory=Counter)
    texts: set[str] = field(default_factory=set)
    rows: int = 0

    def take(self, statement: str) -> None:
        """Count a statement as SQLite begins it."""
        self.commits += statement == "COMMIT"
        self.statements[" ".join(statement.split()[:3])] += 1
        self.texts.add(statement)


class AtOnce:
    """An executor whose attempts succeed at once."""

    leaked = 0

    def __init__(self, inbox: Inbox, clock: SimulatedClock) -> None:
        self._inbox = inbox
        self._clock = clock

    def start(self, start: Start) -> None:
        run, at = start.run, self._clock.now()
        ended = AttemptFinished(run.id, run.attempt, at, Outcome.SUCCEEDED, Result("null"))
        self._inbox.post(ended)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        raise AssertionError("nothing is to be interrupted")

    def forget(self, runs: Sequence[RunId]) -> None:
        raise AssertionError("nothing is to be forgotten")

    def stopping(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""


class Bench:
    """A loop that is stepped by hand."""

    def __init__(self, store: SqliteStore, workers: int, *, ahead: bool = False) -> None:
        self.clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC), self._pass)
        self.store = store
        self.costs = Costs()
        self.loop = Loop(
            store=store,
            clock=self.clock,
            engine=lambda: Engine(
                node="node",
                pid=1,
                workers=workers,
                new_id=new_id,
                draw=lambda: 0.5,
                ahead=ahead,
            ),
            executor=lambda inbox: AtOnce(inbox, self.clock),
        )
        self.loop.step()

    @contextmanager
    def counted(self) -> Iterator[Costs]:
        """Count what the block costs."""
        self.costs = Costs()
        before = self.store._db.total_changes
        self.store._db.set_trace_callback(self.costs.take)
        yield self.costs
        self.store._db.set_trace_callback(None)
        self.costs.rows = self.store._db.total_changes - before

    def _pass(self, until: datetime | None) -> None:
        """Jump to what the loop waits for, or far where it waits for nothing."""
        now = self.clock.now()
        self.clock.passed += max((until or now + 1000 * SECOND) - now, timedelta(0))

    def live(self, time: timedelta) -> int:
        """Let time pass, waiting as the loop does; return the number of turns."""
        until, turns = self.clock.now() + time, 0
        while True:
            self.loop.wait()
            if self.clock.now() > until:
                return turns
            self.loop.step()
            turns += 1

    def work(self) -> int:
        """Step until there is nothing to do; return the number of turns."""
        turns = 0
        while self.loop.inbox:
            self.loop.step()
            turns += 1
        return turns


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[int], Bench]]:
    made: list[SqliteStore] = []

    def make(workers: int) -> Bench:
        made.append(SqliteStore(tmp_path / f"{len(made)}.db"))
        return Bench(made[-1], workers)

    yield make
    for store in made:
        store.close()


def some_tasks(clock: SimulatedClock, count: int, *, after: timedelta = timedelta(0)) -> Added:
    due_at = clock.now() + after
    return Added(tasks=tuple(Task(new_id(due_at), Call("os:f"), due_at) for _ in range(count)))


def test_64_tasks_that_are_due_cost_9_commits_and_3_writes_each(
    bench: Callable[[int], Bench],
) -> None:
    at = bench(8)
    at.loop.inbox.ask(some_tasks(at.clock, 64))
    with at.counted() as costs:
        assert at.work() == 9
    assert costs.commits == 9
    assert costs.statements == {
        "BEGIN IMMEDIATE": 9,
        "COMMIT": 9,
        "INSERT INTO runs": 1 + 3,  # 8, and 32 + 16 + 8
        "UPDATE runs SET": 7 + 8,  # eight runs each: they start, and end
        "INSERT INTO journal": 9,
    }
    # The first 8 are RUNNING when they are first written.
    assert costs.rows == 64 + 56 + 64 + 9


def test_tasks_that_wait_cost_a_row_each_and_a_block_for_200(
    bench: Callable[[int], Bench],
) -> None:
    at = bench(8)
    at.loop.inbox.ask(some_tasks(at.clock, 1000, after=SECOND))
    with at.counted() as costs:
        assert at.work() == 1
    assert costs.statements == {
        "BEGIN IMMEDIATE": 1,
        "COMMIT": 1,
        "INSERT INTO runs": 15 + 2,  # 64 at a time, and 32 + 8
        "INSERT INTO journal": 5,
    }


def test_a_tick_costs_what_is_due_not_what_exists(bench: Callable[[int], Bench]) -> None:
    at = bench(8)
    often = [job(f"often{n}", SECOND) for n in range(4)]
    seldom = [job(f"seldom{n}", 1000 * SECOND) for n in range(50)]
    at.loop.inbox.ask(Added(jobs=(*often, *seldom)))
    at.work()
    at.clock.passed += SECOND
    with at.counted() as costs:
        at.loop.step()
        assert at.work() == 1
    assert costs.statements == {
        "BEGIN IMMEDIATE": 2,
        "COMMIT": 2,
        "INSERT INTO runs": 1,
        "UPDATE runs SET": 1,
        "UPDATE jobs SET": 2,  # the cursor, and the counters
        "INSERT INTO journal": 2,
    }
    assert costs.rows == 4 + 4 + 8 + 2


def job(name: str, every: timedelta) -> Job:
    return Job(name=JobName(name), call=Call("os:f"), schedule=Every(every), source=Source.API)


def test_what_is_due_within_50_ms_is_committed_at_once_and_begins_without_a_turn(
    tmp_path: Path,
) -> None:
    with closing(SqliteStore(tmp_path / "t.db")) as store:
        at = Bench(store, 8, ahead=True)
        due_at = at.clock.now() + SECOND
        instants = [due_at + n * timedelta(milliseconds=5) for n in range(4)]
        tasks = tuple(Task(new_id(instant), Call("os:f"), instant) for instant in instants)
        at.loop.inbox.ask(Added(tasks=tasks))
        at.work()
        with at.counted() as costs:
            assert at.live(2 * SECOND) == 1 + 4
    assert costs.statements == {
        "BEGIN IMMEDIATE": 1 + 4,
        "COMMIT": 1 + 4,
        "UPDATE runs SET": 1 + 4,  # all are claimed at once, and each ends as it does
        "INSERT INTO journal": 1 + 4,
    }


def test_a_tick_of_jobs_that_are_spread_costs_one_turn_ahead_and_one_for_each_end(
    tmp_path: Path,
) -> None:
    with closing(SqliteStore(tmp_path / "t.db")) as store:
        at = Bench(store, 8, ahead=True)
        for n in range(4):
            at.loop.inbox.ask(Added(jobs=(job(f"often{n}", SECOND),)))
            at.work()
            at.clock.passed += timedelta(milliseconds=5)
        with at.counted() as costs:
            assert at.live(SECOND) == 1 + 4
    assert costs.statements == {
        "BEGIN IMMEDIATE": 1 + 4,
        "COMMIT": 1 + 4,
        "INSERT INTO runs": 1,
        "UPDATE runs SET": 4,
        "UPDATE jobs SET": 1 + 4,
        "INSERT INTO journal": 1 + 4,
    }


def test_no_statement_of_a_turn_reads_a_table_whole(bench: Callable[[int], Bench]) -> None:
    at = bench(4)
    at.loop.inbox.ask(Added(jobs=(job("often", SECOND),)))
    with at.counted() as costs:
        for _ in range(2):
            at.loop.inbox.ask(some_tasks(at.clock, 2500, after=SECOND))
            at.work()
            at.clock.passed += SECOND
            for _ in range(20):
                at.loop.step()
    plans = {
        text: [row[3] for row in at.store._db.execute(f"EXPLAIN QUERY PLAN {text}")]
        for text in costs.texts
        if text.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    assert any(text.startswith("SELECT") for text in plans)
    whole = {
        text: plan
        for text, plan in plans.items()
        if any("SCAN" in step and step not in IN_ORDER and not given(step) for step in plan)
    }
    assert whole == {}


def given(step: str) -> bool:
    """Return whether it goes through the rows that a statement brings along."""
    return step == "SCAN new" or step.endswith("CONSTANT ROWS")


class CountingClock(FakeClock):
    """A clock that counts how often somebody sleeps on it."""

    sleeps = 0

    def wait(self, *until: object, **busy: object) -> None:
        self.sleeps += 1
        super().wait(*until, **busy)  # type: ignore[arg-type]


def test_a_scheduler_at_rest_does_not_turn(tmp_path: Path) -> None:
    clock = CountingClock()
    with Scheduler(f"sqlite:///{tmp_path}/t.db", clock=clock) as scheduler:
        yearly = [
            Job(
                name=JobName(f"j{n}"),
                call=Call("os:getpid"),
                schedule=Cron(("0 0 1 6 *",), "UTC", "j"),
                source=Source.API,
            )
            for n in range(100)
        ]
        scheduler.inbox.ask(Added(jobs=tuple(yearly))).result(20)
        clock.advance(1)
        before = clock.sleeps
        clock.advance(timedelta(days=100))
        assert clock.sleeps == before
