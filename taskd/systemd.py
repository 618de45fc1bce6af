"""What taskd tells systemd, and what it gets from it.

sd_notify(3) over the datagram socket in ``$NOTIFY_SOCKET``, sd_listen_fds(3) and sd-daemon(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from taskd.errors import SocketUnusable

# A service manager that does not read its socket may hold us up so long, and no longer.
_PATIENCE_S: Final = 1.0
_FIRST_INHERITED: Final = 3  # SD_LISTEN_FDS_START


class Notifier:
    """Sends the state of the service to systemd.

    Without ``NOTIFY_SOCKET`` in `environ` every method does nothing, and a socket that nobody
    serves is no error: notices are a courtesy, the work goes on without them. Any thread may call.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        # unix(7): an abstract name begins with a NUL, which systemd writes as "@". Of the other
        # kinds (vsock) none leads to a local service manager.
        self._address = name.replace("@", "\0", 1) if name.startswith("@") else name
        self._is_heard = name.startswith(("/", "@"))

    def ready(self, status: str = "") -> None:
        """Says that start-up, or a reload, is done; `status` is shown by ``systemctl status``."""
        self._send("READY=1", *([_status(status)] if status else []))

    def reloading(self, monotonic_usec: int) -> None:
        """Says that a reload began at `monotonic_usec`: microseconds on CLOCK_MONOTONIC."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_usec}")

    def stopping(self) -> None:
        """Says that the shutdown began."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Sets the line that ``systemctl status`` shows."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Tells the watchdog that the service makes progress; see `watchdog_interval`."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._is_heard:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.settimeout(_PATIENCE_S)
            notices.sendto("\n".join(lines).encode(), self._address)


def watchdog_interval(environ: Mapping[str, str], pid: int) -> timedelta | None:
    """How often process `pid` should call `Notifier.watchdog`, or None if nobody asked for it.

    It is half of the time after which systemd gives the service up, as sd_watchdog_enabled(3)
    advises.
    """
    limit_usec, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if meant not in {"", str(pid)} or not limit_usec.isdecimal() or int(limit_usec) == 0:
        return None
    return timedelta(microseconds=int(limit_usec)) / 2


def feed_watchdog(
    notifier: Notifier,
    interval: timedelta,
    *,
    progress: Callable[[], object],
    has_ended: Callable[[float], bool],
) -> None:
    """Feed the watchdog until the end, each time after `progress` has returned.

    What hangs does not return, and systemd then restarts the service. `has_ended` waits for the
    end for so many seconds and says whether it came.
    """
    while not has_ended(interval.total_seconds()):
        progress()
        notifier.watchdog()


def inherited_socket(environ: MutableMapping[str, str], pid: int) -> socket.socket | None:
    """Return the listening socket that systemd opened for process `pid`; None if it opened none.

    Neither the variables that tell of it nor the descriptor go on to the children of the process.

    Raises:
        SocketUnusable: There are several, or it is not a listening Unix stream socket.
    """
    meant = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if meant != str(pid) or not count.isdecimal() or int(count) == 0:
        return None
    for descriptor in range(_FIRST_INHERITED, _FIRST_INHERITED + int(count)):
        os.set_inheritable(descriptor, False)
    if int(count) > 1:
        raise SocketUnusable("LISTEN_FDS", f"{count} sockets were passed on; taskd takes one")
    given = socket.socket(fileno=_FIRST_INHERITED)
    is_listening = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if (given.family, given.type) != (socket.AF_UNIX, socket.SOCK_STREAM) or not is_listening:
        given.detach()
        raise SocketUnusable(
            "LISTEN_FDS", "is not a listening Unix stream socket: ListenStream=/..."
        )
    return given


def is_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Whether what is written to `descriptor` goes to systemd's journal, by systemd.exec(5)."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    there = os.fstat(descriptor)
    return (device, inode) == (str(there.st_dev), str(there.st_ino))


def _status(text: str) -> str:
    # A line break would begin another assignment.
    return f"STATUS={' '.join(text.splitlines())}"
