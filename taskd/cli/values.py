"""What people type on a command line, read into what the API takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import typer

from taskd.cli.times import clock
from taskd.errors import InvalidJob

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def value(text: str) -> object:
    """Strict JSON where the text is that, and the text itself where it is not."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def values(texts: Iterable[str] | None) -> list[object] | None:
    """The values of a repeated ``--arg``; None where there is none."""
    return [value(text) for text in texts] if texts else None


def named_values(texts: Iterable[str] | None) -> dict[str, object] | None:
    """The values of a repeated ``--kwarg K=V``; None where there is none."""
    if not texts:
        return None
    return {key: value(text) for key, text in named_texts(texts, "--kwarg").items()}


def named_texts(texts: Iterable[str], flag: str) -> dict[str, str]:
    """The texts of a repeated ``K=V`` flag."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise typer.BadParameter(f"{key!r} is not K=V", param_hint=flag)
    return {key: text for key, _, text in pairs}


def looks_like_run(text: str) -> bool:
    """Whether the text has the form of a run's id, a UUID."""
    return _UUID.fullmatch(text) is not None


def duration(text: str, flag: str) -> timedelta:
    """A duration such as ``1h30m``, for the flag called `flag`."""
    from taskd.core.duration import parse_duration

    try:
        return parse_duration(text)
    except InvalidJob as error:
        raise typer.BadParameter(f"{error.message}; {error.hint}", param_hint=flag) from error


def seconds(text: str | None, flag: str) -> float | None:
    """A duration in seconds; None where none was given."""
    return None if text is None else duration(text, flag).total_seconds()


def instant(text: str | None, flag: str, *, direction: int) -> str | None:
    """An instant as RFC 3339 in UTC; None where none was given.

    `text` is ISO 8601, local time where it names no zone, or a duration: that long after now for a
    `direction` of 1, before now for -1.
    """
    if text is None:
        return None
    from taskd.core.duration import PART

    try:
        return rfc3339(datetime.fromisoformat(text).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        if PART.match(text):  # it begins as a duration does
            return rfc3339(clock().now() + direction * duration(text, flag))
        hint = f"{text!r} is neither a time nor a duration; write 2026-12-24T18:00, or 2h"
        raise typer.BadParameter(hint, param_hint=flag) from error


def iso(text: str, flag: str) -> str:
    """A time in ISO 8601, for the flag called `flag`.

    One without a zone is left so: it is the job's zone that counts, and the daemon knows it.
    """
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        hint = f"{text!r} is not a time; write 2026-12-24T18:00, with +01:00 or Z for a zone"
        raise typer.BadParameter(hint, param_hint=flag) from error


def rfc3339(then: datetime) -> str:
    """An aware instant as RFC 3339 in UTC, such as ``2026-12-24T17:00:00Z``."""
    return then.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e999 is JSON, but no number that could be sent on
        raise ValueError(text)
    return number


def _refuse(constant: str) -> NoReturn:
    # NaN and the infinities are Python's own addition to JSON.
    raise ValueError(constant)
