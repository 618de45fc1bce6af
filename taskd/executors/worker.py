"""The worker: the process in which attempts are called, one after another; see processes.py.

The callable has the main thread, as in a program of its own. A second thread listens to the daemon;
when the daemon is gone it kills the whole group, itself included.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from taskd import errors
from taskd.core.messages import AnyRequest, Checkpointed, Marked
from taskd.core.run import Usage
from taskd.core.turn import Start
from taskd.executors.call import End, failed, perform
from taskd.executors.current_run import CONTEXT, RunContext, leave_if_copied
from taskd.executors.frames import Frame, Reader, encode, end_frame, start_from
from taskd.executors.launch import limit
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.progress import Gauge
from taskd.executors.records import LogHandler, Pen
from taskd.executors.segments import Stream

STACKS_SIGNAL: Final = signal.SIGRTMIN + 7
"""Has the stacks of all threads written out, whatever they do; no other program asks for it."""
PROGRESS_PAUSE_S: Final = 0.1  # at most so often is progress told


def main(connection: int, stacks: int, printed: int) -> None:
    """Serve until the daemon closes the connection or is gone."""
    for descriptor in (connection, stacks, printed):
        os.set_inheritable(descriptor, False)
    faulthandler.register(STACKS_SIGNAL, file=stacks, all_threads=True)
    faulthandler.enable()
    pen = Pen(printed)
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(pen)])
    Worker(socket.socket(fileno=connection), pen).serve()


class Worker:
    """The worker's end of the connection."""

    def __init__(self, connection: socket.socket, pen: Pen) -> None:
        self._connection = connection
        self._pen = pen
        self._sending = threading.Lock()
        self._starts: SimpleQueue[tuple[Frame, Start, RunContext]] = SimpleQueue()
        self._stop = threading.Event()
        self._context: RunContext | None = None
        self._tickets = count(1)
        self._answers: dict[int, Future[object]] = {}
        self._progress = threading.Event()
        self._code = LoadedCode()

    def serve(self) -> None:
        """Call one attempt after another."""
        signal.signal(signal.SIGTERM, self._terminate)
        threading.Thread(target=self._listen, name="taskd-listen", daemon=True).start()
        threading.Thread(target=self._tell_progress, name="taskd-progress", daemon=True).start()
        self._send({"is": "ready"})
        while True:
            frame, start, context = self._starts.get()
            end = Context().run(self._attempt, frame, start, context)
            leave_if_copied(context)
            self._send(end_frame(end))

    # -- the main thread -------------------------------------------------------------------------

    def _attempt(self, frame: Frame, start: Start, context: RunContext) -> End:
        CONTEXT.set(context)
        signal.signal(signal.SIGTERM, self._terminate)
        # Whatever the one before made of them.
        sys.stdout, sys.stderr = self._pen.text(Stream.STDOUT, 1), self._pen.text(Stream.STDERR, 2)
        used = _cpu_time()
        _forget_peak()
        try:
            with _surroundings(frame):
                end = perform(start, None, self._code, frame["categories"])
        # Such as no memory left for the words of an error, or no such directory.
        except BaseException as raised:  # noqa: BLE001
            end = failed(raised, frame["categories"])
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # whatever the callable made of them
                stream.flush()
        usage = Usage(peak_memory=_peak(), cpu_time=_cpu_time() - used)
        return replace(end, usage=usage)

    def _terminate(self, *_: object) -> None:
        """Take SIGTERM for what it is: somebody asks the callable to stop."""
        if self._context is not None:
            self._context.cancel.set()

    def _has_told(self) -> None:
        if not self._progress.is_set():  # to look is quicker than to set it again
            self._progress.set()

    def _ask(self, request: AnyRequest) -> object:
        """Ask the engine by way of the daemon."""
        frame: Frame = {"is": "ask", "ticket": next(self._tickets)}
        match request:
            case Checkpointed():
                frame["checkpoint"] = request.data
            case Marked():
                frame["mark"] = request.mark
            case _:
                raise TypeError(f"an attempt does not ask for {type(request).__name__}")
        answer = self._answers[frame["ticket"]] = Future[object]()
        self._send(frame)
        return answer.result()

    # -- the other threads -----------------------------------------------------------------------

    def _send(self, frame: Frame) -> None:
        with self._sending:
            self._connection.sendall(encode(frame))

    def _listen(self) -> None:
        reader = Reader(self._connection)
        while not reader.is_over:
            for frame in reader.read():
                self._take(frame)
        os.killpg(0, signal.SIGKILL)  # the daemon is gone, or wants us gone

    def _take(self, frame: Frame) -> None:
        kind: str = frame["is"]
        match kind:
            case "start":
                # From here on it can be asked to stop, before it begins, too.
                start, gauge = start_from(frame), Gauge(_no_time, self._has_told)
                self._context = RunContext(start, self._stop, self._ask, gauge)
                self._starts.put((frame, start, self._context))
            case "cancel":
                self._terminate()
            case "stopping":
                self._stop.set()
            case "reply":
                answer = self._answers.pop(frame["ticket"])
                if "error" in frame:
                    kind, message = frame["error"]
                    answer.set_exception(_error(kind, message))
                else:
                    answer.set_result(frame["value"])
            case _:
                os.killpg(0, signal.SIGKILL)  # not a daemon that we know

    def _tell_progress(self) -> None:
        """Tell the latest progress, not every one: a callable may tell of a million steps."""
        pause = threading.Event()
        while self._progress.wait():
            self._progress.clear()
            context = self._context
            if context is not None and (at := context.gauge.last) is not None:
                self._send({"is": "progress", "at": [context.run.id, *at]})
            pause.wait(PROGRESS_PAUSE_S)


@contextmanager
def _surroundings(frame: Frame) -> Iterator[None]:
    """Have environment, directory and limits as the attempt wants them, and then as before."""
    environment, umask = dict(os.environ), os.umask(0o077)
    os.umask(umask)
    limits = {what: resource.getrlimit(what) for what in (resource.RLIMIT_AS, resource.RLIMIT_CPU)}
    home = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
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
        for what, before in limits.items():
            resource.setrlimit(what, before)
        os.fchdir(home)
        os.close(home)
        os.umask(umask)
        os.environ.clear()
        os.environ.update(environment)


def _error(kind: str, message: str) -> Exception:
    found = getattr(errors, kind, None)
    if found in (errors.Conflict, errors.StoreUnavailable, errors.Stopped):
        raised: Exception = found(message)
        return raised
    return errors.TaskdError(message)


def _no_time() -> float:
    """Return no time: the daemon measures the pace."""
    return 0.0


def _cpu_time() -> timedelta:
    """Return the CPU time so far, that of children that have ended and were waited for included."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return timedelta(seconds=sum(one.ru_utime + one.ru_stime for one in used))


def _forget_peak() -> None:
    with suppress(OSError):  # proc(5): 5 resets the peak resident set size
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int | None:
    """Return the most memory that was resident since `_forget_peak`, in bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def boot() -> None:
    """Begin as the daemon's child: argv holds three descriptors and the orders."""
    from taskd.executors import launch

    orders = json.loads(sys.argv[4])
    launch.die_with(orders["parent"])
    launch.note_group(orders["note"], orders["text"])
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
