"""The syntax of each verb, read from the command line itself: what a shell may complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

import typer

from taskd.cli.app import app
from taskd.cli.verbs import VERBS

RUN_STATES: Final = (
    *("PENDING", "QUEUED", "RUNNING", "RETRYING"),
    *("SUCCEEDED", "FAILED", "DEAD", "CANCELLED", "SKIPPED"),
)
LIVE: Final = {"JOB": "jobs", "RUN": "runs"}  # metavars for which the daemon knows the words
FILES: Final = frozenset({"FILE", "PATH", "DIR"})


@dataclass(frozen=True, slots=True)
class Value:
    """What an argument or a flag's value may be: some words, what the daemon knows, or a file."""

    metavar: str
    words: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: its spellings, what it does, the value it takes, if any, and whether it repeats."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeats: bool


@dataclass(frozen=True, slots=True)
class Syntax:
    """A verb, its flags, and its arguments by position; the last may be given `many` times."""

    name: str
    summary: str
    flags: tuple[Flag, ...]
    arguments: tuple[Value, ...]
    many: bool


def syntaxes() -> Iterator[Syntax]:
    """Yield the syntax of each verb, in the order of ``taskd --help``."""
    group: Any = typer.main.get_command(app)
    for name, verb in VERBS.items():
        command = group.commands[name]
        given = [param for param in command.params if param.param_type_name == "argument"]
        options = [param for param in command.params if param.param_type_name == "option"]
        yield Syntax(
            name=name,
            summary=verb.summary.rstrip("."),
            flags=(*map(_flag, options), Flag(("-h", "--help"), "Show help.", None, repeats=False)),
            arguments=tuple(map(_value, given)),
            many=any(argument.nargs == -1 for argument in given),
        )


def _flag(option: Any) -> Flag:
    value = None if option.is_flag else _value(option)
    return Flag(
        (*option.opts, *option.secondary_opts),
        option.help or "",
        value,
        repeats=bool(option.multiple),
    )


def _value(param: Any) -> Value:
    kind = param.type_descriptor.annotation
    if get_origin(kind) is Literal:
        return Value(param.name, words=get_args(kind))
    metavar = str(param.metavar or param.name).strip("[].").upper()
    if metavar == "STATE":
        return Value(metavar, words=RUN_STATES)
    parts = metavar.split("|")
    live = tuple(LIVE[part] for part in parts if part in LIVE)
    return Value(metavar, live=live, is_file=metavar in FILES)
