"""Layout: how the values of a class lie in the columns of a table, and what a change moves.

What is written and told is what changed: a run's move touches a fifth of its columns, and to set
one to what it was would cost its indexes all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

T = TypeVar("T")
Row: TypeAlias = tuple[object, ...]
Values: TypeAlias = dict[str, object]
"""What is stored, by column."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it holds of a field, which has the same name unless another is given.

    `stored` returns what is stored of the field's value, by default that itself; None is stored as
    NULL. `derived` returns what is stored of the whole instead.
    """

    name: str
    field: str = ""
    stored: Callable[[Any], object] | None = None
    derived: Callable[[Any], object] | None = None

    @property
    def source(self) -> str:
        """The field whose change moves it."""
        return self.field or self.name

    def read(self, value: object) -> object:
        """Return what is stored of a value."""
        if self.derived is not None:
            return self.derived(value)
        held = getattr(value, self.source)
        return held if held is None or self.stored is None else self.stored(held)


class Layout(Generic[T]):
    """The columns of a class of dataclasses, in the order of the table.

    `told` returns the columns of a new value that are not at their default, `delta` those that a
    change from one value to another gives new values. Both are written out field by field, in the
    manner of dataclasses: a loop over a run's thirty fields takes three times as long.
    """

    told: Callable[[T], Values]
    delta: Callable[[T, T], Values]

    def __init__(self, cls: type[T], *columns: Column) -> None:
        fields: Mapping[str, Field[Any]] = vars(cls)["__dataclass_fields__"]
        self._columns = columns
        self.columns = tuple(column.name for column in columns)
        names: dict[str, object] = {}
        told, delta = ["def told(new):", "values = {}"], ["def delta(old, new):", "values = {}"]
        for source in dict.fromkeys(column.source for column in columns):
            default = fields[source].default
            names[f"default_{source}"] = None if default is MISSING else default
            told += [f"now = new.{source}", f"if now is not default_{source}:"]
            # A replaced value shares the fields that were not: most need no comparison.
            delta += [f"now, was = new.{source}, old.{source}", "if now is not was and now != was:"]
            for column in (column for column in columns if column.source == source):
                names[f"stored_{column.name}"] = column.derived or column.stored
                told.append(_assigned(column))
                delta.append(_assigned(column))
        for function in (told, delta):
            exec("\n ".join([*function, "return values"]), names)
        self.told = cast("Callable[[T], Values]", names["told"])
        self.delta = cast("Callable[[T, T], Values]", names["delta"])

    def row(self, value: T) -> Row:
        """Return all columns of a value, in order."""
        return tuple(column.read(value) for column in self._columns)


def _assigned(column: Column) -> str:
    """Return the line that puts a column among the values."""
    name = column.name
    if column.derived is not None:
        held = f"stored_{name}(new)"
    elif column.stored is not None:
        held = f"None if now is None else stored_{name}(now)"
    else:
        held = "now"
    return f" values[{name!r}] = {held}"
