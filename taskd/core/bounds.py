"""Bounds: from when until when, and how often, a schedule goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taskd.errors import InvalidJob


@dataclass(frozen=True, slots=True)
class Bounds:
    """No occurrence before `start_at`, nor at `end_at` or later; after `max_runs` it is over.

    `max_runs` counts the runs that the schedule made, not those that somebody triggered.

    Raises:
        InvalidJob: nothing lies within them.
    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None

    def __post_init__(self) -> None:
        if self.max_runs is not None and self.max_runs < 1:
            raise InvalidJob("max_runs", f"{self.max_runs} is less than 1")
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            raise InvalidJob("end_at", "is not after start_at", "nothing would ever run")

    def is_over(self, instant: datetime) -> bool:
        """Whether `instant` lies at or past the end."""
        return self.end_at is not None and instant >= self.end_at

    def is_spent(self, runs: int) -> bool:
        """Whether a schedule that made so many runs is to make no more."""
        return self.max_runs is not None and runs >= self.max_runs


UNBOUNDED: Final = Bounds()
