"""taskd as a library. The setting: memory, full or normal (the durability of a store)."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.contract import Figures, Unable, lateness_of
from benchmarks.crash import Crashable
from benchmarks.processes import held_bytes
from benchmarks.work import burn, carry, mark, note, nothing, tally
from taskd import Scheduler, current_run
from taskd.task import OneTime, Periodic

LATER = timedelta(days=1)
THREADS = 64
BATCH = 100
SHARE = 10_000  # of what is added at a time, where that is not measured


def note_grid() -> None:
    """Note how late this call of a periodic task is."""
    due_at = current_run.scheduled_at
    assert due_at is not None
    note(due_at.timestamp())


class Contestant(Crashable):
    """A `Scheduler` in the adapter's own process."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._store = None if setting == "memory" else f"sqlite:///{home}/taskd.db"
        self._durability = "normal" if setting == "normal" else "full"

    def throughput(self, count: int, workers: int) -> Figures:
        with self._open(workers) as scheduler:
            return {"per_s": count / _run_all(scheduler, [OneTime(nothing, _now())] * count)}

    def enqueue(self, count: int) -> Figures:
        later = _now() + LATER
        with self._open() as scheduler, ThreadPoolExecutor(THREADS) as threads:

            def one(_: object) -> None:
                scheduler.schedule_one_time(nothing, later)

            def batch(_: object) -> None:
                scheduler.schedule_many([OneTime(nothing, later)] * BATCH)

            one(0)
            figures = {"one_per_s": count / _timed(lambda: deque(map(one, range(count)), 0))}
            many = 2 * count
            figures["threads_per_s"] = many / _timed(lambda: list(threads.map(one, range(many))))
            batches = max(1, 5 * count // BATCH)
            spent_s = _timed(lambda: deque(map(batch, range(batches)), 0))
            return figures | {"batch_per_s": batches * BATCH / spent_s}

    def lateness(self, count: int, over_s: float) -> Figures:
        with self._open() as scheduler:
            return _lateness(scheduler, count, over_s)

    def drift(self, jobs: int, interval_s: float, for_s: float) -> Figures:
        due = round(jobs * for_s / interval_s)
        tally.expect(due)
        with self._open() as scheduler:
            every = timedelta(seconds=interval_s)
            scheduler.schedule_many([Periodic(note_grid, every) for _ in range(jobs)])
            time.sleep(for_s - interval_s / 2)
        late_s = tally.late_s
        figures = lateness_of(late_s)
        return {"runs": len(late_s), "runs_share": len(late_s) / due, "p99_ms": figures["p99_ms"]}

    def pending(self, count: int) -> Figures:
        later = _now() + LATER
        tasks = [OneTime(nothing, later + timedelta(seconds=n)) for n in range(count)]
        with self._open() as scheduler:
            scheduler.schedule_one_time(nothing, later)
            before = held_bytes()
            add_s = _timed(lambda: scheduler.schedule_many(tasks))
            if self._store is None:
                return {"add_s": add_s, "bytes_each": (held_bytes() - before) / count}
        started = time.perf_counter()
        with self._open() as scheduler:
            scheduler.schedule_one_time(nothing, later)  # acknowledged: it is ready
            restart_s = time.perf_counter() - started
            more = held_bytes() - before
            late_ms = _lateness(scheduler, 1, 0.0)["p99_ms"]
        return {
            "add_s": add_s,
            "bytes_each": more / count,
            "restart_s": restart_s,
            "next_late_ms": late_ms,
        }

    def jobs(self, count: int) -> Figures:
        tally.expect(count)
        with self._open() as scheduler:
            jobs = [Periodic(nothing, LATER)] * count
            add_s = _timed(lambda: scheduler.schedule_many(jobs))
            tally.wait()  # the first run of each is at once
        started = time.perf_counter()
        with self._open() as scheduler:
            scheduler.schedule_one_time(nothing, _now() + LATER)  # acknowledged: it is ready
            return {"add_s": add_s, "load_s": time.perf_counter() - started}

    def contended(self, burners: int, count: int, over_s: float) -> Figures:
        with self._open(workers=2 * burners) as scheduler:
            scheduler.schedule_many([OneTime(burn, _now(), [over_s + 1.5])] * burners)
            return _lateness(scheduler, count, over_s)

    def idle(self, jobs: int) -> Figures:
        scheduler = self._open()
        scheduler.schedule_many([OneTime(nothing, _now() + LATER)] * jobs)
        return {"pid": os.getpid()}

    # -- the crash -------------------------------------------------------------------------------

    def enlist(self, count: int) -> None:
        if self._store is None:
            raise Unable("keeps nothing over a crash: it is in memory")
        folder = str(self.marks.folder)
        tasks = [OneTime(mark, _now(), [folder, n]) for n in range(count)]
        self._open().schedule_many(tasks)

    def resume(self) -> None:
        self._open().schedule_one_time(nothing, _now())  # acknowledged: it is ready

    # -- the laws --------------------------------------------------------------------------------

    def law(self, count: int, **held: int) -> Figures:
        workers = held.get("workers", 8)
        with self._open(workers) as scheduler:
            _hold(scheduler, **held)
        started = time.perf_counter()
        with self._open(workers) as scheduler:
            scheduler.schedule_one_time(nothing, _now() + LATER)  # acknowledged: it is ready
            restart_s = time.perf_counter() - started
            task = OneTime(carry, _now(), ["x" * held.get("payload", 0)])
            cpu = time.process_time()
            wall_s = _run_all(scheduler, [task] * count)
            cpu_s = time.process_time() - cpu
            resident = held_bytes()
        return {
            "us_per_run": wall_s / count * 1e6,
            "cpu_us_per_run": cpu_s / count * 1e6,
            "restart_s": restart_s,
            "resident_mib": resident / 2**20,
        }

    def _open(self, workers: int = 8) -> Scheduler:
        return Scheduler(self._store, workers=workers, durability=self._durability)


def _run_all(scheduler: Scheduler, tasks: list[OneTime]) -> float:
    """Schedule tasks that are due now; return the seconds until all are recorded as done."""
    tally.expect(len(tasks))
    started = time.perf_counter()
    ids = scheduler.schedule_many(tasks)
    tally.wait()
    for task_id in ids[-THREADS:]:  # no more than the workers can have been under way
        scheduler.task(task_id).wait()
    return time.perf_counter() - started


def _hold(
    scheduler: Scheduler,
    pending: int = 0,
    history: int = 0,
    jobs: int = 0,
    payload: int = 0,
    workers: int = 0,
) -> None:
    """Have so much in the store that no run of the measure needs."""
    del payload, workers
    later = _now() + LATER
    for share in _shares(pending):
        scheduler.schedule_many([OneTime(nothing, later)] * share)
    for share in _shares(history):
        _run_all(scheduler, [OneTime(nothing, _now())] * share)
    for share in _shares(jobs):
        tally.expect(share)
        scheduler.schedule_many([Periodic(nothing, LATER)] * share)
        tally.wait()  # the first run of each is at once


def _shares(whole: int) -> list[int]:
    full, rest = divmod(whole, SHARE)
    return [SHARE] * full + [rest] * bool(rest)


def _lateness(scheduler: Scheduler, count: int, over_s: float) -> Figures:
    start = time.time() + 1.0 + count / 1000
    instants = [start + n * over_s / count for n in range(count)]
    tally.expect(count)
    scheduler.schedule_many(
        [OneTime(note, datetime.fromtimestamp(at, UTC), [at]) for at in instants]
    )
    tally.wait()
    return lateness_of(tally.late_s)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _now() -> datetime:
    return datetime.now(UTC)
