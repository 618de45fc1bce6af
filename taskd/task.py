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

from taskd.core.messages import JobStopped, RunStopped
from taskd.core.record import JobRecord, JobState
from taskd.core.run import Run, RunState
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

    inbox: Inbox
    objects: Objects | None

    def read(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store as of the last commit."""
        ...

    def read_in_turn(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store once everything that was posted before is done."""
        ...


class Task:
    """The handle of a scheduled task, in the manner of `concurrent.futures.Future`; awaitable.

    A periodic task's result and error are those of its latest finished run.

    Raises:
        UnknownTask: There is no such task; every method raises it too, once it was forgotten.
    """

    def __init__(self, owner: Owner, task_id: str) -> None:
        self._owner = owner
        self.id = task_id
        owner.read(self._find)

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.status()}>"

    def status(self) -> str:
        """Return PENDING, QUEUED, RUNNING, SUCCEEDED, FAILED, DEAD or CANCELLED."""

        def read(history: History) -> RunState:
            task = self._find(history)
            if isinstance(task, Run):
                return task.state
            if any(run.job == self.id for run in history.running()):
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

    def wait(self, timeout: float | None = None) -> Run:
        """Wait, for at most `timeout` seconds, for the first run to end. Raises TimeoutError."""
        end = self._first_end()
        try:
            return end.result(timeout)
        except TimeoutError:
            end.cancel()
            raise

    def result(self, timeout: float | None = None) -> Any:
        """Wait, for at most `timeout` seconds, and return the result.

        Raises:
            TimeoutError: It did not end in time.
            concurrent.futures.CancelledError: It was stopped.
            Exception: What the task raised; `TaskFailed` where only its words are known.
        """
        return self._outcome(self.wait(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait, for at most `timeout` seconds, and return what the task raised, or None."""
        run = self.wait(timeout)
        try:
            self._outcome(run)
        except CancelledError:
            raise
        # Whatever the task raised is the value here.
        except BaseException as raised:  # noqa: BLE001
            return raised
        return None

    def latest_result(self) -> Any:
        """Return what the latest finished run returned, None when there is none or it failed."""
        run = self._owner.read(self._latest)
        succeeded = run is not None and run.state is RunState.SUCCEEDED
        return self._outcome(run) if run is not None and succeeded else None

    def latest_error(self) -> TaskError | None:
        """Return the error of the latest finished run, None when there is none."""
        run = self._owner.read(self._latest)
        if run is None or run.error is None:
            return None
        objects, error = self._owner.objects, run.error
        exception = objects.errors.get(self.id) if objects is not None else None
        return TaskError(error.type, error.message, error.traceback, error.text, exception)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._await().__await__()

    async def _await(self) -> object:
        end = await asyncio.to_thread(self._first_end)
        run = await asyncio.wrap_future(end)
        return await asyncio.to_thread(self._outcome, run)

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

    def _outcome(self, run: Run) -> object:
        """Return what a finished run returned, or raise what it raised."""
        objects = self._owner.objects
        if run.state is RunState.SUCCEEDED:
            if objects is not None:
                return objects.results.get(self.id)
            if run.result is None:
                return None
            return run.result.text if run.result.is_repr else json.loads(run.result.text)
        if objects is not None and run.state is RunState.FAILED:
            raise objects.errors[self.id]
        if run.state is RunState.CANCELLED:
            raise CancelledError(run.reason)
        if run.error is not None:
            raise TaskFailed(run.error.type, run.error.message, run.error.traceback)
        raise TaskFailed(run.state.value, run.reason)

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
