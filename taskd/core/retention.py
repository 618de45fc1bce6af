"""Retention: how long finished runs are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from taskd.core.duration import check_longest
from taskd.errors import InvalidJob


@dataclass(frozen=True, slots=True)
class Retention:
    """How long after its end a run is kept: `success` where it went well, was cancelled or skipped.

    `failed` holds for FAILED runs, and for DEAD ones that somebody has dismissed: the others are
    kept until then.

    Raises:
        InvalidJob: One of them is negative.
    """

    success: timedelta = timedelta(days=14)
    failed: timedelta = timedelta(days=90)

    def __post_init__(self) -> None:
        for key in ("success", "failed"):
            if getattr(self, key) < timedelta(0):
                raise InvalidJob(f"retention.{key}", "must be 0s or more")
            check_longest(f"retention.{key}", getattr(self, key))


DEFAULT_RETENTION: Final = Retention()
