"""StoreLock: an open, locked file descriptor beside the store keeps a second daemon out.

The kernel drops the lock with the process, however that ends, so it is never stale. The file holds
the pid of its owner for the message to whoever comes second.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from taskd.errors import StoreLocked, StoreUnusable


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
            self._fd = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreUnusable(
                str(path),
                f"cannot open {place}: {error.strerror}",
                "make its directory writable for this user",
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32)
            os.close(self._fd)
            raise StoreLocked(str(path), int(holder) if holder.strip().isdigit() else 0) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._fd)
