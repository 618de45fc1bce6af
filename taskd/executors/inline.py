"""Inline: calls each attempt at once, on the loop's own thread, for tests that must not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from taskd.core.messages import AttemptFinished, Start
from taskd.core.run import RunId
from taskd.executors.call import perform
from taskd.executors.current_run import CONTEXT, RunContext
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.objects import Objects


class Inline:
    """Runs attempts one after another, in the order the engine starts them.

    A callable holds up the scheduler while it runs, so that it must not wait for the scheduler: it
    may schedule tasks in memory, and must not ask for their state.
    """

    def __init__(
        self,
        report: Callable[[AttemptFinished], None],
        now: Callable[[], datetime],
        objects: Objects | None = None,
    ) -> None:
        self._report = report
        self._now = now
        self._objects = objects
        self._stop = threading.Event()
        self.code = LoadedCode()

    def start(self, start: Start) -> None:
        """Call it and report its end."""
        token = CONTEXT.set(RunContext(start.run, self._stop))
        try:
            end = perform(start, self._objects)
        finally:
            CONTEXT.reset(token)
        self.code.remember(start.call)
        self._report(end.of(start.run, self._now()))

    def interrupt(self, run: RunId) -> None:
        """Do nothing: no attempt is under way when the loop is free to ask."""

    def stopping(self) -> None:
        """Set `current_run.stopping` for what is still to be called."""
        self._stop.set()

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
