"""Surroundings: what attempts find in a worker process, each the same, and what they use of it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

from taskd.core.run import Usage
from taskd.executors.frames import Frame
from taskd.executors.launch import limit

LIMITS: Final = (resource.RLIMIT_AS, resource.RLIMIT_CPU)
STATUS_BYTES: Final = 8192  # of /proc/self/status, which has some 1500


class Surroundings:
    """Environment, directory, umask and limits of the process, as they are when this is made."""

    def __init__(self) -> None:
        self._environment = dict(_variables())
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._limits = {what: resource.getrlimit(what) for what in LIMITS}
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @contextmanager
    def of(self, frame: Frame) -> Iterator[None]:
        """Have them as an attempt wants them, and then as before. Raises OSError, ValueError."""
        try:
            os.environ.update(frame["env"])
            if frame["cwd"] is not None:
                os.chdir(frame["cwd"])
            limit(resource.RLIMIT_AS, frame["max_memory"])
            if frame["max_cpu_s"] is not None:
                so_far = resource.getrusage(resource.RUSAGE_SELF)
                used = so_far.ru_utime + so_far.ru_stime
                limit(resource.RLIMIT_CPU, int(used) + 1 + int(frame["max_cpu_s"]))
            yield
        finally:
            self._restore()

    def _restore(self) -> None:
        for what, before in self._limits.items():
            resource.setrlimit(what, before)
        os.fchdir(self._home)
        os.umask(self._umask)
        if _variables() != self._environment:  # to look is quicker than to set them all
            os.environb.clear()
            os.environb.update(self._environment)


class Meter:
    """Measures what one attempt after another uses: memory at its peak, CPU time.

    The CPU time is that of this process and of children that have ended and were waited for.
    """

    def __init__(self) -> None:
        self._status = _opened("/proc/self/status", os.O_RDONLY)
        self._forget = _opened("/proc/self/clear_refs", os.O_WRONLY)
        self._cpu_s = 0.0

    def begin(self) -> None:
        """Begin to measure."""
        if self._forget is not None:
            with suppress(OSError):
                os.write(self._forget, b"5")  # proc(5): resets the peak resident set size
        self._cpu_s = _cpu_s()

    def end(self) -> Usage:
        """Return what was used since."""
        cpu_time = timedelta(seconds=_cpu_s() - self._cpu_s)
        return Usage(peak_memory=self._peak(), cpu_time=cpu_time)

    def _peak(self) -> int | None:
        if self._status is None:
            return None
        with suppress(OSError, ValueError, IndexError):
            status = os.pread(self._status, STATUS_BYTES, 0)
            return int(status.partition(b"VmHWM:")[2].split(None, 1)[0]) * 1024
        return None


def _variables() -> dict[bytes, bytes]:
    """Return what `os.environb` holds, as the dict that it is: through its methods takes 30 µs."""
    return os.environb._data  # type: ignore[attr-defined,no-any-return]


def _opened(path: str, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError:
        return None


def _cpu_s() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
