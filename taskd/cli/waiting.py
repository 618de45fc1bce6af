"""Waiting for runs to end, and what their end means for the exit status."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from taskd.cli.failures import Exit
from taskd.cli.progress import progress_words
from taskd.cli.render import ellipsis, talk
from taskd.cli.table import cut
from taskd.cli.times import clock, going, relative, since, took
from taskd.client import FINAL_STATES, Client, Document
from taskd.terminal import harmless

# How long a due job may take to become a run that `runs` shows.
_GLANCE: Final = timedelta(milliseconds=50)
REDRAW_S: Final = 1.0  # between two looks at a run that somebody waits for at a terminal


class Deadline:
    """The moment at which a verb gives up; never, without `seconds`."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else clock().elapsed() + seconds

    def left(self) -> float | None:
        """The seconds left, at least 0; None where there is no end."""
        return None if self._end is None else max(0.0, self._end - clock().elapsed())

    @property
    def passed(self) -> bool:
        """Whether it is time to give up."""
        return self.left() == 0.0


class Line:
    """A line on a terminal's stderr that is written over as things go on; nowhere else any line."""

    def __init__(self) -> None:
        self.is_live = sys.stderr.isatty()
        self._is_shown = False

    def show(self, text: str) -> None:
        """Put a text in the place of the one before, on one line of the terminal."""
        if self.is_live:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r{cut(harmless(text), width, ellipsis())}\x1b[K")
            self._is_shown = True

    def clear(self) -> None:
        """Take the text away."""
        if self._is_shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


@contextmanager
def line() -> Iterator[Line]:
    """A line that is gone when the waiting is over, be it by Ctrl-C."""
    shown = Line()
    try:
        yield shown
    finally:
        shown.clear()


def wait_for(daemon: Client, run: str, deadline: Deadline) -> Document:
    """The run once it is final, or as it stands at the deadline; a terminal sees it go on."""
    with line() as shown:
        if not shown.is_live:
            return daemon.wait(run, deadline.left())
        document = daemon.wait(run, 0)
        try:
            while document["state"] not in FINAL_STATES and not deadline.passed:
                shown.show(standing(document))
                left = deadline.left()
                document = daemon.wait(run, REDRAW_S if left is None else min(left, REDRAW_S))
        except KeyboardInterrupt:
            shown.clear()
            talk(f"the run goes on; wait for it with: taskd wait {run}")
            raise
        return document


def standing(run: Document) -> str:
    """How a live run stands: its job, its state, and for how long or how far it has come."""
    words = [f"{run['job'] or run['id']} {run['state']}"]
    if run["state"] == "RUNNING" and run["started_at"]:
        words[0] += f" {going(since(run['started_at']))}"
    if run.get("next_attempt_at"):
        words.append(f"attempt {run['attempt'] + 1} {relative(run['next_attempt_at'])}")
    if told := progress_words(run.get("progress"), bars=True):
        words.append(told)
    return ", ".join(words)


def verdict(runs: Sequence[Document | None]) -> Exit:
    """0 where each run succeeded, 124 where one is not final (or not there) yet, else 1."""
    states = [run["state"] if run else None for run in runs]
    if any(state not in FINAL_STATES for state in states):
        return Exit.TIMED_OUT
    return Exit.DONE if all(state == "SUCCEEDED" for state in states) else Exit.FAILED


def ending(run: Document) -> str:
    """How a run stands, in a sentence: ``SUCCEEDED in 1.2s``, ``FAILED: ValueError: no``."""
    state = str(run["state"])
    if state not in FINAL_STATES:
        return f"still {state}"
    if error := run.get("error"):
        return f"{state}: {error['type']}: {error['message']}"
    if run.get("reason"):
        return f"{state}: {run['reason']}"
    lasted = took(duration_of(run))
    return f"{state} in {lasted}" if lasted else state


def duration_of(run: Document) -> float | None:
    """The seconds from a run's start to its end; None where it lacks one of them."""
    started, finished = run.get("started_at"), run.get("finished_at")
    if not started or not finished:
        return None
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()


def first_run(
    daemon: Client, job: str, asked_at: datetime, next_due_at: str | None, deadline: Deadline
) -> Document | None:
    """The first run that a job gets from `asked_at` on; None where the deadline comes before it."""
    from taskd.clock import Wakeup

    never = Wakeup()
    due = datetime.fromisoformat(next_due_at) if next_due_at else clock().now()
    try:
        with line() as shown:
            while not (runs := _made_since(daemon, job, asked_at)) and not deadline.passed:
                until = max(due, clock().now() + _GLANCE)
                if shown.is_live:
                    shown.show(f"{job} is due {relative(next_due_at) or 'now'}")
                    until = min(until, clock().now() + timedelta(seconds=REDRAW_S))
                if (left := deadline.left()) is not None:
                    until = min(until, clock().now() + timedelta(seconds=left))
                clock().wait(until, never)
    finally:
        never.close()
    return runs[-1] if runs else None


def _made_since(daemon: Client, job: str, since: datetime) -> list[Document]:
    # An id is a UUIDv7 (RFC 9562): it begins with the milliseconds at which its run was made. A
    # run may be due long before that, and may be of an earlier job of the same name.
    stamp = f"{int(since.timestamp() * 1000):012x}"
    floor = f"{stamp[:8]}-{stamp[8:]}"
    return [run for run in daemon.runs(job=job, limit=10) if run["id"] >= floor]
