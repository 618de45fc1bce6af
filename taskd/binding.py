"""Binding: a callable and its arguments, checked when they are scheduled, in the store's words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import UTC

from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import Task as TaskInput
from taskd.core.retry import DEFAULT_FAILURE
from taskd.core.run import RunId
from taskd.core.schedule import Every
from taskd.errors import NotImportable
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


def bind(task: OneTime | Periodic, task_id: str, calls: dict[str, LocalCall] | None) -> Call:
    """Check what is to be called and name it for the store; in memory, put it into `calls`."""
    _check_arguments(task)
    if calls is not None:
        target = f"local:{task_id}"
        calls[target] = LocalCall(task.function, tuple(task.args), dict(task.kwargs))
        return Call(target)
    call = Call(target_of(task.function), tuple(task.args), dict(task.kwargs))
    try:
        json.dumps([call.args, call.kwargs], allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the arguments of {call.target} must be JSON for a durable scheduler: {error}"
        ) from None
    return call


def one_time_task(task: OneTime, task_id: RunId, call: Call) -> TaskInput:
    """Return a task for the engine; a policy that is the default is not kept with it."""
    failure = None if task.failure == DEFAULT_FAILURE else task.failure
    return TaskInput(task_id, call, task.when.astimezone(UTC), task.priority, failure)


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


def _check_arguments(task: OneTime | Periodic) -> None:
    if not callable(task.function):
        raise TypeError(f"{task.function!r} is not callable")
    try:
        signature = inspect.signature(task.function)
    except ValueError:
        return  # some builtins do not tell their signature
    signature.bind(*task.args, **task.kwargs)
    if isinstance(task, Periodic) and task.carry and not task.args:
        raise TypeError("carry replaces the first argument, and there is none: give args=[...]")
