"""The host that a server of the tests serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.host import Host


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.scheduler.shutdown()
