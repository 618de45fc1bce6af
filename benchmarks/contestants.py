"""The contestants: what each is, what it keeps, and how fast it roughly is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """One adapter with one setting.

    `pace` is about how many tasks a second it does, so that each is given work for as many seconds.
    `packages` are installed by pip into an environment of its own, the first being the contestant.
    With a `service`, the setting is the address of a database of its own on it.
    """

    name: str
    adapter: str
    keeps: str
    pace: int
    setting: str = ""
    packages: tuple[str, ...] = ()
    service: str = ""


_EVERYTHING = "run, attempts, result, journal"

CONTESTANTS = [
    Contestant(
        "taskd, durable",
        "taskd_library",
        f"{_EVERYTHING}: over a power loss, before the call returns",
        2500,
        "full",
    ),
    Contestant(
        "taskd, normal",
        "taskd_library",
        f"{_EVERYTHING}: over a crash of the process; a power loss takes the last moments",
        2500,
        "normal",
    ),
    Contestant(
        "taskd, in memory",
        "taskd_library",
        f"{_EVERYTHING}: as long as the process",
        2500,
        "memory",
    ),
    Contestant(
        "taskd, socket",
        "taskd_daemon",
        f"{_EVERYTHING}, output: over a power loss, before the answer",
        1000,
        "full",
    ),
    Contestant(
        "APScheduler, memory",
        "apscheduler3",
        "nothing",
        5000,
        "memory",
        ("apscheduler>=3.11,<4", "sqlalchemy>=2"),
    ),
    Contestant(
        "APScheduler, SQLite",
        "apscheduler3",
        "jobs, over a power loss; no state of a run, and none is run again",
        200,
        "sqlite",
        ("apscheduler>=3.11,<4", "sqlalchemy>=2"),
    ),
    Contestant(
        "Huey, SQLite",
        "huey_sqlite",
        "tasks until they are taken, then results; what was taken is not run again",
        1000,
        "",
        ("huey>=3",),
    ),
    Contestant(
        "pgqueuer, PostgreSQL",
        "pgqueuer_postgres",
        "tasks until they are done, over a power loss; a log of their states",
        900,
        "",
        ("pgqueuer[asyncpg]>=1.6",),
        "postgres",
    ),
    Contestant(
        "Procrastinate, PostgreSQL",
        "procrastinate_postgres",
        "tasks and their states, over a power loss; stalled ones need a job of yours",
        350,
        "",
        ("procrastinate>=3.10",),
        "postgres",
    ),
    Contestant(
        "Celery, Redis",
        "celery_redis",
        "tasks until they are taken, and results, as long as Redis lives",
        400,
        "",
        ("celery[redis]>=5.5",),
        "redis",
    ),
    Contestant("the machine", "limits", "a bound, not a scheduler", 30_000),
]

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
