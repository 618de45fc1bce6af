"""Execution: what executes a job's attempts, in which surroundings and within which limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from taskd.core.duration import check_longest
from taskd.errors import InvalidJob

OUTPUT_LIMIT: Final = 1024 * 1024  # bytes kept of what an attempt prints
MOST_BYTES: Final = 2**62  # what setrlimit(2) and SQLite take for sure
LEAST_OUTPUT: Final = 1024  # bytes: below that, head and tail would say nothing
NICEST: Final = 19  # see nice(2); the least nice is -20
OWN_PROCESS: Final = ("env", "cwd", "nice", "max_memory", "max_cpu_time")
"""What only an attempt in a process of its own can have."""


class Executor(StrEnum):
    """What executes attempts, plug-ins apart."""

    THREAD = "thread"
    PROCESS = "process"
    ASYNC = "async"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How attempts are executed.

    `executor` is one of `Executor` or the name of a plug-in; None leaves it to what is called: a
    command, an ``async def`` or, in a thread, any other callable. With `shell` a command is a line
    for ``/bin/sh``. `env` is added to the environment; `cwd` is the working directory, by default
    the daemon's. `nice`, -20 to 19, is added to the daemon's niceness. `max_memory` is in bytes of
    address space, `max_cpu_time` counts whole seconds. Of what an attempt prints, `output_limit`
    bytes are kept unless `capture_output` is false.
    """

    executor: str | None = None
    shell: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    nice: int = 0
    max_memory: int | None = None
    max_cpu_time: timedelta | None = None
    capture_output: bool = True
    output_limit: int = OUTPUT_LIMIT

    def __post_init__(self) -> None:
        if not -NICEST - 1 <= self.nice <= NICEST:
            raise InvalidJob("nice", f"must be from -20 to 19, and is {self.nice}")
        if self.max_memory is not None and self.max_memory < 1:
            raise InvalidJob("max_memory", "must be at least one byte")
        if self.max_cpu_time is not None and self.max_cpu_time < timedelta(seconds=1):
            raise InvalidJob("max_cpu_time", "must be at least a second")
        check_longest("max_cpu_time", self.max_cpu_time)
        for key in ("max_memory", "output_limit"):
            if (getattr(self, key) or 0) > MOST_BYTES:
                raise InvalidJob(key, "is over what a machine can address")
        if self.output_limit < LEAST_OUTPUT:
            raise InvalidJob("output_limit", "must be at least 1KiB")
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name + value:
                raise InvalidJob("env", f"{name!r} cannot be a variable of an environment")
        if self.cwd is not None and (not self.cwd or "\0" in self.cwd):
            raise InvalidJob("cwd", f"{self.cwd!r} is not a path")

    def chosen(self, *, is_command: bool) -> str:
        """Return what executes it, where nothing is said, too: a command or a thread."""
        return self.executor or (Executor.COMMAND if is_command else Executor.THREAD)

    def check(self, *, is_command: bool) -> None:
        """Refuse what the executor cannot honour. A plug-in judges for itself.

        Raises:
            InvalidJob: with the key of the policy.
        """
        chosen = self.chosen(is_command=is_command)
        if chosen not in list(Executor):
            return
        if is_command != (chosen == Executor.COMMAND):
            what = "a command" if is_command else "a callable"
            hint = "leave executor out" if is_command else "write command = [...] instead of call"
            raise InvalidJob("executor", f'"{chosen}" does not execute {what}', hint)
        if self.shell and not is_command:
            raise InvalidJob("shell", "only a command can have a shell", "it needs command")
        if chosen in (Executor.THREAD, Executor.ASYNC):
            why = f'executor "{chosen}" calls it within the daemon, which cannot have that'
            self.refuse_all_but((), why)

    def refuse_all_but(self, honoured: Collection[str], why: str) -> None:
        """Refuse each policy of `OWN_PROCESS` that is not `honoured`.

        Raises:
            InvalidJob: with the key of the policy.
        """
        for key in OWN_PROCESS:
            if getattr(self, key) and key not in honoured:
                raise InvalidJob(key, why, 'it needs executor = "process"')


DEFAULT_EXECUTION: Final = Execution()
