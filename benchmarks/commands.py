"""Commands timed side by side on a terminal of 80 columns."""

from __future__ import annotations

import os
import pty
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fcntl import ioctl
from termios import TIOCSWINSZ
from threading import Thread

from benchmarks.contract import Figures

TURNS = 7
_HEAD = "import typer\napp = typer.Typer()\n@app.command()\ndef show(name: str = 'x') -> None:\n"
MINIMAL = [sys.executable, "-c", f"{_HEAD}    print(name)\napp()"]
TABLE = [
    sys.executable,
    "-c",
    f"""{_HEAD}    from rich.console import Console
    from rich.table import Table
    table = Table("name", "state", "next")
    for n in range(10):
        table.add_row(str(n), "active", name)
    Console().print(table)
app()""",
]


@dataclass(frozen=True)
class Watched:
    """A command to be timed, in turn with another one where that is given."""

    command: Sequence[str]
    against: Sequence[str] | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


def side_by_side(watched: Mapping[str, Watched], environ: Mapping[str, str]) -> Figures:
    """Time each command: `NAME_ms` and, of CPU time against the other's, `NAME_ratio`."""
    figures: Figures = {}
    for name, one in watched.items():
        every = {**os.environ, **environ, **one.environ}
        wall_ms, ratios = [], []
        for _ in range(TURNS):
            ms, cpu_s = _timed(one.command, every)
            wall_ms.append(ms)
            if one.against is not None:
                ratios.append(cpu_s / _timed(one.against, every)[1])
        figures[f"{name}_ms"] = statistics.median(wall_ms)
        if ratios:
            figures[f"{name}_ratio"] = statistics.median(ratios)
    return figures


def _timed(command: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a command on a terminal; return its milliseconds and its CPU seconds."""
    ours, its = pty.openpty()
    ioctl(its, TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    reader = Thread(target=_read_all, args=(ours,))
    reader.start()
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdin=its, stdout=its, stderr=its)
    _, status, usage = os.wait4(process.pid, 0)
    ms = (time.perf_counter() - started) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    os.close(its)
    reader.join()
    os.close(ours)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return ms, usage.ru_utime + usage.ru_stime


def _read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass  # how the end of the other side shows
