"""Streaming: the journal as lines of JSON (NDJSON), to its end or on with each commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web

from taskd import api
from taskd.errors import Stopped, TaskdError
from taskd.stores.events import Event
from taskd.views import event_view

SLOWEST_S: Final = 10.0  # for a reader to make room; a slower one is cut off, and may resume


async def tell_events(
    request: web.Request, host: api.Host, ask: api.Ask, readers: ThreadPoolExecutor
) -> web.StreamResponse:
    """Tell the events that are asked for; what a request cannot have is refused before the first.

    With `follow` it ends with the reader, or with the daemon. A stream that breaks off otherwise
    lacks the closing chunk of HTTP/1.1; the reader resumes it after the last event it got.
    """
    asked = api.events_asked(ask)
    left = asked.limit
    loop = asyncio.get_running_loop()
    page = await loop.run_in_executor(readers, api.page_of_events, host, asked, None, left)
    response = web.StreamResponse()
    response.content_type = "application/x-ndjson"
    await response.prepare(request)
    if asked.after is None:
        left = None  # it said how many of the last ones
    try:
        while True:
            events, after, is_end = page
            await _write(response, events)
            left = None if left is None else left - len(events)
            if left == 0 or (is_end and not asked.follow):
                break
            if is_end:
                await asyncio.wrap_future(host.scheduler.inbox.follow(after))
            page = await loop.run_in_executor(readers, api.page_of_events, host, asked, after, left)
    except Stopped:
        pass  # the daemon ends, and its journal with it
    except (TaskdError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, events: Sequence[Event]) -> None:
    """Send events. Raises TimeoutError where the reader is too slow."""
    for event in events:
        line = json.dumps(event_view(event), ensure_ascii=False, separators=(",", ":"))
        async with asyncio.timeout(SLOWEST_S):
            await response.write(line.encode("utf-8", "backslashreplace") + b"\n")
