"""Incoming: requests cut out of the bytes of a connection; httptools knows HTTP/1.1.

It does no I/O: what arrives is fed to it, in whatever pieces, and whole requests are taken from it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
    parse_url,
)

from taskd.answers import Refused

HEAD_LIMIT: Final = 32 * 1024  # bytes: room for the names of a thousand jobs
BODY_LIMIT: Final = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole; `path` and `query` are as they were sent, still quoted.

    `key` is its Idempotency-Key. After the last one its sender wants the connection closed;
    `knows_chunks` is false of HTTP/1.0.
    """

    method: str
    path: str
    query: str
    body: bytes
    key: str | None = None
    is_last: bool = False
    knows_chunks: bool = True


class Incoming:
    """The requests of one connection, as they come.

    `refusal` is why nothing more can be read, None as long as it can.
    """

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._whole: deque[Request] = deque()
        self._is_over = False
        self.refusal: Refused | None = None
        self.on_message_begin()
        self._is_amid_head = False

    def __bool__(self) -> bool:
        """Whether there is something to answer."""
        return bool(self._whole) or self.refusal is not None

    def take(self) -> Request | None:
        """Take the next whole request, if there is one."""
        return self._whole.popleft() if self._whole else None

    def feed(self, data: memoryview) -> None:
        """Take what has arrived."""
        if self._is_over:
            return
        told = self._head_size
        try:
            self._parser.feed_data(data)
            if self._is_amid_head and self._head_size == told:
                self._grow_head(len(data))  # a field is not told before all of it has come
        except HttpParserUpgrade:
            self._is_over = True  # what follows is not HTTP; the request itself is answered
        except Refused as refusal:
            self._end(refusal)
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, Refused):
                raise
            self._end(error.__context__)
        except HttpParserError as error:
            self._end(_malformed(f"not HTTP/1.1: {error}"))

    # -- what the parser tells ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin with a request."""
        self._target = b""
        self._key: bytes | None = None
        self._length = self._head_size = self._body_size = 0
        self._has_body = False
        self._pieces: list[bytes] = []
        self._is_amid_head, self.is_amid_body, self.awaits_word = True, False, False

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the target."""
        self._grow_head(len(piece))
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head, or of the trailer."""
        self._grow_head(len(name) + len(value))
        name = name.lower()
        if name == b"idempotency-key":
            self._key = value
        elif name == b"content-length":
            self._length = int(value)  # the parser has seen that it is a number
            self._has_body = self._length > 0
        elif name == b"transfer-encoding":
            self._has_body = True
        elif name == b"expect":
            self.awaits_word = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Look at how long the body is said to be."""
        if self._length > BODY_LIMIT:
            raise _too_large()
        if self._has_body and self._parser.should_upgrade():  # it would be taken for what follows
            raise _malformed("a request that asks for another protocol has no body")
        self._is_amid_head, self.is_amid_body = False, True

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._body_size += len(piece)
        if self._body_size > BODY_LIMIT:
            raise _too_large()
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Keep a request that is whole."""
        self.is_amid_body = False
        parser = self._parser
        try:
            url = parse_url(self._target)
        except HttpParserInvalidURLError as error:
            raise _malformed(str(error)) from None
        knows_chunks = parser.get_http_version() == "1.1"
        goes_on = knows_chunks and parser.should_keep_alive() and not parser.should_upgrade()
        self._whole.append(
            Request(
                method=parser.get_method().decode(),
                path=(url.path or b"").decode(),
                query=(url.query or b"").decode(),
                body=b"".join(self._pieces),
                key=None if self._key is None else self._key.decode("latin-1"),
                is_last=not goes_on,
                knows_chunks=knows_chunks,
            )
        )

    # -- its limits -----------------------------------------------------------------------------

    def _grow_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            raise _malformed(f"a head is at most {HEAD_LIMIT} bytes")

    def _end(self, refusal: Refused) -> None:
        self.refusal, self._is_over = refusal, True


def _malformed(words: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "malformed", words)


def _too_large() -> Refused:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return Refused(status, "too_large", f"a body is at most {BODY_LIMIT} bytes")
