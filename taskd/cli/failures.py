"""How a refusal is told on stderr, and which exit status it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any

from taskd.errors import ApiError, ConfigError, Conflict, NoDaemon, Problem, TaskdError, UnknownTask


class Exit(IntEnum):
    """The exit statuses of every verb; 78 is EX_CONFIG of sysexits(3), 124 that of timeout(1)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    NOT_FOUND = 4
    CONFLICT = 5
    CONFIG_INVALID = 78
    TIMED_OUT = 124
    INTERRUPTED = 130


def status_of(error: TaskdError) -> Exit:
    """The exit status for an error that ended a verb."""
    match error:
        case NoDaemon():
            return Exit.NO_DAEMON
        case ApiError(code="config_invalid") | ConfigError():
            return Exit.CONFIG_INVALID
        case ApiError(status=404) | UnknownTask():
            return Exit.NOT_FOUND
        case ApiError(status=409) | Conflict():
            return Exit.CONFLICT
        case _:
            return Exit.FAILED


def told(error: TaskdError) -> Iterator[str]:
    """The lines that say what went wrong and what to type instead."""
    match error:
        case ConfigError(problems=problems):
            from taskd.config.report import render

            for problem in problems:
                yield from render(problem).split("\n")
        case ApiError(code="config_invalid", problem={"problems": list(problems)}):
            yield from problem_lines(problems)
            yield "taskd: the file was refused; the jobs loaded before run on"
        case ApiError(problem={"problems": [_, *_] as problems}):
            yield from (f"taskd: {line}" for line in problem_lines(problems))
        case ApiError(detail=detail, problem=problem):
            run = str(problem.get("run") or "")
            named = detail if run in detail else f"{detail} (run {run})"
            yield f"taskd: {with_hint(named, str(problem.get('hint') or ''))}"
        case _:
            yield f"taskd: {error}"


def problem_lines(problems: Iterable[Any]) -> Iterator[str]:
    """The problems of an API document, one line each, as `taskd check` words them."""
    for document in problems:
        problem = Problem(
            file=str(document.get("file") or ""),
            line=int(document.get("line") or 0),
            column=int(document.get("column") or 0),
            key=str(document.get("key") or ""),
            message=str(document.get("message") or ""),
        )
        yield with_hint(str(problem).removeprefix(": "), str(document.get("hint") or ""))


def with_hint(text: str, hint: str) -> str:
    """The text followed by its hint, unless it already says so."""
    return text if not hint or hint in text else f"{text}; {hint}"
