from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import taskd
from taskd.cli import verbs
from taskd.cli.app import app
from tests.unit.cli.conftest import Taskd
from tests.unit.cli.peer import Peer, job_document, status_document

ROOT = Path(taskd.__file__).parent.parent
VERBS = (
    *(
        "run",
        "check",
        "diff",
        "status",
        "add",
        "stop",
        "remove",
        "pause",
        "resume",
        "trigger",
        "next",
        "ps",
        "top",
        "why",
    ),
    *("runs", "result", "error", "logs", "wait", "explain", "reload", "shutdown", "ping"),
    *("dead", "retry", "dismiss", "events", "verify", "backup", "prune", "completion"),
    *("init", "schema", "import", "export", "doctor"),
)


LIGHT = {"cli", "client", "errors", "connections", "places", "terminal", "wire"}


@pytest.mark.parametrize(
    ("verb", "reply", "more"),
    [
        ("ping", {"version": "0.1.0", "pid": 7}, set()),
        ("status", status_document(job_document()), {"clock"}),
    ],
)
def test_a_verb_loads_nothing_of_the_engine_and_no_table_of_rich(
    peer: Peer, verb: str, reply: dict[str, object], more: set[str]
) -> None:
    peer.answers_with("GET", f"/v1/{verb}", reply)
    script = (
        "import sys; from taskd.cli import main\n"
        f"main(['{verb}']); print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stderr.split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("taskd.")}
    assert rooms == LIGHT | more
    heavy = {"rich", "croniter", "watchdog", "asyncio", "sqlite3"}
    heavy |= {"http", "ssl"}  # as long to import as all of the client
    assert not heavy & {name.partition(".")[0] for name in loaded}


def test_the_version_is_that_of_the_project(taskd_process: Taskd) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert taskd.__version__ == project["version"]
    ended = taskd_process("--version")
    assert (ended.status, ended.out) == (0, f"taskd {taskd.__version__}\n")


def test_help_lists_the_verbs_of_the_contract_and_no_other(taskd_process: Taskd) -> None:
    ended = taskd_process("--help")
    listed = re.findall(r"^  ([a-z]+)  ", ended.out.partition("Look:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(VERBS)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out


def test_help_loads_no_verb() -> None:
    script = (
        "import sys; from taskd.cli import main\n"
        "main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stderr.split()
    assert not {f"taskd.cli.{verb.module}" for verb in verbs.VERBS.values()} & set(loaded)


@pytest.mark.parametrize("name", verbs.VERBS)
def test_the_summary_of_a_verb_is_the_beginning_of_its_help(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.help.startswith(verbs.VERBS[name].summary.rstrip("."))


def test_usage_is_written_as_in_a_manual(taskd: Taskd) -> None:
    assert taskd("--help").out.startswith("Usage: taskd [OPTIONS] VERB [...]\n")
    assert taskd("pause", "--help").out.startswith("Usage: taskd pause [OPTIONS] [JOB]\n")
    assert taskd("wait", "--help").out.startswith("Usage: taskd wait [OPTIONS] RUN|JOB...\n")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from taskd.cli import main

    assert main([verb, "--help"]) == 0
    assert verb in capsys.readouterr().out


def test_public_names_come_from_where_they_are_defined() -> None:
    from taskd.errors import Cancel, Conflict, InvalidJob, TaskdError, UnknownTask

    assert taskd.TaskdError is TaskdError
    assert (taskd.Cancel, taskd.Conflict) == (Cancel, Conflict)
    assert (taskd.InvalidJob, taskd.UnknownTask) == (InvalidJob, UnknownTask)
    assert {"Scheduler", "current_run", "Cancel"} <= set(dir(taskd))


def test_every_public_name_can_be_had() -> None:
    names = [name for name in dir(taskd) if not name.startswith("_")]
    for name in names:
        assert getattr(taskd, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        taskd.nonsense  # noqa: B018
