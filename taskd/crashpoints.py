"""Crash points: named places where a test has the process die, to see what a restart makes of it.

``TASKD_CRASH_AT=name:n`` in the environment ends the process at the n-th passing of that point, by
`os._exit`: nothing is flushed, closed or released, as if it were killed there. With
``name:n:hang`` the thread that passes stays there for ever instead. Unset, a point costs a call and
a comparison.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count
from typing import Final

EXIT_CRASHED: Final = 137  # what a shell reports of SIGKILL

POINTS: Final = frozenset(
    {
        # migrating and loading
        "migration.begun",
        "migration.before_commit",
        "migration.after_commit",
        "load.before",
        "load.after",
        # a commit that failed
        "recovery.dropped",
        "recovery.revived",
        # a turn
        "inbox.taken",
        "turn.decided",
        "commit.jobs",
        "commit.runs",
        "commit.attempts",
        "commit.skips",
        "commit.events",
        "commit.before",
        "commit.after",
        "start.before",
        "start.after",
        "interrupt.before",
        "interrupt.after",
        "reply.before",
        "reply.after",
        "end.before_told",
        "end.after_told",
        # an attempt, in its own thread
        "call.before",
        "call.after",
        "report.before",
        "report.after",
        # reading the files again
        "reload.checked",
        "reload.applied",
        "reload.adopted",
        # shutting down
        "shutdown.begun",
        "shutdown.drained",
        "shutdown.handed_back",
        "store.closing",
        "store.closed",
        "store.unlocked",
    }
)
"""Every name; a test walks them all."""


class _Fuse:
    """Burns down with each passing of one point, in whatever threads it is passed."""

    def __init__(self, name: str, passing: int, *, hangs: bool) -> None:
        self.name = name
        self._passing = passing
        self._hangs = hangs
        self._passings = count(1)  # its `next` is one step under the interpreter's lock

    def burn(self, name: str) -> None:
        if name == self.name and next(self._passings) == self._passing:
            if self._hangs:
                threading.Event().wait()
            os._exit(EXIT_CRASHED)


_passed: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """End the process here if that was asked for; `name` is one of `POINTS`."""
    if _passed is not None:
        _passed(name)


def tell(passed: Callable[[str], None] | None) -> None:
    """Have `passed` called at each point, in the thread that passes it; None: nobody is told.

    A simulation dies there by an exception of its own.
    """
    global _passed
    _passed = passed


def arm(spec: str) -> None:
    """Have the process die as ``name:n`` says: at the n-th passing of that point, from 1.

    ``name:n:hang`` has the thread hang there.

    Raises:
        ValueError: There is no such point, or no such passing. A misspelt point would never be
            reached, and the test that asked for it would prove nothing.
    """
    name, _, rest = spec.partition(":")
    passing, _, how = rest.partition(":")
    is_count = passing.isdecimal() and int(passing) >= 1
    if name not in POINTS or not is_count or how not in ("", "hang"):
        raise ValueError(f"TASKD_CRASH_AT={spec}: expected a crash point and a count, NAME:N")
    tell(_Fuse(name, int(passing), hangs=how == "hang").burn)


if asked := os.environ.get("TASKD_CRASH_AT"):
    arm(asked)
