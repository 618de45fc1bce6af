"""taskd: a durable job scheduler, as a daemon, a command line and a library.

Public names are resolved when they are first used (PEP 562), so that `import taskd.client` loads
neither the engine nor any third party.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskd.core.retry import FailurePolicy as FailurePolicy
    from taskd.core.retry import RetryPolicy as RetryPolicy
    from taskd.errors import ApiError as ApiError
    from taskd.errors import Cancel as Cancel
    from taskd.errors import ConfigError as ConfigError
    from taskd.errors import Conflict as Conflict
    from taskd.errors import Interrupted as Interrupted
    from taskd.errors import InvalidJob as InvalidJob
    from taskd.errors import NoDaemon as NoDaemon
    from taskd.errors import NotImportable as NotImportable
    from taskd.errors import ProcessDied as ProcessDied
    from taskd.errors import Retry as Retry
    from taskd.errors import Stopped as Stopped
    from taskd.errors import StoreError as StoreError
    from taskd.errors import TaskdError as TaskdError
    from taskd.errors import TaskFailed as TaskFailed
    from taskd.errors import UnknownTask as UnknownTask
    from taskd.executors.current_run import current_run as current_run
    from taskd.scheduler import Scheduler as Scheduler
    from taskd.task import OneTime as OneTime
    from taskd.task import Periodic as Periodic
    from taskd.task import Task as Task
    from taskd.task import TaskError as TaskError

__version__ = "0.1.0"

_HOMES = {
    "ApiError": "taskd.errors",
    "Cancel": "taskd.errors",
    "ConfigError": "taskd.errors",
    "Conflict": "taskd.errors",
    "FailurePolicy": "taskd.core.retry",
    "Interrupted": "taskd.errors",
    "InvalidJob": "taskd.errors",
    "NoDaemon": "taskd.errors",
    "NotImportable": "taskd.errors",
    "OneTime": "taskd.task",
    "Periodic": "taskd.task",
    "ProcessDied": "taskd.errors",
    "Retry": "taskd.errors",
    "RetryPolicy": "taskd.core.retry",
    "Scheduler": "taskd.scheduler",
    "Stopped": "taskd.errors",
    "StoreError": "taskd.errors",
    "Task": "taskd.task",
    "TaskError": "taskd.task",
    "TaskFailed": "taskd.errors",
    "TaskdError": "taskd.errors",
    "UnknownTask": "taskd.errors",
    "current_run": "taskd.executors.current_run",
}


__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'taskd' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
