"""Admission: how many connections the server keeps, and its words for those that it does not.

A connection costs a file descriptor, and a daemon without one can start no process and open no
file: those that say nothing, or never end, may have half of the descriptors and no more.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from http import HTTPStatus
from typing import Final, cast

from taskd.answers import problem
from taskd.exchange import Begin, Exchange

MOST: Final = 512
BACKLOG: Final = 1024  # connections that wait to be taken; beyond it connect(2) fails, or waits
TURNS: Final = 8  # asyncio makes a connection in three turns of its loop, and loses one in two
AT_ONCE: Final = 16  # asyncio takes so many before it looks at any: each has a descriptor by then
PIECE: Final = 64 * 1024  # bytes that are received at once
LAST_ANSWERS_S: Final = 1.0  # for requests under way when the server closes


class Gate:
    """The open connections of a server on the listening socket `control`."""

    def __init__(self, control: socket.socket, begin: Begin, *, patience_s: float) -> None:
        self._control = control
        self._begin = begin
        self._patience_s = patience_s
        self._buffer = memoryview(bytearray(PIECE))
        self._everybody: set[Exchange] = set()
        self._most = most_connections()

    async def open(self) -> None:
        """Begin to take connections."""
        loop = asyncio.get_running_loop()
        self._served = await loop.create_server(self._admit, sock=self._control, backlog=AT_ONCE)
        self._control.listen(BACKLOG)

    async def close(self) -> None:
        """Take no more of them, answer what was asked, and hang up on all."""
        loop = asyncio.get_running_loop()
        # Closed while it makes connections of what it has accepted, asyncio would leave those open.
        loop.remove_reader(self._control)
        await _settled()
        self._served.close()
        ends = [exchange.leave() for exchange in self._everybody]
        if ends:
            await asyncio.wait(ends, timeout=LAST_ANSWERS_S)
        for exchange in self._everybody:
            exchange.break_off()
        await _settled()

    def _admit(self) -> asyncio.BaseProtocol:
        if len(self._everybody) >= self._most:
            return _Refusal(f"{self._most} connections are open; close some, or try again")
        return Exchange(self._begin, self._everybody, self._buffer, self._patience_s)


def most_connections() -> int:
    """Return how many connections are kept at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


async def _settled() -> None:
    """Let asyncio make, or lose, a connection: each takes it a few turns of its loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class _Refusal(asyncio.Protocol):
    """A connection that is told why it is not kept, and closed."""

    def __init__(self, why: str) -> None:
        self._why = why

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        refusal = problem(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", self._why)
        sink = cast("asyncio.Transport", transport)
        sink.write(refusal.written(is_last=True))
        sink.close()
