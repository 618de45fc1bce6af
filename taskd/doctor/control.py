"""The control socket: whether the daemon can listen where its clients look."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from taskd.doctor.finding import Finding, ok, problem, warning

LONGEST_PATH: Final = 107  # bytes: unix(7), sun_path less its closing NUL


def control(sockets: Sequence[Path], served_at: Path | None) -> Iterator[Finding]:
    """Look at the first of `sockets`, or at the one where a daemon answers."""
    path = served_at or sockets[0]
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        message = f"{path} has {length} bytes, and a socket's path at most {LONGEST_PATH}"
        yield problem("socket", message, "give a shorter one: TASKD_SOCKET, or --socket")
        return
    folder = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        message = f"every user may replace what is in {folder}, the socket too"
        yield problem("socket", message, f"chmod o-w {folder}")
    if served_at is not None:
        yield from _served(served_at)
    elif path.is_symlink() or (path.exists() and not path.is_socket()):
        yield problem("socket", f"{path} is there and is no socket", f"mv {path} elsewhere")
    elif not os.access(folder, os.W_OK | os.X_OK):
        fix = f"install -d -m 700 {path.parent}, as the daemon's user; or set TASKD_SOCKET"
        yield problem("socket", f"{path} cannot be made: {folder} is not writable", fix)
    elif path.exists() and not _is_refused(path):
        message = f"{path} is open and no taskd answers"
        yield warning("socket", message, "is it another program's, or a daemon that hangs?")
    else:
        stale = " in the place of one that is dead" if path.exists() else ""
        yield ok("socket", f"no daemon answers; one will listen on {path}{stale}")


def _served(path: Path) -> Iterator[Finding]:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        message = f"others may connect to {path}; they are refused by their uid"
        yield warning("socket", message, f"chmod 600 {path}")
    else:
        yield ok("socket", f"the daemon answers on {path}")


def _is_refused(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
