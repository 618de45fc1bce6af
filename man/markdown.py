"""Markdown to mdoc(7), as much of it as the documents use.

Headings, paragraphs, fenced blocks, and tables, whose first column becomes the tags of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import mdoc


def sections(document: str) -> Iterator[str]:
    """Yield the lines of a document below its title."""
    _, _, body = document.partition("\n")
    for number, part in enumerate(re.split(r"^```(?:\w*)\n(.*?)^```\n", body, flags=re.S | re.M)):
        if number % 2:
            yield from (".Bd -literal -offset indent", *map(mdoc.text, part.splitlines()), ".Ed")
        else:
            yield from _parts(part, follows_block=number > 0)


def _parts(text: str, *, follows_block: bool) -> Iterator[str]:
    needs_break = follows_block
    for block in filter(None, re.split(r"\n\s*\n", text.strip())):
        if block.startswith("## "):
            yield f".Sh {block.removeprefix('## ').upper()}"
            needs_break = False
        elif block.startswith("|"):
            yield from _table(block.splitlines())
            needs_break = True
        else:
            yield from [".Pp"] if needs_break else []
            yield from mdoc.lines(_plain(block))
            needs_break = True


def _table(rows: Sequence[str]) -> Iterator[str]:
    head, _, *body = map(_cells, rows)
    yield ".Bl -tag -width Ds"
    for first, *others in body:
        tag = ", ".join(mdoc.argument(word) for word in re.findall(r"`([^`]+)`", first))
        yield f".It Li {tag.replace(', ', ' , ')}"
        told = [(name, cell) for name, cell in zip(head[1:], others, strict=True) if cell]
        for name, cell in told:
            yield from mdoc.lines(_plain(f"{name.capitalize()}: {cell}."))
    yield ".El"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _plain(text: str) -> str:
    """Without emphasis and links, for which a page has no room."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", re.sub(r"\*([^*\n]+)\*", r"\1", text))
