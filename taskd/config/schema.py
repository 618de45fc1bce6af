"""Schema: JSON Schema (draft 2020-12) of jobs.toml, for editors, made from what reads the file.

It may accept what the loader refuses, for it sees no other key's default, no calendar and no
module. It refuses nothing that the loader takes. Editors that know older drafts alone (Taplo, and
with it Even Better TOML) pass over the words they do not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from taskd.config import descriptions
from taskd.config.calendars import CalendarTable
from taskd.config.entry import JobEntry
from taskd.config.keys import (
    CALL_KEYS,
    CRON_KEYS,
    INTERVAL_KEYS,
    SCHEDULE_KEYS,
    SCHEDULES,
    TRIGGERS,
)
from taskd.config.settings import DaemonTable
from taskd.config.tables import NESTED_TABLES
from taskd.core.job import NAME

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Schema:
    """The schema of a jobs.toml, or of a file that one includes."""
    keys = _job_keys()
    own = ("call", "command", *TRIGGERS)
    inherited = {key: schema for key, schema in keys.items() if key not in own}
    tables = {
        "daemon": _of_model(DaemonTable, descriptions.DAEMON),
        "defaults": _table(inherited),
        "jobs": _named({"$ref": "#/$defs/job"}) | {"propertyNames": _job_name()},
        "calendars": _named({"$ref": "#/$defs/calendar"}),
        "categories": _named({"type": "array", "items": {"type": "string"}}),
    }
    described = {
        name: {"description": descriptions.TABLES[name], **schema}
        for name, schema in tables.items()
    }
    calendar = _of_model(CalendarTable, descriptions.CALENDAR)
    return {
        "$schema": DIALECT,
        "title": "jobs.toml of taskd",
        **_table(described),
        "$defs": {
            "job": _table(keys) | _rules(),
            "calendar": calendar | {"anyOf": _any_of(calendar["properties"])},
        },
    }


def _job_keys() -> dict[str, Schema]:
    keys: dict[str, Schema] = _of_model(JobEntry, descriptions.JOB)["properties"]
    for key, model in NESTED_TABLES.items():
        nested = _of_model(model, descriptions.NESTED[key])
        keys[key] = {"description": descriptions.JOB[key], **nested}
    return keys


def _rules() -> Schema:
    """What keys of a job go together; each is a key of the job's own, never inherited."""
    needs = {
        **{key: ["every"] for key in INTERVAL_KEYS},
        **{key: ["cron"] for key in CRON_KEYS},
    }
    of_callables = [key for key in CALL_KEYS if key != "call"]
    return {
        "oneOf": _any_of(["call", "command"]),
        "allOf": [_not_both(pair) for pair in combinations(TRIGGERS, 2)],
        "if": {"properties": {"shell": {"const": True}}, "required": ["shell"]},
        "then": {"required": ["command"]},
        "dependentRequired": needs,
        "dependentSchemas": {
            **{key: {"anyOf": _any_of(SCHEDULES)} for key in SCHEDULE_KEYS},
            "command": {"not": {"anyOf": _any_of(of_callables)}},
        },
    }


def _job_name() -> Schema:
    return {"pattern": f"^{NAME.pattern}$", "not": {"enum": [".", ".."]}}


def _any_of(keys: Iterable[str]) -> list[Schema]:
    return [{"required": [key]} for key in keys]


def _not_both(keys: Iterable[str]) -> Schema:
    return {"not": {"required": list(keys)}}


def _named(value: Schema) -> Schema:
    """A table whose keys are names of the user's."""
    return {"type": "object", "additionalProperties": value}


def _table(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _of_model(model: type[BaseModel], described: Mapping[str, str]) -> Schema:
    """The table that `model` reads, each key with what it does and what it is by default."""
    read = model.model_json_schema(schema_generator=_TomlSchema)["properties"]
    defaults = model().model_dump(exclude_none=True)
    properties = {}
    for key, schema in read.items():
        properties[key] = {"description": described[key], **schema}
        # An empty text, list or table stands for none.
        if defaults.get(key, "") not in ("", [], {}, ()) and key not in ("call", "command"):
            properties[key]["default"] = defaults[key]
    return _table(properties)


class _TomlSchema(GenerateJsonSchema):
    """The schema of the values alone: TOML has no null, and defaults are written by `Kind`."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False
