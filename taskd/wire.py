"""HTTP/1.1 over a Unix socket from the caller's end; httptools knows the protocol, this the socket.

The standard library's http.client imports e-mail and TLS, which takes longer than all else that a
verb needs; httptools is the protocol alone, and compiled.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

PIECE: Final = 64 * 1024  # bytes that are received at once
HEAD_LIMIT: Final = 64 * 1024  # bytes that may come before an answer's head is whole
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
        self._answer = _Answer()
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
        return self._answer.is_whole and self._answer.goes_on

    def is_quiet(self) -> bool:
        """Return whether the daemon has neither hung up nor said anything unasked."""
        return not select.select([self._socket], [], [], 0)[0]

    def set_timeout(self, seconds: float | None) -> None:
        """Wait no longer than that for room to send, and for each piece of the answer."""
        self._socket.settimeout(seconds)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a request. Raises ValueError for what cannot stand in one."""
        sized = {"Host": "taskd", **headers}
        if body:
            sized["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sized.items()]
        if " " in target or not all(line.isascii() and line.isprintable() for line in lines):
            raise ValueError(f"{target!r} with {dict(headers)!r} is no request")
        self._answer.begin()
        # A daemon that has too many connections says so and hangs up; the answer is there to read.
        with suppress(BrokenPipeError):
            self._socket.sendall("\r\n".join([*lines, "\r\n"]).encode("ascii") + body)

    def status(self) -> int:
        """Read the head of the answer and return its status."""
        while not self._answer.has_head:
            self._receive()
        return self._answer.status

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
        self._answer.goes_on = False
        self._socket.close()

    def _give_up_after(self, seconds: int) -> None:
        """Have the kernel end a call that waits for room; 0: never."""
        timeval = struct.pack("@ll", seconds, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        yield from self._answer.taken()
        while not self._answer.is_whole:
            self._receive()
            yield from self._answer.taken()

    def _receive(self) -> None:
        self._answer.feed(self._socket.recv(PIECE))


class _Answer:
    """The answer to one request after another, as it comes; the parser calls what begins with on.

    `status` is that of the answer once it `has_head`. After one that `is_whole` the daemon takes
    another request if the connection `goes_on`.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.has_head = self.is_whole = self.goes_on = False
        self.begin()

    def begin(self) -> None:
        """Wait for the answer to a request."""
        self.status = 0
        self.has_head = self.is_whole = self.goes_on = False
        self._has_length = False
        self._head_size = 0
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take what has come; nothing is the end of all. Raises Garbled."""
        if not data:
            if not self.has_head or self._has_length:
                raise Garbled("the answer broke off")
            self.is_whole = True
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.goes_on = False
            if not self.is_whole:
                raise Garbled(f"what came back is not an answer: {error}") from error
        self._head_size += len(data)
        if not self.has_head and self._head_size > HEAD_LIMIT:
            raise Garbled(f"what came back has no end to its head in {HEAD_LIMIT} bytes")

    def taken(self) -> list[bytes]:
        """Take the pieces of the body that have come."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def on_message_begin(self) -> None:
        """Refuse what was not asked for."""
        if self.is_whole:
            raise Garbled("an answer to nothing")

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002
        """Note whether the head says where the body ends; else it ends with the connection."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Note the status; one below 200 is of no answer yet."""
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Note the end."""
        self.is_whole = self.has_head
        self.goes_on = self.is_whole and self._parser.should_keep_alive()
