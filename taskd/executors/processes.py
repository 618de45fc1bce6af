"""Processes: worker processes, kept warm, each of which calls one attempt at a time.

A thread of the daemon watches each worker. What a callable does to its process, it does to its own
attempt alone: the worker's death is that attempt's error, and the next has a new worker. Workers
are made afresh by exec, never by a fork of the daemon. (Not pebble's pool: that pickles what jobs
return, which the daemon would have to unpickle, and knows no groups and no limits.)
"""

from __future__ import annotations

import os
import select
import signal
import threading
from concurrent.futures import Future
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Final

from taskd.core.messages import AnyRequest, Checkpointed, Marked
from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.errors import ProcessDied, TaskdError
from taskd.executors.call import End, failed
from taskd.executors.child import Child, Nursery, ending
from taskd.executors.current_run import CHECKPOINT_LIMIT, RunContext
from taskd.executors.frames import Broken, Frame, end_from, start_frame
from taskd.executors.niceness import check_nice
from taskd.executors.reports import Reports
from taskd.executors.worker_handle import WorkerHandle

ATTEMPTS: Final = 5_000  # of one worker: what leaks in a process ends with it
IDLE_S: Final = 60.0  # a worker that nobody needed for so long ends


class Processes:
    """Calls each attempt in a worker process and reports its end."""

    def __init__(self, reports: Reports, nursery: Nursery) -> None:
        self._reports = reports
        self._nursery = nursery
        self._lock = threading.Lock()
        self._idle: list[_Keeper] = []
        self._running: dict[RunId, _Attempt] = {}
        self._is_closed = False
        self.generation = 0
        self.leaked = 0

    def start(self, start: Start) -> None:
        """Begin an attempt in an idle worker, or a new one.

        Raises:
            RuntimeError, OSError: The machine gives no thread or descriptor; nothing was begun.
        """
        nice = start.execution.nice
        keeper = self._take_idle(nice) or _Keeper(self, self._reports, self._nursery, nice)
        attempt = _Attempt(start, self._reports.begin(start))
        self._running[start.run.id] = attempt
        keeper.work.put(attempt)

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """1 sends SIGTERM to the group, which sets `current_run.cancelled`; from 2 on SIGKILL."""
        attempt = self._running.get(run)
        if attempt is not None:
            attempt.interrupt(stage)

    def stack(self, run: RunId) -> str:
        """Return where an attempt was when it was interrupted."""
        attempt = self._running.get(run)
        return "" if attempt is None else attempt.stack

    def stopping(self) -> None:
        """Have the workers set `current_run.stopping`."""
        for attempt in list(self._running.values()):
            attempt.wake()

    def recycle(self) -> None:
        """Have each worker replaced by a fresh one before its next attempt."""
        self.generation += 1

    def close(self) -> None:
        """Let idle workers end, and kill the others: what they do was handed back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for keeper in idle:
            keeper.work.put(None)
        for attempt in list(self._running.values()):
            attempt.kill()

    def _take_idle(self, nice: int) -> _Keeper | None:
        """Take the keeper that was busy last, of a worker as nice as that: it stays so.

        setpriority(2) lets nobody but an administrator be less nice again.
        """
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at].nice == nice:
                    return self._idle.pop(at)
        return None

    # -- for the keepers -------------------------------------------------------------------------

    def is_done(self, keeper: _Keeper, attempt: _Attempt, end: End) -> bool:
        """Report an end; return whether the keeper is to wait for more."""
        self._running.pop(attempt.start.run.id, None)
        with self._lock:
            is_kept = not self._is_closed
            if is_kept:
                self._idle.append(keeper)
        self._reports.end(attempt.context, end.with_stack(attempt.stack))
        return is_kept

    def dismiss(self, keeper: _Keeper) -> bool:
        """Let an idle keeper go; return False when work is on the way to it."""
        with self._lock:
            if keeper not in self._idle:
                return False
            self._idle.remove(keeper)
            return True


class _Attempt:
    """One attempt on its way through a worker; any thread may interrupt it."""

    def __init__(self, start: Start, context: RunContext) -> None:
        self.start = start
        self.context = context
        self.stack = ""
        self.stage = 0
        self.child: Child | None = None
        self._lock = threading.Lock()
        self._bell = -1

    def open(self, child: Child, bell: int) -> None:
        """Name the worker, and an eventfd(2) to ring when there is news."""
        with self._lock:
            self.child = child
            self.context.pid = child.pid
            self._bell = bell
        if self.stage or self.context.stop.is_set():  # before there was a bell
            self.wake()

    def close(self) -> None:
        """Ring no more."""
        with self._lock:
            self._bell, self.child = -1, None

    def interrupt(self, stage: int) -> None:
        self.context.cancel.set()
        self.stage = max(stage, self.stage)
        self.wake()

    def wake(self) -> None:
        with self._lock:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def kill(self) -> None:
        self.interrupt(3)
        with self._lock:
            if self.child is not None:
                self.child.signal(signal.SIGKILL)


class _Keeper:
    """A thread that has a worker, or makes one, and takes one attempt after another through it."""

    def __init__(self, processes: Processes, reports: Reports, nursery: Nursery, nice: int) -> None:
        self.nice = nice
        self.work: SimpleQueue[_Attempt | None] = SimpleQueue()
        self._processes = processes
        self._reports = reports
        self._nursery = nursery
        self._worker: WorkerHandle | None = None
        # Kept from attempt to attempt: one that rings late has the next look in vain.
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            threading.Thread(target=self._serve, name="taskd-process", daemon=True).start()
        except RuntimeError:
            os.close(self._bell)
            raise

    def _serve(self) -> None:
        while (attempt := self._next()) is not None:
            try:
                end = self._perform(attempt)
            # No process, no descriptor: it ends this attempt alone.
            except Exception as error:  # noqa: BLE001
                end = failed(error, self._reports.categories)
            if not self._processes.is_done(self, attempt, end):
                break
        self._let_go()
        os.close(self._bell)

    def _next(self) -> _Attempt | None:
        while True:
            try:
                return self.work.get(timeout=IDLE_S)
            except Empty:
                if self._processes.dismiss(self):
                    return None

    def _perform(self, attempt: _Attempt) -> End:
        worker = self._fresh()
        worker.attempts += 1
        attempt.open(worker.child, self._bell)
        try:
            categories = dict(self._reports.categories)
            worker.send(start_frame(attempt.start, categories))
            return _Following(worker, attempt, self._bell, self._reports).end()
        except Died:
            self._worker = None
            usage = worker.end()
            words = ending(usage)
            if usage.signal == "SIGXCPU":
                words += ", for it used more than max_cpu_time"
            return replace(failed(ProcessDied(words), self._reports.categories), usage=usage)
        # Broken, mostly: nobody knows what the worker does.
        except Exception as fault:  # noqa: BLE001
            self._let_go()
            error = ProcessDied(f"the worker broke its word: {fault!r}")
            return failed(error, self._reports.categories)
        finally:
            attempt.close()

    def _fresh(self) -> WorkerHandle:
        """Return a worker that lives and has the code of now."""
        worker, generation = self._worker, self._processes.generation
        is_old = worker is not None and (
            worker.generation != generation
            or worker.attempts >= ATTEMPTS
            or worker.child.has_ended()
        )
        if worker is None or is_old:
            self._let_go()
            check_nice(self.nice)
            worker = self._worker = WorkerHandle(self._nursery, generation, self.nice)
        return worker

    def _let_go(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


class Died(Exception):
    """The worker has ended without a word."""


class _Following:
    """One attempt in a worker, from its start to its end or the worker's."""

    def __init__(
        self, worker: WorkerHandle, attempt: _Attempt, bell: int, reports: Reports
    ) -> None:
        self._worker = worker
        self._attempt = attempt
        self._bell = bell
        self._reports = reports
        self._is_asked = self._is_told_to_stop = False
        self._end: End | None = None
        self._asked: list[tuple[object, Future[object]]] = []
        self._poll = select.poll()
        self._connection = worker.connection.fileno()
        pipes = (worker.printed, worker.stdout, worker.stderr)
        for source in (self._connection, *pipes, bell, worker.child.pidfd):
            self._poll.register(source, select.POLLIN)

    def end(self) -> End:
        """Return how the attempt ended. Raises Died, Broken."""
        pidfd = self._worker.child.pidfd
        while self._end is None:
            ready = {source for source, _ in self._poll.poll()}
            if ready - {self._connection, self._bell, pidfd}:
                self._keep_output(ready)
            if self._connection in ready:
                self._take()
            if self._bell in ready:
                self._heed()
            if pidfd in ready and self._end is None:
                self._take_rest()
        self._keep_rest()
        return self._end

    def _take(self) -> None:
        for frame in self._worker.reader.read():
            match frame.get("is"):
                case "ready":
                    self._worker.has_begun()
                case "end":
                    self._end = end_from(frame)
                case "progress":
                    self._progress(*frame["at"])
                case "ask":
                    self._ask(frame)
                case other:
                    raise Broken(f"it said {other!r}")
        if self._worker.reader.is_over:
            self._poll.unregister(self._connection)

    def _take_rest(self) -> None:
        """Look for a last word of a worker that has ended."""
        while not self._worker.reader.is_over and self._end is None:
            self._take()
        if self._end is None:
            self._keep_rest()
            raise Died

    def _heed(self) -> None:
        """Do what was asked for meanwhile: to stop, to insist."""
        os.eventfd_read(self._bell)
        self._answer()
        if self._reports.stop.is_set() and not self._is_told_to_stop:
            self._is_told_to_stop = True
            self._worker.tell({"is": "stopping"})
        stage = self._attempt.stage
        if stage >= 1 and not self._is_asked:
            self._is_asked = True
            self._worker.tell({"is": "cancel"})
            if stage == 1:
                self._worker.child.signal(signal.SIGTERM)
        if stage >= 2:
            self._attempt.stack = self._attempt.stack or self._worker.take_stack()
            self._worker.child.signal(signal.SIGKILL)

    def _ask(self, frame: Frame) -> None:
        """Ask the engine; its answer rings, for a stop must be heard meanwhile."""
        run = self._attempt.start.run
        asked: AnyRequest
        told = frame.get("checkpoint", frame.get("mark"))
        if not isinstance(told, str) or len(told) > CHECKPOINT_LIMIT:
            raise Broken(f"it asked for {type(told).__name__}")
        if "checkpoint" in frame:
            asked = Checkpointed(run.id, run.attempt, told)
        else:
            asked = Marked(run.id, run.attempt, self._attempt.context.scope, told)
        answer = self._reports.asked(asked)
        self._asked.append((frame.get("ticket"), answer))
        answer.add_done_callback(lambda _: self._attempt.wake())

    def _answer(self) -> None:
        """Tell the worker what the engine has answered by now."""
        answered = [asked for asked in self._asked if asked[1].done()]
        self._asked = [asked for asked in self._asked if not asked[1].done()]
        for ticket, answer in answered:
            reply: Frame = {"is": "reply", "ticket": ticket}
            try:
                reply["value"] = answer.result()
            except TaskdError as error:
                reply["error"] = [type(error).__name__, str(error)]
            self._worker.tell(reply)

    def _progress(self, run: str, done: float, total: float | None, note: str) -> None:
        if run == self._attempt.start.run.id:  # and not of the attempt before
            self._attempt.context.gauge.tell(done, total, note)

    def _keep_rest(self) -> None:
        """Keep what the pipes hold at the end."""
        self._keep_output({source for source, _ in self._poll.poll(0)})

    def _keep_output(self, ready: set[int]) -> None:
        output = self._attempt.context.output
        for stream, data in self._worker.printed_so_far(ready):
            if output is not None:
                output.write(stream, data)
