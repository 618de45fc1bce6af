"""Fixtures of the storm."""

from collections.abc import Iterator

import pytest

from tests.daemon.live import Live, live
from tests.storm.besieged import Besieged

__all__ = ["live"]


@pytest.fixture
def besieged(live: Live) -> Iterator[Besieged]:
    """A daemon that is going to die."""
    yield Besieged(live)
