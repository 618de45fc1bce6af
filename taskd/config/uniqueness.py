"""Uniqueness: the table `unique` of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from taskd.config import values
from taskd.config.keys import NESTED_KEYS
from taskd.config.shape import choice, nearest, shown
from taskd.core.unique import OnConflict, Scope, Unique
from taskd.errors import InvalidJob

T = TypeVar("T")


def unique_from(value: object) -> Unique:
    """Which runs of a job are the same work. Raises InvalidJob with the key in the table."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a table, found {shown(value)}")
    for key in value:
        if key not in NESTED_KEYS["unique"]:
            hint = nearest(str(key), sorted(NESTED_KEYS["unique"]))
            raise InvalidJob(f"unique.{key}", "there is no such key", hint)
    return Unique(
        key=_read(value, "key", values.text, ""),
        scope=_read(value, "scope", partial(choice, Scope), Scope.INCOMPLETE),
        period=_read(value, "period", values.duration, None),
        on_conflict=_read(value, "on_conflict", partial(choice, OnConflict), OnConflict.SKIP),
    )


def _read(table: Mapping[str, object], key: str, read: Callable[[object], T], default: T) -> T:
    if key not in table:
        return default
    try:
        return read(table[key])
    except InvalidJob as error:
        raise InvalidJob(f"unique.{key}", error.message, error.hint) from None
    except ValueError as error:
        raise InvalidJob(f"unique.{key}", str(error)) from None
