"""Threads: the pool that calls plain functions, one thread for each busy slot."""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from types import FunctionType
from typing import Final

from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.crashpoints import crash_point
from taskd.errors import Interrupted
from taskd.executors.call import End, called, local_call, raised_end
from taskd.executors.current_run import CONTEXT, RunContext, leave_if_copied
from taskd.executors.handover import Handover
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.reports import Reports
from taskd.executors.stacks import stack_of_thread

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_async_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
NOTHING: Final = ctypes.py_object()  # NULL, where None would be an exception of that class


class Attempt:
    """One attempt in its thread, and the way to interrupt it and no other.

    An asynchronous exception is meant for a thread, not for what that does: the lock keeps it from
    being set once the attempt has ended, and what was set and not raised by then is taken back.
    """

    def __init__(self, start: Start, context: RunContext) -> None:
        self.start = start
        self.context = context
        self.stack = ""
        self.is_given_up = False
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._was_interrupted = False

    def open(self) -> None:
        """Begin, in the calling thread: from here on it can be interrupted."""
        self._thread = threading.get_ident()

    def close(self) -> None:
        """End, in the same thread: from here on nothing comes of an interruption."""
        with self._lock:
            self._thread = None
            if self._was_interrupted:
                _set_async_exception(threading.get_ident(), NOTHING)

    def insist(self) -> None:
        """Raise `Interrupted` in the attempt, once, where it next runs Python code."""
        with self._lock:
            if self._thread is not None and not self._was_interrupted:
                self.stack = self._look()
                self._was_interrupted = True
                _set_async_exception(self._thread, ctypes.py_object(Interrupted))

    def give_up(self) -> bool:
        """Mark an attempt that does not end; return whether it is one."""
        with self._lock:
            if self._thread is None or self.is_given_up:
                return False
            self.stack = self._look() or self.stack
            self.is_given_up = True
            return True

    def look(self) -> str:
        """Return where the attempt is, as the text of its stack."""
        with self._lock:
            return self._look()

    def _look(self) -> str:
        return "" if self._thread is None else stack_of_thread(self._thread)


class Threads:
    """Calls each attempt in a daemon thread and reports its end.

    Threads are made when a slot is first needed and kept; the engine never starts more attempts
    than there are slots. They are daemon threads, so that a job that hangs does not keep the
    interpreter from exiting, as `concurrent.futures` would. `hand_over` is given what turns out to
    be an ``async def``, and says whether it takes it.
    """

    def __init__(
        self,
        reports: Reports,
        code: LoadedCode,
        hand_over: Callable[[Start, RunContext], bool] = lambda _, __: False,
    ) -> None:
        self._reports = reports
        self._code = code
        self._hand_over = hand_over
        self._work = Handover[Attempt]()
        self._idle: deque[None] = deque()  # one for each idle thread; its verbs take no lock
        self._running: dict[RunId, Attempt] = {}
        self._leaks = threading.Lock()
        self.leaked = 0

    def start(self, start: Start) -> None:
        """Begin an attempt in an idle thread, or a new one.

        Raises:
            RuntimeError: The machine gives no thread; nothing was begun.
        """
        try:
            self._idle.pop()
        except IndexError:
            threading.Thread(target=self._serve, name="taskd-worker", daemon=True).start()
        attempt = Attempt(start, self._reports.begin(start))
        self._running[start.run.id] = attempt
        self._work.put(attempt)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """1 sets `current_run.cancelled`, 2 raises `Interrupted` in it, 3 leaves its thread be.

        A thread that is left has a successor with the next start, and ends with its attempt.
        """
        attempt = self._running.get(run)
        if attempt is None:
            return
        attempt.context.cancel.set()
        if stage == 2:
            attempt.insist()
        elif stage >= 3 and attempt.give_up():
            with self._leaks:
                self.leaked += 1

    def stack(self, run: RunId) -> str:
        """Return where a running attempt is."""
        attempt = self._running.get(run)
        return "" if attempt is None else attempt.look()

    def close(self) -> None:
        """Let idle threads end; busy ones end after their attempt."""
        self._work.close()

    def _serve(self) -> None:
        while (attempt := self._work.take()) is not None:
            crash_point("call.before")
            # A context of its own: what an attempt sets there is not the next one's to see.
            end = Context().run(self._attempt, attempt)
            leave_if_copied(attempt.context)
            crash_point("call.after")
            self._forget(attempt)
            if attempt.is_given_up:
                with self._leaks:
                    self.leaked -= 1
            else:
                # The slot is free for the loop once this is committed: be ready before it is told.
                self._idle.append(None)
            if end is not None:
                self._reports.end(attempt.context, end.with_stack(attempt.stack))
            if attempt.is_given_up:
                return

    def _forget(self, attempt: Attempt) -> None:
        # One that goes on elsewhere may have ended there, and the run's next attempt begun here.
        if self._running.get(attempt.start.run.id) is attempt:
            del self._running[attempt.start.run.id]

    def _attempt(self, attempt: Attempt) -> End | None:
        """Return how the attempt ended; None when it goes on elsewhere."""
        reports = self._reports
        CONTEXT.set(attempt.context)
        try:
            try:
                attempt.open()
                return self._perform(attempt)
            finally:
                attempt.close()
        # It may come wherever the thread is, after the callable has returned too.
        except Interrupted as raised:
            attempt.close()
            return raised_end(attempt.start.run, raised, reports.objects, reports.categories)

    def _perform(self, attempt: Attempt) -> End | None:
        reports, start = self._reports, attempt.start
        objects, categories = reports.objects, reports.categories
        try:
            call = local_call(start, objects)
            self._code.remember(start.call)
            is_unnamed = start.execution.executor is None
            if is_unnamed and is_async(call.function) and self._hand_over(start, attempt.context):
                return None
        # The attempt boundary: an import runs the user's code, and the machine may give no thread
        # for an event loop.
        except BaseException as raised:  # noqa: BLE001
            return raised_end(start.run, raised, objects, categories)
        return called(start.run, call, objects, categories)


def is_async(function: object) -> bool:
    """Return whether calling it makes a coroutine."""
    if type(function) is FunctionType and not function.__code__.co_flags & inspect.CO_COROUTINE:
        # A plain function, unless it was marked (`inspect.markcoroutinefunction`).
        return bool(function.__dict__) and inspect.iscoroutinefunction(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )
