"""The cases: what each contestant is asked, how often, and how the answer is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LIBRARY = ("taskd, durable", "taskd, normal", "taskd, in memory")
TASKD = (*LIBRARY, "taskd, socket")
APSCHEDULER = ("APScheduler, memory", "APScheduler, SQLite")
QUEUES = ("Huey, SQLite", "pgqueuer, PostgreSQL", "Procrastinate, PostgreSQL", "Celery, Redis")
LIMITS = ("the machine",)
EVERYBODY = (*TASKD, *APSCHEDULER, *QUEUES, *LIMITS)
SCHEDULERS = (*TASKD, *APSCHEDULER, *QUEUES)


@dataclass(frozen=True)
class Size:
    """How much of a case is run. `for_s` in what is asked becomes a count, by the pace."""

    repetitions: int
    asked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One measure for several contestants, in its full and its quick size.

    `way` is how the runner goes about it: one contestant after another in each repetition
    (`alternate`), all of them in one go (`idle`, `crash`), which mostly wait.
    """

    name: str
    group: str
    title: str
    measure: str
    contestants: tuple[str, ...]
    full: Size
    quick: Size
    way: str = "alternate"


def _throughput(workers: int) -> Case:
    return Case(
        f"throughput-{workers}",
        "throughput",
        f"Tasks that do nothing, enqueued, run and recorded, {workers} workers",
        "throughput",
        EVERYBODY,
        Size(5, {"for_s": 4.0, "workers": workers}),
        Size(2, {"for_s": 1.0, "workers": workers}),
    )


def _law(held: str, amounts: tuple[int, ...], quick: tuple[int, ...]) -> list[Case]:
    return [
        Case(
            f"law-{held}-{amount}",
            "laws",
            f"Cost of a run against {held}",
            "law",
            ("taskd, durable",),
            Size(5 if amount <= 100_000 else 1, {"count": 3000, held: amount}),
            Size(1 if amount in quick else 0, {"count": 1000, held: amount}),
        )
        for amount in amounts
    ]


CASES = [
    _throughput(8),
    _throughput(64),
    Case(
        "enqueue",
        "enqueue",
        "Acknowledged by one client: one a call; by 64 threads; 100 a call",
        "enqueue",
        EVERYBODY,
        Size(5, {"for_s": 1.0}),
        Size(2, {"for_s": 0.5}),
    ),
    Case(
        "lateness",
        "lateness",
        "Tasks due evenly over 5 s (quick: 2 s), 200 a second",
        "lateness",
        EVERYBODY,
        Size(5, {"count": 1000, "over_s": 5.0}),
        Size(2, {"count": 400, "over_s": 2.0}),
    ),
    Case(
        "burst",
        "burst",
        "1,000 tasks due at once, 8 workers",
        "lateness",
        SCHEDULERS,
        Size(5, {"count": 1000, "over_s": 0.0}),
        Size(1, {"count": 1000, "over_s": 0.0}),
    ),
    Case(
        "drift",
        "drift",
        "100 jobs every 0.1 s for 10 s (quick: 3 s)",
        "drift",
        (*LIBRARY, *APSCHEDULER),
        Size(5, {"jobs": 100, "interval_s": 0.1, "for_s": 10.0}),
        Size(2, {"jobs": 100, "interval_s": 0.1, "for_s": 3.0}),
    ),
    Case(
        "pending",
        "scale",
        "100,000 tasks due in a day (quick: 20,000)",
        "pending",
        (*LIBRARY, *APSCHEDULER, *QUEUES),
        Size(3, {"count": 100_000}),
        Size(1, {"count": 20_000}),
    ),
    Case(
        "million",
        "scale",
        "1,000,000 tasks due in a day",
        "pending",
        ("taskd, durable",),
        Size(2, {"count": 1_000_000}),
        Size(0),
    ),
    Case(
        "jobs",
        "scale",
        "10,000 periodic jobs with nothing due: to add and to load them",
        "jobs",
        ("taskd, durable", "taskd, socket"),
        Size(3, {"count": 10_000}),
        Size(1, {"count": 10_000}),
    ),
    Case(
        "idle",
        "idle",
        "100 jobs and nothing due, for 30 s (quick: 10 s)",
        "idle",
        SCHEDULERS,
        Size(3, {"jobs": 100, "for_s": 30.0}),
        Size(1, {"jobs": 100, "for_s": 10.0}),
        "idle",
    ),
    Case(
        "contended",
        "contended",
        "8 CPU-bound tasks in threads, and tasks due evenly beside them",
        "contended",
        ("taskd, durable", "taskd, socket", "APScheduler, memory"),
        Size(5, {"burners": 8, "count": 200, "over_s": 5.0}),
        Size(1, {"burners": 8, "count": 100, "over_s": 3.0}),
    ),
    Case(
        "crash",
        "crash",
        "Killed with SIGKILL amid 300 tasks of 20 ms, then 60 s to recover (quick: 15 s)",
        "begin",
        SCHEDULERS,
        Size(5, {"count": 300, "patience_s": 60.0}),
        Size(1, {"count": 300, "patience_s": 15.0}),
        "crash",
    ),
    Case(
        "commands",
        "commands",
        "Commands on a terminal; CPU time in turn with a minimal typer command",
        "commands",
        ("taskd, socket", "Celery, Redis"),
        Size(5),
        Size(1),
    ),
    *_law("pending", (100, 1000, 10_000, 100_000, 1_000_000), (100, 10_000)),
    *_law("history", (100, 1000, 10_000, 100_000, 1_000_000), (100, 10_000)),
    *_law("jobs", (1, 10, 100, 1000, 10_000), (1, 1000)),
    *_law("workers", (1, 4, 16, 64, 128), (1, 64)),
    *_law("payload", (10, 100, 1000, 10_000, 100_000), (10, 10_000)),
]
