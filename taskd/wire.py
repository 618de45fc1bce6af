"""HTTP/1.1 (RFC 9112) over a Unix socket from the caller's end, as far as the daemon speaks it.

The standard library's http.client would do. But it imports e-mail and TLS, which takes as long as
all else that is the client's (15 ms of CPU time), and every verb would pay for that.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

LONGEST_LINE: Final = 64 * 1024  # bytes of a line of a head
MOST_HEADERS: Final = 100
STATUS: Final = re.compile("[1-5][0-9][0-9](?: |$)")
DECIMAL: Final = re.compile("[0-9]{1,12}")
HEXADECIMAL: Final = re.compile("[0-9A-Fa-f]{1,8}")


class Garbled(ConnectionError):
    """What came back is not HTTP, or broke off."""


class Connection:
    """One connection to a daemon, for one request after another; for one thread at a time.

    `send` a request, then read `status` and then the body: `body` or `lines`. All of them raise
    OSError, of which TimeoutError and `Garbled` are kinds; the connection is of no use then.
    """

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        self.path = path
        self.can_go_on = False
        """Whether the last answer was read whole, and the daemon takes another request."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._received = self._socket.makefile("rb")

    def is_quiet(self) -> bool:
        """Return whether the daemon has neither hung up nor said anything unasked."""
        return not select.select([self._socket], [], [], 0)[0]

    def set_timeout(self, seconds: float | None) -> None:
        """Wait no longer than that for room to send, and for each piece of the answer."""
        self._socket.settimeout(seconds)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a request. Raises ValueError for what cannot stand in one."""
        if " " in target:
            raise ValueError(f"a target has no spaces: {target!r}")
        lines = [f"{method} {target} HTTP/1.1", "Host: taskd"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        for line in lines:
            if not (line.isascii() and line.isprintable()):
                raise ValueError(f"a request is printable ASCII: {line!r}")
        self.can_go_on = False
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def status(self) -> int:
        """Read the head of the answer and return its status."""
        status = 100
        while 100 <= status < 200:  # an interim answer is not the answer
            version, _, rest = self._line().partition(" ")
            if not (version.startswith("HTTP/1.") and STATUS.match(rest)):
                raise Garbled("what came back is not HTTP")
            status, headers = int(rest[:3]), self._headers()
        length = headers.get("content-length")
        if length is not None and not DECIMAL.fullmatch(length):
            raise Garbled("the answer has no proper length")
        self._length = None if length is None else int(length)
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        is_last = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        self._goes_on = not is_last and (self._is_chunked or self._length is not None)
        return status

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
        self.can_go_on = False
        self._received.close()
        self._socket.close()

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
            if len(headers) > MOST_HEADERS:
                raise Garbled("the answer has too many headers")
        return headers

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        if self._is_chunked:
            while size := self._chunk_size():
                yield self._exactly(size)
                self._line()
            while self._line():
                pass  # trailers
        elif self._length is not None:
            yield self._exactly(self._length)
        else:
            yield self._received.read()
        self.can_go_on = self._goes_on

    def _chunk_size(self) -> int:
        digits = self._line().partition(";")[0].strip()
        if not HEXADECIMAL.fullmatch(digits):
            raise Garbled("the answer's chunks have no proper length")
        return int(digits, 16)

    def _exactly(self, size: int) -> bytes:
        data = self._received.read(size)
        if len(data) < size:
            raise Garbled("the answer broke off")
        return data

    def _line(self) -> str:
        """Read a line of a head."""
        line = self._received.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise Garbled("the answer broke off")
        return line.decode("latin-1").rstrip("\r\n")
