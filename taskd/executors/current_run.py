"""current_run: what a callable may know of the run it is called for."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from datetime import datetime

from taskd.core.run import Run


class RunContext:
    """One attempt under way, as its callable sees it."""

    __slots__ = ("attempt", "cancel", "id", "job", "scheduled_at", "stop")

    def __init__(self, run: Run, stop: threading.Event) -> None:
        self.id: str = run.id
        self.job: str | None = run.job
        self.attempt = run.attempt
        self.scheduled_at = run.scheduled_at
        self.cancel = threading.Event()
        self.stop = stop


CONTEXT: ContextVar[RunContext] = ContextVar("taskd_run")


class CurrentRun:
    """A proxy for the run of the calling context. Raises RuntimeError outside a run."""

    @property
    def id(self) -> str:
        """The run's id, a UUIDv7."""
        return self._context().id

    @property
    def job(self) -> str | None:
        """The name of the job, None for a one-time task of the library."""
        return self._context().job

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._context().attempt

    @property
    def scheduled_at(self) -> datetime:
        """The due instant this run is for: aware UTC."""
        return self._context().scheduled_at

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked this run to stop; return or raise soon."""
        return self._context().cancel.is_set()

    @property
    def stopping(self) -> bool:
        """Whether taskd is shutting down, or this run was asked to stop."""
        context = self._context()
        return context.stop.is_set() or context.cancel.is_set()

    def _context(self) -> RunContext:
        try:
            return CONTEXT.get()
        except LookupError:
            raise RuntimeError(
                "current_run is known only inside a callable that taskd runs"
            ) from None


current_run = CurrentRun()
