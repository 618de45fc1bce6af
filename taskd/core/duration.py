"""Durations as people write them: ``100ms``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from taskd.errors import InvalidJob

# Whole microseconds per unit, the largest first: the order in which units are written.
UNITS: Final = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[wdhms])")
EXAMPLES: Final = 'write a number and a unit (w, d, h, m, s, ms), such as "1h30m" or "100ms"'
LONGEST: Final = timedelta(days=36_525)  # a century; keeps sums with an instant inside datetime
LONGEST_TEXT: Final = 64  # characters; keeps a hostile number from being computed with


def parse_duration(text: str) -> timedelta:
    """The duration that `text` spells, exact to the microsecond.

    Units are w, d, h, m, s and ms, the largest first and each at most once; numbers may have a
    fraction (``0.5s``). ``0s`` is a duration.

    Raises:
        InvalidJob: there is no unit, a sign, a repeated or misplaced unit, or it is over a
            century. Its key is ``duration``; the caller knows the key at fault.
    """
    if not isinstance(text, str):
        raise InvalidJob("duration", f"{text!r} is not a text", EXAMPLES)
    if len(text) > LONGEST_TEXT:
        raise InvalidJob("duration", f"longer than {LONGEST_TEXT} characters", EXAMPLES)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise InvalidJob("duration", f"{text!r} has no unit", f'write "{text}s" for seconds')
    if text.startswith("-"):
        raise InvalidJob("duration", f"{text!r} is negative", EXAMPLES)
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidJob("duration", f"{text!r} is not a duration", EXAMPLES)
    units = [unit for _, unit in parts]
    if units != [unit for unit in UNITS if unit in units]:
        hint = "write each unit once, the largest first: w, d, h, m, s, ms"
        raise InvalidJob("duration", f"{text!r} repeats or misplaces a unit", hint)
    total = sum(Decimal(number) * UNITS[unit] for number, unit in parts)
    if total != int(total):
        raise InvalidJob("duration", f"{text!r} is finer than a microsecond", EXAMPLES)
    if total > LONGEST // timedelta(microseconds=1):
        raise InvalidJob("duration", f"{text!r} is over 100 years", "write at most 36525d")
    return timedelta(microseconds=int(total))


def check_longest(key: str, duration: timedelta | None, hint: str = "") -> None:
    """Refuse what is over a century: the instant that far from now may be one that nobody can hold.

    Raises:
        InvalidJob: with `key`.
    """
    if duration is not None and duration > LONGEST:
        raise InvalidJob(key, "is at most 100 years (36525d)", hint)


def format_duration(duration: timedelta) -> str:
    """The short text that `parse_duration` turns back into exactly `duration`, such as ``1h30m``.

    Weeks are written for whole weeks alone: ten days are ``10d``, two weeks ``2w``.

    Raises:
        ValueError: `duration` is negative.
    """
    rest = duration // timedelta(microseconds=1)
    if rest < 0:
        raise ValueError(f"{duration!r} is negative, and a duration is not")
    if rest and rest % UNITS["w"] == 0:
        return f"{rest // UNITS['w']}w"
    text = ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    if 0 < rest < UNITS["s"]:
        return f"{text}{_decimal(rest, UNITS['ms'])}ms"
    return f"{text}{_decimal(rest, UNITS['s'])}s" if rest or not text else text


def _decimal(microseconds: int, unit: int) -> str:
    return f"{Decimal(microseconds) / unit:f}"
