"""Outbox: what other threads have for the thread of an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Outbox:
    """Calls for the thread of `events`; all that gather until it looks share one wake-up.

    A thread that takes one is roused by a byte through a pipe, and each gives up the interpreter
    to send it: a turn of the loop that answers 64 callers would do so 64 times.
    """

    def __init__(self, events: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._calls: deque[Callable[[], object]] = deque()
        self._is_roused = False

    def put(self, call: Callable[[], object]) -> None:
        """Have `call` called; from any thread. It is dropped once the loop is closed."""
        self._calls.append(call)
        if not self._is_roused:
            self._rouse()

    def _rouse(self) -> None:
        self._is_roused = True
        with suppress(RuntimeError):  # it is closed
            self._events.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._is_roused = False  # first: what comes from now on may be too late for this look
        try:
            while self._calls:
                self._calls.popleft()()
        finally:
            if (
                self._calls
            ):  # one failed, and asyncio logs it; the others have nothing to do with it
                self._rouse()
