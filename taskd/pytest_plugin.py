"""The pytest plugin: fixtures for tests of schedules. It loads nothing before they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taskd.scheduler import Scheduler
    from taskd.testing import FakeClock


@pytest.fixture
def taskd_clock() -> FakeClock:
    """A clock at 2026-01-01 00:00 UTC that advances by hand."""
    from taskd.testing import FakeClock

    return FakeClock()


@pytest.fixture
def taskd_scheduler(taskd_clock: FakeClock) -> Iterator[Scheduler]:
    """A running in-memory scheduler on `taskd_clock` that calls tasks one after another."""
    from taskd.scheduler import Scheduler

    with Scheduler(clock=taskd_clock, workers=1) as scheduler:
        yield scheduler
