"""Streaming: the journal, and what runs print, as lines of JSON (NDJSON), on as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final

from taskd import api
from taskd.answers import encoded, head
from taskd.errors import Stopped, TaskdError
from taskd.exchange import Exchange
from taskd.incoming import Request
from taskd.views import Document, event_view

GATHER_S: Final = 0.05  # what is printed is told so much later, in fewer pieces
PIECE: Final = (
    64 * 1024
)  # bytes that are sent at once, or one line: a slow reader takes each in time


class Lines:
    """An answer of lines, each told as soon as it is there."""

    def __init__(self, exchange: Exchange, request: Request) -> None:
        self._exchange = exchange
        self._is_chunked = request.knows_chunks
        fields = {"Content-Type": "application/x-ndjson"}
        if self._is_chunked:
            fields["Transfer-Encoding"] = "chunked"
        exchange.send(head(HTTPStatus.OK, fields, is_last=exchange.is_last))

    async def tell(self, documents: Iterable[Document]) -> None:
        """Send a line for each document; a reader that makes no room is cut off."""
        gathered = bytearray()
        for document in documents:
            gathered += encoded(document) + b"\n"
            if len(gathered) >= PIECE:
                await self._send(bytes(gathered))
                gathered.clear()
        if gathered:
            await self._send(bytes(gathered))

    async def _send(self, data: bytes) -> None:
        self._exchange.send(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
        await self._exchange.room()

    def end(self) -> None:
        """Say that this was all."""
        if self._is_chunked:
            self._exchange.send(b"0\r\n\r\n")
        self._exchange.end()


async def tell_events(
    exchange: Exchange,
    request: Request,
    host: api.Host,
    ask: api.Ask,
    readers: ThreadPoolExecutor,
) -> None:
    """Tell the events that are asked for; what a request cannot have is refused before the first.

    A reader that makes no room in time is cut off. With `follow` it ends with the reader, or with
    the daemon. A stream that breaks off otherwise lacks the closing chunk of HTTP/1.1; the reader
    resumes it after the last event it got.
    """
    asked = api.events_asked(ask)
    left = asked.limit
    loop = asyncio.get_running_loop()
    page_after = partial(api.page_of_events, host, asked)
    page = await loop.run_in_executor(readers, page_after, None, left)
    lines = Lines(exchange, request)
    left = left if asked.after is not None else None  # else it said how many of the last ones
    try:
        while True:
            events, after, is_end = page
            await lines.tell(map(event_view, events))
            left = None if left is None else left - len(events)
            if left == 0 or (is_end and not asked.follow):
                break
            if is_end:
                await asyncio.wrap_future(host.scheduler.inbox.follow(after))
            page = await loop.run_in_executor(readers, page_after, after, left)
    except Stopped:
        pass  # the daemon ends, and its journal with it
    except TaskdError:
        exchange.break_off()
        return
    lines.end()


async def tell_output(
    exchange: Exchange,
    request: Request,
    host: api.Host,
    ask: api.Ask,
    readers: ThreadPoolExecutor,
) -> None:
    """Tell what a run prints, as it comes, until the run ends; otherwise as `tell_events`."""
    loop = asyncio.get_running_loop()
    following = await loop.run_in_executor(readers, api.following, host, ask)
    lines = Lines(exchange, request)
    try:
        while not following.is_over:
            documents, news = await loop.run_in_executor(readers, following.read)
            await lines.tell(documents)
            if news is not None:
                await asyncio.wrap_future(news)
                await asyncio.sleep(GATHER_S)
    except Stopped:
        pass
    except TaskdError:
        exchange.break_off()
        return
    lines.end()
