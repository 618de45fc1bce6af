"""Retry: what may follow a failed attempt, and how long until then."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from taskd.core.duration import check_longest, format_duration
from taskd.errors import InvalidJob

MOST_ATTEMPTS: Final = 10_000
LONGEST_DELAY: Final = timedelta(days=366)
MOST_CRASHES: Final = 100
ZERO: Final = timedelta(0)

Word = TypeVar("Word", bound=StrEnum)


class Backoff(StrEnum):
    """How the delay grows: not at all, by `initial` each time, or twice as long each time."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class Jitter(StrEnum):
    """How much of a delay is left to chance, so that failures do not come back in step."""

    NONE = "none"
    FULL = "full"
    EQUAL = "equal"


class OnCrash(StrEnum):
    """What follows an attempt whose process died: another one, or none (at most once)."""

    RETRY = "retry"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed attempt is followed by another.

    `max_attempts` counts all attempts that ended by failing, the first too (1: no retries). The
    delay begins at `initial`, grows by `backoff` and is never over `max_delay`; `jitter` then draws
    the delay from all of it (full) or from its upper half (equal). No attempt starts later than
    `max_elapsed` after the first one did. `retry_on` and `give_up_on` hold names of exception
    classes (``ConnectionError``, ``requests.exceptions.Timeout``; subclasses count) or of failure
    categories: with `retry_on` only those are retried, and never those of `give_up_on`.

    Raises:
        InvalidJob: A number is out of range, or no retry could ever be in time.
    """

    max_attempts: int = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    initial: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(minutes=5)
    jitter: Jitter = Jitter.FULL
    max_elapsed: timedelta | None = None
    retry_on: tuple[str, ...] = ()
    give_up_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "backoff", _word(Backoff, self.backoff, "retry.backoff"))
        object.__setattr__(self, "jitter", _word(Jitter, self.jitter, "retry.jitter"))
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise InvalidJob("retry.max_attempts", f"must be 1 to {MOST_ATTEMPTS}")
        if not ZERO <= self.max_delay <= LONGEST_DELAY:
            raise InvalidJob("retry.max_delay", "must be 0s to 366d")
        if self.initial < ZERO:
            raise InvalidJob("retry.initial", "must be 0s or more")
        if self.initial > self.max_delay:
            raise InvalidJob(
                "retry.initial",
                f"{format_duration(self.initial)} is over retry.max_delay, "
                f"{format_duration(self.max_delay)}",
                "make initial shorter, or max_delay longer",
            )
        if self.max_elapsed is not None and self._soonest > self.max_elapsed:
            raise InvalidJob(
                "retry.max_elapsed",
                f"no retry can be in time: the first comes {format_duration(self._soonest)} or "
                f"later after a failure, and {format_duration(self.max_elapsed)} is all there is",
                "make max_elapsed longer, or retry.initial shorter",
            )
        check_longest("retry.max_elapsed", self.max_elapsed)
        both = sorted({*self.retry_on} & {*self.give_up_on})
        if both:
            raise InvalidJob("retry.give_up_on", f"{both[0]} is in retry.retry_on too")

    @property
    def _soonest(self) -> timedelta:
        """The shortest first delay there can be."""
        match self.jitter:
            case Jitter.NONE:
                return self.initial
            case Jitter.EQUAL:
                return self.initial / 2
            case Jitter.FULL:
                return ZERO

    def covers(self, words: Set[str]) -> bool:
        """Whether a failure is to be retried; `words` are its classes and its category."""
        if not words.isdisjoint(self.give_up_on):
            return False
        return not self.retry_on or not words.isdisjoint(self.retry_on)

    def delay(self, failures: int, draw: float) -> timedelta:
        """Return how long to wait after so many `failures` (from 1); `draw` is in [0, 1)."""
        match self.backoff:
            case Backoff.FIXED:
                whole = self.initial
            case Backoff.LINEAR:
                whole = min(self.initial * failures, self.max_delay)
            case Backoff.EXPONENTIAL:
                whole = self._doubled(failures - 1)
        match self.jitter:
            case Jitter.NONE:
                return whole
            case Jitter.FULL:
                return whole * draw
            case Jitter.EQUAL:
                return (whole + whole * draw) / 2

    def _doubled(self, times: int) -> timedelta:
        # Compared before it is multiplied: a timedelta cannot hold what many doublings come to.
        factor = 2 ** min(times, 64)
        is_over = bool(self.initial) and factor > self.max_delay // self.initial
        return self.max_delay if is_over else self.initial * factor


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """What follows when an attempt goes wrong; words may be given as text.

    A run whose attempts were LOST `max_crashes` times is DEAD: it may be what takes the process
    down. Such attempts do not count to ``retry.max_attempts``.

    Raises:
        InvalidJob: A number is out of range.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    on_crash: OnCrash = OnCrash.RETRY
    max_crashes: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "on_crash", _word(OnCrash, self.on_crash, "on_crash"))
        if not 1 <= self.max_crashes <= MOST_CRASHES:
            raise InvalidJob("max_crashes", f"must be 1 to {MOST_CRASHES}")


def _word(kind: type[Word], value: str, key: str) -> Word:
    try:
        return kind(value)
    except ValueError:
        raise InvalidJob(key, f"{value!r} is not one of {', '.join(kind)}") from None


DEFAULT_FAILURE: Final = FailurePolicy()
