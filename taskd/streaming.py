"""Streaming: the journal, and what runs print, as lines of JSON (NDJSON), on as they grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp import web

from taskd import api
from taskd.errors import Stopped, TaskdError
from taskd.views import Document, event_view

GATHER_S: Final = 0.05  # what is printed is told so much later, in fewer pieces


async def tell_events(
    request: web.Request,
    host: api.Host,
    ask: api.Ask,
    readers: ThreadPoolExecutor,
    *,
    patience_s: float,
) -> web.StreamResponse:
    """Tell the events that are asked for; what a request cannot have is refused before the first.

    A reader that makes no room for `patience_s` seconds is cut off. With `follow` it ends with the
    reader, or with the daemon. A stream that breaks off otherwise lacks the closing chunk of
    HTTP/1.1; the reader resumes it after the last event it got.
    """
    asked = api.events_asked(ask)
    left = asked.limit
    loop = asyncio.get_running_loop()
    page_after = partial(api.page_of_events, host, asked)
    page = await loop.run_in_executor(readers, page_after, None, left)
    response = await _begin(request)
    left = left if asked.after is not None else None  # else it said how many of the last ones
    try:
        while True:
            events, after, is_end = page
            await _write(response, map(event_view, events), patience_s)
            left = None if left is None else left - len(events)
            if left == 0 or (is_end and not asked.follow):
                break
            if is_end:
                await asyncio.wrap_future(host.scheduler.inbox.follow(after))
            page = await loop.run_in_executor(readers, page_after, after, left)
    except Stopped:
        pass  # the daemon ends, and its journal with it
    except (TaskdError, TimeoutError):
        return _break_off(request, response)
    await response.write_eof()
    return response


async def tell_output(
    request: web.Request,
    host: api.Host,
    ask: api.Ask,
    readers: ThreadPoolExecutor,
    *,
    patience_s: float,
) -> web.StreamResponse:
    """Tell what a run prints, as it comes, until the run ends; otherwise as `tell_events`."""
    loop = asyncio.get_running_loop()
    following = await loop.run_in_executor(readers, api.following, host, ask)
    response = await _begin(request)
    try:
        while not following.is_over:
            lines, news = await loop.run_in_executor(readers, following.read)
            await _write(response, lines, patience_s)
            if news is not None:
                await asyncio.wrap_future(news)
                await asyncio.sleep(GATHER_S)
    except Stopped:
        pass
    except (TaskdError, TimeoutError):
        return _break_off(request, response)
    await response.write_eof()
    return response


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    return response


def _break_off(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """End a stream so that its reader sees that there is more."""
    if request.transport is not None:
        request.transport.abort()
    return response


async def _write(
    response: web.StreamResponse, documents: Iterable[Document], patience_s: float
) -> None:
    """Send a line for each document. Raises TimeoutError where the reader is too slow."""
    for document in documents:
        line = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        async with asyncio.timeout(patience_s):
            await response.write(line.encode("utf-8", "backslashreplace") + b"\n")
