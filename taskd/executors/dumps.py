"""Dumps: where the threads of a worker are, as each of them writes it when it gets our signal.

A thread writes its own stack alone, in faulthandler's handler, whatever else it does. One that
wrote the stacks of others would read frames that change meanwhile, and may crash of it; and a
signal that is sent to the process goes to any thread where the main one has another to handle.
"""

from __future__ import annotations

import select
from contextlib import suppress
from pathlib import Path
from typing import Final

from taskd.executors.child import Child, drain
from taskd.executors.stacks import Dump
from taskd.executors.worker import STACKS_SIGNAL

PAUSE_MS: Final = 5
PATIENCE: Final = 400  # pauses, two seconds: one that answers does so once it is on a CPU
MOST: Final = 100  # threads whose stacks are of use to a reader


def dumps_of(child: Child, stacks: int) -> list[Dump]:
    """Return what the threads of a worker tell, the main one first, on the pipe `stacks`.

    It waits for those that live and can be reached: one that has the signal blocked, or a process
    that was stopped, tells nothing, and nobody after it is asked.
    """
    told = []
    for thread in _threads(child.pid)[:MOST]:
        child.signal_thread(thread, STACKS_SIGNAL)
        text, is_done = _told_by(child, thread, stacks)
        if text:
            told.append(Dump(thread, thread == child.pid, text.decode(errors="backslashreplace")))
        if not is_done:
            break
    return told


def _threads(pid: int) -> list[int]:
    """Return the threads of a process, the main one first: it has the number of the process."""
    try:
        found = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it is gone
        return []
    return sorted(found, key=lambda thread: (thread != pid, thread))


def _told_by(child: Child, thread: int, stacks: int) -> tuple[bytes, bool]:
    """Return what a thread tells, and whether it came to its end."""
    poll, told = select.poll(), b""
    poll.register(stacks, select.POLLIN)
    for _ in range(PATIENCE):
        while poll.poll(PAUSE_MS) and (data := drain(stacks)):
            told += data
        # The main thread always has something to tell; the others may be none of Python's.
        if not _has_signal(child.pid, thread) and (told or thread != child.pid):
            # All that it wrote is in the pipe now.
            return told + (drain(stacks) or b""), True
        if child.has_ended():
            break
    return told, False


def _has_signal(pid: int, thread: int) -> bool:
    """Return whether a thread is still to handle the signal, or does: then it is blocked."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
        masks = (line.split() for line in status.splitlines() if line[:7] in ("SigPnd:", "SigBlk:"))
        return any(int(mask, 16) >> (STACKS_SIGNAL - 1) & 1 for _, mask in masks)
    return False
