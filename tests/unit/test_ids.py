"""Ids are UUIDs of version 7 (RFC 9562) that sort by the instant, and never tie."""

import importlib.util
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.run import RunId

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NewId = Callable[[datetime], RunId]
instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))


def of_a_new_process() -> NewId:
    """Load the module once more: what it gave out before holds it to later instants."""
    spec = importlib.util.find_spec("taskd.ids")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("NewId", module.new_id)


@pytest.fixture
def new_id() -> NewId:
    return of_a_new_process()


@given(instants)
def test_an_id_is_a_uuid_of_version_7_that_begins_with_its_millisecond(now: datetime) -> None:
    text = of_a_new_process()(now)
    assert UUID(text).version == 7
    assert UUID(text).variant == RFC_4122
    assert str(UUID(text)) == text
    assert UUID(text).int >> 80 == (now - EPOCH) // timedelta(milliseconds=1)


def test_ids_sort_by_instant_to_the_microsecond_across_processes() -> None:
    made = [of_a_new_process()(NOW + step * MICROSECOND) for step in range(2000)]
    assert made == sorted(made)


def test_ids_of_one_instant_and_of_a_clock_set_back_still_sort_by_creation(new_id: NewId) -> None:
    made = [new_id(NOW - timedelta(seconds=step // 3)) for step in range(10_000)]
    assert made == sorted(set(made))


def test_ids_of_many_threads_never_tie(new_id: NewId) -> None:
    made: list[RunId] = []
    threads = [
        threading.Thread(target=lambda: made.extend(new_id(NOW) for _ in range(5_000)))
        for _ in range(4)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    # What is random would hide a tie: the time and its fraction alone must differ.
    assert len({UUID(text).int >> 64 for text in made}) == 20_000
