"""Handover: what is to be done, for a pool of threads, and how they are woken."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """A queue that many threads take from; each item goes to one of them, in the order they came.

    To wake a thread costs more than a short call takes, and falls to whoever puts. So only one is
    being woken at a time, and wakes the next where it finds more than it takes: of many short items
    it may do several meanwhile. It needs no lock: what `deque` and `SimpleQueue` do is atomic.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._is_ringing = False
        self._is_closed = False

    def put(self, item: T) -> None:
        """Add an item; it never waits."""
        self._items.append(item)
        self._ring()

    def take(self) -> T | None:
        """Wait for an item and return it; None when it was closed and nothing is left."""
        while True:
            with suppress(IndexError):
                item = self._items.popleft()
                if self._items:
                    self._ring()
                return item
            if self._is_closed:
                self._bell.put(None)  # for the next one
                return None
            self._bell.get()
            # Before the look: whoever puts from here on rings again.
            self._is_ringing = False

    def close(self) -> None:
        """Let those who wait go, once nothing is left to take."""
        self._is_closed = True
        self._bell.put(None)

    def _ring(self) -> None:
        if not self._is_ringing:
            self._is_ringing = True
            self._bell.put(None)
