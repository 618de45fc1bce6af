"""The thread pool: what an attempt sees of its run, how threads are used, and how they are left."""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from queue import SimpleQueue

import pytest

from taskd import current_run
from taskd.core.execution import Execution, Executor
from taskd.core.job import Call, JobName
from taskd.core.messages import AttemptFinished
from taskd.core.run import Origin, Outcome, Run, RunId, RunState
from taskd.core.turn import Start
from taskd.executors.objects import LocalCall, Objects
from taskd.executors.pool import Executors
from taskd.ids import new_id
from taskd.inbox import Inbox
from tests.unit.executors.bench import StillClock

SOON = 20.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
seen: ContextVar[str] = ContextVar("seen", default="nothing")


class Pool:
    """The executors of a scheduler in memory, and what they report."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.clock = StillClock()
        self.wakeup = self.clock.wakeup()
        self.inbox = Inbox(self.wakeup)
        self.threads = Executors(self.inbox, self.clock, objects=self.objects)

    def start(self, function: Callable[[], object], executor: Executor | None = None) -> RunId:
        run = Run(
            id=new_id(NOW),
            job=JobName("job"),
            origin=Origin.TRIGGER,
            state=RunState.RUNNING,
            scheduled_at=NOW,
            due_at=NOW,
            attempt=3,
        )
        target = f"local:{run.id}"
        self.objects.calls[target] = LocalCall(function, (), {})
        self.threads.start(Start(run, Call(target), execution=Execution(executor=executor)))
        return run.id

    def end(self) -> AttemptFinished:
        """The next message of an attempt that is the report of its end."""
        while not self.inbox:
            readable, _, _ = select.select([self.wakeup.fileno()], [], [], SOON)
            assert readable, "no attempt has ended"
        report = next(self.inbox.take())
        assert isinstance(report, AttemptFinished)
        return report


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.threads.close()


def test_current_run_tells_of_the_run_inside_and_is_refused_outside(pool: Pool) -> None:
    told: list[object] = []

    def look() -> None:
        told.extend([current_run.id, current_run.job, current_run.attempt])
        told.extend([current_run.scheduled_at, current_run.cancelled, current_run.stopping])

    run = pool.start(look)
    pool.end()
    assert told == [run, "job", 3, NOW, False, False]
    with pytest.raises(RuntimeError, match="only inside a callable"):
        _ = current_run.id


def test_interrupt_reaches_the_run_it_names_and_stopping_reaches_all(pool: Pool) -> None:
    told: SimpleQueue[tuple[str, bool, bool]] = SimpleQueue()
    ready, go = threading.Barrier(3), threading.Event()

    def look() -> None:
        ready.wait(SOON)
        go.wait(SOON)
        told.put((current_run.id, current_run.cancelled, current_run.stopping))

    first, second = pool.start(look), pool.start(look)
    ready.wait(SOON)
    pool.threads.interrupt(first)
    pool.threads.interrupt(RunId("nobody"))
    go.set()
    assert {told.get(timeout=SOON), told.get(timeout=SOON)} == {
        (first, True, True),
        (second, False, False),
    }
    pool.threads.stopping()
    third = pool.start(lambda: told.put(("third", current_run.cancelled, current_run.stopping)))
    assert told.get(timeout=SOON) == ("third", False, True)
    assert {pool.end().run, pool.end().run, pool.end().run} == {first, second, third}


def test_what_an_attempt_sets_in_its_context_is_not_seen_by_the_next(pool: Pool) -> None:
    for _ in range(3):
        pool.start(lambda: (threading.get_ident(), seen.get(), seen.set("mine"))[:2])
        pool.end()
    threads, values = zip(*pool.objects.results.values(), strict=True)
    assert len(set(threads)) == 1
    assert set(values) == {"nothing"}


def test_threads_are_reused_and_never_more_than_there_are_busy_slots(pool: Pool) -> None:
    used: set[threading.Thread] = set()
    together = threading.Barrier(4)

    def meet() -> None:
        used.add(threading.current_thread())
        together.wait(SOON)

    for _ in range(4):
        pool.start(meet)
    for _ in range(200):  # always four under way, as the engine does with four slots
        pool.end()
        pool.start(lambda: used.add(threading.current_thread()))
    for _ in range(4):
        pool.end()
    assert len(used) == 4


def test_a_thread_survives_whatever_its_attempt_raises(pool: Pool) -> None:
    for error in (SystemExit(1), KeyboardInterrupt(), GeneratorExit(), RecursionError()):

        def fail(error: BaseException = error) -> None:
            raise error

        pool.start(fail)
        end = pool.end()
        assert end.outcome is Outcome.FAILED
        assert pool.objects.errors.popitem()[1] is error


@pytest.mark.parametrize("refused", ["taskd-async", "taskd-async-watch"])
def test_an_async_def_that_gets_no_event_loop_fails_and_its_thread_goes_on(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    async def give() -> int:
        return 7

    def start(thread: threading.Thread) -> None:
        if thread.name == refused:
            raise RuntimeError("can't start new thread")
        begin(thread)

    begin = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    pool.start(give)
    assert "can't start" in str(pool.objects.errors[pool.end().run])
    monkeypatch.undo()
    pool.start(give)
    assert pool.end().outcome is Outcome.SUCCEEDED


def test_an_async_def_that_is_stopped_while_it_waits_for_the_event_loop_ends(pool: Pool) -> None:
    begun, let_go = threading.Event(), threading.Event()

    async def hold() -> None:
        begun.set()
        let_go.wait(SOON)

    async def give() -> None:
        raise AssertionError("it has begun")

    pool.start(hold)
    assert begun.wait(SOON)
    waiting = pool.start(give, Executor.ASYNC)
    pool.threads.interrupt(waiting)
    let_go.set()
    ends = {end.run: end for end in (pool.end(), pool.end())}
    assert "before it began" in str(pool.objects.errors[waiting])
    assert waiting in ends


def test_close_lets_threads_end_after_what_they_do() -> None:
    pool, gate, threads = Pool(), threading.Event(), list[threading.Thread]()

    def wait() -> None:
        threads.append(threading.current_thread())
        gate.wait(SOON)

    for _ in range(3):
        pool.start(wait)
    pool.threads.close()
    gate.set()
    assert {pool.end().outcome for _ in range(3)} == {Outcome.SUCCEEDED}
    for thread in threads:
        thread.join(SOON)
        assert not thread.is_alive()


HUNG = """
import threading
from datetime import datetime, timedelta
from taskd import Scheduler
from tests.unit.executors.bench import StillClock
begun = threading.Event()
scheduler = Scheduler()
scheduler.schedule_one_time(lambda: (begun.set(), threading.Event().wait()), datetime.now())
begun.wait()
{end}
print("last line")
"""


@pytest.mark.parametrize("end", ["", "scheduler.shutdown(grace=timedelta(0))"])
def test_a_task_that_hangs_does_not_keep_the_interpreter_from_exiting(end: str) -> None:
    code = HUNG.format(end=end)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SOON, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (os.EX_OK, "last line\n", "")
