"""`taskd diff` where no daemon answers; tests/daemon has it beside a live one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Taskd

JOBS = """
[jobs.nightly]
call = "os:getpid"
cron = "30 2 * * *"
timezone = "Europe/Berlin"
[jobs.idle]
call = "os:getpid"
"""


def test_where_there_is_no_store_every_job_is_new(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(JOBS)
    ended = taskd("diff", str(file), "-n", "2", "--days", "3")
    lines = ended.out.splitlines()
    assert (ended.status, lines[0]) == (0, "+ idle")
    assert lines[1:3] == ["    0 runs in 3 days", "+ nightly: cron 30 2 * * *"]
    assert all(line.startswith("    + ") for line in lines[3:5])
    assert lines[5:] == ["    ... and 1 more", "    3 runs in 3 days"]
    counts = "2 added, 0 changed, 0 removed, 0 unchanged"
    assert ended.err == f"{counts}; there is no store yet; nothing was changed\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_job_of_many_runs_is_told_by_its_first_and_their_number(
    taskd: Taskd, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.often]\ncall = "os:getpid"\ncron = "*/10 * * * * *"\n')
    runs = ["    ... and 8640 more", "    8640 runs in 1 day"]
    assert taskd("diff", str(file), "-n", "0", "--days", "1").out.splitlines()[1:] == runs
    told = json.loads(taskd("diff", str(file), "--days", "1", "--json").out)["added"][0]["runs"]
    assert (len(told["new"]), told["after"]) == (100, 8640)


def test_the_same_as_json(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(JOBS)
    told = json.loads(taskd("diff", str(file), "--json").out)
    assert told["store"] is None
    assert told["removed"] == told["changed"] == told["unchanged"] == []
    idle, nightly = told["added"]
    assert (idle["name"], idle["runs"]["after"], idle["schedule"]) == ("idle", 0, None)
    assert (nightly["state"], nightly["runs"]["before"], nightly["runs"]["after"]) == (
        "active",
        0,
        7,
    )
    assert [due["due_at"] for due in nightly["runs"]["new"]] == sorted(
        due["due_at"] for due in nightly["runs"]["new"]
    )


def test_a_file_with_problems_is_reported_as_check_does(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.a]\ncall = "os:getpid"\ncron = "0 25 * * *"\n')
    refused, checked = taskd("diff", str(file)), taskd("check", str(file))
    assert (refused.status, refused.out) == (checked.status, checked.out) == (78, checked.out)
    assert ":3:8: jobs.a.cron: hour 25 is outside 0-23" in refused.out
    assert json.loads(taskd("diff", str(file), "--json").out)["ok"] is False


def test_a_store_that_is_named_and_is_not_there_is_refused(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(JOBS)
    ended = taskd("diff", str(file), "--store", "sqlite:///./none.db")
    assert ended.status == 1
    assert "is not there" in ended.err
