"""The crash points: every name is in the code, and an armed one ends the process on time."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskd import crashpoints
from taskd.crashpoints import EXIT_CRASHED, POINTS

PACKAGE = Path(__file__).parents[2] / "taskd"


def named_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash_point":
            (argument,) = node.args
            yield from literals(argument)


def literals(argument: ast.expr) -> Iterator[str]:
    match argument:
        case ast.Constant(str() as name):
            yield name
        case ast.IfExp(body=body, orelse=orelse):
            yield from literals(body)
            yield from literals(orelse)
        case _:
            raise AssertionError(f"line {argument.lineno}: the name of a point is not written out")


def test_the_code_and_the_list_name_the_same_points_each_at_one_place() -> None:
    trees = (ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py")))
    named = Counter(name for tree in trees for name in named_in(tree))
    assert set(named) == POINTS
    assert not [name for name, places in named.items() if places != 1]
    assert len(POINTS) >= 25


PASS_TWICE = """
from taskd.crashpoints import crash_point
for passing in range(2):
    crash_point("commit.before")
    crash_point("commit.after")
    print(passing, flush=True)
"""


@pytest.mark.parametrize(
    ("asked", "status", "printed"),
    [
        ("commit.before:1", EXIT_CRASHED, ""),
        ("commit.after:2", EXIT_CRASHED, "0\n"),
        ("commit.after:3", 0, "0\n1\n"),
        ("", 0, "0\n1\n"),
    ],
)
def test_the_process_ends_at_the_asked_passing(asked: str, status: int, printed: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PASS_TWICE],
        env=os.environ | {"TASKD_CRASH_AT": asked},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (status, printed), ended.stderr


@pytest.mark.parametrize(
    "spec", ["comit.before:1", "commit.before", "commit.before:0", "commit.before:x", ":1"]
)
def test_a_point_that_could_never_be_reached_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="TASKD_CRASH_AT"):
        crashpoints.arm(spec)
