"""Output: the CPU time that a captured line costs, on each executor.

``python -m benchmarks.output`` prints a line for each, with its target. What the same lines cost
into /dev/null is taken off: that is the callable's own doing. The time of the daemon and of the
worker or command counts, in user mode and in the kernel.
"""

from __future__ import annotations

import logging
import os
import resource
import select
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taskd.clock import SystemClock
from taskd.core.execution import Execution, Executor
from taskd.core.job import Call, JobName
from taskd.core.messages import AttemptFinished
from taskd.core.run import Origin, Run, RunState
from taskd.core.turn import Start
from taskd.executors.capture import captured
from taskd.executors.pool import Executors
from taskd.ids import new_id
from taskd.inbox import Inbox

LINES: Final = 100_000
TARGET_US: Final = 10
LINE: Final = "a line of the length that lines of a log have, more or less: 80 characters"


def speak(lines: int) -> None:
    """Print."""
    for _ in range(lines):
        print(LINE)


def log(lines: int) -> None:
    """Log."""
    logger = logging.getLogger("benchmark")
    for _ in range(lines):
        logger.warning(LINE)


def cpu_s() -> float:
    """The CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def cost(work: Callable[[], object]) -> float:
    """The CPU time of `work`, in microseconds a line."""
    before = cpu_s()
    work()
    return (cpu_s() - before) / LINES * 1e6


class Bench:
    """The executors as the daemon has them."""

    def __init__(self, state: Path) -> None:
        clock = SystemClock()
        self._wakeup = clock.wakeup()
        self._inbox = Inbox(self._wakeup)
        self.executors = Executors(self._inbox, clock, state=state, captures=True)

    def call(self, call: Call, executor: Executor) -> AttemptFinished:
        """Have one attempt called, and wait for its end."""
        now = datetime.now(UTC)
        run = Run(
            id=new_id(now),
            job=JobName("job"),
            origin=Origin.TRIGGER,
            state=RunState.RUNNING,
            scheduled_at=now,
            due_at=now,
            attempt=1,
        )
        self.executors.start(Start(run, call, execution=Execution(executor=executor)))
        while True:
            select.select([self._wakeup.fileno()], [], [])
            for told in self._inbox.take():
                assert isinstance(told, AttemptFinished), told
                return told


def bare(function: Callable[[int], None]) -> float:
    """What the lines cost without taskd, into nothing."""
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing):  # noqa: PTH123
        handler = logging.StreamHandler(nothing)
        logging.getLogger("benchmark").addHandler(handler)
        logging.getLogger("benchmark").propagate = False
        spent = cost(lambda: function(LINES))
        logging.getLogger("benchmark").removeHandler(handler)
        logging.getLogger("benchmark").propagate = True
    return spent


def told(what: str, spent: float, own: float) -> None:
    """Print one figure."""
    left = max(0.0, spent - own)
    print(f"{what:22} {left:5.1f} us a line (under {TARGET_US}); without taskd {own:.1f}")


def main() -> None:
    """Measure, and print."""
    nothing, name = Call("benchmarks.output:speak", (0,)), "benchmarks.output"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        real = sys.stdout
        figures: list[tuple[str, float, float]] = []
        own = {"speak": bare(speak), "log": bare(log)}
        with captured():
            for executor in (Executor.THREAD, Executor.PROCESS):
                for function in own:
                    call = Call(f"{name}:{function}", (LINES,))
                    spent = _spent(bench, call, nothing, executor)
                    figures.append((f"{executor}, {function}", spent, own[function]))
        command = f"yes '{LINE}' | head -n {LINES}"
        shell = Call.command("/bin/sh", "-c", command)
        quiet = Call.command("/bin/sh", "-c", f"{command} > /dev/null")
        spent = cost(lambda: bench.call(shell, Executor.COMMAND))
        alone = cost(lambda: bench.call(quiet, Executor.COMMAND))
        figures.append(("command", spent, alone))
        bench.executors.close()
        sys.stdout = real
        for figure in figures:
            told(*figure)


def _spent(bench: Bench, call: Call, nothing: Call, executor: Executor) -> float:
    """The CPU time of a call, a new worker's included when it has one; its start is not."""
    if executor is Executor.PROCESS:
        bench.call(nothing, executor)
    usages: list[Any] = []
    spent = cost(lambda: usages.append(bench.call(call, executor).usage))
    of_worker = usages[0].cpu_time.total_seconds() if executor is Executor.PROCESS else 0.0
    return spent + float(of_worker) / LINES * 1e6


if __name__ == "__main__":
    main()
