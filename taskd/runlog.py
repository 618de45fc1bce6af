"""Runlog: what the daemon says on stderr, written by a thread that may be held up.

A stderr that nobody reads holds up this thread and nothing else. It writes to the descriptor
itself: the lock of `sys.stderr`, held by a thread that hangs in a write, aborts the interpreter
at its end.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from queue import Full, Queue
from typing import Final, TypeAlias

from taskd.clock import wall_clock
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


Said: TypeAlias = tuple[datetime, int, str]
"""When, at which of `logging`'s levels, and what."""


class Runlog(logging.Handler):
    """Writes to a descriptor: what is said, each log record, and a line for each finished run.

    Any thread may call, and none waits: past the backlog lines are dropped, and their number is
    written once the rest is. A record is one line, its traceback included,
    unless a person may be reading: a journal would make many entries of it. Where the descriptor
    `is_journal`, of systemd, each line begins with its priority. `as_json` makes each an object.
    """

    def __init__(
        self, descriptor: int = STDERR, *, is_journal: bool = False, as_json: bool = False
    ) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self._is_journal = is_journal
        self._as_json = as_json
        self._lines: Queue[Said | Run | None] = Queue(BACKLOG)
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
        self._take((wall_clock(), level, text))

    def ended(self, run: Run) -> None:
        """Write the line of a finished run."""
        self._take(run)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record."""
        text = self.format(record)
        if not self._is_terminal:
            lines = (line.strip() for line in text.splitlines())
            text = " | ".join(line for line in lines if line.strip("^~"))
        self._take((datetime.fromtimestamp(record.created, UTC), record.levelno, text))

    def finish(self, timeout_s: float = 1.0) -> None:
        """Write what has gathered, for at most `timeout_s`, and end."""
        if self._thread is None:
            self.start()
        self._take(None)
        assert self._thread is not None
        self._thread.join(timeout_s)

    def _take(self, line: Said | Run | None) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._dropped += 1

    def _write(self, *first: str) -> None:
        for text in first:
            self._put((wall_clock(), logging.INFO, text))
        while (item := self._lines.get()) is not None:
            self._put(item)
            if self._dropped and self._lines.empty():
                dropped, self._dropped = self._dropped, 0
                self._put((wall_clock(), logging.WARNING, f"... {dropped} lines are not shown"))

    def _put(self, item: Said | Run) -> None:
        level = _level(item) if isinstance(item, Run) else item[1]
        if self._as_json:
            text = json.dumps(_object(item, level), separators=(",", ":"))
        else:
            text = harmless_lines(line(item) if isinstance(item, Run) else item[2])
        if self._is_journal:
            priority = _PRIORITIES.get(level, "<6>")
            text = "\n".join(f"{priority}{one}" for one in text.split("\n"))
        rest = f"{text}\n".encode("utf-8", "backslashreplace")
        # A terminal that hung up, a pipe whose reader has gone: the runs go on without a witness.
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def _object(item: Said | Run, level: int) -> dict[str, object]:
    """Return a line as an object, its keys in one order; those of a run are there for a run."""
    if not isinstance(item, Run):
        at, _, message = item
        return {"at": _rfc3339(at), "level": _word(level), "message": message}
    took = None
    if item.started_at is not None and item.finished_at is not None:
        took = (item.finished_at - item.started_at).total_seconds()
    return {
        "at": _rfc3339(item.finished_at or item.scheduled_at),
        "level": _word(level),
        "message": f"{item.job or 'task'} {item.state.value}",
        "job": item.job,
        "run": item.id,
        "state": item.state.value,
        "reason": item.reason or None,
        "duration_s": took,
        "error": item.error and {"type": item.error.type, "message": item.error.message},
    }


def _word(level: int) -> str:
    return logging.getLevelName(level).lower()


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


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
