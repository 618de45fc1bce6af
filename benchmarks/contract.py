"""The contract of an adapter, and the little that all adapters share.

An adapter is a module with a class `Contestant(home, setting)`, run as a process of its own in the
contestant's own virtual environment: ``python -m benchmarks.adapters MODULE HOME SETTING``. `home`
is an empty directory, `setting` the contestant's flavour or the address of the server it needs. It
reads a request a line and answers each with a line, JSON both:

    {"measure": "lateness", "with": {"count": 1000, "over_s": 5}}
    {"figures": {"p50_ms": 0.3, "p99_ms": 0.5}}  or  {"unable": "why"}  or  {"broken": "traceback"}

A measure is a method of that name, plain or ``async``, that returns figures by name; their unit is
the end of the name. The ones that exist are the methods of `Measures`; what an adapter leaves out,
its contestant has not got.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Sequence

Figures = dict[str, float]
Answer = Figures | Awaitable[Figures]


class Unable(Exception):
    """The contestant has no such thing; the message says why."""


class Measures:
    """What may be asked. `count` is a number of tasks; all of them do nothing, unless said."""

    def throughput(self, count: int, workers: int) -> Answer:
        """From the first enqueued to the last recorded as done: `per_s`."""
        raise Unable("has no such thing")

    def enqueue(self, count: int) -> Answer:
        """Acknowledged one at a time, by 64 threads, and in batches of 100: `*_per_s`."""
        raise Unable("has no such thing")

    def lateness(self, count: int, over_s: float) -> Answer:
        """Tasks due evenly over `over_s` seconds, or all at once: `p50_ms`, `p99_ms`."""
        raise Unable("cannot run a task at an instant")

    def drift(self, jobs: int, interval_s: float, for_s: float) -> Answer:
        """Periodic jobs: `runs`, `runs_share` of those due, `p99_ms` off the grid."""
        raise Unable("has no periodic jobs that often")

    def pending(self, count: int) -> Answer:
        """Tasks due in a day: `add_s`, `bytes_each` in memory, `restart_s`, `next_late_ms`."""
        raise Unable("has no such thing")

    def jobs(self, count: int) -> Answer:
        """Periodic jobs with nothing due: `add_s`, and `load_s` when started with them."""
        raise Unable("has no such thing")

    def idle(self, jobs: int) -> Answer:
        """Have periodic jobs with nothing due, and go on so: `pid`, to be looked at."""
        raise Unable("has no such thing")

    def contended(self, burners: int, count: int, over_s: float) -> Answer:
        """`lateness` beside CPU-bound tasks in threads: also `ping_p99_ms` of its daemon."""
        raise Unable("has no such thing")

    def begin(self, count: int) -> Answer:
        """Start tasks of 20 ms that leave a mark, and return in the middle of them."""
        raise Unable("keeps nothing over a crash")

    def recover(self, count: int) -> Answer:
        """Start again where `begin` was killed: `ready_s`."""
        raise Unable("keeps nothing over a crash")

    def recovered(self, patience_s: float) -> Answer:
        """Wait for the marks of all tasks: `missing`, and `after_s` of the last one."""
        raise Unable("keeps nothing over a crash")

    def commands(self) -> Answer:
        """Time its command line, in turn with a minimal command's."""
        raise Unable("has no command line for this")

    def law(self, count: int, **held: int) -> Answer:
        """Time and CPU time of a run with so much of something there: `us_per_run`, ...

        One of `pending` tasks, runs in `history`, `jobs`, `workers`, `payload` bytes.
        """
        raise Unable("is not asked for its laws")


def percentile(values: Sequence[float], share: float) -> float:
    """The value at or below which `share` of the values lie (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def lateness_of(late_s: Sequence[float]) -> Figures:
    """The figures of how late tasks ran; none may be early."""
    return {
        "p50_ms": percentile(late_s, 0.5) * 1e3,
        "p99_ms": percentile(late_s, 0.99) * 1e3,
        "earliest_ms": min(late_s) * 1e3,
    }
