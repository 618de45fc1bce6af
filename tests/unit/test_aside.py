"""Aside: a disk that is slow holds up no start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from taskd.aside import SLOW_S, Aside
from taskd.clock import SystemClock

SOON = 20.0
SLOW = timedelta(seconds=2 * SLOW_S)


@pytest.fixture
def clock() -> Iterator[SystemClock]:
    clock = SystemClock()
    yield clock
    clock.close()


@pytest.fixture
def aside(clock: SystemClock) -> Iterator[Aside]:
    aside = Aside(clock)
    yield aside
    aside.close()


class Starts:
    """An instant that is to begin, and whoever waits for its beginning."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.at: datetime | None = None
        self.began: list[tuple[datetime, str]] = []
        self.has_begun = threading.Event()

    def next_begin(self) -> datetime | None:
        return self.at

    def begin_due(self) -> None:
        now = self._clock.now()
        if self.at is not None and self.at <= now:
            self.began.append((self.at, threading.current_thread().name))
            self.at = None
            self.has_begun.set()


def do(aside: Aside, starts: Starts, work: object) -> None:
    assert callable(work)
    aside.do(work, next_begin=starts.next_begin, begin_due=starts.begin_due)


def be_slow(clock: SystemClock) -> None:
    clock.wait(clock.now() + SLOW, clock.wakeup())


def test_work_that_is_quick_is_done_in_the_thread_that_asks(
    aside: Aside, clock: SystemClock
) -> None:
    threads = []
    do(aside, Starts(clock), lambda: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


def test_what_is_due_while_slow_work_goes_on_begins_in_the_thread_that_asks(
    aside: Aside, clock: SystemClock
) -> None:
    starts = Starts(clock)
    do(aside, starts, lambda: be_slow(clock))
    at = starts.at = clock.now() + SLOW
    do(aside, starts, lambda: starts.has_begun.wait(SOON))
    assert starts.began == [(at, threading.current_thread().name)]


def test_the_asker_is_told_what_slow_work_raises(aside: Aside, clock: SystemClock) -> None:
    def fail() -> None:
        raise OSError("no space left")

    starts = Starts(clock)
    do(aside, starts, lambda: be_slow(clock))
    with pytest.raises(OSError, match="no space left"):
        do(aside, starts, fail)


def test_a_rest_ends_at_its_instant(aside: Aside, clock: SystemClock) -> None:
    until = clock.now() + SLOW
    aside.rest(until)
    assert clock.now() >= until
