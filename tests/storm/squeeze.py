"""Squeeze: two ways to leave a store no room, and how to see that it has none."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event

from taskd.errors import StoreUnavailable
from tests.storm.lives import BEAT_S, PATIENCE_S, Life, Place


@contextmanager
def ballast(place: Place) -> Iterator[Callable[[], None]]:
    """Fill the disk; what is given fills again what was freed since."""
    with (place.store.parent / "ballast").open("ab", buffering=0) as file:

        def fill() -> None:
            with suppress(OSError):
                while True:
                    file.write(bytes(4096))

        fill()
        yield fill
    (place.store.parent / "ballast").unlink()


@contextmanager
def size_limit(place: Place) -> Iterator[Callable[[], None]]:
    """Let no file of this process grow beyond two pages, as ulimit(1) does; the log stays below."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    yield lambda: None
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_refused(life: Life, refill: Callable[[], None]) -> bool:
    """Whether a request is, for it cannot be kept."""
    refill()
    try:
        life.add_task()
    except StoreUnavailable:
        return True
    return False


def until(holds: Callable[[], object]) -> None:
    beat = Event()
    for _ in range(int(PATIENCE_S / BEAT_S)):
        if holds():
            return
        beat.wait(BEAT_S)
    raise AssertionError("it never held")
