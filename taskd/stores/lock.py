"""StoreLock: an open, locked file descriptor beside the store keeps a second daemon out.

The kernel drops the lock with the process, however that ends, so it is never stale. The file holds
the pid of its owner for the message to whoever comes second.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from weakref import WeakSet

from taskd.errors import StoreLocked, StoreUnusable

_held: WeakSet[StoreLock] = WeakSet()


class StoreLock:
    """Holds the lock of the store at `path` until `release`.

    Raises:
        StoreLocked: Another process, or another scheduler of this one, holds it.
        StoreUnusable: The lock's file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        place = path.with_name(path.name + ".lock")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.fd = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                self._take(path)
            except BaseException:
                os.close(self.fd)
                raise
        except OSError as error:
            raise StoreUnusable(
                str(path),
                f"cannot lock {place}: {error.strerror}",
                "make its directory writable for this user, on a local disk with room",
            ) from error
        _held.add(self)

    def release(self) -> None:
        """Let the next one in."""
        _held.discard(self)
        # Not by closing alone: a child that a job forked may have the file open, too.
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self.fd, 32).strip()
            raise StoreLocked(str(path), int(holder) if holder.isdigit() else 0) from None
        os.ftruncate(self.fd, 0)
        os.write(self.fd, b"%d\n" % os.getpid())


def holder_of(path: Path, locks: Path = Path("/proc/locks")) -> int | None:
    """Return the pid of who holds the lock of the store at `path`; None where nobody does.

    The kernel is asked, see proc(5): to try the lock might keep out a daemon that starts just now.
    """
    path = path.resolve()
    place = path.with_name(path.name + ".lock")
    try:
        inode, said = place.stat().st_ino, place.read_text("ascii", "replace").strip()
        lines = locks.read_text("ascii").splitlines()
    except OSError:
        return None
    held = (line.split() for line in lines if " FLOCK " in line and "->" not in line)
    is_held = any(fields[5].rpartition(":")[2] == str(inode) for fields in held)
    return int(said) if is_held and said.isdecimal() else None


def _let_go() -> None:
    """Close what a forked child inherited: it may outlive the owner and must not lock it out."""
    for lock in _held:
        os.close(lock.fd)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
