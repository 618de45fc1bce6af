"""WorkerHandle: the daemon's end of one worker process: its connection, its output, its death."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from taskd.core.run import Usage
from taskd.executors.child import Nursery, Plan, drain, pipes
from taskd.executors.dumps import dumps_of
from taskd.executors.frames import Frame, Reader, encode
from taskd.executors.groups import BOOT, MARK
from taskd.executors.records import Records
from taskd.executors.segments import Stream
from taskd.executors.stacks import stack_of_dumps
from taskd.executors.worker import NEWS_SIGNAL

CODE: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[4])['sys_path']; "
    "from taskd.executors.worker import boot; boot()"
)


class WorkerHandle:
    """The daemon's end of a worker process, which is as nice as it was made for all its life."""

    def __init__(self, nursery: Nursery, generation: int, nice: int) -> None:
        self.generation = generation
        self.attempts = 0
        self.is_ready = False
        self.connection, theirs = socket.socketpair()
        made = pipes(4)
        self.stdout, self.stderr, self.printed, self.stacks = (reading for reading, _ in made)
        stdout, stderr, printed, stacks = (writing for _, writing in made)
        self.records = Records()
        folder, mark = nursery.folder, nursery.mark()
        orders = {
            "sys_path": sys.path,
            "parent": os.getpid(),
            "note": None if folder is None else str(folder),
            "nice": nice,
            "text": f"{BOOT.read_text().strip() if BOOT.exists() else '-'} {mark}",
        }
        keep = (theirs.fileno(), stacks, printed)
        argv = [sys.executable, "-P", "-c", CODE, *map(str, keep), json.dumps(orders)]
        try:
            environment = {**os.environ, MARK: mark}
            self.child = nursery.raise_child(Plan(argv, environment, stdout, stderr, keep))
        except BaseException:
            self._close_files()
            raise
        finally:
            theirs.close()
            for _, writing in made:
                os.close(writing)
        self.reader = Reader(self.connection)
        for reading, _ in made:
            os.set_blocking(reading, False)

    def send(self, frame: Frame) -> None:
        """Tell the worker; one that has died is not told any more."""
        with suppress(OSError):
            self.connection.sendall(encode(frame))

    def tell(self, frame: Frame) -> None:
        """Tell the worker something about the attempt that is under way."""
        self.send(frame)
        if self.is_ready:  # before that it would die of the signal, and reads without
            self.child.signal_leader(NEWS_SIGNAL)

    def has_begun(self) -> None:
        """Note that the worker is ready, and tell it to look for what it was told before."""
        self.is_ready = True
        self.child.signal_leader(NEWS_SIGNAL)

    def printed_so_far(self, ready: Collection[int]) -> Iterator[tuple[Stream, bytes]]:
        """Yield what was printed by now, and not taken yet, by stream; `ready` pipes hold some.

        Each is read once, for all that it holds: who prints on meanwhile comes to no end.
        """
        if self.printed in ready and (data := drain(self.printed)):
            yield from self.records.take(data)
        for stream, pipe in ((Stream.STDOUT, self.stdout), (Stream.STDERR, self.stderr)):
            if pipe in ready and (data := drain(pipe)):
                yield stream, data

    def take_stack(self) -> str:
        """Have the worker tell where each of its threads is."""
        return stack_of_dumps(dumps_of(self.child, self.stacks)) if self.is_ready else ""

    def end(self) -> Usage:
        """Kill the whole group and return how the worker ended."""
        self.child.signal(signal.SIGKILL)
        usage = self.child.reap()
        self._close_files()
        return usage

    def _close_files(self) -> None:
        self.connection.close()
        for descriptor in (self.stdout, self.stderr, self.printed, self.stacks):
            os.close(descriptor)
