"""Schedules in plain words, for people: ``at 02:30, Monday to Friday``.

The words are made from the values a schedule really has, never from the text it was written in,
so that an odd expression gets longer words but not wrong ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskd.core.cron import Cron
from taskd.core.dialect import Fields
from taskd.core.duration import PART, format_duration
from taskd.core.expression import Expression
from taskd.core.schedule import At, Every, Mode, Schedule

UNIT_NAMES: Final = {
    "w": "week",
    "d": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
    "ms": "millisecond",
}
MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Monday first, as number 1; cron's Sunday, 0, is read as 7.
DAY_NAMES: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday"),
    *("Friday", "Saturday", "Sunday"),
)
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
MOST_TIMES: Final = 12  # of day that are listed one by one
MOST_INSTANTS: Final = 3


def describe(schedule: Schedule) -> str:
    """`schedule` in plain words; times of day are those of its own zone, which is not named."""
    match schedule:
        case Every():
            return _every(schedule)
        case At():
            return _at(schedule)
        case Cron():
            return "; and ".join(_expression(line) for line in schedule.lines)
        case _:
            return str(schedule)


def _every(schedule: Every) -> str:
    parts = PART.findall(format_duration(schedule.interval))
    words = " ".join(
        f"{count} {UNIT_NAMES[unit]}{'' if count == '1' else 's'}" for count, unit in parts
    )
    if schedule.mode is Mode.FIXED_DELAY:
        return f"{words} after the end of the run before"
    every = f"every {words.removeprefix('1 ') if len(parts) == 1 else words}"
    return f"{every}, counted from 1970-01-01T00:00:00Z" if schedule.align else every


def _at(schedule: At) -> str:
    shown = [at.isoformat().replace("+00:00", "Z") for at in schedule.instants[:MOST_INSTANTS]]
    more = len(schedule.instants) - len(shown)
    return f"at {_listed([*shown, f'{more} more instants'] if more else shown)}"


def _expression(line: Expression) -> str:
    parts = [_times(line), _days(line.fields)]
    if len(line.fields.months) < len(MONTH_NAMES):
        parts.append(f"in {_listed(_runs(line.fields.months, MONTH_NAMES))}")
    elif not parts[1] and len(line.times) <= MOST_TIMES:
        parts.append("every day")
    return ", ".join(part for part in parts if part)


def _times(line: Expression) -> str:
    fields = line.fields
    if len(line.times) <= MOST_TIMES:
        return f"at {_listed([_clock(line.times[n], fields) for n in range(len(line.times))])}"
    levels = [("minute", fields.minutes, 60), ("hour", fields.hours, 24)]
    if fields.seconds != (0,):
        levels.insert(0, ("second", fields.seconds, 60))
    finest = _finest(*levels[0])
    coarse = levels[1:]
    if finest.startswith("every") and all(len(values) == size for _, values, size in coarse):
        return finest
    return " of ".join([finest, *(_which(*level) for level in coarse)])


def _clock(time: int, fields: Fields) -> str:
    text = f"{time // 3600:02}:{time // 60 % 60:02}"
    return text if fields.seconds == (0,) else f"{text}:{time % 60:02}"


def _finest(noun: str, values: tuple[int, ...], size: int) -> str:
    if len(values) == size:
        return f"every {noun}"
    step = size // len(values)
    if len(values) > 1 and values == tuple(range(0, size, step)):
        return f"every {step} {noun}s"
    return f"at {_which(noun, values, size)}"


def _which(noun: str, values: tuple[int, ...], size: int) -> str:
    if len(values) == size:
        return f"every {noun}"
    return f"{noun}{'s' if len(values) > 1 else ''} {_listed(_runs(values))}"


def _days(fields: Fields) -> str:
    """The days, without the months; empty for all of them."""
    if fields.either and ("*",) in (fields.days, fields.weekdays):
        return ""  # such as 1-31, which leaves the other field nothing to add
    days = "" if fields.days == ("*",) else f"on {_listed(_days_of_month(fields))}"
    if fields.weekdays == ("*",):
        return days
    if not days:
        return _listed(_weekdays(fields))
    link = "or on" if fields.either else "if that is"
    return f"{days} {link} {_listed(_weekdays(fields), 'or')}"


def _days_of_month(fields: Fields) -> list[str]:
    plain = [int(item) for item in fields.days if item.isdigit()]
    words = []
    if plain:
        words.append(f"day{'s' if len(plain) > 1 else ''} {_listed(_runs(plain))} of the month")
    if "l" in fields.days:
        words.append("the last day of the month")
    nearest = [item[:-1] for item in fields.days if item.endswith("w")]
    return words + [f"the day from Monday to Friday nearest to day {day}" for day in nearest]


def _weekdays(fields: Fields) -> list[str]:
    plain = sorted(int(item) or 7 for item in fields.weekdays if item.isdigit())
    words = _runs(plain, DAY_NAMES)
    for item in fields.weekdays:
        if item.startswith("l"):
            words.append(f"the last {DAY_NAMES[int(item[1:]) - 1]} of the month")
        elif "#" in item:
            day, nth = item.split("#")
            words.append(f"the {ORDINALS[int(nth) - 1]} {DAY_NAMES[int(day) - 1]} of the month")
    return words


def _runs(values: Sequence[int], names: Sequence[str] = ()) -> list[str]:
    """Sorted `values` as words, three or more in a row as ``8 to 18``; `names` begin at 1."""
    words: list[str] = []
    start = 0
    for index, value in enumerate(values):
        if index + 1 < len(values) and values[index + 1] == value + 1:
            continue
        run = [names[each - 1] if names else str(each) for each in values[start : index + 1]]
        words += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
        start = index + 1
    return words


def _listed(words: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([*([", ".join(words[:-1])] if words[:-1] else []), words[-1]])
