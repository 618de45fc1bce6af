"""First readings of the daemon and the library, one line a figure.

    python benchmarks/first_reading.py

Absolute times say little on a shared machine; where there is a limit to measure against in the same
run, the line says so. Needs Linux and an installed taskd.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taskd import Scheduler
from taskd.task import OneTime, Periodic

TASKD = [sys.executable, "-m", "taskd"]
TABLE = """
import typer
app = typer.Typer()
@app.command()
def show():
    from rich.console import Console
    from rich.table import Table
    table = Table("a", "b")
    for n in range(100):
        table.add_row(str(n), "x")
    Console(force_terminal=True, width=80).print(table)
app()
"""

Pair = tuple[list[float], list[float]]

lateness_s: list[float] = []
last = threading.Event()


def nothing() -> None:
    """Do nothing."""


def finish() -> None:
    """Say that the last task has run."""
    last.set()


def note(due_at: float) -> None:
    """Note how late this call is."""
    lateness_s.append(time.time() - due_at)


def say(what: str, figure: str) -> None:
    """Print one figure."""
    print(f"{what:<58} {figure}", flush=True)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def wakeups(pid: int) -> int:
    """Voluntary context switches of all threads of a process: proc(5)."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(
            line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line
        )
        total += int(fields["voluntary_ctxt_switches"])
    return total


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(folder: Path) -> None:
    """A daemon with 100 jobs and nothing due, for 30 s; then the commands against it."""
    config = folder / "config"
    config.mkdir()
    jobs = "".join(f'[jobs.j{n}]\ncall = "os:getpid"\ncron = "0 0 1 1 *"\n' for n in range(100))
    (config / "jobs.toml").write_text(jobs)
    socket = folder / "s"
    daemon = subprocess.Popen(
        [*TASKD, "run", str(config / "jobs.toml"), "--socket", str(socket), "--store",
         f"sqlite:///{folder}/idle.db"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert daemon.stderr is not None
    daemon.stderr.readline()
    time.sleep(5)
    woken, used = wakeups(daemon.pid), cpu_s(daemon.pid)
    time.sleep(30)
    say("idle daemon, 100 jobs, 30 s: wake-ups (<= 60)", str(wakeups(daemon.pid) - woken))
    say("idle daemon, 100 jobs, 30 s: CPU s (<= 0.02)", f"{cpu_s(daemon.pid) - used:.2f}")
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    say(
        "idle daemon, 100 jobs: resident memory (<= 80 MiB)",
        f"{int(rss.split()[1]) / 1024:.0f} MiB",
    )
    environ = os.environ | {"TASKD_SOCKET": str(socket)}
    table = [sys.executable, "-c", TABLE]
    for verb in ("status", "ping"):
        ours, theirs = in_turn([*TASKD, verb], table, environ)
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        figure = f"{statistics.median(ratios):.2f} ({statistics.median(ours) * 1e3:.0f} ms)"
        say(f"taskd {verb} / a typer command that prints a rich table", figure)
    daemon.terminate()
    daemon.communicate()


def in_turn(first: list[str], second: list[str], environ: dict[str, str]) -> Pair:
    """Time two commands in turn, seven times each."""
    times: Pair = ([], [])
    for _ in range(7):
        for command, into in zip((first, second), times, strict=True):
            started = time.perf_counter()
            subprocess.run(command, env=environ, capture_output=True, check=True)
            into.append(time.perf_counter() - started)
    return times


def timed(work: Callable[[], object]) -> float:
    """How long `work` takes, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def throughput(folder: Path) -> None:
    """No-op tasks, end to end, against a bare thread pool in the same run."""
    count = 10_000
    with ThreadPoolExecutor(8) as pool:
        bare = count / timed(
            lambda: [f.result() for f in [pool.submit(nothing) for _ in range(count)]]
        )
    with Scheduler(f"sqlite:///{folder}/throughput.db") as scheduler:
        now = datetime.now(UTC)
        tasks = [OneTime(nothing, now) for _ in range(count)]

        def run_all() -> None:
            scheduler.schedule_many([*tasks, OneTime(finish, now, priority=-100)])
            last.wait()

        rate = count / timed(run_all)
    say(
        "durable no-op tasks, 8 workers, end to end",
        f"{rate:.0f}/s, {rate / bare:.3f} of a bare pool",
    )


def pending(folder: Path) -> None:
    """100,000 pending tasks: added in bulk, then a restart."""
    store, later = f"sqlite:///{folder}/pending.db", datetime.now(UTC) + timedelta(days=1)
    with Scheduler(store) as scheduler:
        many = [OneTime(nothing, later + timedelta(seconds=n)) for n in range(100_000)]
        say(
            "100,000 pending: added in bulk (<= 1 s)",
            f"{timed(lambda: scheduler.schedule_many(many)):.2f} s",
        )

    def restart() -> None:
        nonlocal again
        again = Scheduler(store)
        again.schedule_one_time(nothing, later)

    again = Scheduler()
    say("100,000 pending: restart, first acknowledged add (<= 0.3 s)", f"{timed(restart):.3f} s")
    lateness_s.clear()
    due_at = time.time() + 0.5
    again.get_task_result(
        again.schedule_one_time(note, datetime.fromtimestamp(due_at, UTC), args=[due_at]), timeout=5
    )
    say("100,000 pending: the next task is late by (<= 2 ms)", f"{lateness_s[0] * 1e3:.2f} ms")
    again.shutdown()


def lateness(folder: Path) -> None:
    """1,000 tasks over 5 s, against what Condition.wait overshoots in the same run."""
    lateness_s.clear()
    start = time.time() + 1
    instants = [start + n * 0.005 for n in range(1000)]
    with Scheduler(f"sqlite:///{folder}/late.db") as scheduler:
        tasks = [OneTime(note, datetime.fromtimestamp(at, UTC), [at]) for at in instants]
        ids = scheduler.schedule_many(tasks)
        scheduler.task(ids[-1]).wait(30)
    condition, overshoot = threading.Condition(), []
    for _ in range(300):
        with condition:
            overshoot.append(timed(lambda: condition.wait(0.005)) - 0.005)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        ours, limit = percentile(lateness_s, share), percentile(overshoot, share)
        say(f"lateness of 1,000 over 5 s, durable, {name}",
            f"{ours * 1e3:.2f} ms; Condition.wait {limit * 1e3:.2f} ms")  # fmt: skip
    say("lateness, the earliest (>= 0)", f"{min(lateness_s) * 1e3:.3f} ms")


def drift(folder: Path) -> None:
    """100 jobs every 0.1 s for 10 s, all durable: every run is there, and on the grid."""
    with Scheduler(f"sqlite:///{folder}/drift.db") as scheduler:
        scheduler.schedule_many([Periodic(nothing, timedelta(seconds=0.1)) for _ in range(100)])
        time.sleep(10)
        records = scheduler.read(lambda history: history.jobs())
        runs = scheduler.read(lambda history: history.runs(limit=100_000))
    skipped = sum(record.counts.get("SKIPPED", 0) for record in records)
    off = [(run.started_at - run.scheduled_at).total_seconds() for run in runs if run.started_at]
    say("100 jobs at 0.1 s for 10 s: runs, skipped", f"{len(runs)}, {skipped}")
    say("100 jobs at 0.1 s: off the grid, p99 (<= 5 ms)", f"{percentile(off, 0.99) * 1e3:.2f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="taskd-") as name:
        for reading in (throughput, pending, lateness, drift, idle):
            reading(Path(name))
