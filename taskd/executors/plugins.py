"""Plug-ins: executors that are installed beside taskd, found by their entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final

from taskd.errors import TaskdError

GROUP: Final = "taskd.executors"
"""The entry point group: each names a callable that takes `Reports` and returns a `OneExecutor`."""


def plugin_names() -> list[str]:
    """Return the names of the executors that are plugged in."""
    return sorted(point.name for point in entry_points(group=GROUP))


def plugin(name: str) -> Callable[..., Any]:
    """Return what makes the executor of that name.

    Raises:
        TaskdError: It is not installed, or cannot be imported.
    """
    for point in entry_points(group=GROUP, name=name):
        try:
            found: Callable[..., Any] = point.load()
        # A plug-in's code may raise anything: it is the error of the jobs that need it.
        except Exception as error:
            raise TaskdError(f"executor {name!r} cannot be had: {error!r}") from error
        return found
    raise TaskdError(f"there is no executor {name!r}: its plug-in is not installed")


def honours(name: str) -> frozenset[str]:
    """Return which policies of `OWN_PROCESS` a plug-in says that it honours: its ``honours``.

    Raises TaskdError, as `plugin` does.
    """
    return frozenset(getattr(plugin(name), "honours", ()))
