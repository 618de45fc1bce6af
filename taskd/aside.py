"""Aside: what waits for a slow disk is done in another thread, while the loop begins what is due.

A disk that is quick is not worth the two changes of thread that this costs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import cached_property
from queue import SimpleQueue
from typing import Final

from taskd.core.ports import Clock, Wakeup

SLOW_S: Final = 0.001  # about what a turn takes, but for its commit
FADES: Final = 0.9  # by each that is quicker


class Aside:
    """Does one thing at a time for the loop's thread, which waits for it on `clock`.

    Its thread and its signal are made when they are first needed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._work: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lasts_s = 0.0

    @cached_property
    def _done(self) -> Wakeup:
        return self._clock.wakeup()

    def do(
        self,
        work: Callable[[], None],
        *,
        next_begin: Callable[[], datetime | None],
        begin_due: Callable[[], object],
    ) -> None:
        """Do `work`, and begin what is due meanwhile, where such work is slow of late.

        `begin_due` is called at each instant that is the `next_begin`. Raises what `work` does.
        """
        began_s = self._clock.elapsed()
        try:
            if self._lasts_s < SLOW_S:
                work()
            else:
                self._do_aside(work, next_begin, begin_due)
        finally:
            self._lasts_s = max(self._clock.elapsed() - began_s, self._lasts_s * FADES)

    def rest(self, until: datetime) -> None:
        """Wait for an instant, whatever message comes."""
        self._done.clear()
        self._clock.wait(until, self._done)

    def close(self) -> None:
        """Let the thread end."""
        self._work.put(None)
        if "_done" in vars(self):
            self._done.close()

    def _do_aside(
        self,
        work: Callable[[], None],
        next_begin: Callable[[], datetime | None],
        begin_due: Callable[[], object],
    ) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="taskd-aside", daemon=True)
            self._thread.start()
        end = Future[None]()
        self._done.clear()
        self._work.put((work, end))
        while not end.done():
            self._clock.wait(next_begin(), self._done)
            begin_due()
        end.result()

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, end = item
            try:
                work()
            # Whatever it is, it belongs to the one who asked.
            except BaseException as error:  # noqa: BLE001
                end.set_exception(error)
            else:
                end.set_result(None)
            self._done.set()
