"""A world for one taskd: simulated time, a scripted executor, a store that can fail, crashes.

The real `Loop`, `Engine` and `SqliteStore` run in the simulation's own thread. A crash drops all of
them but the store's file, at any of the points that the code passes.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random

from taskd import crashpoints
from taskd.aside import Aside
from taskd.core.engine import Engine
from taskd.core.job import Job, Source
from taskd.core.messages import AnyRequest, JobsDefined
from taskd.core.run import RunId, microseconds
from taskd.errors import TaskdError
from taskd.inbox import Inbox
from taskd.loop import Loop
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
from tests.simulation.clock import ZERO, SimulatedClock
from tests.simulation.executor import Script, ScriptedExecutor, by_chance
from tests.simulation.rules import Rule
from tests.simulation.store import FailingStore, Failure
from tests.simulation.witness import Witness


class Crash(BaseException):
    """The process dies here; nothing in taskd may catch it."""


class SlowDisk(Aside):
    """A disk that takes some milliseconds: what is due begins before a commit is written."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.clock)
        self._world = world

    def do(
        self,
        work: Callable[[], None],
        *,
        next_begin: Callable[[], datetime | None],
        begin_due: Callable[[], object],
    ) -> None:
        took = timedelta(milliseconds=self._world.random.choice((0, 0, 3, 30)))
        self._world.clock.passed += took
        self._world.was_slow = bool(took)
        self._world.witness.seen["begun beside a commit"] += bool(begin_due())
        work()


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
        self,
        store: Path,
        start: datetime,
        *,
        seed: int,
        jobs: Iterable[Job],
        workers: int = 3,
        script: Script = by_chance,
    ) -> None:
        self.random = Random(seed)
        self.draws = Random(seed)
        self.clock = SimulatedClock(start, self._wait)
        self.witness = Witness(self.clock, workers)
        self.file = {job.name: job for job in jobs}
        self.answers: list[Future[object]] = []
        self.longest = timedelta(hours=5)
        self.downtimes: tuple[timedelta, ...] = (ZERO, ZERO, timedelta(hours=2), self.longest)
        self.script = script
        self.passed_points: Counter[str] = Counter()
        self.crashed_at = ""
        self.commits = 0
        self.prune_failure: Failure | None = None
        self.path = store
        self.sleeps_until: datetime | None = None
        self.was_slow = False
        self._workers = workers
        self._ids = count(1)
        self._agenda: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._places = count()
        self._crash_in: int | None = None
        self._is_up = False
        self._failures: dict[int, Failure] = {}
        self._barrier = ZERO
        self._defects = Defects()
        self._boot()

    # -- what happens to taskd -------------------------------------------------------------------

    def ask(self, request: AnyRequest) -> Future[object]:
        """Have the loop answer a request in its next turn."""
        answer = self.loop.inbox.ask(request)
        self.answers.append(answer)
        if request.key is not None:
            answer.add_done_callback(self.witness.once.key_answered(request))
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
        """Die at a crash point, after passing so many others."""
        self._crash_in = points

    def fail_commits(self, failures: Iterable[Failure], *, after: int = 0) -> None:
        """Let the next commits fail, but for the first `after` of them."""
        begin = self.commits + after
        self._failures = {begin + n: failure for n, failure in enumerate(failures)}

    def next_failure(self) -> Failure | None:
        """Tell how the commit that begins now is to fail."""
        self.commits += 1
        return self._failures.pop(self.commits - 1, None)

    def verify(self) -> None:
        """Fold the journal, and hold the tables against that."""
        for finding in verify(self.path).findings:
            self.witness.problems.append((Rule.FOLD, finding))

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
        self._is_up = False
        logging.getLogger("taskd.loop").removeHandler(self._defects)
        self.store.close()
        crashpoints.tell(None)

    def _turn(self) -> None:
        try:
            self.store.has_failed = self.was_slow = False
            self.loop.step()
            if self.loop.is_over():
                self._reboot()
            self.loop.wait()
        except Crash:
            self._reboot(after=self.random.choice(self.downtimes))
        assert not self._defects.found, self._defects.found[0]

    def _wait(self, until: datetime | None) -> None:
        """Jump to the next event, and let it happen: this is the wait of the loop's clock."""
        self.sleeps_until = until
        if self.was_slow and until is not None and until <= self.clock.now():
            return  # it came while the last commit was written
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

    def crash_point(self, name: str) -> None:
        """A place where the process may die."""
        if not self._is_up:
            return
        self.passed_points[name] += 1
        if self._crash_in is None:
            return
        self._crash_in -= 1
        if self._crash_in < 0:
            self._crash_in = None
            self.crashed_at = name
            raise Crash

    def _reboot(self, after: timedelta = ZERO) -> None:
        self._is_up = False
        self.executor.close()
        self.store.close()
        self.clock.passed += after
        self._boot()

    def _boot(self) -> None:
        self._crash_in = None
        crashpoints.tell(None)
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
                ahead=True,
            ),
            executor=self._make_executor,
            aside=SlowDisk(self),
        )
        logging.getLogger("taskd.loop").addHandler(self._defects)
        crashpoints.tell(self.crash_point)
        self._is_up = True
        self.witness.boots()
        self.load_file("file")

    def _make_executor(self, inbox: Inbox) -> ScriptedExecutor:
        self.executor = ScriptedExecutor(self, inbox)
        return self.executor

    def _new_id(self, now: datetime) -> RunId:
        time = f"{microseconds(now) // 1000:012x}"
        return RunId(f"{time[:8]}-{time[8:]}-{next(self._ids):08}")


def refusals(answers: Iterable[Future[object]]) -> list[BaseException]:
    """What requests were refused with; a crash leaves some unanswered."""
    errors = [answer.exception() for answer in answers if answer.done()]
    assert all(error is None or isinstance(error, TaskdError) for error in errors)
    return [error for error in errors if error is not None]
