"""Rules of the house that a machine can check: what is read in one sitting stays short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "taskd"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES = 400
CLASS_LINES = 250
FUNCTION_LINES = 40
NAMELESS = {"utils", "helpers", "common", "manager", "base", "misc"}


def too_long(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                limit = FUNCTION_LINES
            case ast.ClassDef():
                limit = CLASS_LINES
            case _:
                continue
        assert node.end_lineno is not None
        lines = node.end_lineno - node.lineno + 1
        if lines > limit:
            yield f"line {node.lineno}: {node.name} has {lines} lines, {limit} are allowed"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_classes_and_functions_are_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    assert not list(too_long(ast.parse(text)))


def test_the_guard_sees_what_is_too_long() -> None:
    body = "    x = 1\n"
    assert len(list(too_long(ast.parse("def f():\n" + body * 40)))) == 1
    assert not list(too_long(ast.parse("async def f():\n" + body * 39)))
    assert len(list(too_long(ast.parse("class C:\n" + body * 250)))) == 1


def test_every_file_is_named_for_what_it_holds() -> None:
    assert FILES
    assert not [file for file in FILES if file.stem in NAMELESS]
