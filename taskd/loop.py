"""Loop: the one thread that owns the engine and the store.

Everybody else puts a message into its inbox. A turn takes all that gathered, lets the engine
decide, commits once, and only then starts attempts and answers. A commit that fails or is refused
throws the engine away: it is rebuilt from the store and the inputs are replayed, one to a
transaction, so that a bad one is answered alone and the others lose nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Final

from taskd.core.engine import Engine
from taskd.core.messages import (
    AttemptFinished,
    ClockStepped,
    Draining,
    Found,
    HandedBack,
    Input,
    Refilled,
    Refused,
    Reply,
    Request,
    Restored,
    Turn,
)
from taskd.core.ports import Clock, Executor, Store
from taskd.core.run import Run, RunId
from taskd.core.zones import EPOCH
from taskd.crashpoints import crash_point
from taskd.errors import (
    StoreError,
    StoreRefused,
    StoreUnavailable,
    TaskdError,
)
from taskd.inbox import Inbox, Query, Stop, Watch

logger = logging.getLogger("taskd.loop")

REFILL: Final = 1000  # runs a window is refilled with: a few milliseconds of reading
RETRY_PAUSE: Final = timedelta(seconds=1)  # between looks at a store that cannot be written
STEP: Final = timedelta(seconds=0.5)  # of wall clock against elapsed time: less is slewing


class Loop:
    """Drives an engine over a store.

    `engine` makes a new engine. `executor` is made with the function that it reports to. `on_end`
    is told of each finished run after its commit, on the loop's thread: it must return at once.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        engine: Callable[[], Engine],
        executor: Callable[[Callable[[AttemptFinished], None]], Executor],
        on_end: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = clock.wakeup()
        self.inbox = Inbox(self._wakeup)
        self._make_engine = engine
        self._executor = executor(self.inbox.post)
        self._on_end = on_end
        self._engine: Engine | None = None
        self._has_decided = False
        self._alive: set[tuple[RunId, int]] = set()
        self._unwritten: list[Input] = []
        self._refused: list[Refused] = []
        self._grace_ends: float | None = None
        self._has_handed_back = False
        self._complaint = ""
        self._offset: timedelta | None = None
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self.run, name="taskd-loop", daemon=True)

    # -- from any thread -------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def stop(self, grace: timedelta) -> None:
        """Begin to shut down, or shorten the grace of a shutdown under way."""
        self.inbox.post(Stop(grace))

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the loop has ended and the store is closed; return whether it has."""
        return self._has_ended.wait(timeout_s)

    # -- the loop's thread -----------------------------------------------------------------------

    def run(self) -> None:
        """Turn until stopped."""
        with ExitStack() as end:  # from the last to the first, whatever one of them raises
            end.callback(self._has_ended.set)
            end.callback(self._clock.close)
            end.callback(self.inbox.close)
            end.callback(self._store.close)
            end.callback(self._executor.close)
            self.step()  # what was asked before the start is part of the first turn
            while not self.is_over():
                self.wait()
                self.step()

    def step(self) -> None:
        """Take what has gathered through one turn, then do the reads that came with it."""
        inputs, self._unwritten = self._unwritten, []
        reads: list[Query | Watch] = []
        for message in self.inbox.take():
            match message:
                case Query() | Watch():
                    reads.append(message)
                case Stop():
                    inputs.extend(self._begin_to_stop(message.grace))
                case _:
                    inputs.append(message)
        if self._is_grace_over():
            inputs.append(HandedBack())
            self._has_handed_back = True
        self._turn(inputs)
        for read in reads:
            self._read(read)

    def wait(self) -> None:
        """Sleep until a message comes, the next instant is due, or the clock is stepped."""
        hungry = self._engine is not None and any(self._engine.hunger())
        if not self.inbox and not hungry:
            self._clock.wait(self._deadline(), self._wakeup, busy=bool(self._alive))

    def _deadline(self) -> datetime | None:
        due: list[datetime] = []
        if self._engine is None or self._unwritten:
            due.append(self._clock.now() + RETRY_PAUSE)
        if self._engine is not None and (wakeup := self._engine.next_wakeup()) is not None:
            due.append(wakeup)
        if self._grace_ends is not None:
            left = max(0.0, self._grace_ends - self._clock.elapsed())
            due.append(self._clock.now() + timedelta(seconds=left))
        return min(due, default=None)

    def _clock_step(self, offset: timedelta) -> list[Input]:
        """Tell the engine when the wall clock was set since the last commit."""
        if self._offset is None or abs(offset - self._offset) < STEP:
            return []
        by = offset - self._offset
        logger.warning("the wall clock was set by %+.3f s", by.total_seconds())
        return [ClockStepped(by)]

    # -- a turn, and its one recovery path -------------------------------------------------------

    def _turn(self, inputs: Sequence[Input]) -> None:
        error = self._try(inputs)
        if error is None:
            return
        if self._try([]) is not None:  # the store itself is unwell: nothing can be decided now
            for item in inputs:
                self._give_up(item, error)
            return
        for item in inputs:
            alone = self._try([item])
            if alone is not None:
                self._give_up(item, alone)
                self._try([])

    def _try(self, inputs: Sequence[Input]) -> Exception | None:
        """Do one turn and return what went wrong; the engine is gone then."""
        try:
            turn, ended = self._decide(inputs)
        except StoreError as error:
            self._complain(error)
            if isinstance(error, StoreRefused):
                self._refused = [Refused(error.occurrences)]
            return error
        # The loop's last line: a defect of ours must not end the thread that owns everything.
        except Exception as error:
            logger.exception("a turn failed")
            return error
        finished = (item for item in inputs if isinstance(item, AttemptFinished))
        self._alive.difference_update((item.run, item.attempt) for item in finished)
        self._act(turn)
        for run in ended:
            self._tell_end(run)
        return None

    def _decide(self, inputs: Sequence[Input]) -> tuple[Turn, list[Run]]:
        """Decide and commit; return what is to be done now, and the runs that have ended."""
        now = self._clock.now()
        # From the very `now` that the engine decides by: no step can fall between the two.
        offset = now - EPOCH - timedelta(seconds=self._clock.elapsed())
        inputs = [*self._clock_step(offset), *inputs]
        engine, self._engine = self._engine, None
        if engine is None:
            engine, inputs = self._make_engine(), [*self._restored(), *inputs]
        else:
            inputs = [*_refilled(engine, self._store), *inputs]
        if absent := engine.absent(inputs):
            inputs = [Found(self._store.find(absent)), *inputs]
        turn = engine.turn(inputs, now)
        changed = turn.changes.runs
        ended = [change.after for change in changed.values()]
        # A commit of unknown outcome had written these ends, and nobody was told.
        finished = (item.run for item in inputs if isinstance(item, AttemptFinished))
        ended += self._store.find([run for run in finished if run not in changed])
        if turn.changes:
            self._store.commit(turn.changes)
            self._complaint = ""
        self._engine, self._offset = engine, offset
        self._has_decided = True
        return turn, [run for run in ended if run.state.is_final]

    def _restored(self) -> list[Input]:
        """What a new engine is told first."""
        restored = _restored(self._store, self._alive, restart=not self._has_decided)
        inputs: list[Input] = [restored, *self._refused]
        self._refused = []
        if self._grace_ends is not None:
            inputs.append(Draining())
        return inputs

    def _give_up(self, item: Input, error: Exception) -> None:
        """Answer a request that cannot be done; keep what happened until it can be written."""
        if isinstance(item, Request):
            refusal = error if isinstance(error, TaskdError) else StoreUnavailable(str(error))
            self.inbox.reply(Reply(item.ticket, error=refusal))
        else:
            self._unwritten.append(item)

    def _complain(self, error: StoreError) -> None:
        """Log an error of the store, once while it stays the same."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            logger.error("%s", error)

    def _act(self, turn: Turn) -> None:
        """Do what the committed turn asks for."""
        try:
            for start in turn.starts:
                self._executor.start(start)
                self._alive.add((start.run.id, start.run.attempt))
        # The machine gives no thread, say. What was not started is handed back by a new engine.
        except Exception:
            logger.exception("cannot start a run")
            self._engine = None
        for interrupt in turn.interrupts:
            self._executor.interrupt(interrupt.run)
        for reply in turn.replies:
            self.inbox.reply(reply)

    def _tell_end(self, run: Run) -> None:
        """Tell those who wait for the end of a run."""
        self.inbox.run_ended(run)
        try:
            self._on_end(run)
        # It is committed: a turn must not be done again because a listener fails.
        except Exception:
            logger.exception("a listener failed at the end of run %s", run.id)

    def _read(self, read: Query | Watch) -> None:
        try:
            if isinstance(read, Watch):
                self._begin_watch(read)
            elif read.answer.set_running_or_notify_cancel():
                read.answer.set_result(read.read())
        # Whatever a read raises belongs to the one who asked.
        except Exception as error:  # noqa: BLE001
            read.answer.set_exception(error)

    def _begin_watch(self, watch: Watch) -> None:
        ended = self._store.find([RunId(watch.task)])
        self.inbox.keep_watch(watch)
        for run in ended:
            if run.state.is_final:
                self.inbox.run_ended(run)

    # -- the end ---------------------------------------------------------------------------------

    def _begin_to_stop(self, grace: timedelta) -> list[Input]:
        self._executor.stopping()
        grace_ends = self._clock.elapsed() + grace.total_seconds()
        self._grace_ends = min(grace_ends, self._grace_ends or grace_ends)
        return [Draining()]

    def _is_grace_over(self) -> bool:
        return self._grace_ends is not None and self._clock.elapsed() >= self._grace_ends

    def is_over(self) -> bool:
        """Whether a shutdown has come to its end: nothing runs, or the grace is over."""
        if self._grace_ends is None or self._has_handed_back:
            return self._has_handed_back
        return self._engine is not None and not self._engine.running


def _restored(store: Store, alive: Set[tuple[RunId, int]], *, restart: bool) -> Restored:
    crash_point("load.before")
    jobs, live = store.load()
    pending, queued = store.pending(REFILL), store.queued(REFILL)
    crash_point("load.after")
    return Restored(jobs, live, pending, queued, frozenset(alive), restart)


def _refilled(engine: Engine, store: Store) -> list[Input]:
    """Read on where a window of the engine ran empty."""
    pending, queued = engine.hunger()
    if not (pending or queued):
        return []
    return [
        Refilled(
            pending=store.pending(REFILL) if pending else None,
            queued=store.queued(REFILL) if queued else None,
        )
    ]
