"""A host for the API: a scheduler in memory, and a daemon that does as the test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from taskd import Scheduler
from taskd.core.calendars import Calendar
from taskd.core.diff import Diff
from taskd.core.job import Job
from taskd.views import Document


@dataclass
class Host:
    scheduler: Scheduler = field(default_factory=Scheduler)
    timezone: str = "Europe/Berlin"
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    python_path: tuple[Path, ...] = ()
    reloaded: Future[Diff] = field(default_factory=Future)
    on_shutdown: Callable[[], None] = lambda: None
    stale: str | None = None
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    store_error: str | None = None

    def __post_init__(self) -> None:
        self.scheduler.start()

    def describe(self) -> Document:
        return {"version": "1.2.3", "pid": 42, "store_error": self.store_error}

    def problem_of(self, job: Job) -> str | None:
        return self.stale

    def reload(self) -> Future[Diff]:
        return self.reloaded

    def shut_down(self, *, now: bool) -> None:
        self.on_shutdown()
