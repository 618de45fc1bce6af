"""Window: the head of an ordered set that lives in the store, all that memory should hold."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from taskd.core.run import RunId


class Entry(NamedTuple):
    """A run's place: its key, then its id, which breaks ties in order of creation."""

    key: int
    run: RunId


class Window:
    """The lowest entries of a stored set, in order.

    Everything up to `limit` is here; what lies beyond it is only in the store. `limit` None means
    that nothing lies beyond. It holds at most twice `size` entries, so that a million waiting runs
    cost no memory.
    """

    def __init__(self, size: float) -> None:
        self._size = size
        self._entries: list[Entry] = []
        self._keys: dict[RunId, int] = {}
        self.limit: Entry | None = None

    def __contains__(self, run: RunId) -> bool:
        return run in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def has_more(self) -> bool:
        """Whether the store holds entries beyond those that are here."""
        return self.limit is not None

    def head(self) -> Entry | None:
        """The lowest entry, or None."""
        return self._entries[0] if self._entries else None

    def offer(self, key: int, run: RunId) -> list[RunId]:
        """Take an entry that is in the store, if it belongs here; return the runs that fell out.

        The run itself is among them when it lies beyond the limit.
        """
        entry = Entry(key, run)
        if run in self._keys:
            return []
        if self.limit is not None and entry > self.limit:
            return [run]
        insort(self._entries, entry)
        self._keys[run] = key
        return self._trim() if len(self._entries) > 2 * self._size else []

    def discard(self, run: RunId) -> None:
        """Forget a run that left the set; no harm if it was never here."""
        key = self._keys.pop(run, None)
        if key is None:
            return
        del self._entries[bisect_left(self._entries, Entry(key, run))]

    def refill(self, entries: Iterable[tuple[int, RunId]], *, complete: bool) -> None:
        """Take the lowest entries of the store; `complete` when it holds no others."""
        for key, run in entries:
            if run not in self._keys:
                insort(self._entries, Entry(key, run))
                self._keys[run] = key
        self.limit = None if complete or not self._entries else self._entries[-1]

    def _trim(self) -> list[RunId]:
        size = int(self._size)
        fallen = self._entries[size:]
        del self._entries[size:]
        for entry in fallen:
            del self._keys[entry.run]
        self.limit = self._entries[-1]
        return [entry.run for entry in fallen]
