"""pgqueuer on PostgreSQL, its consumer in the adapter's process. The setting is the DSN."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job

from benchmarks.contract import Figures, lateness_of
from benchmarks.crash import Crashable
from benchmarks.work import mark, note, nothing, tally

BATCH = 100
LATER = timedelta(days=1)


class Contestant(Crashable):
    """Asynchronous workers: `workers` is its batch, and at most twice that run at once."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._dsn = setting

    async def throughput(self, count: int, workers: int) -> Figures:
        tally.expect(count)
        queries = await self._open(workers)
        batches = max(1, count // BATCH)
        size = count // batches
        started = time.perf_counter()
        for _ in range(batches):
            await queries.enqueue(["nothing"] * size, [None] * size, [0] * size)
        await asyncio.to_thread(tally.wait)
        while await queries.queue_size():  # what is done leaves the queue
            await asyncio.sleep(0.001)
        return {"per_s": count / (time.perf_counter() - started)}

    async def enqueue(self, count: int) -> Figures:
        queries = await self._open()
        started = time.perf_counter()
        for _ in range(count):
            await queries.enqueue("nothing", None)
        one_s, started = time.perf_counter() - started, time.perf_counter()
        batches = max(1, 10 * count // BATCH)
        for _ in range(batches):
            await queries.enqueue(["nothing"] * BATCH, [None] * BATCH, [0] * BATCH)
        batch_s = time.perf_counter() - started
        return {"one_per_s": count / one_s, "batch_per_s": batches * BATCH / batch_s}

    async def lateness(self, count: int, over_s: float) -> Figures:
        return await _lateness(await self._open(8), count, over_s)

    async def pending(self, count: int) -> Figures:
        queries = await self._open()
        later = [LATER + timedelta(seconds=n) for n in range(count)]
        started = time.perf_counter()
        await queries.enqueue(["nothing"] * count, [None] * count, [0] * count, later)
        add_s, started = time.perf_counter() - started, time.perf_counter()
        tally.expect(1)
        queries = await self._open(8)
        await queries.enqueue("nothing", None)
        await asyncio.to_thread(tally.wait)
        restart_s = time.perf_counter() - started
        late_ms = (await _lateness(queries, 1, 0.0))["p99_ms"]
        return {"add_s": add_s, "restart_s": restart_s, "next_late_ms": late_ms}

    async def idle(self, jobs: int) -> Figures:
        queries = await self._open(8)
        await queries.enqueue(["nothing"] * jobs, [None] * jobs, [0] * jobs, [LATER] * jobs)
        return {"pid": os.getpid()}

    async def enlist(self, count: int) -> None:
        queries = await self._open(8)
        payloads = [json.dumps(n).encode() for n in range(count)]
        await queries.enqueue(["mark"] * count, payloads, [0] * count)

    async def resume(self) -> None:
        await self._open(8)

    async def _open(self, workers: int = 0) -> Queries:
        """Connect, and consume with so many workers, if any; return where to enqueue."""
        queries = Queries(AsyncpgDriver(await asyncpg.connect(self._dsn)))
        if not await queries.has_table(queries.qbe.settings.queue_table):
            await queries.install()
        if workers:
            consumer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(self._dsn))
            self._define(consumer)
            limit = {"batch_size": workers, "max_concurrent_tasks": 2 * workers}
            self._consuming = asyncio.create_task(consumer.run(**limit))
        return queries

    def _define(self, consumer: PgQueuer) -> None:
        @consumer.entrypoint("nothing")
        async def run_nothing(job: Job) -> None:
            del job
            nothing()

        @consumer.entrypoint("note")
        async def run_note(job: Job) -> None:
            note(json.loads(job.payload or b"0"))

        @consumer.entrypoint("mark")
        async def run_mark(job: Job) -> None:
            number = json.loads(job.payload or b"0")
            await asyncio.to_thread(mark, str(self.marks.folder), number)


async def _lateness(queries: Queries, count: int, over_s: float) -> Figures:
    tally.expect(count)
    now = time.time()
    due_at = [now + 2.0 + n * over_s / count for n in range(count)]
    payloads = [json.dumps(at).encode() for at in due_at]
    # It counts from the server's clock, as it is at the insertion.
    after = [timedelta(seconds=at - time.time()) for at in due_at]
    await queries.enqueue(["note"] * count, payloads, [0] * count, after)
    await asyncio.to_thread(tally.wait)
    return lateness_of(tally.late_s)
