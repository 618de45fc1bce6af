"""The measures of the crash case, for contestants that keep their tasks over one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

from benchmarks.contract import Figures, Measures
from benchmarks.work import Marks

KILLED_AT = 0.4  # of the tasks done, the adapter says that it may be killed


class Crashable(Measures):
    """An adapter says how to `enlist` marked tasks and how to `resume`; the rest is here.

    Either may be ``async``.
    """

    def __init__(self, home: Path) -> None:
        self.marks = Marks(home)

    def enlist(self, count: int) -> Awaitable[None] | None:
        """Start, and enqueue `count` tasks that call `work.mark`."""
        raise NotImplementedError

    def resume(self) -> Awaitable[None] | None:
        """Start on what is there, as the product's own worker is started by default."""
        raise NotImplementedError

    async def begin(self, count: int) -> Figures:
        """See `Measures.begin`."""
        if (enlisting := self.enlist(count)) is not None:
            await enlisting
        await asyncio.to_thread(self.marks.wait, int(KILLED_AT * count))
        return {"done": len(self.marks)}

    async def recover(self, count: int) -> Figures:
        """See `Measures.recover`."""
        self._count, self._again_at = count, time.time()
        if (resuming := self.resume()) is not None:
            await resuming
        return {"ready_s": time.time() - self._again_at}

    async def recovered(self, patience_s: float) -> Figures:
        """See `Measures.recovered`."""
        left_s = patience_s - (time.time() - self._again_at)
        missing = await asyncio.to_thread(self.marks.wait, self._count, max(0.0, left_s))
        return {"missing": missing, "after_s": self.marks.last_at() - self._again_at}
