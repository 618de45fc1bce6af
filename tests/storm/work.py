"""The jobs of the storm: each keeps a log of its own, which the checker believes over taskd.

The log is one file that all processes append to, each line with one write and an fsync:

    start RUN ATTEMPT PID MICROSECONDS JOB      written first thing by the attempt
    end   RUN ATTEMPT PID MICROSECONDS HOW      written last thing; HOW is ok or failed
    dead  PID MICROSECONDS                      written by the test once it has reaped the process
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskd import current_run


def note(log: str | Path, *words: object) -> None:
    """Append one line and see that it is on the disk."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def note_death(log: str | Path, pid: int) -> None:
    """Note that a process was reaped; before another one takes its place."""
    note(log, "dead", pid, microseconds())


def microseconds() -> int:
    """The wall clock, in whole microseconds since the epoch."""
    return time.time_ns() // 1000


@contextmanager
def _logged(log: str) -> Iterator[None]:
    who = (current_run.id, current_run.attempt, os.getpid())
    note(log, "start", *who, microseconds(), current_run.job or "-")
    try:
        yield
    except BaseException:
        note(log, "end", *who, microseconds(), "failed")
        raise
    note(log, "end", *who, microseconds(), "ok")


def tick(log: str) -> None:
    """Do next to nothing."""
    with _logged(log):
        pass


def fail(log: str) -> None:
    """Raise."""
    with _logged(log):
        raise ValueError("no such luck")


def linger(log: str, seconds: float) -> None:
    """Take a while, whatever anybody asks."""
    with _logged(log):
        threading.Event().wait(seconds)


def heed(log: str, seconds: float) -> None:
    """Take a while, and end as soon as it is asked to."""
    with _logged(log):
        beat = threading.Event()
        until = time.monotonic() + seconds
        while not current_run.stopping and time.monotonic() < until:
            beat.wait(0.005)


def bang(log: str) -> None:
    """Take the whole process down."""
    with _logged(log):
        os._exit(9)
