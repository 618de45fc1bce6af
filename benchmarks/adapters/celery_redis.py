"""Celery with Redis as broker and for results; its worker is a process tree of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import Celery
from celery.result import AsyncResult

from benchmarks import work
from benchmarks.commands import Watched, side_by_side
from benchmarks.contract import Figures, Unable, lateness_of
from benchmarks.crash import Crashable

LATER = timedelta(days=1)
PATIENCE_S = 120.0
PROCESSES = 8  # a slot is a process: 64 of them would measure the machine's memory

# The worker imports this module too, and reads the address from the environment.
app = Celery("benchmarks", broker=os.environ.get("BENCHMARKS_REDIS"))
app.conf.result_backend = app.conf.broker_url


@app.task
def nothing() -> None:
    """Do nothing."""


@app.task
def note(due_at: float) -> float:
    """Return how late this call is, in seconds of the wall clock."""
    return time.time() - due_at


@app.task
def mark(folder: str, number: int) -> None:
    """See `work.mark`."""
    work.mark(folder, number)


class Contestant(Crashable):
    """A worker with its defaults: 8 processes, acknowledged when taken."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._home = home
        os.environ["BENCHMARKS_REDIS"] = setting
        app.conf.broker_url = app.conf.result_backend = setting
        self._worker: subprocess.Popen[bytes] | None = None

    def throughput(self, count: int, workers: int) -> Figures:
        if workers != PROCESSES:
            raise Unable(f"a slot of it is a process; {workers} of them are too many here")
        self._work()
        started = time.perf_counter()
        for result in [nothing.delay() for _ in range(count)]:
            result.get(PATIENCE_S)
        return {"per_s": count / (time.perf_counter() - started)}

    def enqueue(self, count: int) -> Figures:
        nothing.delay()
        started = time.perf_counter()
        for _ in range(count):
            nothing.delay()
        return {"one_per_s": count / (time.perf_counter() - started)}

    def lateness(self, count: int, over_s: float) -> Figures:
        self._work()
        return self._lateness(count, over_s)

    def idle(self, jobs: int) -> Figures:
        self._work()
        for _ in range(jobs):
            nothing.apply_async(eta=datetime.now(UTC) + LATER)
        assert self._worker is not None
        return {"pid": self._worker.pid}

    def commands(self) -> Figures:
        self._work()
        ping = [sys.executable, "-m", "celery", "-A", __name__, "inspect", "ping"]
        return side_by_side({"ping": Watched(ping)}, {})

    def enlist(self, count: int) -> None:
        for n in range(count):
            mark.delay(str(self.marks.folder), n)
        self._work(wait=False)

    def resume(self) -> None:
        self._work()

    def _work(self, *, wait: bool = True) -> None:
        command = [sys.executable, "-m", "celery", "-A", __name__, "worker", "-c", str(PROCESSES)]
        with (self._home / "worker.log").open("wb") as log:
            self._worker = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            nothing.delay().get(PATIENCE_S)

    def _lateness(self, count: int, over_s: float) -> Figures:
        start = time.time() + 2.0 + count / 400
        results: list[AsyncResult[float]] = []
        for n in range(count):
            at = start + n * over_s / count
            results.append(note.apply_async((at,), eta=datetime.fromtimestamp(at, UTC)))
        return lateness_of([result.get(PATIENCE_S) for result in results])
