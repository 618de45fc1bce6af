"""The worker: the process in which attempts are called, one after another; see processes.py.

The callable has the main thread, as in a program of its own. That thread reads what the daemon says
between attempts; during one the daemon sends a signal when it has said something, for a thread that
listens would have to be woken for each attempt. When the daemon is gone the group is killed.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from itertools import count
from typing import Final

from taskd import errors
from taskd.core.messages import AnyRequest, Checkpointed, Marked
from taskd.core.turn import Start
from taskd.executors.call import End, failed, perform
from taskd.executors.current_run import CONTEXT, RunContext, leave_if_copied
from taskd.executors.frames import Frame, Reader, encode, end_frame, start_from
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.progress import Gauge
from taskd.executors.records import LogHandler, Pen, is_as_made
from taskd.executors.segments import Stream
from taskd.executors.surroundings import Meter, Surroundings

STACKS_SIGNAL: Final = signal.SIGRTMIN + 7
"""Has a thread write its stack, whatever it does; no other program asks for it."""
NEWS_SIGNAL: Final = signal.SIGRTMIN + 8
"""Has the worker read what the daemon says while an attempt is under way."""
PROGRESS_PAUSE_S: Final = 0.1  # at most so often is progress told


def main(connection: int, stacks: int, printed: int) -> None:
    """Serve until the daemon closes the connection or is gone."""
    for descriptor in (connection, stacks, printed):
        os.set_inheritable(descriptor, False)
    faulthandler.register(STACKS_SIGNAL, file=stacks, all_threads=False)
    faulthandler.enable()
    pen = Pen(printed)
    logging.basicConfig(level=logging.INFO, handlers=[LogHandler(pen)])
    Worker(socket.socket(fileno=connection), pen).serve()


class Worker:
    """The worker's end of the connection."""

    def __init__(self, connection: socket.socket, pen: Pen) -> None:
        self._connection = connection
        self._reader = Reader(connection)
        self._pen = pen
        self._stdout, self._stderr = pen.text(Stream.STDOUT, 1), pen.text(Stream.STDERR, 2)
        self._sending = threading.Lock()
        self._starts: deque[tuple[Frame, Start, RunContext]] = deque()
        self._is_busy = self._is_listening = self._is_news = False
        self._stop = threading.Event()
        self._context: RunContext | None = None
        self._tickets = count(1)
        self._answers: dict[int, Future[object]] = {}
        self._progress = threading.Event()
        self._code = LoadedCode()
        self._surroundings = Surroundings()
        self._meter = Meter()

    def serve(self) -> None:
        """Call one attempt after another."""
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(NEWS_SIGNAL, self._listen)
        threading.Thread(target=self._tell_progress, name="taskd-progress", daemon=True).start()
        self._send({"is": "ready"})
        while True:
            while not self._starts:
                self._read()
            frame, start, context = self._starts.popleft()
            self._is_busy = True
            self._listen()  # to what came along, before a signal would have said so
            end = Context().run(self._attempt, frame, start, context)
            leave_if_copied(context)
            self._is_busy = False
            self._send(end_frame(end))

    # -- the main thread -------------------------------------------------------------------------

    def _attempt(self, frame: Frame, start: Start, context: RunContext) -> End:
        CONTEXT.set(context)
        for number, handler in ((signal.SIGTERM, self._terminate), (NEWS_SIGNAL, self._listen)):
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)
        self._set_streams()
        self._meter.begin()
        try:
            with self._surroundings.of(frame):
                end = perform(start, None, self._code, frame["categories"])
        # Such as no memory left for the words of an error, or no such directory.
        except BaseException as raised:  # noqa: BLE001
            end = failed(raised, frame["categories"])
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # whatever the callable made of them
                stream.flush()
        return replace(end, usage=self._meter.end())

    def _set_streams(self) -> None:
        """Have stdout and stderr as at the start, whatever the one before made of them."""
        if not is_as_made(sys.stdout, self._stdout):
            sys.stdout = self._stdout = self._pen.text(Stream.STDOUT, 1)
        if not is_as_made(sys.stderr, self._stderr):
            sys.stderr = self._stderr = self._pen.text(Stream.STDERR, 2)

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

    # -- what the daemon says --------------------------------------------------------------------

    def _read(self, flags: int = 0) -> bool:
        """Take what the daemon says; return whether that was anything."""
        frames = self._reader.read(flags)
        for frame in frames:
            self._take(frame)
        if self._reader.is_over:
            os.killpg(0, signal.SIGKILL)  # the daemon is gone, or wants us gone
        return bool(frames)

    def _listen(self, *_: object) -> None:
        """Take what the daemon says while an attempt is under way; a handler of its signal.

        A signal may come while the one before is handled: what is read must stay in its order.
        """
        self._is_news = True
        if not self._is_busy or self._is_listening:
            return
        self._is_listening = True
        while self._is_news:
            self._is_news = False
            while self._read(socket.MSG_DONTWAIT):
                pass
        self._is_listening = False

    def _send(self, frame: Frame) -> None:
        with self._sending:
            self._connection.sendall(encode(frame))

    def _take(self, frame: Frame) -> None:
        kind: str = frame["is"]
        match kind:
            case "start":
                # From here on it can be asked to stop, before it begins, too.
                start, gauge = start_from(frame), Gauge(_no_time, self._has_told)
                self._context = RunContext(start, self._stop, self._ask, gauge)
                self._starts.append((frame, start, self._context))
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

    # -- the other thread ------------------------------------------------------------------------

    def _tell_progress(self) -> None:
        """Tell the latest progress, not every one: a callable may tell of a million steps."""
        pause = threading.Event()
        while self._progress.wait():
            self._progress.clear()
            context = self._context
            if context is not None and (at := context.gauge.last) is not None:
                self._send({"is": "progress", "at": [context.run.id, *at]})
            pause.wait(PROGRESS_PAUSE_S)


def _error(kind: str, message: str) -> Exception:
    found = getattr(errors, kind, None)
    if found in (errors.Conflict, errors.StoreUnavailable, errors.Stopped):
        raised: Exception = found(message)
        return raised
    return errors.TaskdError(message)


def _no_time() -> float:
    """Return no time: the daemon measures the pace."""
    return 0.0


def boot() -> None:
    """Begin as the daemon's child: argv holds three descriptors and the orders."""
    from taskd.executors import launch

    orders = json.loads(sys.argv[4])
    launch.die_with(orders["parent"])
    launch.note_group(orders["note"], orders["text"])
    launch.be_nice(orders["nice"])
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
