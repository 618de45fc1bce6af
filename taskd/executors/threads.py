"""Threads: the pool that calls plain functions, one thread for each busy slot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextvars import Context
from datetime import datetime
from queue import SimpleQueue

from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.crashpoints import crash_point
from taskd.executors.call import End, perform
from taskd.executors.current_run import CONTEXT, RunContext
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.objects import Objects
from taskd.inbox import Inbox


class Threads:
    """Calls each attempt in a daemon thread and reports its end.

    Threads are made when a slot is first needed and kept; the engine never starts more attempts
    than there are slots. They are daemon threads, so that a job that hangs does not keep the
    interpreter from exiting, as `concurrent.futures` would. `inbox` is the loop's. `categories`
    gives a failure category for the name of an exception class; it may be replaced at any time.
    """

    def __init__(
        self,
        inbox: Inbox,
        now: Callable[[], datetime],
        objects: Objects | None = None,
        categories: Mapping[str, str] | None = None,
    ) -> None:
        self._inbox = inbox
        self._now = now
        self.categories = categories or {}
        self._objects = objects
        self._work: SimpleQueue[tuple[Start, RunContext] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._running: dict[RunId, RunContext] = {}
        self._stop = threading.Event()
        self.code = LoadedCode()

    def start(self, start: Start) -> None:
        """Begin an attempt in an idle thread, or a new one.

        Raises:
            RuntimeError: The machine gives no thread; nothing was begun.
        """
        crash_point("start.before")
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._serve, name="taskd-worker", daemon=True).start()
        context = RunContext(start, self._stop, self._inbox)
        self._running[start.run.id] = context
        self._work.put((start, context))
        crash_point("start.after")

    def interrupt(self, run: RunId, stage: int = 1) -> None:  # noqa: ARG002
        """Set `current_run.cancelled` of a running attempt: a thread stops only by itself."""
        crash_point("interrupt.before")
        context = self._running.get(run)
        if context is not None:
            context.cancel.set()
        crash_point("interrupt.after")

    def stopping(self) -> None:
        """Set `current_run.stopping` of every running attempt."""
        self._stop.set()
        crash_point("shutdown.begun")

    def close(self) -> None:
        """Let idle threads end; busy ones end after their attempt."""
        crash_point("shutdown.handed_back" if self._running else "shutdown.drained")
        self._work.put(None)

    def is_called_from_within(self) -> bool:
        """Return whether the caller is one of its attempts."""
        context = CONTEXT.get(None)
        return context is not None and context.stop is self._stop

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            start, context = work
            # A context of its own: what an attempt sets there is not the next one's to see.
            crash_point("call.before")
            end = Context().run(self._perform, start, context)
            crash_point("call.after")
            del self._running[start.run.id]
            # The slot is free for the loop once this is committed: be ready before it is told.
            self._idle.release()
            crash_point("report.before")
            self._inbox.post(end.of(start.run, self._now()))
            crash_point("report.after")
        self._work.put(None)  # for the next thread

    def _perform(self, start: Start, context: RunContext) -> End:
        CONTEXT.set(context)
        return perform(start, self._objects, self.code, self.categories)
