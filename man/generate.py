"""Writes what is made from the command line: manual pages, and completions for the shells.

python man/generate.py           writes the files
python man/generate.py --check   exits 1, and shows the difference, where one is not up to date

A page has a frame, the file that ends in .in.

taskd(1) is the command line. A verb's entry is its docstring; what follows a form feed there is for
the page alone, since --help ends before it. The flags are those that the verb takes, with their
help. taskd-api(7) is docs/api.md.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import markdown
import mdoc
import typer

from taskd.cli.app import app
from taskd.cli.completion import script
from taskd.cli.verbs import SECTIONS
from taskd.config.keys import CALENDAR_KEYS, DAEMON_KEYS, JOB_KEYS, NESTED_KEYS

HERE: Final = Path(__file__).parent
# As each shell wants its file to be called.
COMPLETIONS: Final = {"bash": "taskd", "zsh": "_taskd", "fish": "taskd.fish"}
API: Final = HERE.parent / "docs" / "api.md"

# Described once, in the frame, for all the verbs that have them.
SHARED: Final = frozenset({"--json", "--curl"})
KEYS: Final = frozenset(
    {*DAEMON_KEYS, *JOB_KEYS, *CALENDAR_KEYS}
    | {f"{table}.{key}" for table, keys in NESTED_KEYS.items() for key in keys}
)


class Verb:
    """A verb of the command line, as the page shows it."""

    def __init__(self, command: Any) -> None:  # typer gives its own classes no public types
        self._command = command
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        self._arguments = [param for param in shown if param.param_type_name == "argument"]
        options = [param for param in shown if param.param_type_name == "option"]
        self._options = [option for option in options if not SHARED & {*option.opts}]
        self._shared = [flag for option in options for flag in option.opts if flag in SHARED]
        values = " ".join(_value(param) for param in shown)
        self._words = frozenset(re.findall(r"[A-Z]+\b", values))

    def entry(self) -> Iterator[str]:
        """Yield its lines: the heading, what it does, its flags and an example."""
        yield " ".join([f".It Cm {self._command.name}", *map(_place, self._arguments)])
        yield from self._prose((self._command.help or "").replace("\f", "\n\n"))
        yield from self._flags()
        if self._shared:
            yield ".Pp"
            yield from self._prose(f"Also takes {' and '.join(self._shared)}.")
        for example in re.findall(r"^Example: (.*)$", self._command.epilog or "", re.M):
            yield from (".Bd -literal", mdoc.text(example), ".Ed")

    def _flags(self) -> Iterator[str]:
        helped = [argument for argument in self._arguments if getattr(argument, "help", None)]
        if not helped and not self._options:
            return
        yield ".Pp"
        yield ".Bl -tag -width Ds -compact"
        for argument in helped:
            yield f".It {_place(argument).removeprefix('Op ')}"
            yield from self._prose(_sentence(argument.help))
        for option in self._options:
            flags = " , ".join(
                mdoc.argument(flag[1:]) for flag in (*option.opts, *option.secondary_opts)
            )
            yield f".It Fl {flags}" + ("" if option.is_flag else f" Ar {_words(_value(option))}")
            yield from self._prose(_told(option))
        yield ".El"

    def _prose(self, text: str) -> list[str]:
        return mdoc.lines(text, arguments=self._words, keys=KEYS)


def files() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each file."""
    contents = {"taskd.1": _commands(), "taskd-api.7": markdown.sections(API.read_text())}
    for name, content in contents.items():
        frame = (HERE / f"{name}.in").read_text()
        yield HERE / name, frame.replace("@CONTENT@", "\n".join(content))
    for shell, name in COMPLETIONS.items():
        yield HERE.parent / "completions" / name, f"{script(shell)}\n"


def _commands() -> Iterator[str]:
    """The verbs, in the sections of `taskd --help`."""
    group: Any = typer.main.get_command(app)
    for section, names in SECTIONS.items():
        yield f".Ss {section}"
        yield ".Bl -tag -width Ds"
        for name in names:
            yield from Verb(group.commands[name]).entry()
        yield ".El"


def _place(argument: Any) -> str:
    """An argument as the heading shows it: ``[JOB|RUN]`` is ``Op Ar JOB | RUN``."""
    value = _value(argument)
    bare = value.strip("[]").replace("...", " ...").replace("|", " | ")
    return f"{'Op ' if value.startswith('[') or not argument.required else ''}Ar {bare}"


def _value(param: Any) -> str:
    """What stands for the value of an argument or a flag."""
    if getattr(param, "is_flag", False):
        return ""
    kind = param.type_descriptor.annotation
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return str(param.metavar or ("N" if kind is int else param.name.upper()))


def _words(value: str) -> str:
    return " | ".join(mdoc.argument(word) for word in value.split("|"))


def _told(option: Any) -> str:
    """The help of a flag, its default, and whether it may be repeated."""
    told = [_sentence(option.help or "")]
    if option.default is not None and not option.is_flag:
        told.append(f"Default: {option.default}.")
    if option.multiple and "repeat" not in told[0]:
        told.append("May be repeated.")
    return " ".join(filter(None, told))


def _sentence(help_text: str) -> str:
    return help_text if help_text.endswith((".", "?")) or not help_text else f"{help_text}."


def main() -> int:
    """Write the files, or check them; return the exit status."""
    is_stale = False
    for path, fresh in files():
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(fresh)
            continue
        old = path.read_text().splitlines()
        for line in difflib.unified_diff(
            old, fresh.splitlines(), path.name, "make man", lineterm=""
        ):
            is_stale = True
            sys.stdout.write(f"{line}\n")
    return 1 if is_stale else 0


if __name__ == "__main__":
    sys.exit(main())
