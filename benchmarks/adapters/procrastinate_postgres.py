"""Procrastinate on PostgreSQL, its worker in the adapter's process. The setting is the DSN."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from procrastinate import App, PsycopgConnector

from benchmarks import work
from benchmarks.contract import Figures, lateness_of
from benchmarks.crash import Crashable
from benchmarks.work import tally

BATCH = 100
LATER = timedelta(days=1)
logging.disable(logging.INFO)


class Contestant(Crashable):
    """Asynchronous tasks, `workers` of them at once; its own intervals of polling."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._app = App(connector=PsycopgConnector(conninfo=setting))

        @self._app.task(name="nothing")
        async def nothing() -> None:
            work.nothing()

        @self._app.task(name="note")
        async def note(due_at: float) -> None:
            work.note(due_at)

        @self._app.task(name="mark")
        def mark(number: int) -> None:
            work.mark(str(self.marks.folder), number)

        self._nothing, self._note, self._mark = nothing, note, mark

    async def throughput(self, count: int, workers: int) -> Figures:
        tally.expect(count)
        await self._open(workers)
        started = time.perf_counter()
        for begin in range(0, count, BATCH):
            await self._nothing.batch_defer_async(*([{}] * min(BATCH, count - begin)))
        await asyncio.to_thread(tally.wait)
        while await self._app.job_manager.list_jobs_async(status="doing"):
            await asyncio.sleep(0.001)
        return {"per_s": count / (time.perf_counter() - started)}

    async def enqueue(self, count: int) -> Figures:
        await self._open()
        started = time.perf_counter()
        for _ in range(count):
            await self._nothing.defer_async()
        one_s, started = time.perf_counter() - started, time.perf_counter()
        batches = max(1, 10 * count // BATCH)
        for _ in range(batches):
            await self._nothing.batch_defer_async(*([{}] * BATCH))
        batch_s = time.perf_counter() - started
        return {"one_per_s": count / one_s, "batch_per_s": batches * BATCH / batch_s}

    async def lateness(self, count: int, over_s: float) -> Figures:
        await self._open(8)
        return await self._lateness(count, over_s)

    async def pending(self, count: int) -> Figures:
        await self._open()
        later = self._nothing.configure(schedule_at=datetime.now(UTC) + LATER)
        started = time.perf_counter()
        for _ in range(count // 1000):
            await later.batch_defer_async(*([{}] * 1000))
        add_s, started = time.perf_counter() - started, time.perf_counter()
        tally.expect(1)
        self._consume(8)
        await self._nothing.defer_async()
        await asyncio.to_thread(tally.wait)
        restart_s = time.perf_counter() - started
        late_ms = (await self._lateness(1, 0.0))["p99_ms"]
        return {"add_s": add_s, "restart_s": restart_s, "next_late_ms": late_ms}

    async def idle(self, jobs: int) -> Figures:
        await self._open(8)
        later = self._nothing.configure(schedule_at=datetime.now(UTC) + LATER)
        await later.batch_defer_async(*([{}] * jobs))
        return {"pid": os.getpid()}

    async def enlist(self, count: int) -> None:
        await self._open(8)
        await self._mark.batch_defer_async(*({"number": n} for n in range(count)))

    async def resume(self) -> None:
        await self._open(8)

    async def _open(self, workers: int = 0) -> None:
        await self._app.open_async()
        found = await self._app.connector.execute_query_one_async(
            "SELECT to_regclass('procrastinate_jobs') AS name"
        )
        if found["name"] is None:
            await self._app.schema_manager.apply_schema_async()
        if workers:
            self._consume(workers)

    def _consume(self, workers: int) -> None:
        worker = self._app.run_worker_async(concurrency=workers, install_signal_handlers=False)
        self._consuming = asyncio.create_task(worker)

    async def _lateness(self, count: int, over_s: float) -> Figures:
        tally.expect(count)
        start = time.time() + 2.0 + count / 400
        for n in range(count):
            at = start + n * over_s / count
            when = datetime.fromtimestamp(at, UTC)
            await self._note.configure(schedule_at=when).defer_async(due_at=at)
        await asyncio.to_thread(tally.wait)
        return lateness_of(tally.late_s)
