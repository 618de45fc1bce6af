"""Layout: how the values of a class lie in the columns of a table, and what a change moves.

What is written and told is what changed: a run's move touches a fifth of its columns, and to set
one to what it was would cost its indexes all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = tuple[object, ...]
Values: TypeAlias = dict[str, object]
"""What is stored, by column."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it holds of a field, which has the same name unless another is given.

    `stored` returns what is stored of a value, by default the field as it is.
    """

    name: str
    field: str = ""
    stored: Callable[[Any], object] | None = None


class Layout(Generic[T]):
    """The columns of a class of dataclasses, in the order of the table."""

    def __init__(self, cls: type[T], *columns: Column) -> None:
        fields: Mapping[str, Field[Any]] = vars(cls)["__dataclass_fields__"]
        held = [column.field or column.name for column in columns]
        self.columns = [column.name for column in columns]
        self._parts = [
            (column.name, column.stored or attrgetter(field))
            for column, field in zip(columns, held, strict=True)
        ]
        self._read = attrgetter(*held)
        defaults = [fields[field].default for field in held]
        self._defaults = tuple(None if value is MISSING else value for value in defaults)

    def row(self, value: T) -> Row:
        """Return all columns of a value, in order."""
        return tuple(stored(value) for _, stored in self._parts)

    def told(self, value: T) -> Values:
        """Return the columns of a new value that are not at their default."""
        parts = compress(self._parts, map(is_not, self._read(value), self._defaults))
        return {name: stored(value) for name, stored in parts}

    def delta(self, before: T, after: T) -> Values:
        """Return the columns that a change gives new values."""
        old, new = self._read(before), self._read(after)
        # A replaced value shares the fields that were not, so that most need no comparison.
        parts = compress(zip(self._parts, old, new, strict=True), map(is_not, old, new))
        return {name: stored(after) for (name, stored), was, now in parts if was != now}
