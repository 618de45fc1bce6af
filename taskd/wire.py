"""HTTP/1.1 over a Unix socket from the caller's end; h11 knows the protocol, this the socket.

The standard library's http.client imports e-mail and TLS, which takes longer than all else that a
verb needs; h11 is the protocol alone.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import h11

PIECE: Final = 64 * 1024  # bytes that are received at once
QUEUE_S: Final = 2  # seconds for room among the connections that the daemon has not taken yet


class Garbled(ConnectionError):
    """What came back is not HTTP, or broke off."""


class Connection:
    """One connection to a daemon, for one request after another; for one thread at a time.

    `send` a request, then read `status` and then the body: `body` or `lines`. All of them raise
    OSError, of which TimeoutError and `Garbled` are kinds; the connection is of no use then.

    Making one waits up to `QUEUE_S` where too many others wait to be taken, and then raises
    BlockingIOError.
    """

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        self.path = path
        self._http = h11.Connection(h11.CLIENT)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # unix(7): a full queue is EAGAIN at once for a socket that does not block, and after
            # the time to send for one that does.
            self._give_up_after(QUEUE_S)
            self._socket.connect(str(path))
            self._give_up_after(0)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(timeout_s)

    @property
    def can_go_on(self) -> bool:
        """Whether the last answer was read whole, and the daemon takes another request."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def is_quiet(self) -> bool:
        """Return whether the daemon has neither hung up nor said anything unasked."""
        return not select.select([self._socket], [], [], 0)[0]

    def set_timeout(self, seconds: float | None) -> None:
        """Wait no longer than that for room to send, and for each piece of the answer."""
        self._socket.settimeout(seconds)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a request. Raises ValueError for what cannot stand in one."""
        if self.can_go_on:
            self._http.start_next_cycle()
        sized = {"Host": "taskd", **headers}
        if body:
            sized["Content-Length"] = str(len(body))
        try:
            request = h11.Request(method=method, target=target, headers=list(sized.items()))
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise ValueError(f"{target!r} with {dict(headers)!r} is no request: {error}") from error
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        sent = b"".join(self._http.send(part) or b"" for part in parts)
        # A daemon that has too many connections says so and hangs up; the answer is there to read.
        with suppress(BrokenPipeError):
            self._socket.sendall(sent)

    def status(self) -> int:
        """Read the head of the answer and return its status."""
        event = self._next()
        while isinstance(event, h11.InformationalResponse):
            event = self._next()
        if not isinstance(event, h11.Response):
            raise Garbled("the answer broke off")
        return event.status_code

    def body(self) -> bytes:
        """Read the body of the answer, whole."""
        return b"".join(self._pieces())

    def lines(self) -> Iterator[bytes]:
        """Yield each line of the body as soon as it is there."""
        rest = b""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def close(self) -> None:
        """Hang up."""
        self._http.send_failed()
        self._socket.close()

    def _give_up_after(self, seconds: int) -> None:
        """Have the kernel end a call that waits for room; 0: never."""
        timeval = struct.pack("@ll", seconds, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        while isinstance(event := self._next(), h11.Data):
            yield event.data

    def _next(self) -> object:
        """Return what the daemon says next: an event of h11."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(self._socket.recv(PIECE))
        except h11.RemoteProtocolError as error:
            raise Garbled(f"what came back is not an answer: {error}") from error
        return event
