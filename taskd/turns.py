"""Turns: decide, commit, then act; and the one way back from whatever goes wrong.

A turn lets the engine decide, commits once, and only then starts attempts and answers. A commit
that fails or is refused throws the engine away: it is rebuilt from the store and the inputs are
replayed, one to a transaction, so that a bad one is answered alone and the others lose nothing.
Where nobody knows if a commit was written, nothing is decided until it is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from taskd.core.engine import Engine
from taskd.core.messages import (
    AttemptFinished,
    Begun,
    ClockStepped,
    Draining,
    HandedBack,
    Input,
    Refilled,
    Refused,
    Request,
    Restored,
    StoreHealed,
)
from taskd.core.ports import Clock, Store
from taskd.core.run import Run
from taskd.core.turn import Reply, RunChange, Turn
from taskd.core.zones import EPOCH
from taskd.crashpoints import crash_point
from taskd.errors import (
    StoreDoubtful,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    TaskdError,
)
from taskd.inbox import Inbox
from taskd.outage import Outage
from taskd.underway import UnderWay

logger = logging.getLogger("taskd.loop")

REFILL: Final = 1000  # runs a window is refilled with: a few milliseconds of reading
STEP: Final = timedelta(seconds=0.5)  # of wall clock against elapsed time: less is slewing
# Nobody else would tell of these again.
HAPPENED: Final = (AttemptFinished, Begun, Draining, HandedBack)


@dataclass(frozen=True, slots=True)
class Decided:
    """A turn decided from `inputs`; `offset` is the wall clock less the elapsed time by then."""

    turn: Turn
    inputs: Sequence[Input]
    offset: timedelta


class Turns:
    """Takes inputs through engine, store and executor, for the loop's thread alone.

    `engine` makes a new engine. `on_end` is told of each finished run after its commit. `unwritten`
    is what has happened and could not be written yet: give it to the next turn.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        inbox: Inbox,
        under_way: UnderWay,
        engine: Callable[[], Engine],
        on_end: Callable[[Run], None],
        outage: Outage,
    ) -> None:
        self._store = store
        self._clock = clock
        self._inbox = inbox
        self._under_way = under_way
        self._make_engine = engine
        self._on_end = on_end
        self._outage = outage
        self._engine: Engine | None = None
        self.unwritten: list[Input] = []
        self.is_draining = False
        self._has_decided = False
        self._refused: list[Refused] = []
        self._doubt: Decided | None = None
        self._damage = ""
        self._offset: timedelta | None = None

    @property
    def engine(self) -> Engine | None:
        """The engine of now; None after a failure: the next turn makes a new one."""
        return None if self._under_way.has_failed else self._engine

    @property
    def is_condemned(self) -> bool:
        """Whether the store was found damaged."""
        return bool(self._damage)

    def condemn(self, finding: str) -> None:
        """Write nothing more, until a restart: what is written to a damaged file may be lost.

        Nothing starts then, and requests are refused.
        """
        self._damage = (
            f"the store is damaged: {finding}; stop taskd, look with: taskd verify, "
            "and restore a backup or: taskd verify --rebuild FILE"
        )
        self._engine = None
        self._under_way.take_back(tuple(self._under_way.ahead))

    def take(self, inputs: Sequence[Input]) -> None:
        """Do one turn with `inputs`, or what can be done of it."""
        inputs, self._under_way.begun = [*inputs, *self._under_way.begun], []
        error = self._try(inputs)
        if error is None:
            return
        # Nobody knows if it was done, or the store itself is unwell: nothing can be decided now.
        if isinstance(error, StoreDoubtful) or self._try([]) is not None:
            self._give_up(inputs, error)
            return
        for item in inputs:
            alone = self._try([item])
            if alone is not None:
                self._give_up([item], alone)
                self._try([])

    def _try(self, inputs: Sequence[Input]) -> Exception | None:
        """Do one turn and return what went wrong; the engine is gone then."""
        try:
            if self._damage:
                raise StoreUnavailable(self._damage)
            self._settle_doubt()
            decided = self._decide(inputs)
        except StoreRefused as error:
            logger.error("%s", error)
            self._refused = [Refused(error.occurrences)]
            return error
        except StoreError as error:
            self._outage.met(error, self._clock.now())
            return error
        # The loop's last line: a defect of ours must not end the thread that owns everything.
        except Exception as error:
            logger.exception("a turn failed")
            return error
        self._done(decided)
        return None

    def _decide(self, inputs: Sequence[Input]) -> Decided:
        """Decide and commit; what is to be done now is in the turn."""
        now, offset = self._read_clocks()
        # What had begun when the clock was set is not taken back for it.
        begun = [item for item in inputs if isinstance(item, Begun)]
        others = [item for item in inputs if not isinstance(item, Begun)]
        inputs = [*begun, *self._clock_step(offset), *others]
        engine, self._engine, self._under_way.has_failed = self.engine, None, False
        if engine is None:
            engine, inputs = self._make_engine(), [*self._restored(), *inputs]
        else:
            inputs = [*_refilled(engine, self._store), *inputs]
        if wanted := engine.wants(inputs, now):
            inputs = [self._store.look_up(wanted), *inputs]
        turn = engine.turn(inputs, now, self._store.head() + 1)
        self._under_way.take_back(turn.taken_back)
        self._under_way.has_missed = False
        decided = Decided(turn, inputs, offset)
        if decided.turn.changes:
            self._commit(decided)
        self._engine = engine
        return decided

    def _commit(self, decided: Decided) -> None:
        try:
            self._under_way.begin_beside(partial(self._store.commit, decided.turn.changes))
        except StoreDoubtful:
            self._doubt = decided
            raise

    def _settle_doubt(self) -> None:
        """Find out what became of a commit of unknown outcome, and take the one way or the other.

        Raises:
            StoreUnavailable: It is not known yet.
        """
        if self._doubt is None:
            return
        is_written = self._store.settled()
        if is_written is None:
            raise StoreUnavailable(self._outage.error)
        decided, self._doubt = self._doubt, None
        if is_written:
            self._done(decided)
        else:
            self._give_up(decided.inputs, StoreUnavailable(self._outage.error))

    def _done(self, decided: Decided) -> None:
        """Do what a committed turn asks for."""
        self._offset, self._has_decided = decided.offset, True
        if any(isinstance(item, StoreHealed) for item in decided.inputs):
            self._outage.over()
        for item in decided.inputs:
            if isinstance(item, AttemptFinished):
                self._under_way.ended(item)
        self._act(decided.turn)
        for change in decided.turn.changes.runs.values():
            if change.after.state.is_final and not _was_final(change):
                self._tell_end(change.after)

    def _restored(self) -> list[Input]:
        """What a new engine is told first."""
        restored = self._read_all()
        inputs: list[Input] = [restored, *self._refused]
        self._refused = []
        if self.is_draining:
            inputs.append(Draining())
        return inputs

    def _give_up(self, inputs: Sequence[Input], error: Exception) -> None:
        """Refuse requests that cannot be done; keep what happened until it can be written.

        What a doubtful commit took is kept with it.
        """
        if not isinstance(error, StoreDoubtful):
            self.unwritten += [item for item in inputs if isinstance(item, HAPPENED)]
        refusal = error if isinstance(error, TaskdError) else StoreUnavailable(str(error))
        for item in inputs:
            if isinstance(item, Request):
                self._inbox.reply(Reply(item.ticket, error=refusal))

    def _act(self, turn: Turn) -> None:
        """Do what the committed turn asks for."""
        for start in turn.starts:
            if not self._under_way.has_failed:
                self._under_way.start(start)
        for interrupt in turn.interrupts:
            self._under_way.interrupt(interrupt)
        for reply in turn.replies:
            self._inbox.reply(reply)

    def _tell_end(self, run: Run) -> None:
        """Tell those who wait for the end of a run."""
        self._inbox.run_ended(run)
        try:
            self._on_end(run)
        # It is committed: a turn must not be done again because a listener fails.
        except Exception:
            logger.exception("a listener failed at the end of run %s", run.id)

    def _read_clocks(self) -> tuple[datetime, timedelta]:
        """Return now, by which the engine decides, and the wall clock less the elapsed time then.

        Both are read again where much time went by in between: a process that was stopped just
        there, SIGSTOP of signal(7), would take that for a step of the clock.
        """
        while True:
            before = self._clock.elapsed()
            now, after = self._clock.now(), self._clock.elapsed()
            if timedelta(seconds=after - before) < STEP / 2:
                return now, now - EPOCH - timedelta(seconds=after)

    def _clock_step(self, offset: timedelta) -> list[Input]:
        """Tell the engine when the wall clock was set since the last commit."""
        if self._offset is None or abs(offset - self._offset) < STEP:
            return []
        by = offset - self._offset
        logger.warning("the wall clock was set by %+.3f s", by.total_seconds())
        return [ClockStepped(by)]

    def _read_all(self) -> Restored:
        crash_point("load.before")
        jobs, live = self._store.load()
        restored = Restored(
            jobs=jobs,
            live=live,
            pending=self._store.pending(REFILL),
            queued=self._store.queued(REFILL),
            fence=self._store.head(),
            alive=frozenset(self._under_way.alive),
            ahead=self._under_way.ahead,
            restart=not self._has_decided,
        )
        crash_point("load.after")
        return restored


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


def _was_final(change: RunChange) -> bool:
    return change.before is not None and change.before.state.is_final
