"""WorkerHandle: the daemon's end of one worker process: its connection, its output, its death."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from typing import Final

from taskd.core.run import Usage
from taskd.executors.child import Nursery, Plan, drain
from taskd.executors.frames import Frame, Reader, encode
from taskd.executors.groups import BOOT, MARK
from taskd.executors.worker import STACKS_SIGNAL

STACKS_MS: Final = 200  # for the stacks of a worker that is to be killed
CODE: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3])['sys_path']; "
    "from taskd.executors.worker import boot; boot()"
)


class WorkerHandle:
    """The daemon's end of a worker process."""

    def __init__(self, nursery: Nursery, generation: int) -> None:
        self.generation = generation
        self.attempts = 0
        self.is_ready = False
        self.connection, theirs = socket.socketpair()
        self.output, printed = os.pipe2(os.O_CLOEXEC)
        self.stacks, written = os.pipe2(os.O_CLOEXEC)
        folder, mark = nursery.folder, nursery.mark()
        orders = {
            "sys_path": sys.path,
            "parent": os.getpid(),
            "note": None if folder is None else str(folder),
            "text": f"{BOOT.read_text().strip() if BOOT.exists() else '-'} {mark}",
        }
        descriptors = [str(theirs.fileno()), str(written)]
        argv = [sys.executable, "-P", "-c", CODE, *descriptors, json.dumps(orders)]
        try:
            environment = {**os.environ, MARK: mark}
            keep = (theirs.fileno(), written)
            self.child = nursery.raise_child(Plan(argv, environment, printed, keep))
        except BaseException:
            self._close_files()
            raise
        finally:
            theirs.close()
            os.close(printed)
            os.close(written)
        self.reader = Reader(self.connection)
        for descriptor in (self.output, self.stacks):
            os.set_blocking(descriptor, False)

    def send(self, frame: Frame) -> None:
        """Tell the worker; one that has died is not told any more."""
        try:
            self.connection.sendall(encode(frame))
        except OSError:
            return

    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        poll = select.poll()
        poll.register(self.child.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def take_stack(self) -> str:
        """Have the worker tell where it is, within `STACKS_MS`."""
        if not self.is_ready:
            return ""
        self.child.signal_leader(STACKS_SIGNAL)
        poll, told = select.poll(), b""
        poll.register(self.stacks, select.POLLIN)
        while poll.poll(STACKS_MS if not told else STACKS_MS // 10) and (
            data := drain(self.stacks)
        ):
            told += data
        return told.decode(errors="backslashreplace")

    def end(self) -> Usage:
        """Kill the whole group and return how the worker ended."""
        self.child.signal(signal.SIGKILL)
        usage = self.child.reap()
        self._close_files()
        return usage

    def _close_files(self) -> None:
        self.connection.close()
        os.close(self.output)
        os.close(self.stacks)
