"""Prose to mdoc(7): what a docstring says, in the words of a manual page.

The prose is plain text: paragraphs with an empty line between, and indented lines that are shown as
they are. A flag, a page such as cron(8), a variable such as $NO_COLOR, an absolute path and what
stands in `backquotes` are marked up by themselves.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Final

WIDTH: Final = 80  # bytes, of a line of the source

_MARKS: Final = re.compile(
    r"""
      (?P<literal>`[^`]+`)
    | (?P<flag>(?<![\w-])--?[a-zA-Z][\w-]*)
    | (?P<page>\b[a-z][\w.-]*\(\d\))
    | (?P<variable>\$[A-Z][A-Z_]+\b(?!/))
    | (?P<path>(?<![\w/.:])\$?/?[\w.]+(?:/[\w.-]*\w)+|(?<![\w/.])/[\w.-]*\w)
    | (?P<word>[A-Z]+\b)
    """,
    re.VERBOSE,
)
_SENTENCE_END: Final = re.compile(r"(?<=[a-z0-9\)A-Z][.?!])\s+(?=[A-Z])")


def lines(prose: str, *, arguments: Collection[str] = (), keys: Collection[str] = ()) -> list[str]:
    """The prose as lines of mdoc.

    Words of `arguments` are what a command line puts a value in the place of; backquoted words of
    `keys` are keys of a file.
    """
    out: list[str] = []
    for paragraph in re.split(r"\n\s*\n", textwrap.dedent(prose).strip("\n")):
        if not paragraph.strip():
            continue
        if paragraph.startswith("  "):
            out += [".Bd -literal -offset indent"]
            out += [text(line) for line in textwrap.dedent(paragraph).splitlines()]
            out += [".Ed"]
            continue
        if out:
            out.append(".Pp")
        out += _paragraph(" ".join(paragraph.split()), arguments, keys)
    return out


def text(line: str) -> str:
    """A line that mdoc prints as it is."""
    escaped = line.replace("\\", "\\e")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def macro(name: str, *words: str) -> str:
    """A line of one macro, its words taken as they are."""
    return " ".join((f".{name}", *map(argument, words)))


def argument(word: str) -> str:
    """A word that is an argument of a macro."""
    escaped = word.replace("\\", "\\e").replace('"', "\\(dq")
    if re.fullmatch(r"[A-Z%][A-Za-z0-9]{1,2}|[|.,;:?!()\[\]]", escaped) or escaped.startswith("."):
        return f"\\&{escaped}"
    if len(escaped) > 1 and escaped.endswith((".", ",", ":", ";", "?", "!")):
        escaped += "\\&"
    return f'"{escaped}"' if " " in escaped else escaped


def _paragraph(prose: str, arguments: Collection[str], keys: Collection[str]) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(prose):
        yield from _sentence(sentence, arguments, keys)


def _sentence(prose: str, arguments: Collection[str], keys: Collection[str]) -> Iterator[str]:
    at, plain = 0, ""
    for mark in _MARKS.finditer(prose):
        found = mark.group()
        if mark.start() < at or (mark.lastgroup == "word" and found not in arguments):
            continue
        before = prose[at : mark.start()]
        opening = before[-1:] if before[-1:] in ("(", "[") else ""
        closing = re.match(r"[.,;:?!)\]]*(?=\s|$)", prose[mark.end() :])
        if closing is None or (before and not opening and not before[-1].isspace()):
            continue
        plain += before.removesuffix(opening)
        yield from _filled(plain.replace("`", ""))
        plain = ""
        yield " ".join([*_marked(mark.lastgroup or "", found, keys, opening), *closing.group()])
        at = mark.end() + closing.end()
    yield from _filled((plain + prose[at:]).replace("`", ""))


def _marked(kind: str, found: str, keys: Collection[str], opening: str) -> Iterable[str]:
    match kind:
        case "literal":
            inside = found.strip("`")
            name, words = ("Ic" if inside in keys else "Ql"), [inside]
        case "flag":
            name, words = "Fl", [found[1:]]
        case "page":
            title, _, section = found.rstrip(")").partition("(")
            name, words = "Xr", [title, section]
        case "variable":
            name, words = "Ev", [found[1:]]
        case "path":
            name, words = "Pa", [found]
        case _:
            name, words = "Ar", [found]
    return [f".{name}", *filter(None, [opening]), *map(argument, words)]


def _filled(plain: str) -> Iterator[str]:
    for line in textwrap.wrap(plain.strip(), WIDTH, break_long_words=False, break_on_hyphens=False):
        yield text(line)
