"""A real store on a real file, whose commits can fail, and leave it open what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from taskd.core.messages import Found, Page, Wanted
from taskd.core.ports import Keep, Pruned
from taskd.core.record import JobRecord
from taskd.core.run import Run, RunId
from taskd.core.turn import Changes
from taskd.errors import StoreDoubtful, StoreUnavailable
from taskd.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.simulation.world import World

ASKED_IN_VAIN: Final = 2
"""How often nobody knows what became of a doubtful commit, before somebody does."""


class Failure(Enum):
    """How a commit fails: not written, or nobody knows, and then it was, or was not."""

    UNWRITTEN = "unwritten"
    DOUBTFUL_WRITTEN = "doubtful, written"
    DOUBTFUL_UNWRITTEN = "doubtful, unwritten"


class FailingStore:
    """Passes everything on to `inner`, and dies or fails where the world has it so."""

    def __init__(self, world: World, inner: SqliteStore) -> None:
        self._world = world
        self._inner = inner
        self._is_written = True
        self._asked_in_vain = 0
        self.has_failed = False

    def load(self) -> tuple[tuple[JobRecord, ...], tuple[Run, ...]]:
        return self._inner.load()

    def pending(self, limit: int) -> Page:
        self._world.crash_point("pending")
        return self._inner.pending(limit)

    def queued(self, limit: int) -> Page:
        self._world.crash_point("queued")
        return self._inner.queued(limit)

    def find(self, runs: Sequence[RunId]) -> tuple[Run, ...]:
        return self._inner.find(runs)

    def head(self) -> int:
        return self._inner.head()

    def look_up(self, wanted: Wanted) -> Found:
        self._world.crash_point("look_up")
        return self._inner.look_up(wanted)

    def commit(self, changes: Changes) -> None:
        assert not self._asked_in_vain, "it goes on before it knows what became of the last one"
        failure = self._world.next_failure()
        if failure in (None, Failure.DOUBTFUL_WRITTEN):
            self._commit(changes)
        if failure is None:
            self._world.crash_point("committed")
            return
        self.has_failed = True
        self._world.crash_point("failed")
        if failure is Failure.UNWRITTEN:
            raise StoreUnavailable("scripted")
        self._is_written = failure is Failure.DOUBTFUL_WRITTEN
        self._asked_in_vain = ASKED_IN_VAIN
        raise StoreDoubtful("scripted")

    def _commit(self, changes: Changes) -> None:
        head = self._inner.head()
        try:
            self._inner.commit(changes)
        finally:
            if self._inner.head() != head:  # also where it dies just after it
                self._world.witness.committed(changes)

    def settled(self) -> bool | None:
        self._world.crash_point("settled")
        if self._asked_in_vain:
            self._asked_in_vain -= 1
            self.has_failed = True
            return None
        self.has_failed = not self._is_written  # what it took is given to the next turn
        return self._is_written

    def prune(self, now: datetime, keep: Keep, batch: int) -> Pruned:
        self._world.crash_point("prune.before")
        failure, self._world.prune_failure = self._world.prune_failure, None
        if failure is Failure.UNWRITTEN:
            raise StoreUnavailable("scripted")
        goes_on = self._inner.prune(now, keep, batch)
        if failure is not None:
            raise StoreDoubtful("scripted")
        self._world.crash_point("prune.after")
        return goes_on

    def damage(self) -> str:
        return self._inner.damage()

    def close(self) -> None:
        self._inner.close()
