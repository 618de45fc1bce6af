"""Groups: the process groups that attempts run in, noted on the disk for the case of a crash.

Each process that is made for attempts leads a group of its own, and notes it before it does
anything else (launch.py). A daemon that was killed cannot end the groups that it leaves; the next
one finds the notes and does, before it claims anything.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "TASKD_GROUP"
"""The variable by which a process is known that outlived the leader of its group."""
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
STARTED: Final = 19
"""The field of /proc/PID/stat, counted behind the name, with the start in ticks since the boot."""

_tgkill = getattr(ctypes.CDLL(None), "tgkill", None)  # glibc has it since 2.30, musl has not


def started_ticks(pid: int) -> int | None:
    """Return when a process began, which with its pid names it; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[STARTED])


def kill(group: int, number: int) -> None:
    """Send a signal to all of a group, if there is any of it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_thread(process: int, thread: int, number: int) -> None:
    """Send a signal to one thread of a process, if there is such a one."""
    if _tgkill is not None:
        _tgkill(process, thread, number)
    else:
        with suppress(ProcessLookupError):
            os.kill(thread, number)  # Linux then prefers that thread of the process


def end(folder: Path | None, group: int) -> None:
    """Kill what is left of a group whose leader has ended, and forget it."""
    kill(group, signal.SIGKILL)
    if folder is not None:
        (folder / str(group)).unlink(missing_ok=True)


def kill_leftovers(folder: Path) -> list[int]:
    """Kill the groups that an earlier daemon left behind; return which they were.

    To be called by the one who holds the lock of the store, before anything is started.
    """
    killed = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        with suppress(OSError, ValueError):
            pid, ticks, boot, mark = path.read_text().split()
            if boot == _boot() and _is_ours(int(pid), int(ticks), mark):
                kill(int(pid), signal.SIGKILL)
                killed.append(int(pid))
        path.unlink(missing_ok=True)
    return killed


def _is_ours(group: int, ticks: int, mark: str) -> bool:
    """Return whether a group is still the one that was noted.

    Its number is not given to another while the group has a member. But when it is empty it may be,
    and be left by its new leader too: then only what a member has in its environment can tell.
    """
    leader = started_ticks(group)
    if leader is not None:
        return leader == ticks
    return any(_is_marked(pid, mark) for pid in _members(group))


def _members(group: int) -> list[int]:
    members = []
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getpgid(pid := int(process.name)) == group:
                members.append(pid)
    return members


def _is_marked(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return "-"
