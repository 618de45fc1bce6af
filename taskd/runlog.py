"""Runlog: what the daemon says on stderr, written by a thread that may be held up.

A stderr that nobody reads holds up this thread and nothing else. It writes to the descriptor
itself: the lock of `sys.stderr`, held by a thread that hangs in a write, aborts the interpreter
at its end.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from queue import Full, Queue
from typing import Final

from taskd.core.run import Run, RunState
from taskd.terminal import harmless, harmless_lines

BACKLOG: Final = 10_000  # lines kept for a reader of stderr that is slow
STDERR: Final = 2

# What sd-daemon(3) calls the levels of syslog(3), which begin a line of the journal.
_PRIORITIES: Final = {
    logging.CRITICAL: "<2>",
    logging.ERROR: "<3>",
    logging.WARNING: "<4>",
    logging.INFO: "<6>",
    logging.DEBUG: "<7>",
}


class Runlog(logging.Handler):
    """Writes to a descriptor: what is said, each log record, and a line for each finished run.

    Any thread may call, and none waits: past the backlog lines are dropped, and their number is
    written once the rest is. A record is one line, its traceback included,
    unless a person may be reading: a journal would make many entries of it. Where the descriptor
    `is_journal`, of systemd, each line begins with its priority.
    """

    def __init__(self, descriptor: int = STDERR, *, is_journal: bool = False) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self._is_journal = is_journal
        self._lines: Queue[tuple[int, str] | Run | None] = Queue(BACKLOG)
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def start(self, *first: str) -> None:
        """Begin to write, these lines first; what came before waits until then."""
        self._thread = threading.Thread(
            target=self._write, args=first, name="taskd-runlog", daemon=True
        )
        self._thread.start()

    def say(self, text: str, level: int = logging.INFO) -> None:
        """Write a text, which may have several lines; `level` is one of `logging`'s."""
        self._take((level, text))

    def ended(self, run: Run) -> None:
        """Write the line of a finished run."""
        self._take(run)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record."""
        text = self.format(record)
        if not self._is_terminal:
            lines = (line.strip() for line in text.splitlines())
            text = " | ".join(line for line in lines if line.strip("^~"))
        self._take((record.levelno, text))

    def finish(self, timeout_s: float = 1.0) -> None:
        """Write what has gathered, for at most `timeout_s`, and end."""
        if self._thread is None:
            self.start()
        self._take(None)
        assert self._thread is not None
        self._thread.join(timeout_s)

    def _take(self, line: tuple[int, str] | Run | None) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._dropped += 1

    def _write(self, *first: str) -> None:
        for text in first:
            self._put(logging.INFO, text)
        while (item := self._lines.get()) is not None:
            self._put(*((_level(item), line(item)) if isinstance(item, Run) else item))
            if self._dropped and self._lines.empty():
                dropped, self._dropped = self._dropped, 0
                self._put(logging.WARNING, f"... {dropped} lines are not shown")

    def _put(self, level: int, text: str) -> None:
        text = harmless_lines(text)
        if self._is_journal:
            priority = _PRIORITIES.get(level, "<6>")
            text = "\n".join(f"{priority}{one}" for one in text.split("\n"))
        rest = f"{text}\n".encode("utf-8", "backslashreplace")
        # A terminal that hung up, a pipe whose reader has gone: the runs go on without a witness.
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def _level(run: Run) -> int:
    is_bad = run.state in (RunState.FAILED, RunState.DEAD)
    return logging.WARNING if is_bad else logging.INFO


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
