"""Runlog: one line on stderr for each finished run, written by a thread that may be held up."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from queue import Full, Queue
from typing import Final, TextIO

from taskd.core.run import Run
from taskd.terminal import harmless

BACKLOG: Final = 10_000  # lines kept for a reader of stderr that is slow


class Runlog:
    """Writes finished runs to a stream: local time, job, run, state, duration, error.

    A stream that nobody reads holds up the writing thread and nothing else: past the backlog lines
    are dropped, and their number is written when the stream takes text again.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._ended: Queue[Run | None] = Queue(BACKLOG)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="taskd-runlog", daemon=True)

    def start(self) -> None:
        """Begin to write; what ended before waits until then."""
        self._thread.start()

    def ended(self, run: Run) -> None:
        """Take note of a finished run; returns at once."""
        try:
            self._ended.put_nowait(run)
        except Full:
            self._dropped += 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what has gathered, for at most `timeout_s`."""
        try:
            self._ended.put_nowait(None)
        except Full:
            return
        self._thread.join(timeout_s)

    def _write(self) -> None:
        while (run := self._ended.get()) is not None:
            self._put(line(run))
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._put(f"... {dropped} finished runs are not shown")

    def _put(self, text: str) -> None:
        # A terminal that hung up, a pipe whose reader has gone: the runs go on without a witness.
        with suppress(OSError):
            self._stream.write(f"{text}\n")
            self._stream.flush()


def line(run: Run) -> str:
    """Return the line of a finished run, with nothing in it that a terminal would obey."""
    ended_at = run.finished_at or run.scheduled_at
    words = [ended_at.astimezone().strftime("%H:%M:%S"), run.job or "task", run.id, run.state.value]
    if run.started_at is not None and run.finished_at is not None:
        words.append(f"{(run.finished_at - run.started_at).total_seconds():.3f}s")
    if run.error is not None:
        words.append(f"{run.error.type}: {run.error.message}")
    elif run.reason:
        words.append(run.reason)
    return harmless(" ".join(words))
