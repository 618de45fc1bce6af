"""Admission: how many connections the server keeps, and its words for those that it does not.

A connection costs a file descriptor, and a daemon without one can start no process and open no
file: those that say nothing, or never end, may have half of the descriptors and no more.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from taskd.answers import problem

MOST: Final = 512
BACKLOG: Final = 1024  # connections that wait to be taken; beyond it connect(2) fails, or waits
TURNS: Final = 8  # asyncio makes a connection in three turns of its loop, and loses one in two
AT_ONCE: Final = 16  # asyncio takes so many before it looks at any: each has a descriptor by then


async def serve(
    runner: web.AppRunner, control: socket.socket, options: Mapping[str, Any]
) -> asyncio.Server:
    """Serve `runner` on a listening socket; `options` are those of `web.RequestHandler`."""
    server = runner.server
    assert server is not None  # it was set up
    loop = asyncio.get_running_loop()
    most = most_connections()

    def admit() -> asyncio.Protocol:
        if len(server.connections) >= most:
            return _Refusal(f"{most} connections are open; close some, or try again")
        return Connection(server, loop=loop, **options)

    served = await loop.create_server(admit, sock=control, backlog=AT_ONCE)
    control.listen(BACKLOG)
    return served


def most_connections() -> int:
    """Return how many connections are kept at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


async def settled() -> None:
    """Let asyncio make, or lose, a connection: each takes it a few turns of its loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Connection(web.RequestHandler):
    """A connection that refuses what is not HTTP as everything is refused: with a problem.

    Until its first request has come, it is closed after the time for which it is kept between two:
    aiohttp before 3.14 sets no limit to that.
    """

    __slots__ = ("_deadline",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self.keepalive_timeout, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no more."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def has_asked(self) -> None:
        """Take note that a request has come."""
        self._deadline.cancel()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what cannot be read; the connection is closed after it."""
        plain = super().handle_error(request, status, exc, message)
        if status != HTTPStatus.BAD_REQUEST:
            return plain
        why = (message or "it cannot be read").partition("\n")[0].rstrip(":")
        refusal = problem(HTTPStatus.BAD_REQUEST, "malformed", f"not HTTP/1.1: {why}")
        refusal.force_close()
        return refusal


class _Refusal(asyncio.Protocol):
    """A connection that is told why it is not kept, and closed."""

    def __init__(self, why: str) -> None:
        self._why = why

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        document = cast("bytes", problem(status, "too_many_connections", self._why).body)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "Content-Type: application/problem+json\r\n"
            f"Content-Length: {len(document)}\r\n"
            "Connection: close\r\n\r\n"
        )
        sink = cast("asyncio.Transport", transport)
        sink.write(head.encode() + document)
        sink.close()
