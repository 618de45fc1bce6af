from __future__ import annotations

from pathlib import Path

import pytest

from taskd.config.check import check, check_code
from taskd.config.load import load
from taskd.errors import ConfigError

TEXT = """\
[jobs.good]
call = "app:build"
args = ["eu"]
[jobs.gone]
call = "app:biuld"
[jobs.many]
call = "app:build"
args = [1, 2]
[jobs.few]
call = "app:build"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("def build(region): pass\n")
    path = tmp_path / "jobs.toml"
    path.write_text(TEXT)
    return path


def test_a_sound_file_is_its_configuration(path: Path) -> None:
    path.write_text('[jobs.good]\ncall = "app:build"\nargs = ["eu"]\n')
    assert check(path) == load(path)


def test_problems_of_code_are_placed_at_the_key_at_fault(path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        check(path)
    assert [(p.line, p.column, p.key) for p in refusal.value.problems] == [
        (5, 8, "jobs.gone.call"),
        (8, 8, "jobs.many.args"),
        (10, 8, "jobs.few.call"),
    ]
    assert all(problem.code for problem in refusal.value.problems)
    assert refusal.value.problems[0].source == 'call = "app:biuld"'
    assert refusal.value.problems[0].hint == "did you mean build?"


def test_problems_of_the_file_do_not_hide_those_of_the_code(path: Path) -> None:
    path.write_text(TEXT + "\n[jobs.late]\ncall = 1\n")
    with pytest.raises(ConfigError) as refusal:
        check(path)
    codes = [(problem.key, problem.code) for problem in refusal.value.problems]
    assert codes[0] == ("jobs.gone.call", True)
    assert codes[-1] == ("jobs.late.call", False)


def test_a_loaded_configuration_tells_its_problems_of_code(path: Path) -> None:
    problems = check_code(load(path))
    assert {problem.key for problem in problems} == {
        "jobs.gone.call",
        "jobs.many.args",
        "jobs.few.call",
    }


def test_exceptions_are_looked_at_where_they_are_and_by_their_real_names(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "def build(): pass\nclass Late(Exception): pass\nother = Late\nplain = 3\n"
    )
    path = tmp_path / "jobs.toml"
    path.write_text(
        '[jobs.a]\ncall = "app:build"\n'
        'retry.retry_on = ["app.Late", "transient", "app.Lat", "app.other"]\n'
        'retry.give_up_on = "app.plain"\n'
        '[categories]\ntransient = ["nowhere.Gone", "builtins.IOError"]\n'
    )
    problems = check_code(load(path))
    assert [(p.line, p.key, p.hint) for p in problems] == [
        (3, "jobs.a.retry.retry_on", "did you mean Late?"),
        (3, "jobs.a.retry.retry_on", "write app.Late"),
        (4, "jobs.a.retry.give_up_on", ""),
        (6, "categories.transient", "is its directory in python_path?"),
        (6, "categories.transient", "write OSError"),
    ]
    assert problems[2].message == "app.plain is not a class of exceptions"
