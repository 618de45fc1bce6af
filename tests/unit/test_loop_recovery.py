"""The loop's one recovery path, turn by turn: a real engine and store, scripted ends and failures.

The store fails for real (a file-size limit) where it can, and by a scripted peer where the outcome
of a commit is to be unknown.
"""

import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from taskd.clock import SystemClock
from taskd.core.engine import Engine
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import (
    Added,
    AttemptFinished,
    Found,
    Page,
    RunStopped,
    Task,
    Triggered,
    Wanted,
)
from taskd.core.ports import Keep, Pruned
from taskd.core.record import JobRecord
from taskd.core.run import Attempt, Outcome, Result, Run, RunId, RunState
from taskd.core.turn import Changes, Start
from taskd.errors import Stopped, StoreDoubtful, StoreUnavailable
from taskd.ids import new_id
from taskd.inbox import Damaged, Inbox
from taskd.loop import Loop
from taskd.stores.sqlite import SqliteStore

BIG = "x" * 300_000
GRACE = timedelta(seconds=60)


class Held:
    """An executor whose attempts end when the test says so."""

    leaked = 0

    def __init__(self, report: Callable[[AttemptFinished], None]) -> None:
        self.report = report
        self.started: list[Run] = []
        self.failures: list[Exception] = []
        self.interrupt_fails = False

    def start(self, start: Start) -> None:
        if self.failures:
            raise self.failures.pop()
        self.started.append(start.run)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        if self.interrupt_fails:
            raise ValueError("a plug-in's own fault")

    def forget(self, runs: Sequence[RunId]) -> None: ...

    def stopping(self) -> None: ...

    def close(self) -> None: ...

    def end(self, run: Run, text: str = "1") -> None:
        at = datetime.now(UTC)
        self.report(
            AttemptFinished(run.id, run.attempt, at, Outcome.SUCCEEDED, result=Result(text))
        )


class Unsure:
    """A store whose next commit or read may fail; `after` says that it was written all the same."""

    def __init__(self, inner: SqliteStore) -> None:
        self.inner = inner
        self.commits = 0
        self.fail_commits: list[str] = []
        self.fail_finds = False

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        return self.inner.load()

    def pending(self, limit: int) -> Page:
        return self.inner.pending(limit)

    def queued(self, limit: int) -> Page:
        return self.inner.queued(limit)

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        if self.fail_finds and runs:
            raise StoreUnavailable("cannot read")
        return self.inner.find(runs)

    def head(self) -> int:
        return self.inner.head()

    def look_up(self, wanted: Wanted) -> Found:
        return self.inner.look_up(wanted)

    def commit(self, changes: Changes) -> None:
        when = self.fail_commits.pop() if self.fail_commits else ""
        if when != "before":
            self.inner.commit(changes)
            self.commits += 1
        if when == "before":
            raise StoreUnavailable("failed before the commit")
        if when:
            raise StoreDoubtful("failed after the commit")

    def settled(self) -> bool | None:
        return True

    def prune(self, now: datetime, keep: Keep, batch: int) -> Pruned:
        return self.inner.prune(now, keep, batch)

    def damage(self) -> str:
        return self.inner.damage()

    def close(self) -> None:
        self.inner.close()


class Bench:
    """A loop that turns by hand, and its surroundings."""

    def __init__(self, path: Path, workers: int = 2) -> None:
        self.store = Unsure(SqliteStore(path))
        self.ended: list[Run] = []
        self.loop = Loop(
            store=self.store,
            clock=SystemClock(),
            engine=partial(
                Engine, node="n", pid=1, workers=workers, new_id=new_id, draw=lambda: 0.0
            ),
            executor=self._executor,
            on_end=self._on_end,
        )
        self.listener_fails = False
        self.inbox, self.step = self.loop.inbox, self.loop.step

    def _executor(self, inbox: Inbox) -> Held:
        self.executor = Held(inbox.post)
        return self.executor

    def _on_end(self, run: Run) -> None:
        self.ended.append(run)
        if self.listener_fails:
            raise ValueError("a listener's own fault")

    def run(self, run: Run) -> Run:
        return self.store.inner.find([run.id])[0]

    def attempts(self, run: Run) -> list[Attempt]:
        with self.store.inner.history() as history:
            return history.attempts(run.id)

    def start_one(self) -> Run:
        self.inbox.post(Added(tasks=(a_task(),)))
        self.step()
        return self.executor.started[-1]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "t.db")
    bench.step()
    yield bench
    bench.store.close()


def a_task(*args: object) -> Task:
    now = datetime.now(UTC)
    return Task(new_id(now), Call("os:getpid", args), now)


def a_job(name: str, *args: object) -> Job:
    return Job(name=JobName(name), call=Call("os:getpid", args), source=Source.API)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 250 kB."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


# -- one transaction a turn ----------------------------------------------------------------------


def test_what_gathered_is_one_commit_and_nothing_to_do_is_none(bench: Bench) -> None:
    answers = [bench.inbox.ask(Added(jobs=(a_job(f"j{n}"),))) for n in range(50)]
    before = bench.store.commits
    bench.step()
    assert bench.store.commits == before + 1
    assert all(answer.done() for answer in answers)
    bench.step()
    assert bench.store.commits == before + 1


def test_nothing_is_started_or_answered_that_is_not_on_disk(bench: Bench) -> None:
    bench.store.fail_commits = ["before"] * 4
    answer = bench.inbox.ask(Added(tasks=(a_task(),)))
    bench.step()
    assert bench.executor.started == []
    with pytest.raises(StoreUnavailable):
        answer.result(0)
    assert bench.store.inner.load() == ((), ())


# -- a commit that fails -------------------------------------------------------------------------


def test_a_request_too_big_for_the_disk_is_answered_alone(bench: Bench) -> None:
    asked = [
        bench.inbox.ask(Added(jobs=(a_job(name, *args),)))
        for name, args in (("before", ()), ("big", (BIG,)), ("after", ()))
    ]
    with full_disk():
        bench.step()
    assert asked[0].result(0)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        asked[1].result(0)
    assert asked[2].result(0)
    assert [record.job.name for record in bench.store.inner.load()[0]] == ["after", "before"]


def test_a_result_waits_until_the_disk_has_room_and_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    big, small = bench.start_one(), bench.start_one()
    with full_disk():
        bench.executor.end(big, BIG)
        bench.executor.end(small)
        for _ in range(3):
            bench.step()
            assert bench.run(big).state is RunState.RUNNING
        assert bench.run(small).state is RunState.SUCCEEDED
        third = bench.start_one()
        assert third.id not in (big.id, small.id)
    bench.step()
    assert bench.run(big).result == Result(BIG)
    assert [attempt.outcome for attempt in bench.attempts(big)] == [Outcome.SUCCEEDED]
    assert [run.id for run in bench.ended] == [small.id, big.id]
    complaints = [record.getMessage() for record in caplog.records]
    assert len(complaints) <= 3, "it does not repeat itself each turn"


def test_a_run_whose_start_turns_out_to_be_written_is_started_once(bench: Bench) -> None:
    bench.store.fail_commits = ["after"]
    answer = bench.inbox.ask(Added(tasks=(a_task(),)))
    bench.step()
    with pytest.raises(StoreDoubtful):
        answer.result(0)
    assert bench.executor.started == []
    bench.step()
    (run,) = bench.executor.started
    assert run.attempt == 1
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.SUCCEEDED
    assert len(bench.attempts(run)) == 1


def test_an_end_that_was_written_without_our_knowing_is_told_once(bench: Bench) -> None:
    run = bench.start_one()
    end = bench.inbox.watch(run.id)
    bench.step()
    bench.store.fail_commits = ["after"]
    bench.executor.end(run)
    bench.step()
    bench.step()
    assert end.result(0).state is RunState.SUCCEEDED
    bench.step()
    assert [ended.id for ended in bench.ended] == [run.id]
    assert len(bench.attempts(run)) == 1


def test_attempts_under_way_survive_a_new_engine(bench: Bench) -> None:
    run = bench.start_one()
    bench.store.fail_commits = ["before"]
    bench.inbox.post(Added(jobs=(a_job("j"),)))
    bench.step()
    assert bench.run(run) == run
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.SUCCEEDED
    assert len(bench.executor.started) == 1


# -- what goes wrong after a commit --------------------------------------------------------------


def test_a_run_that_gets_no_thread_is_handed_back_and_starts_later(bench: Bench) -> None:
    bench.executor.failures = [RuntimeError("can't start new thread")]
    bench.inbox.post(Added(tasks=(a_task(), a_task())))
    answer = bench.inbox.ask(Added(jobs=(a_job("j"),)))
    bench.step()
    assert answer.result(0)
    assert bench.executor.started == []
    bench.step()
    assert [run.attempt for run in bench.executor.started] == [2, 2]
    for run in bench.executor.started:
        assert [attempt.outcome for attempt in bench.attempts(run)] == [Outcome.RELEASED]


def test_a_listener_that_fails_does_not_make_a_turn_happen_twice(bench: Bench) -> None:
    bench.listener_fails = True
    first, second = bench.start_one(), bench.start_one()
    ends = [bench.inbox.watch(run.id) for run in (first, second)]
    bench.step()
    bench.executor.end(first)
    bench.executor.end(second)
    triggered = bench.inbox.ask(Added(jobs=(a_job("j"),)))
    bench.step()
    assert [end.result(0).state for end in ends] == [RunState.SUCCEEDED] * 2
    assert triggered.result(0)
    assert len(bench.ended) == 2


def test_a_watch_that_cannot_be_read_is_answered_and_forgotten(bench: Bench) -> None:
    run = bench.start_one()
    bench.store.fail_finds = True
    failed = bench.inbox.watch(run.id)
    bench.step()
    with pytest.raises(StoreUnavailable):
        failed.result(0)
    bench.store.fail_finds = False
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.SUCCEEDED


def test_a_watch_that_cannot_be_read_and_is_given_up_is_no_harm(bench: Bench) -> None:
    run = bench.start_one()
    bench.store.fail_finds = True
    bench.inbox.watch(run.id).cancel()
    bench.step()
    bench.store.fail_finds = False
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.SUCCEEDED


def test_an_interruption_that_fails_is_not_in_the_way(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    run = bench.start_one()
    bench.executor.interrupt_fails = True
    cancelled = bench.inbox.ask(RunStopped(run.id))
    bench.step()
    assert cancelled.result(0)
    assert f"cannot interrupt run {run.id}" in caplog.text
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.SUCCEEDED


# -- shutdown ------------------------------------------------------------------------------------


def test_a_new_engine_is_still_shutting_down(bench: Bench) -> None:
    run = bench.start_one()
    bench.loop.stop(GRACE)
    bench.step()
    bench.store.fail_commits = ["before"]
    bench.executor.end(run)
    bench.step()
    late = bench.inbox.ask(Added(tasks=(a_task(),)))
    bench.step()
    with pytest.raises(Stopped):
        late.result(0)
    assert len(bench.executor.started) == 1
    assert bench.loop.is_over()


def test_a_shutdown_waits_for_what_runs_and_then_hands_it_back(bench: Bench) -> None:
    run = bench.start_one()
    bench.loop.stop(GRACE)
    bench.step()
    assert not bench.loop.is_over()
    bench.loop.stop(timedelta(0))
    bench.loop.stop(GRACE)  # which cannot be made longer again
    bench.step()
    assert bench.loop.is_over()
    assert bench.run(run).state is RunState.QUEUED
    assert [attempt.outcome for attempt in bench.attempts(run)] == [Outcome.RELEASED]


def test_a_shutdown_ends_with_its_grace_also_when_the_store_cannot_be_written(bench: Bench) -> None:
    run = bench.start_one()
    bench.store.fail_commits = ["before"] * 9
    bench.executor.end(run)
    bench.loop.stop(timedelta(0))
    bench.step()
    assert bench.loop.is_over()
    assert bench.run(run).state is RunState.RUNNING


def test_a_restart_counts_what_was_running_as_lost_and_runs_it_again(tmp_path: Path) -> None:
    first = Bench(tmp_path / "t.db")
    run = first.start_one()
    first.store.close()  # and nobody wrote how it ended
    second = Bench(tmp_path / "t.db")
    second.step()
    assert [again.id for again in second.executor.started] == [run.id]
    assert [attempt.outcome for attempt in second.attempts(run)] == [Outcome.LOST]
    second.store.close()


def test_a_run_that_somebody_else_ended_stays_as_it_is(bench: Bench) -> None:
    bench.inbox.post(Added(jobs=(a_job("j"),)))
    bench.inbox.post(Triggered(JobName("j")))
    bench.step()
    (run,) = bench.executor.started
    bench.store.inner._db.execute("UPDATE runs SET state = 'CANCELLED' WHERE id = ?", (run.id,))
    bench.executor.end(run)
    bench.step()
    assert bench.run(run).state is RunState.CANCELLED
    again = bench.inbox.ask(Triggered(JobName("j")))
    bench.step()
    assert again.result(0), "the engine was read anew and knows that nothing runs"


def test_nothing_is_written_to_a_store_that_is_damaged_until_a_restart(bench: Bench) -> None:
    run = bench.start_one()
    bench.inbox.post(Damaged("page 7 is noise"))
    bench.executor.end(run)
    bench.step()
    refused = bench.inbox.ask(Added(tasks=(a_task(),)))
    bench.step()
    with pytest.raises(StoreUnavailable, match="page 7 is noise"):
        refused.result(0)
    assert "restore a backup" in bench.loop.outage.error
    assert len(bench.executor.started) == 1
    assert bench.run(run).state is RunState.RUNNING


def test_a_shutdown_in_the_middle_of_a_sweep_tells_whoever_waits_for_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "t.db")
    done = bench.inbox.sweep()
    bench.loop.stop(GRACE)
    bench.loop.run()
    with pytest.raises(Stopped):
        done.result(0)


def test_a_shutdown_on_a_damaged_store_waits_for_nobody(bench: Bench) -> None:
    bench.inbox.post(Damaged("page 7 is noise"))
    bench.step()
    bench.loop.stop(GRACE)
    bench.step()
    assert bench.loop.is_over()
