"""Child: a process that is made for attempts, with a group of its own, and what it came to.

Children are made by one thread that lives as long as the process: they ask the kernel to be killed
when the thread that made them ends.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from taskd.core.run import Usage
from taskd.executors import groups
from taskd.executors.outputs import make_private

CHUNK: Final = 64 * 1024  # bytes: all that a pipe holds, see pipe(7)
KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make a child of. `env` is all of its environment; `keep` stay open in it."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdout: int
    stderr: int
    keep: Sequence[int] = ()


class Nursery:
    """The thread that makes children; its own thread begins with the first one.

    `folder` is where their groups are noted, None where nobody would come to look.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._plans: SimpleQueue[tuple[Plan, Future[Child]] | None] = SimpleQueue()
        self._begin = threading.Lock()
        self._has_begun = self._is_closed = False

    def raise_child(self, plan: Plan) -> Child:
        """Make a child, from any thread. Raises OSError."""
        with self._begin:
            if self._is_closed:
                raise RuntimeError("no process is made any more: taskd is shutting down")
            if not self._has_begun:
                self._has_begun = True
                if self.folder is not None:
                    make_private(self.folder)
                threading.Thread(target=self._serve, name="taskd-nursery", daemon=True).start()
            made = Future[Child]()
            self._plans.put((plan, made))
        return made.result()

    def close(self) -> None:
        """Let the thread end, and with it whatever child is still alive."""
        with self._begin:
            self._is_closed = True
            self._plans.put(None)

    def mark(self) -> str:
        """Return a new mark for a group."""
        return secrets.token_hex(8)

    def _serve(self) -> None:
        while (wanted := self._plans.get()) is not None:
            plan, made = wanted
            try:
                made.set_result(Child(plan, self.folder))
            # It belongs to the one who asked: no descriptor left, no process.
            except Exception as error:  # noqa: BLE001
                made.set_exception(error)


class Child:
    """A running process, the leader of its group. One thread watches it, any may signal it."""

    def __init__(self, plan: Plan, folder: Path | None) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            list(plan.argv),
            stdin=subprocess.DEVNULL,
            stdout=plan.stdout,
            stderr=plan.stderr,
            env=dict(plan.env),
            pass_fds=tuple(plan.keep),
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self._lock = threading.Lock()
        self._is_reaped = False

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, unless its leader has been reaped."""
        with self._lock:
            if not self._is_reaped:
                groups.kill(self.pid, number)

    def signal_leader(self, number: int) -> None:
        """Send a signal to the leader alone."""
        with self._lock, suppress(ProcessLookupError):
            if not self._is_reaped:
                os.kill(self.pid, number)

    def signal_thread(self, thread: int, number: int) -> None:
        """Send a signal to one thread of the leader, if it has that."""
        with self._lock:
            if not self._is_reaped:
                groups.kill_thread(self.pid, thread, number)

    def has_ended(self) -> bool:
        """Return whether the leader is gone."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def reap(self) -> Usage:
        """Wait for the end of the leader, kill what it left in its group, and return how it ended.

        The group ends first: once its leader is reaped its number may become another's.
        """
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT)
        with self._lock:
            groups.end(self._folder, self.pid)
            _, status, used = os.wait4(self.pid, 0)
            self._is_reaped = True
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        os.close(self.pidfd)
        return Usage(
            peak_memory=used.ru_maxrss * KIB,
            cpu_time=timedelta(seconds=used.ru_utime + used.ru_stime),
            exit_status=code if code >= 0 else None,
            signal=_signal_name(-code) if code < 0 else None,
        )


def pipes(count: int) -> list[tuple[int, int]]:
    """Return new pipes, the reading end of each first. Raises OSError; then there is none."""
    made: list[tuple[int, int]] = []
    try:
        made.extend(os.pipe2(os.O_CLOEXEC) for _ in range(count))
    except OSError:
        for descriptor in chain(*made):
            os.close(descriptor)
        raise
    return made


def ending(usage: Usage) -> str:
    """Return how a process ended, in words."""
    if usage.signal is not None:
        return f"killed by {usage.signal}"
    return f"exit status {usage.exit_status}"


def drain(pipe: int) -> bytes | None:
    """Return what a non-blocking pipe holds, at most `CHUNK`; None where that is nothing."""
    try:
        return os.read(pipe, CHUNK) or None
    except BlockingIOError:
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
