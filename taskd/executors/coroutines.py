"""Coroutines: one event loop in one thread calls every ``async def``.

What blocks the loop holds up all of them: it is found, named in the log with the place where it
blocks, and once it is given up the others that come get a new loop.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, cast

from taskd.core.execution import Executor
from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.errors import TaskdError
from taskd.executors.call import End, local_call, raised_end, refuse_stopped, returned_end
from taskd.executors.current_run import CONTEXT, RunContext, leave_if_copied
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.reports import Reports
from taskd.executors.stacks import stack_of_coroutine, stack_of_thread

BLOCKED_S: Final = 1.0  # a loop that takes nothing for so long is blocked

logger = logging.getLogger("taskd.executors")


class Coroutines:
    """Awaits coroutines and reports their ends."""

    def __init__(self, reports: Reports, code: LoadedCode) -> None:
        self._reports = reports
        self._code = code
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._running: dict[RunId, _Attempt] = {}
        self.leaked = 0

    def start(self, start: Start) -> None:
        """Begin an attempt. Raises RuntimeError: the machine gives no thread."""
        loop = self._current()
        self._begin(loop, start, self._reports.begin(start))

    def adopt(self, start: Start, context: RunContext) -> None:
        """Begin an attempt whose context there is already."""
        context.executor = Executor.ASYNC
        self._begin(self._current(), start, context)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """Cancel a running attempt, from stage 3 on give it up, and its loop if that is blocked."""
        attempt = self._running.get(run)
        if attempt is None:
            return
        attempt.context.cancel.set()
        if stage < 3:
            attempt.stack = attempt.look() if stage == 2 else attempt.stack
            attempt.loop.events.call_soon_threadsafe(attempt.cancel)
            return
        with self._lock:
            if attempt.is_given_up or run not in self._running:
                return
            attempt.stack = attempt.look() or attempt.stack
            attempt.is_given_up = True
            self.leaked += 1
            is_stuck = attempt.loop.is_blocked or attempt.loop.is_at(attempt.task)
            if is_stuck and self._loop is attempt.loop:
                self._loop = None
                attempt.loop.leave()

    def stack(self, run: RunId) -> str:
        """Return where a running attempt is."""
        attempt = self._running.get(run)
        return "" if attempt is None else attempt.look()

    def close(self) -> None:
        """Take no more attempts; the loop ends when the last of them has."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.leave()

    def _current(self) -> _Loop:
        with self._lock:
            if self._loop is None:
                self._loop = _Loop(self._blocked, self._free)
            return self._loop

    def _blocked(self, task: str, stack: str) -> None:
        """Name what holds up all coroutines, once for each time."""
        self._mark(task, blocks=True)
        logger.warning("%s blocks the event loop for all coroutines, at:\n%s", task, stack)
        self._reports.note("executor.blocked", {"task": task, "stack": stack})

    def _free(self, task: str) -> None:
        self._mark(task, blocks=False)

    def _mark(self, task: str, *, blocks: bool) -> None:
        attempt = self._running.get(RunId(task.rpartition(" ")[2]))
        if attempt is not None:
            attempt.context.blocks = blocks

    def _begin(self, loop: _Loop, start: Start, context: RunContext) -> None:
        attempt = _Attempt(loop, context)
        self._running[start.run.id] = attempt
        loop.enter()
        loop.events.call_soon_threadsafe(self._create, attempt, start)

    def _create(self, attempt: _Attempt, start: Start) -> None:
        """Make the task, on the loop, in a context of its own."""
        context = Context()
        context.run(CONTEXT.set, attempt.context)
        coroutine = self._attempt(attempt, start)
        name = f"{start.run.job or start.call.target} {start.run.id}"
        attempt.task = attempt.loop.events.create_task(coroutine, name=name, context=context)

    async def _attempt(self, attempt: _Attempt, start: Start) -> None:
        attempt.has_begun = True
        end = await self._perform(start)
        leave_if_copied(attempt.context)
        with self._lock:
            self._running.pop(start.run.id, None)
            self.leaked -= attempt.is_given_up
        attempt.loop.exit()
        self._reports.end(attempt.context, end.with_stack(attempt.stack))

    async def _perform(self, start: Start) -> End:
        reports, objects = self._reports, self._reports.objects
        try:
            if start.call.target.partition(":")[0] in sys.modules or start.call.is_local:
                call = local_call(start, objects)
            else:  # an import may take its time
                call = await asyncio.to_thread(local_call, start, objects)
            self._code.remember(start.call)
            refuse_stopped()
            made = call.function(*call.args, **call.kwargs)
            if not hasattr(made, "__await__"):
                raise TaskdError(f'{start.call.target} is not async: leave executor = "async" out')
            value = await cast("Awaitable[object]", made)
        # The attempt boundary, as in a thread; CancelledError is how an interrupted one ends.
        except BaseException as raised:  # noqa: BLE001
            return raised_end(start.run, raised, objects, reports.categories)
        return returned_end(start.run, value, objects)


class _Attempt:
    """A coroutine under way on `loop`."""

    def __init__(self, loop: _Loop, context: RunContext) -> None:
        self.loop = loop
        self.context = context
        self.task: asyncio.Task[None] | None = None
        self.stack = ""
        self.has_begun = False
        self.is_given_up = False

    def cancel(self) -> None:
        """Cancel it, on the loop."""
        # One that has not begun would end without a word; it refuses to begin: `refuse_stopped`.
        if self.task is not None and self.has_begun:
            self.task.cancel()

    def look(self) -> str:
        """Return where it is, from any thread: at an await, or in the loop's own thread."""
        if self.task is None:
            return ""
        if self.loop.is_at(self.task):
            return stack_of_thread(self.loop.thread)
        return stack_of_coroutine(self.task.get_coro())


class _Loop:
    """An event loop in a daemon thread of its own, and a look-out for what blocks it.

    The look-out is kept only while attempts are under way, so that an idle daemon never wakes.
    """

    def __init__(
        self, on_blocked: Callable[[str, str], None], on_free: Callable[[str], None]
    ) -> None:
        self._on_blocked = on_blocked
        self._on_free = on_free
        self.events = asyncio.new_event_loop()
        self.thread = 0
        self.is_blocked = False
        self._has_begun = threading.Event()
        self._count = threading.Condition()
        self._attempts = 0
        self._is_left = False
        self._begin()

    def _begin(self) -> None:
        """Start both threads, or leave nothing behind where the machine gives none."""
        try:
            threading.Thread(target=self._serve, name="taskd-async", daemon=True).start()
        except RuntimeError:
            self.events.close()
            raise
        self._has_begun.wait()
        try:
            threading.Thread(target=self._look_out, name="taskd-async-watch", daemon=True).start()
        except RuntimeError:
            self.events.call_soon_threadsafe(self.events.stop)
            raise

    def enter(self) -> None:
        """Count an attempt that begins."""
        with self._count:
            self._attempts += 1
            self._count.notify()

    def exit(self) -> None:
        """Count one that has ended, on the loop."""
        with self._count:
            self._attempts -= 1
            self._count.notify()

    def leave(self) -> None:
        """End once no attempt is under way."""
        with self._count:
            self._is_left = True
            self._count.notify()

    def is_at(self, task: asyncio.Task[None] | None) -> bool:
        """Return whether the loop's thread runs `task` at this moment."""
        return task is not None and asyncio.current_task(self.events) is task

    def _serve(self) -> None:
        self.thread = threading.get_ident()
        asyncio.set_event_loop(self.events)
        self.events.call_soon(self._has_begun.set)
        while True:
            try:
                self.events.run_forever()
                break
            # asyncio lets these two out of a task that a job made; they end that task alone.
            except (SystemExit, KeyboardInterrupt) as error:
                logger.warning("a task of a coroutine raised %r", error)
        self.events.run_until_complete(self.events.shutdown_default_executor())
        self.events.close()

    def _look_out(self) -> None:
        while self._await_attempts():
            beat = threading.Event()
            self.events.call_soon_threadsafe(beat.set)
            if beat.wait(BLOCKED_S):
                self.is_blocked = False
                threading.Event().wait(BLOCKED_S / 2)
                continue
            self.is_blocked = True
            task = asyncio.current_task(self.events)
            name = "something" if task is None else task.get_name()
            self._on_blocked(name, stack_of_thread(self.thread))
            beat.wait()
            self._on_free(name)
            self.is_blocked = False
        self.events.call_soon_threadsafe(self.events.stop)

    def _await_attempts(self) -> bool:
        """Wait until attempts are under way; return False once none are to come."""
        with self._count:
            self._count.wait_for(lambda: self._attempts or self._is_left)
            return self._attempts > 0
