"""Loop: the one thread that owns the engine and the store.

Everybody else puts a message into its inbox. It takes all that gathered through one turn, and
sleeps until the next message or the next due instant.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Final

from taskd.aside import Aside
from taskd.core.engine import Engine
from taskd.core.messages import Draining, HandedBack, Input
from taskd.core.ports import Clock, Executor, Store
from taskd.core.run import Run, RunId
from taskd.housekeeping import Housekeeper, Newest
from taskd.inbox import Damaged, Follow, Inbox, Query, Stop, Sweep, Watch
from taskd.outage import Outage
from taskd.turns import Turns
from taskd.underway import UnderWay

logger = logging.getLogger("taskd.loop")

PROMPT: Final = timedelta(
    milliseconds=100
)  # a wait ends within that, on a machine that is not busy
RETRY_PAUSE: Final = timedelta(seconds=1)  # between looks at a store that cannot be written


class Loop:
    """Drives an engine over a store.

    `engine` makes a new engine. `executor` is made with the inbox that it reports to. `on_end`
    is told of each finished run after its commit, `on_outage` of what keeps the store from being
    written, and of its end with an empty text; both on the loop's thread: they must return at once.
    `newest` says what a store in memory keeps, `aside` where commits are done if not here.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        engine: Callable[[], Engine],
        executor: Callable[[Inbox], Executor],
        on_end: Callable[[Run], None] = lambda _: None,
        on_outage: Callable[[str], None] = lambda _: None,
        newest: Newest | None = None,
        aside: Aside | None = None,
    ) -> None:
        self.outage = Outage(on_outage)
        self._store = store
        self._clock = clock
        self._wakeup = clock.wakeup()
        self.inbox = Inbox(self._wakeup)
        self._executor = executor(self.inbox)
        self._aside = aside or Aside(clock)
        self._under_way = UnderWay(self._executor, clock, self._aside)
        self._house = Housekeeper(store, clock, self._executor.forget, newest)
        self._turns = Turns(
            store=store,
            clock=clock,
            inbox=self.inbox,
            under_way=self._under_way,
            engine=engine,
            on_end=on_end,
            outage=self.outage,
        )
        self._grace_ends: float | None = None
        self._has_handed_back = False
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self.run, name="taskd-loop", daemon=True)

    # -- from any thread -------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop's thread, and the one that reads the store through for damage."""
        self._thread.start()
        threading.Thread(target=self._look_for_damage, name="taskd-damage", daemon=True).start()

    def stop(self, grace: timedelta) -> None:
        """Begin to shut down, or shorten the grace of a shutdown under way."""
        self.inbox.post(Stop(grace))

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the loop has ended and the store is closed; return whether it has."""
        return self._has_ended.wait(timeout_s)

    def _look_for_damage(self) -> None:
        if found := self._store.damage():
            self.inbox.post(Damaged(found))

    # -- the loop's thread -----------------------------------------------------------------------

    def run(self) -> None:
        """Turn until stopped."""
        with ExitStack() as end:  # from the last to the first, whatever one of them raises
            end.callback(self._has_ended.set)
            end.callback(self._clock.close)
            end.callback(self.inbox.close)
            end.callback(self._house.close)
            end.callback(self._store.close)
            end.callback(self._aside.close)
            end.callback(self._executor.close)
            self.step()  # what was asked before the start is part of the first turn
            while not self.is_over():
                self.wait()
                self._under_way.let_begin()
                self.step()

    def step(self) -> None:
        """Take what has gathered through one turn, then do the reads that came with it."""
        inputs, self._turns.unwritten = self._turns.unwritten, []
        if not inputs and (healed := self.outage.healed()):
            inputs = [healed]
        reads: list[Query | Watch | Follow] = []
        for message in self.inbox.take():
            match message:
                case Query() | Watch() | Follow():
                    reads.append(message)
                case Damaged():
                    self._turns.condemn(message.finding)
                case Sweep():
                    self._house.sweep_now(message.answer)
                case Stop():
                    inputs.extend(self._begin_to_stop(message.grace))
                case _:
                    inputs.append(message)
        if self._is_grace_over() or self._is_drained_but_for_abandoned():
            inputs.append(HandedBack())
            self._has_handed_back = True
        self._turns.take(inputs)
        for read in reads:
            self._read(read)
        engine = self._turns.engine
        if engine is not None and not self.outage.error:
            self._house.step(engine.kept_for)
        self.inbox.journal_grew(self._store.head())

    def wait(self) -> None:
        """Sleep until a message comes, the next instant is due, or the clock is stepped.

        What was committed ahead begins meanwhile: for that there is no turn.
        """
        under_way, engine = self._under_way, self._turns.engine
        under_way.begin_due()
        hungry = engine is not None and (any(engine.hunger()) or under_way.has_missed)
        while not self.inbox and not hungry:
            turn_at = self._deadline()
            until = min(filter(None, (turn_at, under_way.next_begin())), default=None)
            self._clock.wait(until, self._wakeup, busy=under_way.is_busy)
            # Much later than was asked for is a clock that was set, or a machine that slept.
            latest = min(filter(None, (turn_at, until and until + PROMPT)), default=None)
            if not under_way.begin_due() or latest is None or latest <= self._clock.now():
                return

    def _deadline(self) -> datetime | None:
        due: list[datetime] = []
        if (left := self._house.left()) is not None and not self.outage.error:
            due.append(self._clock.now() + left)
        engine = self._turns.engine
        if engine is None or self._turns.unwritten or self.outage.error:
            due.append(self._clock.now() + RETRY_PAUSE)
        if engine is not None and (wakeup := engine.next_wakeup()) is not None:
            due.append(wakeup)
        if self._grace_ends is not None:
            grace = max(0.0, self._grace_ends - self._clock.elapsed())
            due.append(self._clock.now() + timedelta(seconds=grace))
        return min(due, default=None)

    def _read(self, read: Query | Watch | Follow) -> None:
        try:
            if isinstance(read, Watch):
                self._begin_watch(read)
            elif isinstance(read, Follow):
                self.inbox.keep_follow(read)
            elif read.answer.set_running_or_notify_cancel():
                read.answer.set_result(read.read())
        # Whatever a read raises belongs to the one who asked.
        except Exception as error:  # noqa: BLE001
            if read.answer.running() or read.answer.set_running_or_notify_cancel():
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
        self._turns.is_draining = True
        grace_ends = self._clock.elapsed() + grace.total_seconds()
        self._grace_ends = min(grace_ends, self._grace_ends or grace_ends)
        return [Draining()]

    def _is_grace_over(self) -> bool:
        return self._grace_ends is not None and self._clock.elapsed() >= self._grace_ends

    def _is_drained_but_for_abandoned(self) -> bool:
        engine = self._turns.engine
        if self._grace_ends is None or self._has_handed_back or engine is None:
            return False
        return bool(engine.abandoned) and not engine.running

    def is_over(self) -> bool:
        """Whether a shutdown has come to its end: nothing runs, or the grace is over."""
        if self._grace_ends is None or self._has_handed_back:
            return self._has_handed_back
        if self._turns.is_condemned:
            return not self._under_way.is_busy
        engine = self._turns.engine
        return engine is not None and not engine.running and not engine.abandoned
