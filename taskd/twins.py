"""AsyncTwins: each method of the scheduler for callers on an event loop, with the prefix `a`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.task import OneTime, Periodic, Task, TaskError


class AsyncTwins(ABC):
    """Runs each call in a thread, so that a commit under way never blocks the event loop."""

    @abstractmethod
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
        """Call `function` once, at `when`; return the task's id."""

    @abstractmethod
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
        """Call `function` now and then every `interval`; return the task's id."""

    @abstractmethod
    def schedule_many(self, tasks: Sequence[OneTime | Periodic]) -> list[str]:
        """Schedule all of `tasks` in one commit; return their ids in the same order."""

    @abstractmethod
    def task(self, task_id: str) -> Task:
        """Return the handle of a task."""

    @abstractmethod
    def get_task_status(self, task_id: str) -> str:
        """Return the state of a task."""

    @abstractmethod
    def get_task_result(self, task_id: str, timeout: float | None = None) -> Any:
        """Return the result of the latest finished run."""

    @abstractmethod
    def get_task_error(self, task_id: str) -> TaskError | None:
        """Return the error of the latest finished run."""

    @abstractmethod
    def stop_task(self, task_id: str) -> str:
        """Stop a task; return the state it is in then."""

    @abstractmethod
    def shutdown(self, *, wait: bool = True, grace: timedelta = timedelta(seconds=30)) -> None:
        """Shut down."""

    async def aschedule_one_time(
        self,
        function: Callable[..., object],
        when: datetime,
        *,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        priority: int = 0,
        failure: FailurePolicy = DEFAULT_FAILURE,
    ) -> str:
        """Do what `schedule_one_time` does, awaitably."""
        return await asyncio.to_thread(
            self.schedule_one_time,
            function,
            when,
            args=args,
            kwargs=kwargs,
            priority=priority,
            failure=failure,
        )

    async def aschedule_periodic(
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
        """Do what `schedule_periodic` does, awaitably."""
        return await asyncio.to_thread(
            self.schedule_periodic,
            function,
            interval,
            args=args,
            kwargs=kwargs,
            carry=carry,
            priority=priority,
            failure=failure,
        )

    async def aschedule_many(self, tasks: Sequence[OneTime | Periodic]) -> list[str]:
        """Do what `schedule_many` does, awaitably."""
        return await asyncio.to_thread(self.schedule_many, tasks)

    async def aget_task_status(self, task_id: str) -> str:
        """Do what `get_task_status` does, awaitably."""
        return await asyncio.to_thread(self.get_task_status, task_id)

    async def aget_task_result(self, task_id: str, timeout: float | None = None) -> Any:
        """Do what `get_task_result` does, awaitably; no thread waits meanwhile."""
        if timeout is not None:
            task = await asyncio.to_thread(self.task, task_id)
            await task.await_end(timeout)
        return await asyncio.to_thread(self.get_task_result, task_id)

    async def aget_task_error(self, task_id: str) -> TaskError | None:
        """Do what `get_task_error` does, awaitably."""
        return await asyncio.to_thread(self.get_task_error, task_id)

    async def astop_task(self, task_id: str) -> str:
        """Do what `stop_task` does, awaitably."""
        return await asyncio.to_thread(self.stop_task, task_id)

    async def ashutdown(
        self, *, wait: bool = True, grace: timedelta = timedelta(seconds=30)
    ) -> None:
        """Do what `shutdown` does, awaitably."""
        await asyncio.to_thread(self.shutdown, wait=wait, grace=grace)
