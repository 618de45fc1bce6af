from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files as resources
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from taskd.config import descriptions
from taskd.config.keys import CALENDAR_KEYS, DAEMON_KEYS, JOB_KEYS, LATER_JOB_KEYS, NESTED_KEYS
from taskd.config.load import load
from taskd.config.schema import json_schema
from taskd.errors import ConfigError
from tests.unit.config.toml_documents import documents, values
from tests.unit.config.vocabulary import DAEMON, Table, entries, files, known_keys

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def as_json(value: object) -> object:
    """What an editor validates: the document with its dates as texts."""
    match value:
        case Mapping():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case date():
            return value.isoformat()
        case _:
            return value


def refusals(document: object) -> list[ValidationError]:
    return list(VALIDATOR.iter_errors(as_json(document)))


def problems(document: Mapping[str, object]) -> list[str]:
    """The keys that the loader finds fault with."""
    with TemporaryDirectory(prefix="taskd-") as folder:
        path = Path(folder) / "jobs.toml"
        path.write_text(tomli_w.dumps(document), "utf-8")
        try:
            load(path)
        except ConfigError as error:
            return [f"{problem.key}: {problem.message}" for problem in error.problems]
    return []


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_package_holds_the_schema_of_today() -> None:
    shipped = resources("taskd.config").joinpath("jobs.schema.json").read_text("utf-8")
    assert json.loads(shipped) == SCHEMA, "taskd schema > taskd/config/jobs.schema.json"


def test_every_key_is_described_and_no_other() -> None:
    assert descriptions.JOB.keys() == JOB_KEYS
    assert descriptions.DAEMON.keys() == DAEMON_KEYS
    assert descriptions.CALENDAR.keys() == CALENDAR_KEYS
    assert {key: frozenset(nested) for key, nested in descriptions.NESTED.items()} == NESTED_KEYS
    job = SCHEMA["$defs"]["job"]["properties"]
    assert all(job[key]["description"] for key in JOB_KEYS)
    assert job.keys() == JOB_KEYS


def test_the_generated_files_use_every_key() -> None:
    assert known_keys() == JOB_KEYS
    assert DAEMON.keys() == DAEMON_KEYS


def test_defaults_are_written_as_in_the_file() -> None:
    job = SCHEMA["$defs"]["job"]["properties"]
    assert job["kill_grace"]["default"] == "10s"
    assert job["output_limit"]["default"] == "1MiB"
    assert job["priority"]["default"] == "normal"
    assert job["retry"]["properties"]["max_delay"]["default"] == "5m"
    assert "default" not in job["call"]


@given(files())
@settings(max_examples=100, deadline=None)
def test_a_file_that_is_right_is_taken_by_both(document: Table) -> None:
    assert problems(document) == []
    assert refusals(document) == []


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_value_of_any_kind_is_refused_by_the_schema_only_where_the_loader_refuses_it(
    data: st.DataObject,
) -> None:
    entry = data.draw(entries()) | {
        data.draw(st.sampled_from(sorted(JOB_KEYS))): data.draw(values),
    }
    document: Table = {"jobs": {"a": entry}}
    if refusals(document):
        assert problems(document)


@given(documents())
@settings(max_examples=50, deadline=None)
def test_no_document_makes_the_schema_stricter_than_the_loader(text: str) -> None:
    document = tomllib.loads(text)
    if refusals(document):
        assert problems(document)


JOB: Table = {"call": "work:f", "every": "10s"}


@pytest.mark.parametrize(
    "document",
    [
        {"job": {}},
        {"queues": {}},
        {"jobs": {"a": JOB | {"evrey": "1s"}}},
        {"jobs": {"a b": JOB}},
        {"jobs": {"..": JOB}},
        {"jobs": {"a": {"every": "1s"}}},
        {"jobs": {"a": JOB | {"command": "ls"}}},
        {"jobs": {"a": {"command": "ls", "args": [1]}}},
        {"jobs": {"a": JOB | {"cron": "@daily"}}},
        {"jobs": {"a": JOB | {"dst_gap": "skip"}}},
        {"jobs": {"a": {"call": "work:f", "mode": "fixed-rate"}}},
        {"jobs": {"a": {"call": "work:f", "on": "boot", "jitter": "1s"}}},
        {"jobs": {"a": JOB | {"shell": True}}},
        {"jobs": {"a": JOB | {"every": 10}}},
        {"jobs": {"a": JOB | {"every": "10"}}},
        {"jobs": {"a": JOB | {"every": "1s1h"}}},
        {"jobs": {"a": JOB | {"timeout": "-1s"}}},
        {"jobs": {"a": JOB | {"priority": 101}}},
        {"jobs": {"a": JOB | {"priority": "urgent"}}},
        {"jobs": {"a": JOB | {"overlap": "forbid"}}},
        {"jobs": {"a": JOB | {"enabled": "yes"}}},
        {"jobs": {"a": JOB | {"max_instances": 0}}},
        {"jobs": {"a": JOB | {"output_limit": "1 mib"}}},
        {"jobs": {"a": JOB | {"retry": {"max_retries": 3}}}},
        {"jobs": {"a": JOB | {"retry": {"max_attempts": 0}}}},
        {"jobs": {"a": JOB | {"retry": 3}}},
        {"jobs": {"a": JOB | {"unique": {"scope": "always"}}}},
        {"jobs": {"a": JOB | {"call": "work.f"}}},
        {"jobs": {"a": {"call": "work:f", "at": "tomorrow"}}},
        {"jobs": {"a": {"call": "work:f", "at": date(2030, 1, 1)}}},
        {"jobs": {"a": {"command": []}}},
        {"defaults": {"every": "1s"}},
        {"defaults": {"call": "work:f"}},
        {"defaults": {"timeout": 5}},
        {"daemon": {"workers": 0}},
        {"daemon": {"reload": "never"}},
        {"daemon": {"threads": 4}},
        {"daemon": {"store": "mysql://x"}},
        {"calendars": {"x": {}}},
        {"calendars": {"x": {"weekdays": [1]}}},
        {"calendars": {"x": {"days": []}}},
        {"categories": {"x": "ValueError"}},
        {"jobs": 5},
        *({"jobs": {"a": JOB | {key: "x"}}} for key in sorted(LATER_JOB_KEYS)),
    ],
    ids=str,
)
def test_a_plain_mistake_is_refused_by_both(document: Table) -> None:
    assert refusals(document)
    assert problems(document)
