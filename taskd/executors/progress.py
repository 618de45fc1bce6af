"""Progress: how far an attempt has come, as it tells, and when it is done at the pace so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

NOTE_LIMIT: Final = 200  # characters of a note on progress: a line of a terminal

Told: TypeAlias = tuple[float, float, float | None, str]
"""When, in seconds since some fixed point; done; of how much; a note."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt has come: `done` of `total`, where that is known, in any unit.

    `eta_s` are the seconds until all is done at the pace so far, None where that is not known.
    """

    done: float
    total: float | None = None
    note: str = ""
    eta_s: float | None = None


class Gauge:
    """Takes what one attempt tells of its progress: one thread at a time tells, any may read.

    Telling is two stores in memory: an attempt may do it for each of a million items. The pace is
    that since the first telling, which is where an attempt that goes on from a checkpoint begins;
    where `done` goes back, as in a second phase, it is measured anew. `elapsed` gives seconds since
    some fixed point; `on_told` is called after each telling.
    """

    __slots__ = ("_elapsed", "_first", "_last", "_on_told")

    def __init__(
        self, elapsed: Callable[[], float], on_told: Callable[[], object] | None = None
    ) -> None:
        self._elapsed = elapsed
        self._on_told = on_told
        self._first: Told | None = None
        self._last: Told | None = None

    def tell(self, done: float, total: float | None = None, note: str = "") -> None:
        """Take how far it has come.

        Raises:
            TypeError: `done` or `total` is no number.
            ValueError: One is negative, or not finite.
        """
        _check("done", done)
        if total is not None:
            _check("total", total)
        told = (self._elapsed(), done, total, note)
        last, self._last = self._last, told
        if last is None or done < last[1]:
            self._first = told
        if self._on_told is not None:
            self._on_told()

    @property
    def last(self) -> tuple[float, float | None, str] | None:
        """What was told last: done, total and the note, in what UTF-8 has and not too long."""
        told = self._last
        if told is None:
            return None
        _, done, total, note = told
        text = str(note)[:NOTE_LIMIT].encode("utf-8", "backslashreplace").decode()
        return done, total, text

    def read(self) -> Progress | None:
        """Return how far it has come, None where it has not told."""
        first, last, words = self._first, self._last, self.last
        if first is None or last is None or words is None:
            return None
        return Progress(*words, eta_s=_time_left(first, last, self._elapsed()))


def _check(what: str, number: float) -> None:
    if not isinstance(number, int | float):
        raise TypeError(f"progress is told in numbers: {what} is {type(number).__name__}")
    try:
        if math.isfinite(number) and number >= 0:
            return
    except OverflowError:  # an int beyond every float
        pass
    raise ValueError(f"progress is told in numbers from 0 on: {what} cannot be {number!r:.20}")


def _time_left(first: Told, last: Told, now: float) -> float | None:
    at, done, total, _ = last
    if total is None:
        return None
    if done >= total:
        return 0.0
    began, done_before, _, _ = first
    gained = done - done_before
    if gained <= 0 or at <= began:
        return None
    left = (total - done) * ((at - began) / gained) - (now - at)
    # It told nothing for as long as all the rest should have taken: its pace is another.
    return left if 0 < left < math.inf else None
