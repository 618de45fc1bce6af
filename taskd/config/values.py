"""Values: how one TOML or JSON value is read. Each function raises ValueError where it cannot be.

pydantic calls them as validators, so that every value of a table is judged in one pass.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import Final

from taskd.config.shape import NOT_SUPPORTED, choices, shown
from taskd.core.duration import parse_duration
from taskd.core.execution import Executor
from taskd.core.job import PRIORITIES, Call
from taskd.core.zones import DAY, spans, to_instant, zone
from taskd.errors import InvalidJob
from taskd.executors.plugins import plugin_names

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_SIZE: Final = re.compile(r"(\d{1,15}) ?(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)", re.ASCII)
SIZES: Final = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_LONG_WEEKDAYS: Final = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# What TOML promises to keep exactly; a range tells at once whether it holds a number.
_INTEGERS: Final = range(-(2**63), 2**63)
_DEEPEST: Final = 64  # tables and lists in one another: far from any interpreter's limit


def text(value: object) -> str:
    """Any text that can be stored: not one with half of a surrogate pair, which JSON can spell."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {shown(value)}")
    if not _is_unicode(value):
        raise ValueError("the text has half of a surrogate pair, which is not Unicode")
    return value


def duration(value: object) -> timedelta:
    """A duration with units; a bare number is refused, for it would leave them to be guessed."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise InvalidJob("", "a time needs a unit", f'write "{shown(value)}s" for seconds')
    return parse_duration(text(value))


def grace(value: object) -> timedelta | None:
    """A duration, or None for "inf"."""
    return None if value == "inf" else duration(value)


def event(value: object) -> str:
    """What `on` may name: the start of the daemon."""
    if value == "boot":
        return "boot"
    if isinstance(value, str) and value.startswith("signal:"):
        raise ValueError(f"{shown(value)} is {NOT_SUPPORTED}")
    raise ValueError(f'expected "boot", found {shown(value)}')


def zone_name(value: object) -> str:
    """The name of an IANA time zone."""
    return zone(text(value)).key


def priority(value: object) -> int:
    """A priority by name, or a number -100..100."""
    match value:
        case str() if value in PRIORITIES:
            return PRIORITIES[value]
        case int() if -100 <= value <= 100 and not isinstance(value, bool):
            return value
    raise ValueError(f"expected {choices(PRIORITIES)} or -100 to 100, found {shown(value)}")


def executor(value: object) -> str:
    """The executor of a job: one of taskd's own, or a plug-in that is installed."""
    if isinstance(value, str) and value in list(Executor):
        return value
    plugins = plugin_names()
    if isinstance(value, str) and value in plugins:
        return value
    raise ValueError(f"expected {choices([*Executor, *plugins])}, found {shown(value)}")


def size(value: object) -> int:
    """A number of bytes with its unit."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise InvalidJob("", "a size needs a unit", f'write "{shown(value)}B" for bytes')
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        hint = 'write one such as "512MiB"'
        raise InvalidJob("", f"expected a size, found {shown(value)}", hint)
    return int(match[1]) * SIZES[match[2]]


def argv(value: object) -> tuple[str, ...]:
    """The words of a command: a list, or a text in which quotes mean what they mean to a shell."""
    match value:
        case str():
            try:
                words = tuple(shlex.split(text(value)))
            except ValueError as error:
                raise ValueError(f"cannot split {shown(value)}: {error}") from None
        case list():
            words = tuple(map(text, value))
        case _:
            raise ValueError(f"expected a list of texts or a text, found {shown(value)}")
    return tuple(str(word) for word in Call.command(*words).args)


def target(value: object) -> str:
    """The name of a callable, ``package.module:attr.path``."""
    call = Call(text(value))
    if call.is_local:
        raise ValueError(f"{shown(value)} is the name of an object in a process, not of a module")
    return call.target


def store(value: object) -> str:
    """The address of a store."""
    address = text(value)
    if address.startswith(("postgresql:", "postgres:")):
        raise ValueError(f"PostgreSQL is {NOT_SUPPORTED}")
    if not address.startswith("sqlite:"):
        raise ValueError(f'expected "sqlite:///path", found {shown(value)}')
    return address


def path(value: object) -> str:
    """A path, or a pattern of paths."""
    if not isinstance(value, str) or not value or "\0" in value or not _is_unicode(value):
        raise ValueError(f"expected a path, found {shown(value)}")
    return value


def day(value: object) -> date:
    """A TOML date or an ISO 8601 text."""
    if isinstance(value, datetime):
        hint = f"write {value.date()}"
        raise InvalidJob("", f"{value} has a time of day, and a calendar has days", hint)
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        hint = "write one such as 2026-12-25"
        raise InvalidJob("", f"{shown(value)} is not a date", hint) from None


def weekday(value: object) -> int:
    """A weekday by its English name, short or long; Monday is 0."""
    name = text(value).lower()
    if name not in {*WEEKDAYS, *_LONG_WEEKDAYS}:
        raise InvalidJob("", f"{shown(value)} is not a weekday", 'write "mon" ... "sun"')
    return WEEKDAYS.index(name[:3])


def moment(value: object) -> datetime:
    """A TOML datetime or an RFC 3339 text; it stays naive where it names no offset."""
    match value:
        case datetime():
            return value
        case date():
            raise InvalidJob("", f"{value} has no time of day", f"write {value}T00:00:00")
        case time():
            raise InvalidJob("", f"{value} has no date", f"write 2030-12-24T{value}")
        case str() if _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper())
    hint = "write one such as 2030-12-24T18:00:00+01:00"
    raise InvalidJob("", f"{shown(value)} is not a date with a time", hint)


def instant(value: datetime, timezone: str, key: str = "at") -> datetime:
    """The UTC instant of `value`, that of `key`.

    Where it is naive it is read on the clocks of `timezone`.

    A local time that the clocks skip is taken as the first instant after the gap, one that they
    show twice as its first pass.

    Raises:
        InvalidJob: the instant lies outside the years 1 to 9998.
    """
    try:
        if value.tzinfo is not None:
            return value.astimezone(UTC)
        local = (value - datetime(1970, 1, 1)) // timedelta(seconds=1)  # noqa: DTZ001 - local both
        # Two days: no zone is further from UTC, nor is a gap longer.
        for span in spans(timezone, local - 2 * DAY, local + 2 * DAY):
            if local < span.opens:
                return to_instant(span.start)
            if local < span.end + span.offset:
                seconds = to_instant(local - span.offset)
                return seconds + timedelta(microseconds=value.microsecond)
    except OverflowError:
        pass
    raise InvalidJob(key, f"{value} is outside the years 1 to 9998")


def odd_local_time(value: datetime, timezone: str) -> str:
    """What is odd about `value` on the clocks of `timezone`, and its instant; mostly nothing."""
    if value.tzinfo is not None:
        return ""
    where = zone(timezone)
    taken = instant(value, timezone).astimezone(where)
    stands = f"it stands for {taken.replace(tzinfo=None)} {taken:%Z}"
    if taken.replace(tzinfo=None) != value:
        return f"the clocks of {timezone} skip {value}: {stands}, the first time after it"
    first, last = (value.replace(tzinfo=where, fold=fold).utcoffset() for fold in (0, 1))
    if first != last:
        return f"the clocks of {timezone} show {value} twice: {stands}, the first pass"
    return ""


def json_value(value: object) -> object:
    """A value that JSON can carry unchanged."""
    _check_json(value, depth=0)
    return value


def keyword_argument(value: object) -> object:
    """A JSON value that is not a reference to another job's result, which is yet to come."""
    match value:
        case {"from": str(source), **others} if source.endswith(".result") and not others:
            raise ValueError(f'{{ from = "JOB.result" }} is {NOT_SUPPORTED}')
    return json_value(value)


def _check_json(value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"lists and tables are more than {_DEEPEST} deep in one another")
    match value:
        case None | bool():
            pass
        case str():
            text(value)
        case int() if value not in _INTEGERS:
            raise ValueError("a number of more than 64 bits; write it as text")
        case int():
            pass
        case float():
            if not isfinite(value):
                raise ValueError(f"{value} is not JSON")
        case list():
            for item in value:
                _check_json(item, depth + 1)
        case Mapping():
            for key, item in value.items():
                text(key)
                _check_json(item, depth + 1)
        case _:
            raise InvalidJob("", f"{value} is not JSON", f'write it as text: "{value}"')


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
