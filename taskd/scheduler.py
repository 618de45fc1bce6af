"""Scheduler: the library. It composes core, loop, store and executor, for the daemon too."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Self, TypeVar, cast

from taskd.binding import Binder, one_time_task, periodic_job
from taskd.clock import SystemClock
from taskd.core.engine import Engine
from taskd.core.job import Job
from taskd.core.messages import Added
from taskd.core.messages import Task as TaskInput
from taskd.core.ports import Clock
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.run import Run
from taskd.errors import Stopped
from taskd.executors.categories import Categories, by_class
from taskd.executors.objects import LocalCall, Objects
from taskd.executors.pool import Executors
from taskd.housekeeping import Newest
from taskd.ids import new_id
from taskd.inbox import Inbox
from taskd.loop import Loop
from taskd.stores import open_store
from taskd.stores.history import History
from taskd.task import OneTime, Periodic, Task, TaskError
from taskd.twins import AsyncTwins

T = TypeVar("T")
Calls = dict[str, LocalCall]


class Scheduler(AsyncTwins):
    """Runs callables at a time or periodically: plain ones in threads, ``async def`` on a loop.

    Without `store` it is in memory: any callable will do and results are the objects themselves.
    With ``"sqlite:///jobs.db"`` tasks survive restarts and crashes: callables must be importable,
    arguments and results are JSON. It starts with the first call and never keeps the interpreter
    from exiting. Every method may be called from any thread, and from within a task; once it was
    shut down, each raises `Stopped`. A fork must make one of its own.

    `workers` is how many tasks run at once. In memory a finished task is known for `remember`, and
    the latest 1,000 however old. `durability` is ``"full"`` (what was acknowledged survives a power
    loss) or ``"normal"`` (a crash of the process). A relative store path begins at `folder`.
    `clock` is for tests: see `taskd.testing`. With `captures` what tasks print is kept beside the
    store. `on_end` is told of each finished run, `on_outage` of what keeps the store from being
    written and, with an empty text, of its end; both on a thread that must not be held up.
    `categories` names kinds of failures: ``{"transient": [OSError, "requests.Timeout"]}``.

    Raises ValueError, StoreLocked (another process has it) or StoreUnusable.
    """

    def __init__(
        self,
        store: str | None = None,
        *,
        workers: int = 8,
        remember: timedelta = timedelta(minutes=10),
        durability: str = "full",
        folder: Path | None = None,
        clock: Clock | None = None,
        captures: bool = False,
        on_end: Callable[[Run], None] = lambda _: None,
        on_outage: Callable[[str], None] = lambda _: None,
        categories: Categories | None = None,
    ) -> None:
        _check(workers, durability)
        self._categories = by_class(categories or {})
        self.clock: Clock = clock or SystemClock()
        self._store = open_store(store, folder=folder, full_durability=durability == "full")
        self.objects: Objects | None = Objects() if self._store.path is None else None
        self._first_start = threading.Lock()  # taken once, by whoever starts it
        self._is_stopping, self._pid = False, os.getpid()
        newest = Newest(remember) if self.objects else None
        self._loop = Loop(
            store=self._store,
            clock=self.clock,
            engine=partial(_engine, workers, Random().random, is_test=clock is not None),
            executor=partial(self._make_executor, _beside(self._store.path), captures),
            on_end=partial(_ended, self.objects, newest, on_end),
            on_outage=on_outage,
            newest=newest,
        )
        self.inbox, self.outage = self._loop.inbox, self._loop.outage
        self.store_path = self._store.path

    def _make_executor(self, state: Path | None, captures: bool, inbox: Inbox) -> Executors:
        self.executor = Executors(
            inbox, self.clock, self.objects, state, captures=captures, categories=self._categories
        )
        return self.executor

    # -- scheduling ------------------------------------------------------------------------------

    def schedule_one_time(
        self,
        function: Callable[..., object],
        when: datetime,
        *,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        priority: int = 0,
        failure: FailurePolicy = DEFAULT_FAILURE,
    ) -> str:
        """Call `function` once, at `when`, and return the task's id.

        A naive `when` is local time; one that is past runs at once. `priority` is -100..100.
        `failure` says what follows a failed attempt: by default nothing.

        Raises:
            TypeError: The arguments do not fit the function's signature; or the store is durable
                and they are not JSON.
            NotImportable: The store is durable and the function cannot be imported by name.
            InvalidJob: The priority is out of range.
        """
        task = OneTime(function, when, args, kwargs or {}, priority, failure)
        return self.schedule_many([task])[0]

    def schedule_periodic(
        self,
        function: Callable[..., object],
        interval: timedelta,
        *,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        carry: bool = False,
        priority: int = 0,
        failure: FailurePolicy = DEFAULT_FAILURE,
    ) -> str:
        """Call `function` at once and then every `interval` (at least 0.1 s); return the task's id.

        The grid is fixed: a late call does not move the next. A call still running when the next is
        due makes that one be skipped. With `carry` each result replaces the first argument of the
        next call; one that raises, or whose result is not JSON in a durable store, leaves it as it
        was.

        Raises what `schedule_one_time` does, and InvalidJob for an interval that is too short.
        """
        task = Periodic(function, interval, args, kwargs or {}, carry, priority, failure)
        return self.schedule_many([task])[0]

    def schedule_many(self, tasks: Sequence[OneTime | Periodic]) -> list[str]:
        """Schedule all of `tasks`, or none, in one commit; return their ids in the same order.

        Raises what `schedule_one_time` and `schedule_periodic` raise, before anything is scheduled.
        """
        now = self.clock.now()
        ids, jobs, one_time, calls = list[str](), list[Job](), list[TaskInput](), Calls()
        binder = Binder(calls if self.objects is not None else None)
        for task in tasks:
            task_id = new_id(now)
            call = binder.bind(task, task_id)
            if isinstance(task, OneTime):
                one_time.append(one_time_task(task, task_id, call))
            else:
                jobs.append(periodic_job(task, task_id, call))
            ids.append(task_id)
        self.start()
        if self._is_stopping:
            raise Stopped("the scheduler is shutting down")
        added = Added(jobs=tuple(jobs), tasks=tuple(one_time), actor="library")
        if self.objects is not None:
            self.objects.calls.update(calls)
            self.inbox.post(added)
        else:
            self.inbox.ask(added).result()
        return ids

    # -- asking ----------------------------------------------------------------------------------

    def task(self, task_id: str) -> Task:
        """Return the handle of a task. Raises UnknownTask."""
        self.start()
        return Task(self, task_id)

    def get_task_status(self, task_id: str) -> str:
        """Return PENDING, QUEUED, RUNNING, RETRYING, SUCCEEDED, FAILED, DEAD or CANCELLED.

        A periodic task is RUNNING while a run is under way, else PENDING, CANCELLED once stopped.

        Raises:
            UnknownTask: There is no such task.
        """
        return self.task(task_id).status()

    def get_task_result(self, task_id: str, timeout: float | None = None) -> Any:
        """Return what the latest finished run returned; None when there is nothing (yet).

        With `timeout` (seconds) wait for the first run to finish.

        Raises:
            UnknownTask: There is no such task.
            TimeoutError: Nothing finished in time.
        """
        task = self.task(task_id)
        if timeout is not None:
            task.wait(timeout)
        return task.latest_result()

    def get_task_error(self, task_id: str) -> TaskError | None:
        """Return the error of the latest finished run, None when it did not fail.

        Raises:
            UnknownTask: There is no such task.
        """
        return self.task(task_id).latest_error()

    def stop_task(self, task_id: str) -> str:
        """Stop a task and return the state it is in then; see `Task.cancel`.

        Raises:
            UnknownTask: There is no such task.
        """
        task = self.task(task_id)
        task.cancel()
        return task.status()

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, if that has not happened: what waits in a durable store runs from here on.

        Raises:
            Stopped: It was shut down.
        """
        self._refuse_ended()
        self._start_once()

    def shutdown(self, *, wait: bool = True, grace: timedelta = timedelta(seconds=30)) -> None:
        """Start nothing more, let running tasks end within `grace`, hand back the rest, close.

        Without `wait`, and always from within a task, return at once and let that happen. May be
        called again, with a shorter grace.
        """
        if os.getpid() != self._pid:
            return  # a fork has nothing of it to shut down
        self._is_stopping = True
        self._loop.stop(grace)
        self._start_once()  # after that: a loop that has not begun must not begin with a run
        if wait and not self.executor.is_called_from_within():
            self._loop.join()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until a shutdown has come to its end; return whether it has."""
        return self._loop.join(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.shutdown()

    # -- for the handle, the API and the daemon ---------------------------------------------------

    def read(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store as of the last commit; in memory on the loop's thread."""
        self._refuse_ended()
        if self._store.path is None:
            return self.read_in_turn(read)
        with self._store.history() as history:
            return read(history)

    def read_in_turn(self, read: Callable[[History], T]) -> T:
        """Return `read` of the store once everything that was posted before is done."""
        self.start()

        def borrowed() -> T:
            with self._store.history() as history:
                return read(history)

        return cast("T", self.inbox.query(borrowed).result())

    def _start_once(self) -> None:
        if self._first_start.acquire(blocking=False):
            self._loop.start()

    def _refuse_ended(self) -> None:
        if os.getpid() != self._pid:
            raise Stopped(f"the scheduler belongs to process {self._pid}: make one after the fork")
        if self._loop.join(0):
            raise Stopped("the scheduler has shut down")


def _check(workers: object, durability: object) -> None:
    if not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is how many tasks run at once, 1 or more: not {workers!r}")
    if durability not in ("full", "normal"):
        raise ValueError(f'durability is "full" or "normal", not {durability!r}')


def _ended(
    objects: Objects | None, newest: Newest | None, on_end: Callable[[Run], None], run: Run
) -> None:
    if objects is not None:
        objects.ended(run)
    if newest is not None:
        newest.ended(run)
    on_end(run)


def _engine(workers: int, draw: Callable[[], float], *, is_test: bool) -> Engine:
    return Engine(
        node=socket.gethostname(),
        pid=os.getpid(),
        workers=workers,
        new_id=new_id,
        draw=draw,
        ahead=not is_test,  # a clock that is advanced by hand stands still for every commit
    )


def _beside(store: Path | None) -> Path | None:
    """Return the directory of what belongs to a store and is not in it."""
    return None if store is None else store.with_name(f"{store.name}-logs")
