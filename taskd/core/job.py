"""Job: a named definition of what to call, when, and under which policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import inf
from typing import Final, NewType, Self

from taskd.core.bounds import UNBOUNDED, Bounds
from taskd.core.calendars import Exclude
from taskd.core.duration import check_longest
from taskd.core.execution import DEFAULT_EXECUTION, Execution
from taskd.core.late import FORGIVING, Late
from taskd.core.retention import DEFAULT_RETENTION, Retention
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.schedule import Schedule
from taskd.core.unique import Unique
from taskd.core.value import value
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


class Overlap(StrEnum):
    """What becomes of a run that is due while as many of its job are live as may be.

    It is skipped; it waits, alone or behind others; the others are asked or made to end for it; or
    all run at once.
    """

    SKIP = "skip"
    BUFFER_ONE = "buffer-one"
    BUFFER_ALL = "buffer-all"
    CANCEL_OTHER = "cancel-other"
    TERMINATE_OTHER = "terminate-other"
    ALLOW = "allow"


@value()
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
    """One job. `schedule` is None for a job that runs only when triggered, or at `boot`.

    With `boot` it runs at each start of the daemon. Each run of its schedule is queued up to
    `jitter` after its due instant, but before the next one; those on days of `exclude` are skipped.

    `priority` is -100..100, higher first. With `carry`, the first positional argument is replaced
    by the last succeeded result. A job that is not `enabled` keeps its entry but is never due.
    At most `max_instances` runs of it execute at once: one where it is None, and with
    `Overlap.ALLOW` any number. An attempt that takes longer than `timeout` is asked to end, made to
    end `kill_grace` later, and given up after another. After `pause_after_failures` runs in a row
    that ended FAILED or DEAD the job is paused.
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
    overlap: Overlap = Overlap.SKIP
    max_instances: int | None = None
    unique: Unique | None = None
    timeout: timedelta | None = None
    kill_grace: timedelta = KILL_GRACE
    failure: FailurePolicy = DEFAULT_FAILURE
    pause_after_failures: int | None = None
    retention: Retention = DEFAULT_RETENTION
    boot: bool = False
    bounds: Bounds = UNBOUNDED
    exclude: Exclude | None = None
    jitter: timedelta = timedelta()
    late: Late = FORGIVING

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in {".", ".."}:
            raise InvalidJob(
                "name",
                f"{self.name!r} is not a job name",
                "letters, digits, '-', '_' and '.', at most 128 of them",
            )
        check_priority(self.priority)
        if self.max_instances is not None and self.max_instances < 1:
            raise InvalidJob("max_instances", "must be at least 1")
        if self.carry and self.overlap is Overlap.ALLOW:
            raise InvalidJob(
                "carry",
                'needs one run to end before the next, and overlap = "allow" does not wait',
                "take away one of them",
            )
        if self.timeout is not None and self.timeout <= timedelta(0):
            raise InvalidJob("timeout", "must be longer than 0s")
        if self.kill_grace < timedelta(0):
            raise InvalidJob("kill_grace", "must be 0s or more")
        if self.pause_after_failures is not None and self.pause_after_failures < 1:
            raise InvalidJob("pause_after_failures", "must be at least 1")
        for key in ("timeout", "kill_grace", "jitter"):
            check_longest(key, getattr(self, key))
        self.execution.check(is_command=self.call.is_command)
        if self.carry and self.call.is_command:
            raise InvalidJob("carry", "a command has no result to carry")
        if self.carry and not self.call.is_local and not self.call.args:
            raise InvalidJob("carry", "there is no first argument to replace", "give args = [...]")

    @property
    def instances(self) -> float:
        """How many runs of it may execute at once."""
        if self.max_instances is not None:
            return self.max_instances
        return inf if self.overlap is Overlap.ALLOW else 1

    def has_room(self, live: int) -> bool:
        """Whether another run of it may be made while so many are live: see `Overlap`."""
        match self.overlap:
            case Overlap.SKIP:
                return live < self.instances
            case Overlap.BUFFER_ONE:
                return live <= self.instances
            case _:
                return True

    @property
    def timing(self) -> tuple[object, ...]:
        """What settles its occurrences: where this changes, its schedule starts anew."""
        return self.schedule, self.enabled, self.bounds
