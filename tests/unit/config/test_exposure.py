"""What everybody may write to refuses the file when root reads it, and is a warning else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taskd.config.load import load, survey

JOBS = '[jobs.a]\ncall = "app.work:ping"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    package = tmp_path / "etc" / "app"
    package.mkdir(parents=True)
    for name in ("__init__.py", "work.py"):
        (package / name).write_text("")
    path = package.parent / "jobs.toml"
    path.write_text(JOBS)
    return path


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


@pytest.mark.parametrize("uid", [0, 1000])
def test_files_of_ones_own_are_no_matter(
    config: Path, uid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, uid)
    configuration, problems = survey(config)
    assert (configuration.warnings, problems) == ((), [])


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("jobs.toml", "the jobs"),
        (".", "the jobs"),
        ("..", "the jobs"),
        ("app", "the modules of jobs"),
        ("app/__init__.py", "the modules of jobs"),
        ("app/work.py", "the modules of jobs"),
    ],
)
def test_what_everybody_may_change_refuses_it_for_root_and_warns_others(
    config: Path, place: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = (config.parent / place).resolve()
    open_to_all.chmod(0o777)
    as_user(monkeypatch, 1000)
    (warning,) = load(config).warnings
    assert (warning.file, warning.hint) == (str(open_to_all), f"chmod o-w {open_to_all}")
    assert warning.message == f"every user may write to it, and so change {what}"
    as_user(monkeypatch, 0)
    configuration, problems = survey(config)
    assert (configuration.warnings, problems) == ((), [warning])


def test_the_target_of_a_link_is_what_counts(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    target = config.rename(config.with_name("real.toml"))
    config.symlink_to(target)
    assert survey(config)[1] == []
    target.chmod(0o666)
    assert [problem.file for problem in survey(config)[1]] == [str(target)]


@pytest.mark.parametrize("uid", [0, 1000])
def test_modules_from_a_directory_like_tmp_are_a_warning_for_all(
    config: Path, uid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, uid)
    config.parent.chmod(0o1777)
    configuration, problems = survey(config)
    assert problems == []
    assert [warning.file for warning in configuration.warnings] == [str(config.parent)]


def test_modules_elsewhere_and_included_files_are_looked_at_too(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, 0)
    more, lib = config.with_name("more.toml"), config.parent.parent / "lib"
    more.write_text("")
    lib.mkdir()
    config.write_text(f'[daemon]\ninclude = ["more.toml"]\npython_path = ["../lib"]\n{JOBS}')
    assert survey(config)[1] == []
    more.chmod(0o666)
    lib.chmod(0o777)
    assert {problem.file for problem in survey(config)[1]} == {str(more), str(lib)}
