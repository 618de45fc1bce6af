"""What the kernel says of a process: proc(5)."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def held_bytes() -> int:
    """Memory of this process that is in use: what was freed is given back first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes(os.getpid())


def wakeups(pid: int) -> int:
    """How often the threads of a process and of its children have gone to sleep, so far."""
    return sum(_slept(task) for one in family(pid) for task in Path(f"/proc/{one}/task").iterdir())


def cpu_s(pid: int) -> float:
    """CPU seconds that a process and its children have used, so far."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for file in children for child in file.read_text().split()]
    return [pid, *(one for child in found for one in family(child))]


def _slept(task: Path) -> int:
    lines = (task / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))
