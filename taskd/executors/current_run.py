"""current_run: what a callable may know of the run it is called for, and leave for the next."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

from taskd.core.messages import AnyRequest, Checkpointed, Marked
from taskd.core.turn import Start
from taskd.executors.outputs import Output
from taskd.executors.progress import Gauge

CHECKPOINT_LIMIT: Final = 1024 * 1024  # characters of JSON; it is in the run's row and the journal


class Flag:
    """A flag that nobody waits for: an Event would cost each attempt a lock and a condition."""

    __slots__ = ("_is_set",)

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set it, from any thread."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._is_set


class RunContext:
    """One attempt under way, as its callable sees it.

    `stop` is set when taskd shuts down. `ask` asks the engine and returns its reply once that is
    committed. `output` takes what the attempt prints, where that is captured, and `gauge` what it
    tells of its progress. `pid` is the process that it runs in; a coroutine that
    holds up all others `blocks`.
    """

    def __init__(
        self,
        start: Start,
        stop: threading.Event,
        ask: Callable[[AnyRequest], object],
        gauge: Gauge,
        output: Output | None = None,
    ) -> None:
        self.run = start.run
        self.scope = start.run.job or start.call.target
        self.checkpoint = start.run.checkpoint
        self.cancel = Flag()
        self.stop = stop
        self.ask = ask
        self.output = output
        self.gauge = gauge
        self.executor = start.execution.chosen(is_command=start.call.is_command)
        self.pid = os.getpid()
        self.blocks = False


CONTEXT: ContextVar[RunContext] = ContextVar("taskd_run")


def leave_if_copied(context: RunContext) -> None:
    """End this process if it is a copy that a callable made by fork(2): the original answers."""
    if os.getpid() != context.pid:
        os._exit(0)


class CurrentRun:
    """A proxy for the run of the calling context. Raises RuntimeError outside a run."""

    @property
    def id(self) -> str:
        """The run's id, a UUIDv7."""
        return self._context().run.id

    @property
    def job(self) -> str | None:
        """The name of the job, None for a one-time task of the library."""
        return self._context().run.job

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._context().run.attempt

    @property
    def scheduled_at(self) -> datetime:
        """The due instant this run is for: aware UTC."""
        return self._context().run.scheduled_at

    @property
    def fence(self) -> int:
        """A number that grows with every attempt that starts on this store.

        Send it along with a write to a system that refuses numbers lower than the last it saw, and
        an attempt that was thought dead cannot undo what a later one did.
        """
        return self._context().run.fence

    @property
    def last_checkpoint(self) -> Any:
        """What `checkpoint` kept last, in this attempt or an earlier one; None when nothing."""
        kept = self._context().checkpoint
        return None if kept is None else json.loads(kept)

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked this run to stop; return or raise soon."""
        return self._context().cancel.is_set()

    @property
    def stopping(self) -> bool:
        """Whether taskd is shutting down, or this run was asked to stop."""
        context = self._context()
        return context.stop.is_set() or context.cancel.is_set()

    def checkpoint(self, data: object) -> None:
        """Keep `data`, a JSON value of up to 1 MiB, for the next attempt; it is on disk on return.

        A later one replaces it. The next attempt may come after a failure, a crash, a shutdown or
        `taskd retry`.

        Raises:
            TypeError, ValueError: `data` is not JSON, or too much of it.
            Conflict: This attempt counts as ended, and another may have taken its place.
            StoreUnavailable: It could not be written.
        """
        context = self._context()
        text = json.dumps(data, allow_nan=False)
        if len(text) > CHECKPOINT_LIMIT:
            raise ValueError(f"a checkpoint is at most {CHECKPOINT_LIMIT} characters of JSON")
        context.ask(Checkpointed(context.run.id, context.run.attempt, text))
        context.checkpoint = text

    def once(self, key: str) -> bool:
        """Return True the first time that a run of this job names `key`, durably; then False.

        It is on disk before it is told: a crash right after it leaves the thing undone, so that
        ``if current_run.once(key): send()`` sends at most once. Runs of a job share their keys; a
        task of the library shares them with others that call the same function.

        Raises:
            TypeError: `key` is not text.
            Conflict: This attempt counts as ended, and another may have taken its place.
            StoreUnavailable: It could not be written.
        """
        if not isinstance(key, str):
            raise TypeError(f"a key is text, not {type(key).__name__}")
        context = self._context()
        asked = Marked(context.run.id, context.run.attempt, context.scope, key)
        return bool(context.ask(asked))

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far this attempt has come, in any unit: `done` of `total`, where that is known.

        It is shown while the attempt runs, with the time left at the pace so far, and then
        forgotten. It costs about a microsecond: tell of every item. Of the note the first 200
        characters are kept.

        Raises:
            TypeError: `done` or `total` is no number.
            ValueError: One is negative, or not finite.
        """
        self._context().gauge.tell(done, total, note)

    def _context(self) -> RunContext:
        try:
            return CONTEXT.get()
        except LookupError:
            raise RuntimeError(
                "current_run is known only inside a callable that taskd runs"
            ) from None


current_run = CurrentRun()
