"""Job: a named definition of what to call, when, and under which policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, NewType, Self

from taskd.core.execution import DEFAULT_EXECUTION, Execution
from taskd.core.retention import DEFAULT_RETENTION, Retention
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.schedule import Schedule
from taskd.errors import InvalidJob

JobName = NewType("JobName", str)

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
COMMAND: Final = "command:"
KILL_GRACE: Final = timedelta(seconds=10)
PRIORITIES: Final[Mapping[str, int]] = {"low": -50, "normal": 0, "high": 50, "critical": 100}


def check_priority(priority: int) -> None:
    """Refuse a priority outside -100..100. Raises InvalidJob."""
    if not -100 <= priority <= 100:
        raise InvalidJob("priority", f"{priority} is outside -100..100")


class Source(StrEnum):
    """Where a job was defined: in jobs.toml, by `taskd add`, or through the library."""

    FILE = "file"
    CLI = "cli"
    API = "api"


@dataclass(frozen=True, slots=True)
class Call:
    """What to call: `target` is ``package.module:attr.path``, the arguments are JSON values.

    A target that begins with ``command:`` is a program, whose arguments are `args`, its name first;
    see `command`. One that begins with ``local:`` names an object of this process, which only a
    scheduler in memory has; its arguments live beside it.
    """

    target: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.is_local and not self.is_command and not TARGET.fullmatch(self.target):
            raise InvalidJob(
                "call",
                f"{self.target!r} does not name a callable",
                'write "package.module:function"',
            )

    @classmethod
    def command(cls, *argv: str) -> Self:
        """Return a call of the program `argv`, or of a line for the shell.

        Raises:
            InvalidJob: It is empty, or holds a NUL.
        """
        if not argv or not argv[0].strip() or any("\0" in word for word in argv):
            raise InvalidJob("command", "does not name a program", 'write ["program", "argument"]')
        return cls(f"{COMMAND}{argv[0]}", argv)

    @property
    def is_command(self) -> bool:
        """Whether a program is called rather than a callable."""
        return self.target.startswith(COMMAND)

    @property
    def is_local(self) -> bool:
        """Whether the target is an object of this process rather than an importable name."""
        return self.target.startswith("local:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job. `schedule` is None for a job that runs only when triggered.

    `priority` is -100..100, higher first. With `carry`, the first positional argument is replaced
    by the last succeeded result. A job that is not `enabled` keeps its entry but is never due.
    After `pause_after_failures` runs in a row that ended FAILED or DEAD it is paused. An attempt
    that takes longer than `timeout` is asked to end, and made to after another `kill_grace`.
    """

    name: JobName
    call: Call
    schedule: Schedule | None = None
    source: Source = Source.FILE
    description: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = True
    priority: int = 0
    carry: bool = False
    execution: Execution = DEFAULT_EXECUTION
    timeout: timedelta | None = None
    kill_grace: timedelta = KILL_GRACE
    failure: FailurePolicy = DEFAULT_FAILURE
    pause_after_failures: int | None = None
    retention: Retention = DEFAULT_RETENTION

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in {".", ".."}:
            raise InvalidJob(
                "name",
                f"{self.name!r} is not a job name",
                "letters, digits, '-', '_' and '.', at most 128 of them",
            )
        check_priority(self.priority)
        if self.pause_after_failures is not None and self.pause_after_failures < 1:
            raise InvalidJob("pause_after_failures", "must be at least 1")
        self.execution.check(is_command=self.call.is_command)
        if self.timeout is not None and self.timeout <= timedelta(0):
            raise InvalidJob("timeout", "must be longer than nothing")
        if self.kill_grace < timedelta(0):
            raise InvalidJob("kill_grace", "must not be negative")
        if self.carry and self.call.is_command:
            raise InvalidJob("carry", "a command has no result to carry")
        if self.carry and not self.call.is_local and not self.call.args:
            raise InvalidJob("carry", "there is no first argument to replace", "give args = [...]")
