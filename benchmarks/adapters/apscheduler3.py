"""APScheduler 3. The setting: memory or sqlite."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from benchmarks.contract import Figures, Unable, lateness_of
from benchmarks.crash import Crashable
from benchmarks.processes import held_bytes
from benchmarks.work import burn, mark, note, nothing, tally

LATER = timedelta(days=1)
ADDED_PER_S = {"memory": 5000, "sqlite": 100}  # at worst, so that all is added before it is due
logging.disable(logging.WARNING)  # it warns of each job that it does not start in time


class Contestant(Crashable):
    """A `BackgroundScheduler` with no limit to its misfire grace, so that nothing is dropped."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._setting, self._url = setting, f"sqlite:///{home}/jobs.db"

    def throughput(self, count: int, workers: int) -> Figures:
        tally.expect(count)
        scheduler = self._open(workers)
        started = time.perf_counter()
        for _ in range(count):
            scheduler.add_job(nothing)
        tally.wait()
        return {"per_s": count / (time.perf_counter() - started)}

    def enqueue(self, count: int) -> Figures:
        scheduler, later = self._open(8), datetime.now(UTC) + LATER
        started = time.perf_counter()
        for _ in range(count):
            scheduler.add_job(nothing, "date", run_date=later)
        return {"one_per_s": count / (time.perf_counter() - started)}

    def lateness(self, count: int, over_s: float) -> Figures:
        return self._lateness(self._open(8), count, over_s)

    def drift(self, jobs: int, interval_s: float, for_s: float) -> Figures:
        due = round(jobs * for_s / interval_s)
        tally.expect(due)
        scheduler = self._open(8, max_instances=3)
        for _ in range(jobs):
            scheduler.add_job(nothing, "interval", seconds=interval_s)
        before = tally.called()
        time.sleep(for_s)
        runs = tally.called() - before
        return {"runs": runs, "runs_share": min(1.0, runs / due)}

    def pending(self, count: int) -> Figures:
        if self._setting == "sqlite":
            raise Unable("adds one job to a commit: minutes for 100,000")
        scheduler, later = self._open(8), datetime.now(UTC) + LATER
        before, started = held_bytes(), time.perf_counter()
        for n in range(count):
            scheduler.add_job(nothing, "date", run_date=later + timedelta(seconds=n))
        add_s = time.perf_counter() - started
        more = held_bytes() - before
        late_ms = self._lateness(scheduler, 1, 0.0)["p99_ms"]
        return {"add_s": add_s, "bytes_each": more / count, "next_late_ms": late_ms}

    def idle(self, jobs: int) -> Figures:
        scheduler = self._open(8)
        for _ in range(jobs):
            scheduler.add_job(nothing, "cron", month=1, day=1)
        return {"pid": os.getpid()}

    def contended(self, burners: int, count: int, over_s: float) -> Figures:
        scheduler = self._open(2 * burners)
        for _ in range(burners):
            scheduler.add_job(burn, args=[over_s + 1.5])
        return self._lateness(scheduler, count, over_s)

    def enlist(self, count: int) -> None:
        if self._setting == "memory":
            raise Unable("keeps nothing over a crash: it is in memory")
        scheduler, folder = self._open(8), str(self.marks.folder)
        for n in range(count):
            scheduler.add_job(mark, args=[folder, n])

    def resume(self) -> None:
        self._open(8)

    def _open(self, workers: int, **defaults: Any) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(workers)},
            job_defaults={"misfire_grace_time": None, **defaults},
            timezone=UTC,
        )
        if self._setting == "sqlite":
            scheduler.add_jobstore("sqlalchemy", url=self._url)
        scheduler.start()
        return scheduler

    def _lateness(self, scheduler: BackgroundScheduler, count: int, over_s: float) -> Figures:
        tally.expect(count)
        start = time.time() + 1.0 + count / ADDED_PER_S[self._setting]
        for n in range(count):
            at = start + n * over_s / count
            scheduler.add_job(note, "date", run_date=datetime.fromtimestamp(at, UTC), args=[at])
        tally.wait()
        return lateness_of(tally.late_s)
