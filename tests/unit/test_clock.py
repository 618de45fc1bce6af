"""Rules of the clock: it never returns early, never sleeps over a wakeup, and notices a step."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskd import clock as clock_module
from taskd.clock import SystemClock, Wakeup, monotonic_usec
from taskd.core import ports

HOUR = timedelta(hours=1)
GENEROUS_S = 20.0


@pytest.fixture(params=["timerfd", "without timerfd"])
def clock(request: pytest.FixtureRequest) -> Iterator[SystemClock]:
    clock = SystemClock()
    assert clock._timer is not None, "this machine should have timerfd"
    if request.param == "without timerfd":
        clock.close()
    yield clock
    clock.close()


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


def test_the_system_clock_is_a_clock_of_the_core(clock: SystemClock) -> None:
    port: ports.Clock = clock
    signal = port.wakeup()
    signal.set()
    port.wait(None, signal)
    signal.close()


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_now_is_aware_utc_and_between_two_readings_of_the_system_clock(clock: SystemClock) -> None:
    before = time.time_ns() // 1000 * 1000
    now = clock.now()
    after = time.time_ns()
    assert now.tzinfo is UTC
    assert before <= clock_module._nanoseconds(now) <= after


def test_elapsed_counts_with_suspend(clock: SystemClock) -> None:
    assert clock.elapsed() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)
    assert clock.elapsed() <= clock.elapsed()


def test_monotonic_usec_is_the_clock_that_systemd_compares_with() -> None:
    assert monotonic_usec() == pytest.approx(
        time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, abs=1e6
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ahead=st.integers(min_value=-2_000, max_value=8_000))
def test_a_wait_never_ends_before_its_instant(
    clock: SystemClock, wakeup: Wakeup, ahead: int
) -> None:
    until = clock.now() + timedelta(microseconds=ahead)
    clock.wait(until, wakeup)
    assert clock.now() >= until


def test_a_wait_ends_within_milliseconds_of_its_instant(wakeup: Wakeup) -> None:
    clock = SystemClock()
    late = []
    for _ in range(20):
        until = clock.now() + timedelta(milliseconds=5)
        clock.wait(until, wakeup)
        late.append(clock.now() - until)
    clock.close()
    assert min(late) < timedelta(milliseconds=2), "the best of twenty tells of us, not of the load"


def test_an_instant_past_does_not_wait(clock: SystemClock, wakeup: Wakeup) -> None:
    started = clock.elapsed()
    clock.wait(datetime(1969, 1, 1, tzinfo=UTC), wakeup)
    clock.wait(clock.now(), wakeup)
    assert clock.elapsed() - started < 10  # for ever, if it waited


@pytest.mark.parametrize("until", [None, datetime(9999, 1, 1, tzinfo=UTC)], ids=str)
def test_another_thread_ends_a_wait(
    clock: SystemClock, wakeup: Wakeup, until: datetime | None
) -> None:
    waiting = in_thread(lambda: clock.wait(until, wakeup))
    waiting.join(0.05)
    assert waiting.is_alive()
    wakeup.set()
    waiting.join(GENEROUS_S)
    assert not waiting.is_alive()


def test_a_wakeup_set_before_the_wait_ends_it_at_once_until_cleared(
    clock: SystemClock, wakeup: Wakeup
) -> None:
    wakeup.set()
    clock.wait(None, wakeup)
    clock.wait(None, wakeup)
    wakeup.clear()
    until = clock.now() + timedelta(milliseconds=20)
    clock.wait(until, wakeup)
    assert clock.now() >= until


def test_a_signal_handler_ends_a_wait(clock: SystemClock, wakeup: Wakeup) -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: wakeup.set())
    try:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        clock.wait(clock.now() + HOUR, wakeup)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_writer_under_way_keeps_the_descriptor_of_a_closed_wakeup() -> None:
    wakeup = Wakeup()
    event, descriptor = wakeup._event, wakeup.fileno()
    wakeup.close()
    os.eventfd_write(descriptor, 1)
    del event
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.eventfd_write(descriptor, 1)


def test_a_wakeup_writes_once_however_often_it_is_set(wakeup: Wakeup) -> None:
    for _ in range(100):
        wakeup.set()
    assert os.eventfd_read(wakeup.fileno()) == 1


def test_a_wakeup_is_silent_once_closed() -> None:
    wakeup = Wakeup()
    wakeup.close()
    successor = os.eventfd(0, os.EFD_NONBLOCK)
    wakeup.set()
    with pytest.raises(BlockingIOError):
        os.eventfd_read(successor)
    os.close(successor)


def test_no_wakeup_is_lost_under_hammering(clock: SystemClock, wakeup: Wakeup) -> None:
    writers, each = 4, 2_000
    inbox: SimpleQueue[int] = SimpleQueue()
    heard = 0

    def write() -> None:
        for number in range(each):
            inbox.put(number)
            wakeup.set()

    def read() -> None:
        nonlocal heard
        while heard < writers * each:
            clock.wait(None, wakeup)
            wakeup.clear()
            try:
                while True:
                    inbox.get_nowait()
                    heard += 1
            except Empty:
                continue

    reader = in_thread(read)
    threads = [in_thread(write) for _ in range(writers)]
    for thread in threads:
        thread.join(GENEROUS_S)
    reader.join(GENEROUS_S)
    assert heard == writers * each, "the reader slept on a message"


def test_a_timer_that_fires_early_does_not_end_the_wait(wakeup: Wakeup) -> None:
    clock = SystemClock()
    timer = clock._timer
    assert timer is not None
    until = clock.now() + timedelta(milliseconds=300)
    waiting = in_thread(lambda: clock.wait(until, wakeup))
    waiting.join(0.05)
    clock_module._arm(timer, clock.now())
    waiting.join(0.05)
    assert waiting.is_alive()
    waiting.join(GENEROUS_S)
    assert clock.now() >= until
    clock.close()


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> Callable[[SystemClock], None]:
    """Makes the kernel's answer to a step: the timer is readable, and the read is cancelled."""

    def step(clock: SystemClock) -> None:
        timer, read = clock._timer, os.read
        assert timer is not None

        def cancelled(descriptor: int, length: int) -> bytes:
            answer = read(descriptor, length)
            if descriptor == timer:
                raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
            return answer

        monkeypatch.setattr(os, "read", cancelled)
        clock_module._arm(timer, clock.now())

    return step


@pytest.mark.parametrize("ahead", [None, HOUR], ids=["no deadline", "in an hour"])
def test_a_step_of_the_clock_ends_the_wait(
    wakeup: Wakeup, stepped: Callable[[SystemClock], None], ahead: timedelta | None
) -> None:
    clock = SystemClock()
    until = clock.now() + ahead if ahead else None
    waiting = in_thread(lambda: clock.wait(until, wakeup))
    waiting.join(0.05)
    assert waiting.is_alive()
    stepped(clock)
    waiting.join(GENEROUS_S)
    assert not waiting.is_alive()
    clock.close()


def test_a_step_between_two_waits_ends_the_next_one(
    wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    cancelled = OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))

    def settime(*arguments: object, **flags: object) -> int:
        raise cancelled

    if hasattr(os, "timerfd_settime_ns"):
        monkeypatch.setattr(os, "timerfd_settime_ns", settime)
    else:
        monkeypatch.setattr(clock_module._libc, "timerfd_settime", settime)
    clock.wait(clock.now() + HOUR, wakeup)
    clock.close()


def test_any_other_failure_of_the_timer_is_not_taken_for_a_step(wakeup: Wakeup) -> None:
    clock = SystemClock()
    assert clock._timer is not None
    os.close(clock._timer)
    clock._timer = wakeup.fileno()  # a descriptor, but no timer
    with pytest.raises(OSError, match="Invalid argument"):
        clock.wait(clock.now() + HOUR, wakeup)


def test_without_timerfd_a_step_is_noticed_within_a_second(
    wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    clock.close()
    until = clock.now() + HOUR
    waiting = in_thread(lambda: clock.wait(until, wakeup))
    waiting.join(0.05)
    read = time.clock_gettime
    # The other clock is moved instead: only where the two stand to each other matters.
    monkeypatch.setattr(time, "clock_gettime", lambda which: read(which) + 60)
    waiting.join(GENEROUS_S)
    assert not waiting.is_alive()


def test_without_timerfd_a_step_between_two_waits_ends_the_next_one(
    wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    clock.close()
    clock.wait(clock.now(), wakeup)
    read = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda which: read(which) + 60)
    waiting = in_thread(lambda: clock.wait(clock.now() + HOUR, wakeup))
    waiting.join(GENEROUS_S)
    assert not waiting.is_alive()
