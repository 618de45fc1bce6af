from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Taskd


def test_explain_gives_words_and_the_next_instants_in_the_zone(taskd: Taskd) -> None:
    flags = ["--timezone", "America/New_York", "--after", "2026-01-02T00:00", "-n", "2"]
    ended = taskd("explain", "30 2 * * mon-fri", *flags)
    words, *dues = ended.out.splitlines()
    assert (ended.status, words) == (0, "at 02:30, Monday to Friday")
    assert [due[:23] for due in dues] == ["2026-01-02 02:30:00 EST", "2026-01-05 02:30:00 EST"]


def test_explain_json_has_instants_in_utc(taskd: Taskd) -> None:
    flags = ["--after", "2026-01-02T00:00:00Z", "-n", "1", "--json"]
    assert json.loads(taskd("explain", "@daily", *flags).out) == {
        "expression": "@daily",
        "timezone": "Europe/Berlin",
        "description": "at 00:00, every day",
        "next": ["2026-01-02T23:00:00Z"],
        "notes": [],
    }


def test_explain_marks_what_the_clocks_do(taskd: Taskd) -> None:
    asked = ["--timezone", "Europe/Berlin", "--after", "2026-03-28T12:00", "-n", "2"]
    made_up = taskd("explain", "30 2 * * *", *asked).out.splitlines()[1]
    assert made_up.startswith("2026-03-29 03:00:00 CEST  ")
    assert made_up.endswith("  02:30 is skipped: runs 03:00")
    skipped, following = taskd(
        "explain", "30 2 * * *", *asked, "--dst-gap", "skip"
    ).out.splitlines()[1:3]
    assert skipped.startswith("-  ")
    assert skipped.endswith("  02:30 on 2026-03-29 is skipped: nothing runs")
    assert following.startswith("2026-03-30 02:30:00 CEST")
    told = json.loads(taskd("explain", "30 2 * * *", *asked, "--json").out)
    note = {"at": "2026-03-29T01:00:00Z", "note": "02:30 is skipped: runs 03:00"}
    assert told["notes"] == [note]


def test_explain_takes_an_interval(taskd: Taskd) -> None:
    flags = ["--after", "2026-01-02T00:00:00Z", "-n", "2", "--json"]
    explained = json.loads(taskd("explain", "1m30s", *flags).out)
    assert explained["next"] == ["2026-01-02T00:01:30Z", "2026-01-02T00:03:00Z"]


@pytest.mark.parametrize(
    ("flags", "days"),
    [
        ((), [28, 29, 30]),
        (("--dst-gap", "skip"), [28, 30, 31]),
        (("--dst-overlap", "last", "--day-match", "and"), [28, 29, 30]),
    ],
)
def test_explain_takes_the_rules_of_daylight_saving(
    taskd: Taskd, flags: tuple[str, ...], days: list[int]
) -> None:
    asked = ["--timezone", "Europe/Berlin", "--after", "2026-03-27T12:00", "-n", "3", "--json"]
    explained = json.loads(taskd("explain", "30 2 * * *", *asked, *flags).out)
    assert [int(due[8:10]) for due in explained["next"]] == days


@pytest.mark.parametrize("flags", [("--dst-gap", "later"), ("--day-match", "xor")])
def test_explain_refuses_rules_that_are_none(taskd: Taskd, flags: tuple[str, ...]) -> None:
    assert taskd("explain", "@daily", *flags).status == 2


def test_an_interval_has_no_rules_of_daylight_saving(taskd: Taskd) -> None:
    assert taskd("explain", "10s", "--dst-gap", "skip").status == 2


@pytest.mark.parametrize("expression", ["@reboot", "0 25 * * *", "5 apples", "10s5", "0 0 30 2 *"])
def test_explain_refuses_what_is_no_schedule(taskd: Taskd, expression: str) -> None:
    ended = taskd("explain", expression)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("taskd: ")


def test_explain_ends_with_the_calendar(taskd: Taskd) -> None:
    assert taskd("explain", "1h", "--after", "9999-12-31T22:30:00Z").status == 0


def test_check_counts_the_jobs_of_a_good_file(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.a]\ncall = "os:getpid"\nevery = "10s"\n')
    assert taskd("check", str(file)).out == "ok: 1 job\n"
    assert json.loads(taskd("check", str(file), "--json").out) == {
        "ok": True,
        "problems": [],
        "warnings": [],
    }


def test_check_reports_every_problem_with_its_place(taskd: Taskd, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.a]\ncall = "os:getpid"\ncron = "0 25 * * *"\nevrey = "10s"\n')
    ended = taskd("check", str(file))
    assert ended.status == 78
    assert f"{file}:3:" in ended.out
    assert f"{file}:4:" in ended.out
    report = json.loads(taskd("check", str(file), "--json").out)
    assert report["ok"] is False
    assert {problem["line"] for problem in report["problems"]} == {3, 4}


def test_check_of_a_file_that_is_not_there_is_a_problem_of_the_file(
    taskd: Taskd, tmp_path: Path
) -> None:
    assert taskd("check", str(tmp_path / "none.toml")).status == 78


def test_check_warns_on_stderr_of_a_directory_of_modules_that_all_may_fill(
    taskd: Taskd, tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "jobs.toml").write_text('[jobs.a]\ncall = "os:getpid"\n')
    ended = taskd("check", str(folder / "jobs.toml"))
    assert (ended.status, ended.out) == (0, "ok: 1 job\n")
    warning, hint = ended.err.splitlines()
    assert warning.startswith(f"warning: {folder}: every user may put modules here")
    assert hint.startswith("hint: ")
