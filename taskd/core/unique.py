"""Unique: which runs of a job are the same piece of work, and what becomes of the second one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from string import Formatter
from typing import Final

from taskd.core.duration import check_longest
from taskd.errors import InvalidJob

LONGEST_KEY: Final = 1000  # characters: it is in an index


class Scope(StrEnum):
    """How long a run stands for its work: while it waits, until it ends, or for a period."""

    PENDING = "pending"
    INCOMPLETE = "incomplete"
    PERIOD = "period"


class OnConflict(StrEnum):
    """What becomes of the second run: none is made, it replaces the first, or it is refused."""

    SKIP = "skip"
    REPLACE = "replace"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """One run of a job for each `key`, a text with the arguments in braces: ``{region}``, ``{0}``.

    Without a key all arguments together tell runs apart. With `Scope.PERIOD` a run stands for its
    work until `period` after it was due, unless it was cancelled or skipped.

    Raises:
        InvalidJob: The key cannot be read, or the period is missing or has no use.
    """

    key: str = ""
    scope: Scope = Scope.INCOMPLETE
    period: timedelta | None = None
    on_conflict: OnConflict = OnConflict.SKIP

    def __post_init__(self) -> None:
        try:
            fields = [name for _, name, _, _ in Formatter().parse(self.key) if name is not None]
        except ValueError as error:
            raise InvalidJob("unique.key", f"{self.key!r} cannot be read: {error}") from None
        for name in fields:
            if not name.isidentifier() and not name.isdecimal():
                raise InvalidJob(
                    "unique.key",
                    f"{{{name}}} names no argument",
                    "write {region} for a keyword argument, {0} for the first positional one",
                )
        if (self.scope is Scope.PERIOD) != (self.period is not None):
            raise InvalidJob("unique.period", 'goes with scope = "period", and that with it')
        if self.period is not None and self.period <= timedelta(0):
            raise InvalidJob("unique.period", "must be longer than 0s")
        check_longest("unique.period", self.period)

    def key_of(self, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
        """Return the key of a run with these arguments; one that is missing is empty in it."""
        if not self.key:
            return json.dumps([args, kwargs], sort_keys=True)[:LONGEST_KEY]
        parts = []
        for text, name, _, _ in Formatter().parse(self.key):
            parts.append(text)
            if name is None:
                continue
            if name.isdecimal():
                value = args[int(name)] if int(name) < len(args) else ""
            else:
                value = kwargs.get(name, "")
            parts.append(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        return "".join(parts)[:LONGEST_KEY]
