"""Streaming: the journal as lines of JSON (NDJSON), to its end or on with each commit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp import web

from taskd import api
from taskd.errors import Stopped, TaskdError
from taskd.stores.events import Event
from taskd.views import event_view


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
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    left = left if asked.after is not None else None  # else it said how many of the last ones
    try:
        while True:
            events, after, is_end = page
            await _write(response, events, patience_s)
            left = None if left is None else left - len(events)
            if left == 0 or (is_end and not asked.follow):
                break
            if is_end:
                await asyncio.wrap_future(host.scheduler.inbox.follow(after))
            page = await loop.run_in_executor(readers, page_after, after, left)
    except Stopped:
        pass  # the daemon ends, and its journal with it
    except (TaskdError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, events: Sequence[Event], patience_s: float) -> None:
    """Send events. Raises TimeoutError where the reader is too slow."""
    for event in events:
        line = json.dumps(event_view(event), ensure_ascii=False, separators=(",", ":"))
        async with asyncio.timeout(patience_s):
            await response.write(line.encode("utf-8", "backslashreplace") + b"\n")
