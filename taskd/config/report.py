"""Report: a problem for people, and for programs."""

from __future__ import annotations

import unicodedata
from typing import Final

from taskd.errors import Problem
from taskd.terminal import masked

_TAB: Final = 4  # columns, where a terminal would jump to its own stops
_BEFORE: Final = 60  # characters shown of a long line before the caret,
_AFTER: Final = 60  # and from it on


def render(problem: Problem) -> str:
    """`problem` as lines of text: what and where, the source with a caret under it, the hint.

    Nothing of it can control a terminal.
    """
    lines = [masked(str(problem))]
    if problem.source:
        lines += _excerpt(problem.source, problem.column - 1)
    if problem.hint:
        lines.append(f"hint: {masked(problem.hint)}")
    return "\n".join(lines)


def problem_json(problem: Problem) -> dict[str, object]:
    """`problem` as an element of ``problems`` in ``taskd check --json``."""
    names = ("file", "line", "column", "key", "message", "hint")
    return {name: getattr(problem, name) for name in names}


def _excerpt(source: str, column: int) -> list[str]:
    begin = max(0, column - _BEFORE)
    before, rest = (
        masked(part.replace("\t", " " * _TAB))
        for part in (source[begin:column], source[column : column + _AFTER])
    )
    before = f"...{before}" if begin else before
    rest = f"{rest}..." if column + _AFTER < len(source) else rest
    return [f"    {before}{rest}".rstrip(), f"    {' ' * _width(before)}^"]


def _width(text: str) -> int:
    """The columns that a terminal gives to `text`."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
