"""Tasks of the library: what to schedule, the handle of what was scheduled, and its error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from taskd.core.ahead import as_of, is_ahead
from taskd.core.messages import JobStopped, RunStopped
from taskd.core.ports import Clock
from taskd.core.record import JobRecord, JobState
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.run import Result, Run, RunState
from taskd.errors import Conflict, TaskFailed, UnknownTask
from taskd.executors.objects import Objects
from taskd.inbox import Inbox
from taskd.stores.history import History

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OneTime:
    """Call `function` once, at `when` (a naive datetime is local time)."""

    function: Callable[..., object]
    when: datetime
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    priority: int = 0
    failure: FailurePolicy = DEFAULT_FAILURE


@dataclass(frozen=True, slots=True)
class Periodic:
    """Call `function` now and then every `interval`, at least 0.1 s.

    With `carry` each result becomes the first argument of the next call.
    """

    function: Callable[..., object]
    interval: timedelta
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    carry: bool = False
    priority: int = 0
    failure: FailurePolicy = DEFAULT_FAILURE


@dataclass(frozen=True, slots=True)
class TaskError:
    """What a task raised. `str` of it is the exception's repr.

    `type` is the class's name, with its module where that is not builtins. `exception` is the
    object itself, which only a scheduler in memory has. `category` is the failure category.
    """

    type: str
    message: str
    traceback: str
    text: str
    exception: BaseException | None = None
    category: str | None = None

    def __str__(self) -> str:
        return self.text or f"{self.type}: {self.message}"


class Owner(Protocol):
    """What a handle needs of its scheduler; `objects` is None when the store is durable."""

    clock: Clock
    inbox: Inbox
    objects: Objects | None

    def read(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store as of the last commit."""
        ...

    def read_in_turn(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store once everything that was posted before is done."""
        ...


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a task stands at an end: `error` is what there is to raise instead of a `value`."""

    value: object = None
    error: BaseException | None = None

    def get(self) -> object:
        if self.error is not None:
            raise self.error
        return self.value


class Task:
    """The handle of a scheduled task, in the manner of `concurrent.futures.Future`; awaitable.

    A periodic task's result and error are those of its latest finished run. To stop waiting, or
    awaiting, leaves the task alone.

    Raises:
        UnknownTask: There is no such task; every method raises it too, once it was forgotten.
    """

    def __init__(self, owner: Owner, task_id: str) -> None:
        self._owner = owner
        self.id = task_id
        owner.read(self._find)

    def __repr__(self) -> str:
        return f"<Task {self.id}>"

    def status(self) -> str:
        """Return PENDING, QUEUED, RUNNING, RETRYING, SUCCEEDED, FAILED, DEAD or CANCELLED."""

        def read(history: History) -> RunState:
            task, now = self._find(history), self._owner.clock.now()
            if isinstance(task, Run):
                return as_of(task, now).state
            live = (run for run in history.running() if run.job == self.id)
            if any(not is_ahead(run, now) for run in live):
                return RunState.RUNNING
            is_stopped = task.state is JobState.STOPPED
            return RunState.CANCELLED if is_stopped else RunState.PENDING

        return self._owner.read(read).value

    def done(self) -> bool:
        """Return whether the task has ended."""
        return RunState(self.status()).is_final

    def running(self) -> bool:
        """Return whether a run of the task is under way."""
        return self.status() == RunState.RUNNING.value

    def cancelled(self) -> bool:
        """Return whether the task was stopped."""
        return self.status() == RunState.CANCELLED.value

    def cancel(self) -> bool:
        """Stop the task; return whether nothing of it runs, now or later.

        A waiting run is CANCELLED. A running one is asked to end (`current_run.cancelled`) and
        stays RUNNING until it does: a thread cannot be killed. One that has ended stays as it is.
        """
        task = self._owner.read(self._find)
        if isinstance(task, JobRecord):
            self._owner.inbox.ask(JobStopped(task.job.name, actor="library")).result()
        else:
            with suppress(Conflict):  # it has ended: its state says how
                self._owner.inbox.ask(RunStopped(task.id, actor="library")).result()
        return self.cancelled()

    def wait(self, timeout: float | None = None) -> None:
        """Wait, for at most `timeout` seconds, for the first run to end. Raises TimeoutError."""
        end = self._first_end()
        try:
            end.result(timeout)
        except TimeoutError:
            end.cancel()
            raise self._too_slow(timeout) from None

    def result(self, timeout: float | None = None) -> Any:
        """Wait, for at most `timeout` seconds, and return the result.

        Raises:
            TimeoutError: It did not end in time.
            concurrent.futures.CancelledError: It was stopped.
            Exception: What the task raised; `TaskFailed` where only its words are known.
        """
        self.wait(timeout)
        return self._owner.read(self._ending).get()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait, for at most `timeout` seconds, and return what the task raised, or None.

        Raises:
            TimeoutError: It did not end in time.
            concurrent.futures.CancelledError: It was stopped.
        """
        self.wait(timeout)
        error = self._owner.read(self._ending).error
        if isinstance(error, CancelledError):
            raise error
        return error

    def latest_result(self) -> Any:
        """Return what the latest finished run returned, None when there is none or it failed."""
        return self._owner.read(self._ending).value

    def latest_error(self) -> TaskError | None:
        """Return the error of the latest finished run, None when there is none."""

        def read(history: History) -> TaskError | None:
            run, objects = self._latest(history), self._owner.objects
            if run is None or run.error is None:
                return None
            exception = objects.errors.get(run.id) if objects is not None else None
            error = run.error
            return TaskError(
                error.type,
                error.message,
                error.traceback,
                error.text,
                exception,
                error.category,
            )

        return self._owner.read(read)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._await().__await__()

    async def _await(self) -> object:
        await self.await_end()
        ending = await asyncio.to_thread(self._owner.read, self._ending)
        return ending.get()  # raised here, for asyncio loses a StopIteration raised in a thread

    async def await_end(self, timeout: float | None = None) -> None:
        """Do what `wait` does, awaitably; no thread waits. Raises TimeoutError."""
        end = asyncio.wrap_future(await asyncio.to_thread(self._first_end))
        try:
            async with asyncio.timeout(timeout):
                await end
        except TimeoutError:
            raise self._too_slow(timeout) from None

    def _too_slow(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(f"task {self.id} did not finish within {timeout:g} s")

    # -- what the store says ---------------------------------------------------------------------

    def _first_end(self) -> Future[Run]:
        """Return a future of a finished run: the latest one if there is any, else the first."""
        end = self._owner.inbox.watch(self.id)
        # The watch is kept before this is read, both on the loop's thread: no end falls between.
        latest = self._owner.read_in_turn(self._latest)
        if latest is None:
            return end
        end.cancel()
        past: Future[Run] = Future()
        past.set_result(latest)
        return past

    def _find(self, history: History) -> Run | JobRecord:
        found = history.run(self.id) or history.job(self.id)
        if found is None:
            raise UnknownTask(self.id)
        return found

    def _latest(self, history: History) -> Run | None:
        """Return the latest finished run, None before there is one."""
        task = self._find(history)
        if isinstance(task, Run):
            return task if task.state.is_final else None
        return history.run(task.last_run) if task.last_run is not None else None

    def _ending(self, history: History) -> _Ending:
        """Return what the latest finished run came to.

        In memory this reads on the loop's thread, the only one that lets go of an object: the
        object of the run that it finds is there.
        """
        run, objects = self._latest(history), self._owner.objects
        if run is None:
            return _Ending()
        if run.state is RunState.CANCELLED:
            return _Ending(error=CancelledError(run.reason))
        if run.state is RunState.SUCCEEDED:
            return _Ending(objects.results[run.id] if objects is not None else _value(run.result))
        if objects is not None and run.id in objects.errors:
            return _Ending(error=objects.errors[run.id])
        if run.error is not None:
            known = run.error
            return _Ending(error=TaskFailed(known.type, known.message, known.traceback))
        return _Ending(error=TaskFailed(run.state.value, run.reason))


def _value(result: Result | None) -> object:
    """Return what a durable store keeps of a result: its value, or its repr where not JSON."""
    if result is None:
        return None
    return result.text if result.is_repr else json.loads(result.text)
