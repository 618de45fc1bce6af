"""Connections of a client to its daemon: found anew for each request, or kept for the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taskd.errors import ApiError, NoDaemon
from taskd.wire import Connection


class Connections:
    """Connections to the first of `sockets` that answers; any thread may take one."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._sockets = sockets
        self._idle: list[Connection] | None = None

    @property
    def are_kept(self) -> bool:
        """Whether a connection serves one request after another."""
        return self._idle is not None

    def keep(self) -> None:
        """Keep from now on what is given back."""
        self._idle = []

    def close(self) -> None:
        """Hang up on all that is kept, and keep no more."""
        idle, self._idle = self._idle, None
        for connection in idle or ():
            connection.close()

    def take(self, timeout_s: float | None) -> Connection:
        """Return one that was kept and that the daemon has not closed, or else a new one.

        Raises:
            NoDaemon: Nothing answers.
            ApiError: The socket belongs to another user, or the daemon is too busy to answer.
        """
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break  # another thread took it
            if connection.is_quiet():
                connection.set_timeout(timeout_s)
                return connection
            connection.close()
        return self.open(timeout_s)

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request, or close it where it is not fit for one."""
        if self._idle is not None and connection.can_go_on:
            self._idle.append(connection)
        else:
            connection.close()

    def open(self, timeout_s: float | None) -> Connection:
        """Return a new connection. Raises what `take` does."""
        refused: Path | None = None
        for path in self._sockets:
            try:
                return Connection(path, timeout_s)
            except PermissionError:
                refused = refused or path
            except BlockingIOError:
                detail = f"the daemon on {path} is busy: too many connections wait; try again"
                raise ApiError(503, "busy", detail, {}) from None
            except OSError:
                continue
        if refused:
            detail = f"{refused} belongs to another user; run this as that user, or as root"
            raise ApiError(403, "forbidden", detail, {})
        raise NoDaemon([str(path) for path in self._sockets])
