"""Executors: what an attempt in a process costs, and how soon what hangs or crashes has ended.

``python -m benchmarks.executors`` prints a line for each figure, with its target. Both pools run in
the same process, one after the other, several times in turn; the best of each counts. Each is given
as many attempts at once as it has workers: that is how a scheduler hands them out. What
`ProcessPoolExecutor` does with a full queue, where no worker ever waits, is told too.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from taskd.client import Client
from taskd.clock import SystemClock
from taskd.core.execution import Execution, Executor
from taskd.core.job import Call, JobName
from taskd.core.run import Origin, Run, RunState
from taskd.core.turn import Start
from taskd.errors import NoDaemon
from taskd.executors.pool import Executors
from taskd.ids import new_id
from taskd.inbox import Inbox

WORKERS: Final = 4
ATTEMPTS: Final = 4_000
ROUNDS: Final = 5
GRACE_S: Final = 0.5
JOBS: Final = """
[jobs.busy]
call = "benchmarks.executors:spin"
executor = "process"
timeout = "{grace}s"
kill_grace = "{grace}s"

[jobs.crash]
call = "benchmarks.executors:crash"
executor = "process"

[jobs.warm]
call = "benchmarks.executors:nothing"
executor = "process"
"""


def nothing() -> None:
    """Do nothing."""


def spin() -> None:
    """Be busy, and deaf to SIGTERM."""
    while True:
        pass


def crash() -> None:
    """Die of a segmentation fault."""
    import ctypes

    ctypes.string_at(0)


class Taskd:
    """taskd's worker processes, without the engine and the store: what calls an attempt."""

    def __init__(self, state: Path) -> None:
        self._clock = SystemClock()
        self._wakeup = self._clock.wakeup()
        self._inbox = Inbox(self._wakeup)
        self._executors = Executors(self._inbox, self._clock, state=state, captures=True)

    def run(self, count: int) -> None:
        """Have attempts called, as many at once as there are workers."""
        left, live = count, 0
        while left or live:
            while left and live < WORKERS:
                self._executors.start(_attempt())
                left, live = left - 1, live + 1
            select.select([self._wakeup.fileno()], [], [])
            live -= sum(1 for _ in self._inbox.take())

    def close(self) -> None:
        self._executors.close()


def _attempt() -> Start:
    now = datetime.now(UTC)
    run = Run(
        id=new_id(now),
        job=JobName("nothing"),
        origin=Origin.TRIGGER,
        state=RunState.RUNNING,
        scheduled_at=now,
        due_at=now,
        attempt=1,
    )
    call = Call("benchmarks.executors:nothing")
    return Start(run, call, execution=Execution(executor=Executor.PROCESS))


def rate(run: Callable[[int], object]) -> float:
    """Attempts in a second."""
    began = time.perf_counter()
    run(ATTEMPTS)
    return ATTEMPTS / (time.perf_counter() - began)


def compare() -> tuple[float, float, float]:
    """The best rates of `ProcessPoolExecutor`, of taskd and of the former's full queue, warm."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool,
    ):
        taskd = Taskd(Path(folder))

        def queued(count: int) -> None:
            for future in [pool.submit(nothing) for _ in range(count)]:
                future.result()

        def peer(count: int) -> None:
            free = threading.Semaphore(WORKERS)
            for _ in range(count):
                free.acquire()
                pool.submit(nothing).add_done_callback(lambda _: free.release())
            for _ in range(WORKERS):
                free.acquire()

        each = (peer, taskd.run, queued)
        for run in each:
            run(100)
        rates = [[rate(run) for run in each] for _ in range(ROUNDS)]
        taskd.close()
    theirs, ours, fed = (max(column) for column in zip(*rates, strict=True))
    return theirs, ours, fed


@contextmanager
def daemon() -> Iterator[Client]:
    """A daemon on `JOBS`."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "jobs.toml"
        config.write_text(JOBS.format(grace=GRACE_S))
        socket, store = Path(folder) / "s", f"sqlite:///{folder}/t.db"
        command = [sys.executable, "-m", "taskd", "run", str(config)]
        process = subprocess.Popen(
            [*command, "--socket", str(socket), "--store", store], stderr=subprocess.DEVNULL
        )
        client = Client(socket)
        while True:
            try:
                client.ping()
                break
            except NoDaemon:
                time.sleep(0.05)
        try:
            yield client
        finally:
            process.terminate()
            process.wait()


def lasted(client: Client, job: str) -> tuple[dict[str, Any], float]:
    """A run of a job, and the seconds from its start to its recorded end."""
    run = client.wait(client.trigger(job)["id"], 60)
    began, ended = (datetime.fromisoformat(run[key]) for key in ("started_at", "finished_at"))
    return run, (ended - began).total_seconds()


def main() -> None:
    """Measure, and print."""
    theirs, ours, fed = compare()
    print(f"ProcessPoolExecutor, {WORKERS} workers, warm: {theirs:,.0f} attempts/s")
    print(f"taskd's processes, the same: {ours:,.0f}/s, {ours / theirs:.2f} of it (at least 0.5)")
    print(f"ProcessPoolExecutor with all attempts in its queue: {fed:,.0f}/s")
    with daemon() as client:
        lasted(client, "warm")
        _, killed = lasted(client, "busy")
        over = killed - 2 * GRACE_S
        print(f"a killed busy loop has ended {over * 1000:.0f} ms after kill_grace (at most 500)")
        lasted(client, "warm")
        run, crashed = lasted(client, "crash")
        words = run["error"]["message"]
        print(f"a crash is recorded after {crashed * 1000:.0f} ms: {words} (at most 1000)")


if __name__ == "__main__":
    main()
