"""The clock: the one file that may read the time, and the one place that waits for it.

A wait ends for three reasons only: its instant has come, somebody set the `Wakeup`, or the wall
clock was stepped. Nothing polls: a timerfd(2) on the wall clock gives the instant and, being
cancelled whenever that clock is set, the step; an eventfd(2) gives the wakeup.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # every verb that tells the time loads this, and nothing of the core
    from taskd.core import ports

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# "No deadline" is an instant too: only an armed timer notices that the clock was set. And 64 bits
# of nanoseconds end in 2262.
_NEVER: Final = datetime(2200, 1, 1, tzinfo=UTC)
# How long a step is overlooked on a kernel without timerfd: it is to be noticed within a second.
_GLANCE: Final = timedelta(milliseconds=500)
_STEP: Final = timedelta(milliseconds=500)  # what is less is the drift of a clock


class Wakeup:
    """A one-shot signal with many writers and one reader: it stays set until the reader clears it.

    The reader clears first and looks at its inbox afterwards, the writers fill the inbox first and
    set afterwards: then no message is ever slept over. It takes no lock, so that a signal handler
    may set it while the thread it interrupts is setting it too.
    """

    def __init__(self) -> None:
        self._event: _Event | None = _Event(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        self._is_set = False

    def set(self) -> None:
        """Wakes the reader; from any thread or signal handler. Free of charge when already set."""
        event = self._event  # kept open by this reference, should the reader close meanwhile
        if event is not None and not self._is_set:
            self._is_set = True
            os.eventfd_write(event.descriptor, 1)

    def clear(self) -> None:
        """Takes the signal back; for the reader alone."""
        # In this order: with the flag lowered first, a set() in between would raise it and have its
        # write read away below, and from then on every set() would believe the reader to be awake.
        with suppress(BlockingIOError):
            os.eventfd_read(self.fileno())
        self._is_set = False

    def fileno(self) -> int:
        """The descriptor that is readable while the signal is set."""
        assert self._event is not None
        return self._event.descriptor

    def close(self) -> None:
        """Releases the descriptor; a later `set` does nothing."""
        self._event = None


class _Event:
    """An eventfd(2), closed with the last reference: a writer may still hold one.

    It must not write to a descriptor that has become another's meanwhile.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class SystemClock:
    """The machine's clock. Without timerfd(2), a wait looks at the time twice a second."""

    def __init__(self) -> None:
        self._timer: int | None
        try:
            self._timer = _open_timer()
        except (AttributeError, OSError):  # no such function in libc; no such call in the kernel
            self._timer = None
        self._seen_offset = self._offset()
        self._armed_at: datetime | None = None
        self._polls: dict[int, select.poll] = {}  # by the descriptor of the wakeup

    def now(self) -> datetime:
        """The wall-clock time: aware UTC, in whole microseconds, never rounded up."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Seconds on CLOCK_BOOTTIME: counts suspend, unmoved when the wall clock is set."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wakeup(self) -> Wakeup:
        """A new signal that ends a wait of this clock early."""
        return Wakeup()

    def wait(
        self,
        until: datetime | None,
        wakeup: ports.Wakeup,
        *,
        busy: bool = False,  # noqa: ARG002 - real time waits for nobody
    ) -> None:
        """Returns when `until` has come, `wakeup` is set, or the wall clock was stepped."""
        deadline = min(until or _NEVER, _NEVER)
        if self._timer is None:
            self._glance(deadline, wakeup)
        else:
            self._sleep(self._timer, deadline, wakeup)

    def close(self) -> None:
        """Releases the timer's descriptor; nobody may be waiting."""
        if self._timer is not None:
            os.close(self._timer)
            self._timer = None

    def _sleep(self, timer: int, deadline: datetime, wakeup: ports.Wakeup) -> None:
        poll = self._poll(timer, wakeup)
        try:
            while self.now() < deadline:
                # Under load each turn waits for the same instant, or for none: it stays armed.
                if deadline != self._armed_at:
                    _arm(timer, deadline)
                    self._armed_at = deadline
                if any(ready == wakeup.fileno() for ready, _ in poll.poll()):
                    return
                self._armed_at = None
                os.read(timer, 8)
        except OSError as error:
            self._armed_at = None
            # timerfd_create(2): both calls fail so, once, after the clock was set; arming therefore
            # also reports a step that happened between two waits.
            if error.errno != errno.ECANCELED:
                raise

    def _poll(self, timer: int, wakeup: ports.Wakeup) -> select.poll:
        poll = self._polls.get(wakeup.fileno())
        if poll is None:
            poll = self._polls[wakeup.fileno()] = select.poll()
            poll.register(timer, select.POLLIN)
            poll.register(wakeup.fileno(), select.POLLIN)
        return poll

    def _glance(self, deadline: datetime, wakeup: ports.Wakeup) -> None:
        poll = select.poll()
        poll.register(wakeup.fileno(), select.POLLIN)
        # Held against the last wait's, so that a step between two waits ends the next one.
        before, self._seen_offset = self._seen_offset, self._offset()
        while (now := self.now()) < deadline and abs(self._seen_offset - before) < _STEP:
            if poll.poll(min(deadline - now, _GLANCE) / timedelta(milliseconds=1)):
                return
            before, self._seen_offset = self._seen_offset, self._offset()

    def _offset(self) -> timedelta:
        """Where the two clocks stand to each other: it changes when the wall clock is set."""
        return self.now() - _EPOCH - timedelta(seconds=self.elapsed())


def wall_clock() -> datetime:
    """The wall-clock time: aware UTC."""
    return datetime.now(UTC)


def monotonic_usec() -> int:
    """CLOCK_MONOTONIC in microseconds, the MONOTONIC_USEC that sd_notify(3) asks for."""
    return time.monotonic_ns() // 1000


if sys.version_info >= (3, 13):

    def _open_timer() -> int:
        return os.timerfd_create(time.CLOCK_REALTIME, flags=os.TFD_CLOEXEC)

    def _arm(timer: int, at: datetime) -> None:
        flags = os.TFD_TIMER_ABSTIME | os.TFD_TIMER_CANCEL_ON_SET
        os.timerfd_settime_ns(timer, flags=flags, initial=_nanoseconds(at))

else:
    import ctypes

    # Its calls return at once: to let go of the interpreter's lock for them, as CDLL does, would
    # cost a wait for every thread that is busy.
    _libc = ctypes.PyDLL(None, use_errno=True)

    class _Timespec(ctypes.Structure):
        _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))

    class _Itimerspec(ctypes.Structure):
        _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))

    # <sys/timerfd.h>, <bits/timerfd.h>
    _TFD_CLOEXEC: Final = os.O_CLOEXEC
    _TFD_TIMER_ABSTIME: Final = 1
    _TFD_TIMER_CANCEL_ON_SET: Final = 2

    def _open_timer() -> int:
        return _checked(_libc.timerfd_create(time.CLOCK_REALTIME, _TFD_CLOEXEC))

    def _arm(timer: int, at: datetime) -> None:
        value = _Timespec(*divmod(_nanoseconds(at), 1_000_000_000))
        flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
        once = _Itimerspec(_Timespec(0, 0), value)
        _checked(_libc.timerfd_settime(timer, flags, ctypes.byref(once), None))

    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def _nanoseconds(instant: datetime) -> int:
    # Not timestamp(): a float of today's seconds is only good to a quarter of a microsecond.
    return (instant - _EPOCH) // timedelta(microseconds=1) * 1000
