"""The dialect of cron expressions: from text to the values of its fields, or a plain refusal.

Five fields, or six with seconds first: numbers, names, ranges (wrapping ones too), steps, lists,
``?``, ``L``, ``#``, ``nW`` and ``H``, and the nicknames ``@hourly`` ... ``@yearly``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from croniter import croniter

from taskd.errors import InvalidJob

MAX_CHARACTERS: Final = 256
KEPT: Final = 4096  # fields that were read: of 10,000 jobs most are the same few
MAX_COMMAS: Final = 60  # in one field: no field has more values
NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """What one field counts: its values are `low` to `high`, or `names` for some of them.

    `cycle` is how many different values there are; weekday 7 is weekday 0 once more. Each unit is
    equal to itself alone.
    """

    name: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    @property
    def cycle(self) -> int:
        """How many different values there are."""
        return 7 if self.name == "weekday" else self.high - self.low + 1


MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
UNITS: Final = (
    Unit("second", 0, 59),
    Unit("minute", 0, 59),
    Unit("hour", 0, 23),
    Unit("day", 1, 31),
    Unit("month", 1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    Unit("weekday", 0, 7, {name: number for number, name in enumerate(WEEKDAYS)}),
)
SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, WEEKDAY = UNITS

RANGE: Final = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")
HASHED: Final = re.compile(r"h(?:\(([0-9]+)-([0-9]+)\))?(?:/([0-9]+))?")
NEAREST: Final = re.compile(r"([0-9]+)w")
NTH: Final = re.compile(r"([0-9a-z]+)#([0-9]+)")
LAST: Final = re.compile(r"l([0-9a-z]+)|([0-9a-z]+)l")


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of an expression's fields, sorted.

    `days` and `weekdays` are items in croniter's words (``15``, ``l``, ``15w``; ``5``, ``5#2``,
    ``l5``), or ``*`` alone for all. `wildcard` says whether the minute or hour field begins with
    ``*``; with `either` a day needs to match only one of `days` and `weekdays`.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[str, ...]
    months: tuple[int, ...]
    weekdays: tuple[str, ...]
    wildcard: bool
    either: bool


def read_fields(text: str, seed: str, *, either: bool = True) -> Fields:
    """The fields that `text` spells; `seed` settles its ``H``, the same way every time.

    With `either`, where both day fields are restricted, a day that matches one of them will do.

    Raises:
        InvalidJob: it cannot be read, or is longer than 256 characters.
    """
    if not isinstance(text, str):
        raise InvalidJob("cron", f"{text!r} is not a text", 'write "30 2 * * mon-fri"')
    may_be_hashed = "h" in text or "H" in text
    return _read(text, seed if may_be_hashed else "", either)


@lru_cache(maxsize=1024)  # of many jobs most are due by the same few expressions
def _read(text: str, seed: str, either: bool) -> Fields:
    fields = [_settle(unit, part, seed) for unit, part in zip(UNITS, _split(text), strict=True)]
    second, minute, hour, day, month, weekday = fields
    return Fields(
        seconds=_values(SECOND, second),
        minutes=_values(MINUTE, minute),
        hours=_values(HOUR, hour),
        days=_items(DAY_OF_MONTH, day, _read_day),
        months=_values(MONTH, month),
        weekdays=_items(WEEKDAY, weekday, _read_weekday),
        wildcard=minute[0] == "*" or hour[0] == "*",
        # Debian's crontab(5): a day field is restricted if it does not begin with a star.
        either=either and day[0] not in "*?" and weekday[0] not in "*?",
    )


def _split(text: str) -> list[str]:
    """The six fields, seconds first, in lower case; guards come before any parsing."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidJob("cron", f"longer than {MAX_CHARACTERS} characters", "use a list")
    if not text.isascii() or not text.expandtabs().isprintable():
        raise InvalidJob("cron", f"{text!r} has characters other than printable ASCII")
    lower = text.strip().lower()
    if lower == "@reboot":
        raise InvalidJob("cron", "@reboot has no instants", "it is due when taskd starts")
    fields = NICKNAMES.get(lower, lower).split()
    if lower.startswith("@") and lower not in NICKNAMES:
        raise InvalidJob("cron", f"{text!r} is not a nickname", f"there are {', '.join(NICKNAMES)}")
    if len(fields) not in (5, 6):
        hint = "minute hour day month weekday, or second minute hour day month weekday"
        raise InvalidJob("cron", f"{len(fields)} fields where there must be 5 or 6", hint)
    for part in fields:
        if part.count(",") > MAX_COMMAS:
            raise InvalidJob("cron", f"more than {MAX_COMMAS} commas in a field")
    return fields if len(fields) == 6 else ["0", *fields]


def _settle(unit: Unit, text: str, seed: str) -> str:
    """The field `text` with its ``H`` replaced by the values that croniter derives from `seed`."""
    hashed = HASHED.fullmatch(text)
    if hashed is None:
        return text
    low, high, step = hashed.groups()
    if low is not None and _number(unit, low) >= _number(unit, high):
        raise InvalidJob("cron", f"{unit.name} {text!r} has no range", "write the lower end first")
    if step is not None:
        _step(unit, text, step)
    if low is None and unit is DAY_OF_MONTH:
        # As Jenkins does: a monthly job must not end on a day that some months lack.
        text = text.replace("h", "h(1-28)", 1)
    fields = [text if each is unit else "*" for each in UNITS]
    expanded, _ = croniter.expand(" ".join(fields), hash_id=seed.encode(), second_at_beginning=True)
    # croniter keeps the seconds last.
    return ",".join(str(value) for value in expanded[UNITS.index(unit) - 1])


@lru_cache(KEPT)
def _items(unit: Unit, text: str, special: Callable[[str], str | None]) -> tuple[str, ...]:
    """The field's items in croniter's words, plain values expanded and sorted first."""
    if text == "?":
        return ("*",)
    plain, found = [], []
    for item in text.split(","):
        word = special(item)
        if word is None:
            plain.append(item)
        else:
            found.append(word)
    values = _values(unit, ",".join(plain)) if plain else ()
    if len(values) == unit.cycle:
        return ("*",)
    return (*map(str, values), *dict.fromkeys(found))


def _read_day(item: str) -> str | None:
    if item == "lw" or item.startswith("l-"):
        hint = "write L for the last day of the month"
        raise InvalidJob("cron", f"day {item.upper()} is not supported", hint)
    if item == "l":
        return item
    if nearest := NEAREST.fullmatch(item):
        return f"{_number(DAY_OF_MONTH, nearest[1])}w"
    return None


def _read_weekday(item: str) -> str | None:
    if nth := NTH.fullmatch(item):
        if not 1 <= int(nth[2]) <= 5:
            raise InvalidJob("cron", f"weekday occurrence #{nth[2]} is outside 1-5")
        return f"{_number(WEEKDAY, nth[1]) % 7}#{int(nth[2])}"
    if last := LAST.fullmatch(item):
        return f"l{_number(WEEKDAY, last[1] or last[2]) % 7}"
    return None


@lru_cache(KEPT)
def _values(unit: Unit, text: str) -> tuple[int, ...]:
    """The values of a field of plain items: numbers, names, ranges, steps and lists of them."""
    return tuple(sorted({value for item in text.split(",") for value in _range(unit, item)}))


def _range(unit: Unit, item: str) -> list[int]:
    match = RANGE.fullmatch(item)
    if match is None or (match[1] == "*" and match[2] is not None):
        raise InvalidJob("cron", f"{unit.name} {item!r} cannot be read", _advice(item))
    first, last, step = match.groups()
    low = unit.low if first == "*" else _number(unit, first)
    if last is not None:
        high = _number(unit, last)
    elif first == "*" or step is not None:
        high = unit.low + unit.cycle - 1
    else:
        high = low
    if high < low:
        high += unit.cycle  # a range that wraps, such as 22-2 or fri-mon
    stride = 1 if step is None else _step(unit, item, step)
    return [unit.low + (value - unit.low) % unit.cycle for value in range(low, high + 1, stride)]


def _step(unit: Unit, item: str, text: str) -> int:
    if int(text) == 0:
        raise InvalidJob("cron", f"{unit.name} {item!r} has a step of 0", "a step is at least 1")
    return int(text)


def _number(unit: Unit, text: str) -> int:
    if text in unit.names:
        return unit.names[text]
    if not text.isdigit():
        kind = "a number or a name" if unit.names else "a number"
        raise InvalidJob("cron", f"{unit.name} {text!r} is not {kind}", _advice(text))
    if not unit.low <= int(text) <= unit.high:
        raise InvalidJob("cron", f"{unit.name} {int(text)} is outside {unit.low}-{unit.high}")
    return int(text)


def _advice(item: str) -> str:
    if item.startswith("r"):
        return "R is not supported; H gives a value that stays the same"
    if item.startswith("h"):
        return "H stands alone in its field: H, H/15, H(0-29), H(0-29)/10"
    if item == "?":
        return "? stands alone, for the day or the weekday"
    if not item or item.startswith("-"):
        return "a number is missing"
    return ""
