"""What the machine itself allows: a bare thread pool, bare SQLite, a bare wait."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition

from benchmarks.contract import Figures, Measures, lateness_of
from benchmarks.work import nothing


class Contestant(Measures):
    """Not a scheduler: the bounds for one."""

    def __init__(self, home: Path, setting: str) -> None:
        self._home = home
        del setting

    def throughput(self, count: int, workers: int) -> Figures:
        """Submit to a ThreadPoolExecutor and take each result."""
        with ThreadPoolExecutor(workers) as pool:
            started = time.perf_counter()
            for future in [pool.submit(nothing) for _ in range(count)]:
                future.result()
            return {"per_s": count / (time.perf_counter() - started)}

    def enqueue(self, count: int) -> Figures:
        """Rows into SQLite (WAL, synchronous = FULL), one and 100 to a commit."""
        with sqlite3.connect(self._home / "limit.db", isolation_level=None) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
            return {
                "one_per_s": _rows_per_s(database, count, 1),
                "batch_per_s": _rows_per_s(database, 10 * count, 100),
            }

    def lateness(self, count: int, over_s: float) -> Figures:
        """How much Condition.wait overshoots; all at once there is nothing to wait for."""
        condition, late_s = Condition(), []
        due_at = time.monotonic()
        for _ in range(count):
            due_at += over_s / count
            with condition:
                condition.wait(due_at - time.monotonic())
            late_s.append(time.monotonic() - due_at)
        return lateness_of(late_s)


def _rows_per_s(database: sqlite3.Connection, count: int, batch: int) -> float:
    started = time.perf_counter()
    for _ in range(count // batch):
        database.execute("BEGIN")
        database.executemany("INSERT INTO task (body) VALUES (?)", [("x" * 100,)] * batch)
        database.execute("COMMIT")
    return count / (time.perf_counter() - started)
