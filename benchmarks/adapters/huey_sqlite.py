"""Huey on SQLite: its consumer with threads, in the adapter's process."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

from huey import SqliteHuey
from huey.consumer import Consumer

from benchmarks import work
from benchmarks.contract import Figures, Unable, lateness_of
from benchmarks.crash import Crashable
from benchmarks.work import tally

LATER = timedelta(days=1)
ADDED_PER_S = 1000  # at worst, so that all is added before it is due


class _Consumer(Consumer):
    def _set_signal_handlers(self) -> None:
        """It runs beside the main thread, which alone could set them."""


class Contestant(Crashable):
    """`fsync=True`, as durable as the others on a store; else a power loss takes tasks."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        del setting
        self._huey = SqliteHuey(filename=str(home / "huey.db"), fsync=True, utc=False)
        self._nothing = self._huey.task()(work.nothing)
        self._note = self._huey.task()(work.note)
        self._mark = self._huey.task()(work.mark)

    def throughput(self, count: int, workers: int) -> Figures:
        tally.expect(count)
        self._consume(workers)
        started = time.perf_counter()
        for _ in range(count):
            self._nothing()
        tally.wait()
        return {"per_s": count / (time.perf_counter() - started)}

    def enqueue(self, count: int) -> Figures:
        started = time.perf_counter()
        for _ in range(count):
            self._nothing()
        return {"one_per_s": count / (time.perf_counter() - started)}

    def lateness(self, count: int, over_s: float) -> Figures:
        self._consume(8)
        return self._lateness(count, over_s)

    def pending(self, count: int) -> Figures:
        raise Unable("adds one task to a commit: minutes for 100,000")

    def idle(self, jobs: int) -> Figures:
        for _ in range(jobs):
            self._nothing.schedule(eta=datetime.now() + LATER)
        self._consume(8)
        return {"pid": os.getpid()}

    def enlist(self, count: int) -> None:
        folder = str(self.marks.folder)
        for n in range(count):
            self._mark(folder, n)
        self._consume(8)

    def resume(self) -> None:
        self._consume(8)

    def _consume(self, workers: int) -> None:
        # Its delays are the defaults of its command, huey_consumer.
        consumer = _Consumer(self._huey, workers=workers, worker_type="thread")
        Thread(target=consumer.run, daemon=True).start()

    def _lateness(self, count: int, over_s: float) -> Figures:
        tally.expect(count)
        start = time.time() + 1.0 + count / ADDED_PER_S
        for n in range(count):
            at = start + n * over_s / count
            self._note.schedule(args=(at,), eta=datetime.fromtimestamp(at))
        tally.wait()
        return lateness_of(tally.late_s)
