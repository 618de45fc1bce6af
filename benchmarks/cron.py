"""What cron costs: the next due instant beside croniter's own iterator, and loading many jobs.

    python -m benchmarks.cron

croniter is timed twice: as it is used for a zone, and without one, which is less work than taskd's.
Times are of the CPU, the least of several rounds, so that a busy machine changes little.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter

from taskd.config.load import load
from taskd.core import expression
from taskd.core.cron import Cron

MOST_RATIO: Final = 1.5  # of croniter's kept iterator
MOST_LOAD_S: Final = 2.0  # for JOBS of them
JOBS: Final = 10_000
STEPS: Final = 500
ROUNDS: Final = 3
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
EXPRESSIONS: Final = (
    *("30 2 * * *", "*/5 * * * *", "0 * * * *", "15 10 * * mon-fri", "0 0 1 * *"),
    *("0 12 * * 0", "0 9,17 * * *", "30 3 L * *", "0 0 13 * fri", "10 */6 1-7 1,7 *"),
)
ZONES: Final = ("Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe")


def main() -> int:
    """Print both figures; 1 if one of them is over its limit."""
    print("next due instant, as a part of croniter's kept iterator")
    print(f"{'':18} with the zone  without")
    worst = 0.0
    for text in EXPRESSIONS:
        zoned, naive = _ratios(text)
        worst = max(worst, zoned, naive)
        print(f"{text:18} {zoned:13.2f} {naive:8.2f}")
    seconds = _load_s(JOBS)
    print(f"at worst {worst:.2f}, limit {MOST_RATIO}")
    print(f"{JOBS} cron jobs load in {seconds:.2f} s of CPU, limit {MOST_LOAD_S}")
    return 0 if worst <= MOST_RATIO and seconds <= MOST_LOAD_S else 1


def _ratios(text: str) -> tuple[float, float]:
    """How many times as long as croniter one expression takes to walk on, in all zones."""
    ours, zoned, naive = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        ours.append(sum(_cpu_s(_walk(Cron((text,), zone, "job"))) for zone in ZONES))
        zoned.append(sum(_cpu_s(_croniter(text, ZoneInfo(zone))) for zone in ZONES))
        naive.append(sum(_cpu_s(_croniter(text, None)) for _ in ZONES))
    return min(ours) / min(zoned), min(ours) / min(naive)


def _walk(cron: Cron) -> Callable[[], object]:
    expression._next_day.cache_clear()  # else a walk would be told what the one before found
    due = cron.first(START)

    def step() -> object:
        nonlocal due
        assert due is not None
        due = cron.after(due, due)
        return due

    return step


def _croniter(text: str, zone: ZoneInfo | None) -> Callable[[], object]:
    if zone is None:
        bare = croniter(text, START.timestamp())
        return lambda: bare.get_next(float)
    kept = croniter(text, START.astimezone(zone))
    return lambda: kept.get_next(datetime)


def _cpu_s(step: Callable[[], object]) -> float:
    step()
    gc.collect()
    start = time.process_time()
    for _ in range(STEPS):
        step()
    return time.process_time() - start


def _load_s(count: int) -> float:
    """How long it takes to read a file of so many jobs, each with a time of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jobs.toml")
        path.write_text("".join(_entries(count)))
        start = time.process_time()
        jobs = load(path).jobs
        seconds = time.process_time() - start
    assert len(jobs) == count
    return seconds


def _entries(count: int) -> Iterator[str]:
    for n in range(count):
        zone, when = ZONES[n % len(ZONES)], f"{n % 60} {n // 60 % 24} * * {n % 7}"
        yield f'[jobs.job-{n}]\ncall = "work:run"\ncron = "{when}"\ntimezone = "{zone}"\n'


if __name__ == "__main__":
    sys.exit(main())
