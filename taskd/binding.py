"""Binding: a callable and its arguments, checked when they are scheduled, in the store's words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property

from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import Task as TaskInput
from taskd.core.retry import DEFAULT_FAILURE
from taskd.core.run import RunId
from taskd.core.schedule import Every
from taskd.errors import InvalidJob, NotImportable
from taskd.executors.call import resolve
from taskd.executors.objects import LocalCall
from taskd.task import OneTime, Periodic


def target_of(function: Callable[..., object]) -> str:
    """Return the importable name of a function, ``package.module:attr.path``.

    Raises:
        NotImportable: It has none: a lambda, a nested function, a bound method, a partial.
    """
    module = getattr(function, "__module__", None)
    path = getattr(function, "__qualname__", None)
    if not module or not path or "<" in path:
        raise NotImportable(
            repr(function), "a durable scheduler needs a function that can be imported by name"
        )
    target = f"{module}:{path}"
    if resolve(target) != function:  # not `is`: a class method is bound anew each time
        raise NotImportable(target, "the name leads to something else than the given function")
    return target


class Binder:
    """Checks what is to be called and names it for the store; in memory, puts it into `calls`.

    It looks at a function once: make one for what is scheduled together.
    """

    def __init__(self, calls: dict[str, LocalCall] | None) -> None:
        self._calls = calls
        # By identity, for a callable need not be hashable; `_Callable` keeps it from being reused.
        self._seen: dict[int, _Callable] = {}

    def bind(self, task: OneTime | Periodic, task_id: str) -> Call:
        """Return what a task is to call.

        Raises:
            TypeError: It is no callable, the arguments do not fit it, or they are not JSON for a
                durable scheduler.
            NotImportable: The scheduler is durable and it cannot be imported by name.
        """
        _check_types(task)
        seen = self._seen.get(id(task.function))
        if seen is None:
            seen = self._seen[id(task.function)] = _Callable(task.function)
        seen.check(task)
        if self._calls is not None:
            target = f"local:{task_id}"
            self._calls[target] = LocalCall(task.function, tuple(task.args), dict(task.kwargs))
            return Call(target)
        if not task.args and not task.kwargs:
            return seen.plain_call
        call = Call(seen.target, tuple(task.args), dict(task.kwargs))
        try:
            _encode([call.args, call.kwargs]).encode()
            _check_keys([call.args, call.kwargs])
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"the arguments of {call.target} must be JSON for a durable scheduler: {error}"
            ) from None
        return call


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class _Callable:
    """What is known of one callable."""

    def __init__(self, function: Callable[..., object]) -> None:
        if not callable(function):
            raise TypeError(f"{function!r} is not callable")
        self._function = function
        self._signature: inspect.Signature | None = None
        with suppress(ValueError):  # some builtins do not tell their signature
            self._signature = inspect.signature(function)
        self._fitting: set[tuple[object, ...]] = set()

    @cached_property
    def target(self) -> str:
        """Its importable name."""
        return target_of(self._function)

    @cached_property
    def plain_call(self) -> Call:
        """A call of it without arguments."""
        return Call(self.target)

    def check(self, task: OneTime | Periodic) -> None:
        """Refuse arguments that do not fit: what fits goes by their number and names alone."""
        shape = (len(task.args), *task.kwargs)
        if self._signature is not None and shape not in self._fitting:
            try:
                self._signature.bind(*task.args, **task.kwargs)
            except TypeError as error:
                name = getattr(self._function, "__qualname__", repr(self._function))
                raise TypeError(f"{name}{self._signature}: {error}") from None
            self._fitting.add(shape)
        if isinstance(task, Periodic) and task.carry and not task.args:
            raise TypeError("carry replaces the first argument, and there is none: give args=[...]")


def one_time_task(task: OneTime, task_id: RunId, call: Call) -> TaskInput:
    """Return a task for the engine; a policy that is the default is not kept with it."""
    is_default = task.failure is DEFAULT_FAILURE or task.failure == DEFAULT_FAILURE
    due_at = _instant(task.when)
    return TaskInput(task_id, call, due_at, task.priority, None if is_default else task.failure)


def periodic_job(task: Periodic, task_id: RunId, call: Call) -> Job:
    """Return a job for the engine, which has its task's id as its name."""
    return Job(
        name=JobName(task_id),
        call=call,
        schedule=Every(task.interval),
        source=Source.API,
        priority=task.priority,
        carry=task.carry,
        failure=task.failure,
    )


def _check_keys(value: object) -> None:
    """Refuse keys that json would turn into text: 1 and "1" became one. Raises TypeError."""
    left = [value]
    while left:
        match left.pop():
            case dict() as members:
                for key in members:
                    if not isinstance(key, str):
                        raise TypeError(f"the keys of a dict are text, not {key!r}")
                left.extend(members.values())
            case list() | tuple() as items:
                left.extend(items)
            case _:
                pass


def _instant(when: datetime) -> datetime:
    """Return `when` in UTC. A naive one is local time; one that a clock set forward leaves out is
    as long after that as it was meant to be: never early (PEP 495).

    Raises:
        InvalidJob: It is before the year 1 or after 9999 in UTC.
    """
    try:
        if when.tzinfo is not None:
            return when.astimezone(UTC)
        whole = datetime.fromtimestamp(int(when.replace(microsecond=0).timestamp()), UTC)
        return whole.replace(microsecond=when.microsecond)
    except (ValueError, OverflowError) as error:
        raise InvalidJob("at", f"{when} cannot be told in UTC: {error}") from None


def _check_types(task: OneTime | Periodic) -> None:
    if not isinstance(task, OneTime | Periodic):
        raise TypeError(f"a task is a OneTime or a Periodic, not {task!r}")
    if isinstance(task, OneTime) and not isinstance(task.when, datetime):
        raise TypeError(f"when is a datetime, not {task.when!r}; datetime.now() is at once")
    if isinstance(task, Periodic) and not isinstance(task.interval, timedelta):
        raise TypeError(f"an interval is a timedelta, not {task.interval!r}")
    if isinstance(task.args, str | bytes) or not isinstance(task.args, Sequence):
        raise TypeError(f"args is a list or a tuple, not {task.args!r}")
    if not isinstance(task.kwargs, Mapping):
        raise TypeError(f"kwargs is a dict, not {task.kwargs!r}")
    if not isinstance(task.priority, int):
        raise TypeError(f"priority is a number from -100 to 100, not {task.priority!r}")
