from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from taskd.config.load import load
from tests.unit.cli.conftest import Taskd

FILES = ("jobs.toml", "jobs.py", "jobs.schema.json")


def test_init_writes_what_runs_and_says_how(taskd: Taskd, tmp_path: Path) -> None:
    folder = tmp_path / "my jobs"
    ended = taskd("init", str(folder))
    assert ended.status == 0
    assert ended.out.splitlines() == [str(folder / name) for name in FILES]
    assert f"taskd run '{folder}/jobs.toml'" in ended.err
    assert taskd("check", str(folder / "jobs.toml")).out == "ok: 6 jobs\n"
    assert load(folder / "jobs.toml").warnings == ()
    lines = [line for name in FILES[:2] for line in (folder / name).read_text().splitlines()]
    assert [line for line in lines if len(line) > 80] == []


def test_init_begins_where_it_is_called(
    taskd: Taskd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(taskd("init", "--json").out) == {"files": list(FILES)}
    assert all((tmp_path / name).is_file() for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_init_overwrites_nothing(taskd: Taskd, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    ended = taskd("init", str(tmp_path))
    assert (ended.status, ended.out) == (1, "")
    assert f"{tmp_path / name} is there already" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_init_says_where_it_cannot_write(taskd: Taskd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = taskd("init", str(tmp_path / "file" / "sub"))
    assert (ended.status, ended.out) == (1, "")
    assert "not a directory" in ended.err


def test_init_leaves_nothing_half_written(
    taskd: Taskd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.schema.json").symlink_to("nowhere")
    assert taskd("init", str(tmp_path)).status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.schema.json"]


def test_the_starter_keeps_to_the_schema_beside_it(taskd: Taskd, tmp_path: Path) -> None:
    taskd("init", str(tmp_path))
    text = (tmp_path / "jobs.toml").read_text()
    schema = json.loads((tmp_path / "jobs.schema.json").read_text())
    assert text.startswith("#:schema ./jobs.schema.json\n")
    document = json.loads(json.dumps(tomllib.loads(text), default=str))
    document["jobs"]["launch"]["at"] = document["jobs"]["launch"]["at"].replace(" ", "T")
    Draft202012Validator(schema).validate(document)


def test_schema_prints_the_schema(taskd: Taskd, tmp_path: Path) -> None:
    printed = json.loads(taskd("schema").out)
    Draft202012Validator.check_schema(printed)
    assert printed["$schema"].endswith("2020-12/schema")
