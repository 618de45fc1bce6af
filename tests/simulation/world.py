"""A world for one taskd: simulated time, a scripted executor, a store that can fail, crashes.

The real `Loop`, `Engine` and `SqliteStore` run in the simulation's own thread. A crash drops all of
them but the store's file, before or after any commit and before any start.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random

from taskd.core.engine import Engine
from taskd.core.job import Job, Source
from taskd.core.messages import AnyRequest, AttemptFinished, Found, JobsDefined, Page, Wanted
from taskd.core.ports import Keep, Pruned, Wakeup
from taskd.core.record import JobRecord
from taskd.core.run import MICROSECOND, Outcome, Run, RunError, RunId, microseconds
from taskd.core.turn import Changes, Start
from taskd.errors import StoreDoubtful, StoreUnavailable, TaskdError
from taskd.inbox import Inbox
from taskd.loop import Loop
from taskd.stores.sqlite import SqliteStore
from tests.simulation.witness import Witness

ZERO = timedelta(0)


class Crash(BaseException):
    """The process dies here; nothing in taskd may catch it."""


class Signal:
    """A wakeup for one thread: the loop looks at its inbox before every wait."""

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


class SimulatedClock:
    """Whole microseconds that pass only when the loop waits; the wall clock can be set."""

    def __init__(self, start: datetime, on_wait: Callable[[datetime | None], None]) -> None:
        self._start = start
        self._on_wait = on_wait
        self.passed = ZERO
        self.offset = ZERO

    def now(self) -> datetime:
        return self._start + self.passed + self.offset

    def elapsed(self) -> float:
        return self.passed / timedelta(seconds=1)

    def wakeup(self) -> Wakeup:
        return Signal()

    def wait(self, until: datetime | None, wakeup: Wakeup, *, busy: bool = False) -> None:
        self._on_wait(until)

    def close(self) -> None:
        pass


class ScriptedExecutor:
    """Ends each attempt after a seeded duration, some of them badly, some stops unheeded."""

    leaked = 0

    def __init__(self, world: "World", report: Callable[[AttemptFinished], None]) -> None:
        self._world = world
        self._report = report
        self.running: dict[RunId, int] = {}
        self._is_closed = False

    def start(self, start: Start) -> None:
        self._world.crash_point()
        self._world.witness.started(start.run, self.running)
        self.running[start.run.id] = start.run.attempt
        outcome = self._world.random.choices((Outcome.SUCCEEDED, Outcome.FAILED), (4, 1))[0]
        self._end_after(self._world.duration(), start.run.id, start.run.attempt, outcome)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        if run in self.running and self._world.random.random() < 0.7:
            soon = timedelta(seconds=self._world.random.randint(0, 30))
            self._end_after(soon, run, self.running[run], Outcome.CANCELLED)

    def forget(self, runs: Sequence[RunId]) -> None:
        pass

    def stopping(self) -> None:
        pass

    def close(self) -> None:
        self._is_closed = True

    def _end_after(self, delay: timedelta, run: RunId, attempt: int, outcome: Outcome) -> None:
        self._world.after(delay, lambda: self._end(run, attempt, outcome))

    def _end(self, run: RunId, attempt: int, outcome: Outcome) -> None:
        if self._is_closed or self.running.get(run) != attempt:
            return
        del self.running[run]
        error = RunError("ValueError", "scripted") if outcome is Outcome.FAILED else None
        self._report(AttemptFinished(run, attempt, self._world.clock.now(), outcome, error=error))


class FailingStore:
    """A real store on a real file, whose commits can fail, or succeed and not say so."""

    def __init__(self, world: "World", inner: SqliteStore) -> None:
        self._world = world
        self._inner = inner
        self.failures: list[bool] = []  # of the next commits: is it written all the same?
        self.has_failed = False

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        return self._inner.load()

    def pending(self, limit: int) -> Page:
        return self._inner.pending(limit)

    def queued(self, limit: int) -> Page:
        return self._inner.queued(limit)

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        return self._inner.find(runs)

    def head(self) -> int:
        return self._inner.head()

    def look_up(self, wanted: Wanted) -> Found:
        return self._inner.look_up(wanted)

    def commit(self, changes: Changes) -> None:
        self._world.crash_point()
        is_written = self.failures.pop() if self.failures else None
        if is_written is not False:
            self._inner.commit(changes)
            self._world.witness.committed(changes)
        if is_written is not None:
            self.has_failed = True
            raise StoreDoubtful("scripted") if is_written else StoreUnavailable("scripted")
        self._world.crash_point()

    def settled(self) -> bool | None:
        return True

    def prune(self, now: datetime, keep: Keep, batch: int) -> Pruned:
        return self._inner.prune(now, keep, batch)

    def damage(self) -> str:
        return self._inner.damage()

    def close(self) -> None:
        self._inner.close()


class Defects(logging.Handler):
    """Keeps what the loop's last line caught: in a simulation, always a defect of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None:
            self.found.append(logging.Formatter().format(record))


class World:
    """Drives the loop from one event to the next; the same seed gives the same journal.

    `jobs` is the content of the jobs file: it is loaded at each start of the process.
    """

    def __init__(
        self, store: Path, start: datetime, *, seed: int, jobs: Iterable[Job], workers: int = 3
    ) -> None:
        self.random = Random(seed)
        self.draws = Random(seed)
        self.clock = SimulatedClock(start, self._wait)
        self.witness = Witness(self.clock, workers)
        self.file = {job.name: job for job in jobs}
        self.answers: list[Future[object]] = []
        self.longest = timedelta(hours=5)
        self.path = store
        self.sleeps_until: datetime | None = None
        self._workers = workers
        self._ids = count(1)
        self._agenda: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._places = count()
        self._crash_in: int | None = None
        self._barrier = ZERO
        self._defects = Defects()
        self._boot()

    # -- what happens to taskd -------------------------------------------------------------------

    def ask(self, request: AnyRequest) -> Future[object]:
        """Have the loop answer a request in its next turn."""
        answer = self.loop.inbox.ask(request)
        self.answers.append(answer)
        return answer

    def load_file(self, actor: str = "file") -> Future[object]:
        """Give the loop the jobs of the file, as a reload does."""
        jobs = tuple(self.file.values())
        self.loading = self.ask(JobsDefined(jobs=jobs, source=Source.FILE, actor=actor))
        return self.loading

    def set_clock(self, by: timedelta) -> None:
        """Set the wall clock forward, or back."""
        self.clock.offset += by
        self.witness.clock_was_set(by)

    def crash_soon(self, points: int) -> None:
        """Die after so many commits begun, commits ended and starts."""
        self._crash_in = points

    def fail_commits(self, is_written: Iterable[bool]) -> None:
        """Let the next commits fail, some of them after they have reached the disk."""
        self.store.failures[:] = is_written

    def shut_down(self, grace: timedelta) -> None:
        """End the process as SIGTERM does; it comes back at once."""
        self.witness.drains()
        self.loop.stop(grace)

    # -- time ------------------------------------------------------------------------------------

    def after(self, delay: timedelta, act: Callable[[], None]) -> None:
        """Have `act` called once `delay` has passed."""
        heappush(self._agenda, (self.clock.passed + delay, next(self._places), act))

    def run(self, time: timedelta) -> None:
        """Let `time` pass, or less of it if something breaks a rule."""
        self._barrier = self.clock.passed + time
        while (self.clock.passed < self._barrier or self.loop.inbox) and not self.witness.problems:
            self._turn()

    def settle(self) -> None:
        """Let what was asked have its effect, in no time."""
        self._turn()
        self.run(ZERO)

    def close(self) -> None:
        """Let go of the store's file."""
        logging.getLogger("taskd.loop").removeHandler(self._defects)
        self.store.close()

    def _turn(self) -> None:
        try:
            self.store.has_failed = False
            self.loop.step()
            if self.loop.is_over():
                self._reboot()
            self.loop.wait()
        except Crash:
            self._reboot(after=self.random.choice((ZERO, ZERO, timedelta(hours=2), self.longest)))
        assert not self._defects.found, self._defects.found[0]

    def _wait(self, until: datetime | None) -> None:
        """Jump to the next event, and let it happen: this is the wait of the loop's clock."""
        self.sleeps_until = until
        self.witness.waits(until)
        if not self.store.has_failed:
            self.witness.rests(until, self.executor.running)
        target = self._barrier
        if until is not None:
            target = min(target, until - self.clock.now() + self.clock.passed)
        if self._agenda and self._agenda[0][0] <= target:
            at, _, act = heappop(self._agenda)
            self.clock.passed = max(self.clock.passed, at)
            act()
        else:
            self.clock.passed = max(self.clock.passed, target)

    # -- life and death --------------------------------------------------------------------------

    def crash_point(self) -> None:
        """A place where the process may die."""
        if self._crash_in is None:
            return
        self._crash_in -= 1
        if self._crash_in < 0:
            self._crash_in = None
            raise Crash

    def duration(self) -> timedelta:
        """How long an attempt takes: mostly little, sometimes up to `longest`."""
        return self.longest * self.random.random() ** 4 // MICROSECOND * MICROSECOND

    def _reboot(self, after: timedelta = ZERO) -> None:
        self.executor.close()
        self.store.close()
        self.clock.passed += after
        self._boot()

    def _boot(self) -> None:
        self._crash_in = None
        self.store = FailingStore(self, SqliteStore(self.path, full_durability=False))
        self.loop = Loop(
            store=self.store,
            clock=self.clock,
            engine=lambda: Engine(
                node="here",
                pid=1,
                workers=self._workers,
                new_id=self._new_id,
                draw=self.draws.random,
                window=4,
            ),
            executor=self._make_executor,
        )
        logging.getLogger("taskd.loop").addHandler(self._defects)
        self.witness.boots()
        self.load_file("file")

    def _make_executor(self, inbox: Inbox) -> ScriptedExecutor:
        self.executor = ScriptedExecutor(self, inbox.post)
        return self.executor

    def _new_id(self, now: datetime) -> RunId:
        time = f"{microseconds(now) // 1000:012x}"
        return RunId(f"{time[:8]}-{time[8:]}-{next(self._ids):08}")


def refusals(answers: Iterable[Future[object]]) -> list[BaseException]:
    """What requests were refused with; a crash leaves some unanswered."""
    errors = [answer.exception() for answer in answers if answer.done()]
    assert all(error is None or isinstance(error, TaskdError) for error in errors)
    return [error for error in errors if error is not None]
