"""The targets: what taskd is to reach, as ratios of figures of one run where that can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.readings import Run

Value = Callable[[Run], float | None]


@dataclass(frozen=True)
class Target:
    """A figure that is to be at least or at most `limit`; None where it was not measured."""

    what: str
    limit: float
    value: Value
    at_least: bool = False

    @property
    def bound(self) -> str:
        """The limit, in writing."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:,g}"

    def holds(self, value: float) -> bool:
        """Whether it is reached."""
        return value >= self.limit if self.at_least else value <= self.limit


def _figure(case: str, contestant: str, figure: str) -> Value:
    return lambda run: run.median(case, contestant, figure)


def _ratio(upper: Value, lower: Value) -> Value:
    def ratio(run: Run) -> float | None:
        above, below = upper(run), lower(run)
        return above / below if above is not None and below else None

    return ratio


DURABLE, SOCKET = "taskd, durable", "taskd, socket"
MEMORY, ON_SQLITE = "APScheduler, memory", "APScheduler, SQLite"
HUEY, PGQUEUER, MACHINE = "Huey, SQLite", "pgqueuer, PostgreSQL", "the machine"


def _beside(case: str, figure: str, peer: str, ours: str = DURABLE) -> Value:
    return _ratio(_figure(case, ours, figure), _figure(case, peer, figure))


def _against_law(held: str, figure: str) -> Value:
    """A run with a million of something there, against one with a hundred."""
    many, few = (_figure(f"law-{held}-{n}", DURABLE, figure) for n in (1_000_000, 100))
    return _ratio(few, many)


TARGETS = [
    Target("durable, 8 workers, × Huey", 6, _beside("throughput-8", "per_s", HUEY), True),
    Target("durable, 64 workers, × Huey", 12, _beside("throughput-64", "per_s", HUEY), True),
    Target(
        "durable, 64 workers, of a bare ThreadPoolExecutor",
        0.25,
        _beside("throughput-64", "per_s", MACHINE),
        True,
    ),
    Target(
        "through the socket, one client, one a request, /s",
        1500,
        _figure("enqueue", SOCKET, "one_per_s"),
        True,
    ),
    Target(
        "through the socket, 100 a request, × pgqueuer's one a call",
        10,
        _ratio(
            _figure("enqueue", SOCKET, "batch_per_s"), _figure("enqueue", PGQUEUER, "one_per_s")
        ),
        True,
    ),
    Target("lateness p99, × APScheduler on SQLite", 1, _beside("lateness", "p99_ms", ON_SQLITE)),
    Target("lateness p99, × APScheduler in memory", 1, _beside("lateness", "p99_ms", MEMORY)),
    Target("burst p99, × APScheduler in memory", 0.4, _beside("burst", "p99_ms", MEMORY)),
    Target("100 jobs at 0.1 s, of the runs due", 1, _figure("drift", DURABLE, "runs_share"), True),
    Target("100 jobs at 0.1 s, p99 off the grid, ms", 5, _figure("drift", DURABLE, "p99_ms")),
    Target("100,000 pending, added, s", 1, _figure("pending", DURABLE, "add_s")),
    Target("100,000 pending, bytes each", 250, _figure("pending", DURABLE, "bytes_each")),
    Target("100,000 pending, restart, s", 0.3, _figure("pending", DURABLE, "restart_s")),
    Target("100,000 pending, the next is late, ms", 2, _figure("pending", DURABLE, "next_late_ms")),
    Target(
        "1,000,000 pending, throughput × that beside 100",
        0.8,
        _against_law("pending", "us_per_run"),
        True,
    ),
    Target(
        "1,000,000 in history, throughput × that beside 100",
        0.8,
        _against_law("history", "us_per_run"),
        True,
    ),
    Target(
        "1,000,000 pending, restart, s", 0.5, _figure("law-pending-1000000", DURABLE, "restart_s")
    ),
    Target(
        "1,000,000 in history, restart, s",
        0.5,
        _figure("law-history-1000000", DURABLE, "restart_s"),
    ),
    Target("10,000 periodic jobs, load, s", 2, _figure("jobs", SOCKET, "load_s")),
    Target("idle daemon, 100 jobs, wake-ups in 30 s", 60, _figure("idle", SOCKET, "wakeups")),
    Target("idle daemon, 100 jobs, CPU s in 30 s", 0.02, _figure("idle", SOCKET, "cpu_s")),
    Target(
        "8 CPU-bound thread jobs, lateness p99, ms", 100, _figure("contended", SOCKET, "p99_ms")
    ),
    Target(
        "8 CPU-bound thread jobs, ping p99, ms", 250, _figure("contended", SOCKET, "ping_p99_ms")
    ),
    Target("after kill -9, ready, s", 0.5, _figure("crash", DURABLE, "ready_s")),
    Target("after kill -9, tasks never done", 0, _figure("crash", DURABLE, "missing")),
    Target("after kill -9, tasks never done (daemon)", 0, _figure("crash", SOCKET, "missing")),
    Target(
        "taskd status, × a typer command with a table",
        1.2,
        _figure("commands", SOCKET, "status_ratio"),
    ),
    Target("taskd ping, × a typer command", 1.1, _figure("commands", SOCKET, "ping_ratio")),
    Target("taskd --help, × a typer --help", 1.2, _figure("commands", SOCKET, "help_ratio")),
    Target(
        "taskd status, 1,000 jobs × 10 jobs",
        2,
        _figure("commands", SOCKET, "status_1000_to_10"),
    ),
    Target("completion of names, ms", 250, _figure("commands", SOCKET, "completion_ms")),
]
