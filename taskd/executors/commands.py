"""Commands: programs, each in a process group of its own, watched by a thread of its own.

A command gets /dev/null for its stdin and, unless it asked for one, no shell. Its exit status 0 is
success, with null as the result; any other, or a signal, is the error. When it has ended, what it
left in its group is killed: what is to live on must leave the group, as daemons do.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from taskd.core.run import Outcome, Result, RunError, RunId, Usage
from taskd.core.turn import Start
from taskd.errors import ProcessDied
from taskd.executors.call import NO_CATEGORIES, End, failed
from taskd.executors.child import CHUNK, Child, Nursery, Plan, drain, ending, pipes
from taskd.executors.current_run import RunContext
from taskd.executors.groups import BOOT, MARK
from taskd.executors.niceness import check_nice
from taskd.executors.outputs import Output
from taskd.executors.reports import Reports
from taskd.executors.segments import Stream

LAUNCH: Final = Path(__file__).with_name("launch.py")
SECOND: Final = timedelta(seconds=1)
KIB: Final = 1024


class _Attempt:
    """A command under way. It may be interrupted before it has a process."""

    def __init__(self, start: Start, context: RunContext) -> None:
        self.start = start
        self.context = context
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._stage = 0

    def has(self, child: Child) -> None:
        with self._lock:
            self._child = child
            self.context.pid = child.pid
            self._signal()

    def interrupt(self, stage: int) -> None:
        self.context.cancel.set()
        with self._lock:
            self._stage = max(stage, self._stage)
            self._signal()

    def _signal(self) -> None:
        if self._child is not None and self._stage:
            self._child.signal(signal.SIGTERM if self._stage == 1 else signal.SIGKILL)


class Commands:
    """Runs commands and reports their ends."""

    def __init__(self, reports: Reports, nursery: Nursery) -> None:
        self._reports = reports
        self._nursery = nursery
        self._running: dict[RunId, _Attempt] = {}
        self.leaked = 0

    def start(self, start: Start) -> None:
        """Begin an attempt. Raises RuntimeError: the machine gives no thread."""
        attempt = _Attempt(start, self._reports.begin(start))
        watcher = threading.Thread(
            target=self._watch, args=(attempt,), name="taskd-command", daemon=True
        )
        self._running[start.run.id] = attempt
        try:
            watcher.start()
        except RuntimeError:
            del self._running[start.run.id]
            self._reports.take_back(attempt.context)
            raise

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """Send SIGTERM to the group of a running attempt, SIGKILL from stage 2 on."""
        attempt = self._running.get(run)
        if attempt is not None:
            attempt.interrupt(stage)

    def stack(self, run: RunId) -> str:  # noqa: ARG002 - of a program nobody knows it
        """Return nothing."""
        return ""

    def close(self) -> None:
        """Kill what still runs: it was handed back, and may be attempted again."""
        for attempt in list(self._running.values()):
            attempt.interrupt(3)

    def _watch(self, attempt: _Attempt) -> None:
        try:
            end = self._run(attempt)
        # No process, no descriptor, no such program: it ends this attempt alone.
        except Exception as error:  # noqa: BLE001
            end = failed(error, self._reports.categories)
        self._running.pop(attempt.start.run.id, None)
        self._reports.end(attempt.context, end)

    def _run(self, attempt: _Attempt) -> End:
        made = pipes(3)
        stdout, stderr, errors = (reading for reading, _ in made)
        try:
            try:
                writing = (descriptor for _, descriptor in made)
                child = self._nursery.raise_child(self._plan(attempt.start, *writing))
            finally:
                for _, descriptor in made:
                    os.close(descriptor)
            attempt.has(child)
            printed = {stdout: Stream.STDOUT, stderr: Stream.STDERR}
            try:
                floor, failure = _launched(errors)
                _follow(child, printed, attempt.context.output)
            finally:
                child.signal(signal.SIGKILL)
                usage = child.reap()
            _keep_rest(printed, attempt.context.output)
        finally:
            for reading, _ in made:
                os.close(reading)
        return self._end(replace(usage, peak_memory=_peak(usage, floor)), failure)

    def _plan(self, start: Start, stdout: int, stderr: int, errors: int) -> Plan:
        execution, run, mark = start.execution, start.run, self._nursery.mark()
        check_nice(execution.nice)
        words = [str(word) for word in start.call.args]
        time = execution.max_cpu_time
        folder = self._nursery.folder
        orders = {
            "argv": ["/bin/sh", "-c", words[0]] if execution.shell else words,
            "parent": os.getpid(),
            "note": None if folder is None else str(folder),
            "text": f"{BOOT.read_text().strip() if BOOT.exists() else '-'} {mark}",
            "cwd": execution.cwd,
            "nice": execution.nice,
            "max_memory": execution.max_memory,
            "max_cpu_s": None if time is None else -(-time // SECOND),
        }
        told = {
            "TASKD_RUN": run.id,
            "TASKD_JOB": run.job or "",
            "TASKD_ATTEMPT": str(run.attempt),
            "TASKD_SCHEDULED_AT": run.scheduled_at.isoformat(),
            "TASKD_FENCE": str(run.fence),
            MARK: mark,
        }
        return Plan(
            [sys.executable, "-I", "-S", str(LAUNCH), str(errors), json.dumps(orders)],
            {**os.environ, **execution.env, **told},
            stdout,
            stderr,
            (errors,),
        )

    def _end(self, usage: Usage, failure: str) -> End:
        if failure:
            return replace(failed(ProcessDied(failure), self._reports.categories), usage=usage)
        if usage.exit_status == 0:
            return End(Outcome.SUCCEEDED, result=Result("null"), usage=usage)
        error = RunError("taskd.errors.ProcessDied", ending(usage), text=ending(usage))
        return End(
            Outcome.FAILED,
            error=error,
            classes=failed(ProcessDied(), NO_CATEGORIES).classes,
            usage=usage,
        )


def _follow(child: Child, printed: Mapping[int, Stream], output: Output | None) -> None:
    """Keep what the command prints until it has ended, whoever else holds the pipes open."""
    poll = select.poll()
    for source in (child.pidfd, *printed):
        poll.register(source, select.POLLIN)
    # In the order of registration: of two that are ready, stdout first.
    while child.pidfd not in (ready := [source for source, _ in poll.poll()]):
        for source in ready:
            if not (data := os.read(source, CHUNK)):
                poll.unregister(source)
            elif output is not None:
                output.write(printed[source], data)


def _keep_rest(printed: Mapping[int, Stream], output: Output | None) -> None:
    """Keep what the pipes hold; who left the group and prints on is not waited for."""
    for source, stream in printed.items():
        os.set_blocking(source, False)
        if (data := drain(source)) and output is not None:
            output.write(stream, data)


def _launched(errors: int) -> tuple[int, str]:
    """Wait for the command to begin; return the peak memory in KiB before it, and what failed."""
    told = b""
    while data := os.read(errors, CHUNK):
        told += data
    floor, _, failure = told.decode(errors="replace").partition(" ")
    return (int(floor), failure) if floor.isdecimal() else (0, told.decode(errors="replace"))


def _peak(usage: Usage, floor: int) -> int | None:
    """Return the peak memory where the command had more than the process that became it.

    getrusage(2) counts what a process had before exec(2) too, that of the daemon by vfork(2).
    """
    peak = usage.peak_memory
    return peak if peak is not None and peak > floor * KIB else None
