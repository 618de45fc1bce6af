"""The first thing that a process for a command runs: it prepares itself, and becomes the command.

It runs as a script, in isolated mode and without site-packages, so that it starts quickly: what has
to happen between fork and exec must not happen in a fork of a daemon with threads, where any lock
may be held. Where it fails, it writes why to the descriptor that it was given.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import time

PR_SET_PDEATHSIG = 1
SIGKILL = 9
TRIES = 20


def main() -> None:
    """Take the orders from the command line, prepare, and exec."""
    errors = int(sys.argv[1])
    os.set_inheritable(errors, False)
    orders = json.loads(sys.argv[2])
    try:
        die_with(orders["parent"])
        note_group(orders["note"], orders["text"])
        if orders["cwd"] is not None:
            os.chdir(orders["cwd"])
        be_nice(orders["nice"])
        limit(resource.RLIMIT_AS, orders["max_memory"])
        limit(resource.RLIMIT_CPU, orders["max_cpu_s"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(errors, f"{peak} ".encode())
        os.execvp(orders["argv"][0], orders["argv"])
    except OSError as error:
        what = error.filename or orders["argv"][0]
        os.write(errors, f"cannot run it: {error.strerror}: {what!r}".encode())
    os._exit(127)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that made it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was too late
        os._exit(127)


def note_group(path: str | None, text: str) -> None:
    """Note the group of this process; see groups.py."""
    if path is not None:
        with open(os.path.join(path, str(os.getpid())), "w") as file:  # noqa: PTH118, PTH123 - quick
            file.write(f"{os.getpid()} {_started_ticks()} {text}")


def be_nice(by: int) -> None:
    """Be nicer than the parent. Raises OSError: less nice, and that is not permitted.

    sched(7): with autogroups the niceness of a process counts within its session alone, and this
    one is the first of its own; that of the session counts then. It may be set ten times a second
    by all that are no administrators.
    """
    if not by:
        return
    niceness = os.nice(by)
    for _ in range(TRIES):
        try:
            with open("/proc/self/autogroup", "w") as file:  # noqa: PTH123 - quick
                file.write(str(niceness))
        except BlockingIOError:
            time.sleep(0.1)  # noqa: TID251 - nothing else goes on in this process
        except OSError:
            return  # no such thing as autogroups here
        else:
            return


def limit(what: int, to: int | None) -> None:
    """Set a soft limit, within what the hard one allows."""
    if to is not None:
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (to if hard < 0 else min(to, hard), hard))


def _started_ticks() -> str:
    with open("/proc/self/stat") as file:  # noqa: PTH123 - pathlib takes longer than all the rest
        return file.read().rpartition(")")[2].split()[19]


if __name__ == "__main__":
    main()
