from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Taskd


def write(folder: Path, call: str) -> str:
    file = folder / "jobs.toml"
    file.write_text(f'[jobs.a]\ncall = "{call}"\nevery = "1h"\n')
    return str(file)


def test_a_sound_installation_has_no_problem(taskd: Taskd, tmp_path: Path) -> None:
    ended = taskd("doctor", write(tmp_path, "os:getpid"))
    assert ended.status == 0, ended.out
    assert f"ok       jobs      {tmp_path}/jobs.toml: 1 job imports\n" in ended.out
    assert ended.err.strip().endswith("0 problems")


def test_a_problem_comes_with_its_fix_and_exit_status_1(taskd: Taskd, tmp_path: Path) -> None:
    file = write(tmp_path, "os:getpdi")
    ended = taskd("doctor", file)
    assert ended.status == 1
    lines = ended.out.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("problem"))
    problem, fix = lines[at : at + 2]
    assert problem == f"problem  jobs      {file}:2:8: jobs.a.call: os has no getpdi"
    assert fix.strip() == "fix: did you mean getpid?"


def test_json_has_every_finding(taskd: Taskd, tmp_path: Path) -> None:
    document = json.loads(taskd("doctor", write(tmp_path, "os:getpid"), "--json").out)
    assert document["ok"] is True
    checks = {finding["check"] for finding in document["findings"]}
    assert checks == {
        *("python", "clock", "zones", "jobs", "watching", "socket", "disk", "store", "unit"),
    }
    assert all(
        finding.keys() == {"check", "verdict", "message", "fix"} for finding in document["findings"]
    )


def test_a_file_that_is_not_there_hides_no_other_check(taskd: Taskd, tmp_path: Path) -> None:
    document = json.loads(taskd("doctor", str(tmp_path / "none" / "jobs.toml"), "--json").out)
    verdicts = {finding["check"]: finding["verdict"] for finding in document["findings"]}
    assert (verdicts["jobs"], verdicts["store"]) == ("problem", "ok")


def test_the_store_is_that_of_the_file_or_the_one_that_is_given(
    taskd: Taskd, tmp_path: Path
) -> None:
    file = Path(write(tmp_path, "os:getpid"))
    file.write_text(f'daemon.store = "sqlite:///own.db"\n{file.read_text()}')
    assert f"{tmp_path}/own.db is not there yet" in taskd("doctor", str(file)).out
    given = taskd("doctor", str(file), "--store", f"sqlite://{tmp_path}/given.db")
    assert f"{tmp_path}/given.db is not there yet" in given.out
    assert taskd("doctor", str(file), "--store", "mysql:///x").status == 1
