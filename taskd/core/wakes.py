"""Wakes: when each job next wants attention."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from taskd.core.job import JobName
from taskd.core.record import JobRecord

Wake: TypeAlias = tuple[datetime, JobName]


class Wakes:
    """The instants at which the records of `jobs` want attention: see `JobRecord.wakes_at`."""

    def __init__(self, jobs: Mapping[JobName, JobRecord]) -> None:
        self._jobs = jobs
        # Entries are never removed from the heap, only passed over once they no longer hold.
        self._heap: list[Wake] = []

    def put(self, at: datetime, name: JobName) -> None:
        """Take in the instant of a record that moved."""
        heapq.heappush(self._heap, (at, name))

    def first(self) -> Wake | None:
        """Return the soonest."""
        while self._heap:
            if self._holds(self._heap[0]):
                return self._heap[0]
            heapq.heappop(self._heap)
        return None

    def until(self, instant: datetime) -> Iterator[JobRecord]:
        """Yield the records that want attention by `instant`, in no order, and some of them twice.

        It costs what they are, not what there is: below a later one of the heap all are later.
        """
        places = [0]
        while places:
            place = places.pop()
            if place < len(self._heap) and self._heap[place][0] <= instant:
                if self._holds(self._heap[place]):
                    yield self._jobs[self._heap[place][1]]
                places += (2 * place + 1, 2 * place + 2)

    def _holds(self, wake: Wake) -> bool:
        record = self._jobs.get(wake[1])
        return record is not None and record.wakes_at == wake[0]
