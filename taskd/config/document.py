"""Document: one TOML file as it was read, with the place of everything in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from taskd.config.positions import KeyPath, Positions, Spot, dotted
from taskd.config.shape import Flaw
from taskd.errors import ConfigError, Problem

LARGEST_FILE: Final = 1024 * 1024  # bytes: some 10,000 jobs; whatever is in it is read within 5 s

# tomllib's time and memory grow with the square of the parts of a dotted key.
_ENDLESS_KEY: Final = re.compile(
    r"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}"""
)
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True)
class Document:
    """The TOML file at `path`: its `text` without a byte order mark, its `data` as tomllib has it.

    `prefix` names what the keys of flaws are below, such as ``("jobs", "backup")``.
    """

    path: Path
    text: str
    data: dict[str, object] = field(repr=False)

    @cached_property
    def positions(self) -> Positions:
        """The places of its keys; found when first asked for, which a sound file never is."""
        return Positions(self.text)

    def spot(self, path: KeyPath, *, at_key: bool = False) -> Spot | None:
        """The place of the value at `path`, or of its key; None where this file has neither.

        What is not there is placed at the nearest table around it, but not at the whole file.
        """
        while path:
            found = self.positions.key(path) if at_key else self.positions.value(path)
            if found:
                return found
            path, at_key = path[:-1], True
        return None

    def problem(self, path: KeyPath, flaw: Flaw, *, spot: Spot | None = None) -> Problem:
        """`flaw`, of a table at `path`, as a problem of this file, placed at `spot` if given."""
        whole = (*path, *flaw.path)
        line, column = spot or self.spot(whole, at_key=flaw.at_key) or Spot(1, 1)
        return Problem(
            file=str(self.path),
            line=line,
            column=column,
            key=dotted(whole),
            message=flaw.message,
            hint=flaw.hint,
            source=self.line(line),
        )

    def line(self, number: int) -> str:
        """The text of line `number`, counted from 1, without its end; empty past the last one."""
        return self._lines[number - 1] if number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        # Once for all problems: to split the text for each takes the square of their number.
        return self.text.split("\n")


def read_document(path: Path) -> Document:
    """Read and parse the file at `path`.

    Raises:
        ConfigError: with the one problem that keeps it from being read: it is missing, not a
            file, larger than 1 MiB, not UTF-8, not TOML, or TOML beyond sense.
    """
    text = read_text(path)
    if _ENDLESS_KEY.search(text):
        raise _refused(path, "a key has more than 100 parts")
    try:
        return Document(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, str(error))]) from None
    except RecursionError:
        raise _refused(path, "lists and tables are nested too deeply") from None
    except ValueError:  # int() refuses to read thousands of digits
        raise _refused(path, "a number has too many digits") from None


def read_text(path: Path) -> str:
    """Read the file at `path`, without a byte order mark, its lines ending in a line feed.

    Raises:
        ConfigError: It is missing, not a file, larger than 1 MiB, or not UTF-8.
    """
    return _decode(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        if not path.is_file() and path.exists():
            raise _refused(path, "is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(path, f"cannot be read: {reason}") from None
    if len(content) > LARGEST_FILE:
        raise _refused(
            path, f"is larger than {LARGEST_FILE // 1024**2} MiB; split it: daemon.include"
        )
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        hint = "save the file as UTF-8"
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise ConfigError([Problem(str(path), line, column, "", message, hint)]) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _syntax_problem(path: Path, text: str, error: str) -> Problem:
    found = _PLACE.search(error)
    if found and found[1]:
        spot = Spot(int(found[1]), int(found[2]))
    else:
        spot = Spot(text.count("\n") + 1, len(text) - text.rfind("\n"))
    key, message = "", error[: found.start()] if found else error
    message = message[:1].lower() + message[1:]
    if message.startswith("cannot"):  # tomllib names neither the key nor where it stands first
        until_here = "\n".join(text.split("\n", spot.line)[: spot.line])
        repeats = Positions(until_here).repeats()
        if repeats:
            key, spot = dotted(repeats[-1].path), repeats[-1].second
            message = f"is defined already, at {path}:{repeats[-1].first.line}"
        elif names := re.findall(r"'((?:[^'\\]|\\.)*)'", message):
            # A table that dotted keys made, or an inline one, both of which are closed.
            key, message = dotted(tuple(names)), "is defined already, in dotted keys or in braces"
    source = _line(text, spot.line)
    return Problem(str(path), spot.line, spot.column, key, message, source=source)


def _refused(path: Path, reason: str) -> ConfigError:
    return ConfigError([Problem(str(path), 0, 0, "", reason)])


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number)
    return lines[number - 1] if number <= len(lines) else ""
