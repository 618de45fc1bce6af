"""Kinds: the values that keys of jobs.toml have, each with how it is read, written and described.

The models of the tables name these, so that what is accepted, what `taskd export` writes and what
`taskd schema` says of a key come from one place. A schema may accept more than is read: it knows
no other key, no calendar and no zone. It never refuses what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from taskd.config import values
from taskd.config.shape import Word, choice
from taskd.core.duration import UNITS, format_duration
from taskd.core.execution import Executor
from taskd.core.job import PRIORITIES

Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Of a key's value: `read` takes it from TOML or JSON, or raises ValueError; `write` gives it
    back as JSON; `schema` describes it in JSON Schema, where an instant or a date is a text."""

    read: Callable[[Any], object]
    schema: Schema
    write: Callable[[Any], object]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Have pydantic read and write by these functions alone."""
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(self._written),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Have pydantic describe it so."""
        return dict(self.schema)

    def _written(self, value: object) -> object:
        return None if value is None else self.write(value)


def word(words: type[Word]) -> Kind:
    """One of a few words."""
    return Kind(lambda value: choice(words, value), {"enum": [*map(str, words)]}, str)


@dataclass(frozen=True, slots=True, eq=False)
class OneOrMore:
    """A value of `kind`, or a list of such; read as a tuple, and written as it is shorter.

    Each value of a list is judged at its own place.
    """

    kind: Kind

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Have pydantic read each value by the kind's function."""
        item = core_schema.no_info_plain_validator_function(self.kind.read)
        return core_schema.no_info_wrap_validator_function(
            self._read,
            core_schema.list_schema(item),
            serialization=core_schema.plain_serializer_function_ser_schema(self._written),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        """Have pydantic describe it so."""
        one = self.kind.schema
        return {"anyOf": [one, {"type": "array", "items": one}]}

    def _read(self, value: object, read_all: Callable[[object], list[object]]) -> object:
        return tuple(read_all(value)) if isinstance(value, list) else (self.kind.read(value),)

    def _written(self, items: Sequence[object] | None) -> object:
        written = [self.kind.write(item) for item in items or ()]
        return written[0] if len(written) == 1 else written


def _same(value: object) -> object:
    return value


def _written_size(count: int) -> str:
    """A number of bytes in the largest binary unit that holds it whole."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % values.SIZES[unit] == 0:
            return f"{count // values.SIZES[unit]}{unit}"
    return f"{count}B"


def _written_priority(number: int) -> str | int:
    return next((name for name, value in PRIORITIES.items() if value == number), number)


def _written_moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


TEXT: Final = Kind(values.text, {"type": "string"}, _same)
_NUMBER: Final = r"[0-9]+(\.[0-9]+)?"
DURATION: Final = Kind(
    values.duration,
    # Each unit at most once, the largest first; two characters at least, so that there is one.
    {
        "type": "string",
        "pattern": f"^{''.join(f'({_NUMBER}{unit})?' for unit in UNITS)}$",
        "minLength": 2,
        "examples": ["100ms", "30s", "1h30m", "2d"],
    },
    format_duration,
)
GRACE: Final = Kind(
    values.grace,
    {"anyOf": [{"const": "inf"}, DURATION.schema]},
    lambda grace: "inf" if grace is None else format_duration(grace),
)
MOMENT: Final = Kind(
    values.moment,
    {
        "type": "string",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
        r"([Zz]|[+-][0-9]{2}:[0-9]{2})?$",
        "examples": ["2030-12-24T18:00:00+01:00"],
    },
    _written_moment,
)
DAY: Final = Kind(
    values.day,
    {"type": "string", "pattern": "^[0-9]{4}-?[0-9W]", "examples": ["2030-12-25"]},
    date.isoformat,
)
WEEKDAY: Final = Kind(
    values.weekday,
    {
        "anyOf": [
            {"enum": list(values.WEEKDAYS)},
            {"type": "string", "pattern": "^[A-Za-z]{3,9}$"},
        ]
    },
    lambda number: values.WEEKDAYS[number],
)
TARGET: Final = Kind(
    values.target,
    {
        "type": "string",
        "pattern": "^[A-Za-z_][^:]*:[A-Za-z_][^:]*$",
        "examples": ["package.module:function"],
    },
    _same,
)

TEXTS: Final = OneOrMore(TEXT)
MOMENTS: Final = OneOrMore(MOMENT)
EVENTS: Final = OneOrMore(Kind(values.event, {"enum": ["boot"]}, _same))
PATH: Final = Kind(values.path, {"type": "string", "minLength": 1}, _same)
STORE: Final = Kind(
    values.store,
    {"type": "string", "pattern": "^sqlite:", "examples": ["sqlite:///var/lib/taskd/taskd.db"]},
    _same,
)
ZONE: Final = Kind(
    values.zone_name, {"type": "string", "minLength": 1, "examples": ["Europe/Berlin"]}, _same
)
PRIORITY: Final = Kind(
    values.priority,
    {
        "anyOf": [
            {"enum": list(PRIORITIES)},
            {"type": "integer", "minimum": -100, "maximum": 100},
        ]
    },
    _written_priority,
)
EXECUTOR: Final = Kind(
    values.executor,
    # Plug-ins have names of their own.
    {"anyOf": [{"enum": [*map(str, Executor)]}, {"type": "string"}]},
    _same,
)
SIZE: Final = Kind(
    values.size,
    {
        "type": "string",
        "pattern": f"^[0-9]{{1,15}} ?({'|'.join(values.SIZES)})$",
        "examples": ["512MiB"],
    },
    _written_size,
)
ARGV: Final = Kind(
    values.argv,
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": TEXT.schema, "minItems": 1},
        ]
    },
    lambda words: words if isinstance(words, str) else list(words),
)
JSON: Final = Kind(values.json_value, {}, _same)
KEYWORD_ARGUMENT: Final = Kind(values.keyword_argument, {}, _same)
