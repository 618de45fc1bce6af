"""Tables without boxes: as wide as they are in a pipe, fitted to the terminal on one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

GAP: Final = 2  # blanks between two columns, and before a note
NARROWEST: Final = 8  # cells that a flexible column has at least, if it holds as many
WORTHWHILE: Final = 24  # cells without which a wide column that is flexible is not worth showing

STATE_STYLES: Final = {
    "SUCCEEDED": "green",
    "active": "green",
    "RUNNING": "cyan",
    "RETRYING": "yellow",
    "paused": "yellow",
    "SKIPPED": "yellow",
    "CANCELLED": "yellow",
    "stopped": "yellow",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "LOST": "red",
    "ABANDONED": "red",
    "DEAD": "bold red",
}
# ECMA-48, select graphic rendition.
_SGR: Final = {
    "bold": "1",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "bold red": "1;31",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    A `wide` one is left out where there is no room for it, the widest first: 1 is shown before 2.
    A `flexible` one may be narrower than
    what it holds, which is then folded or, of a `cut` one, cut short. One that holds a `state` is
    the only one with colour.
    """

    title: str
    wide: int = 0
    flexible: bool = False
    cut: bool = False
    state: bool = False


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table for a pipe: every column whole, ``-`` for an empty cell."""
    lines = [[column.title for column in columns], *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(cells, texts)) for texts in zip(*lines, strict=True)]
    for line in lines:
        yield _joined(line, widths)


def fitted_lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    notes: Sequence[str] = (),
    colour: bool = True,
    ellipsis: str = "…",
) -> Iterator[str]:
    """Yield the lines of a table for a terminal of `width` cells.

    Where there is no room for the last column, the `notes`, one for each row, tell on lines of
    their own below the rows what of it is not to be missed.
    """
    titles = [column.title for column in columns]
    shown, widths = layout(columns, [titles, *rows], width)
    yield styled(_joined([titles[at] for at in shown], widths), "bold")
    is_whole = len(columns) - 1 in shown
    for row, note in zip_longest(rows, () if is_whole else notes, fillvalue=""):
        parts = [
            _parts(columns[at], row[at], room, ellipsis)
            for at, room in zip(shown, widths, strict=True)
        ]
        for number in range(max(map(len, parts))):
            line = [part[number] if number < len(part) else "" for part in parts]
            styles = [
                STATE_STYLES.get(row[at], "") if colour and columns[at].state else ""
                for at in shown
            ]
            yield _joined(line, widths, styles)
        if note:
            yield " " * GAP + cut(note, width - GAP, ellipsis)


def layout(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[int], list[int]]:
    """Which columns there is room for in `width` cells, by number, and the cells of each."""
    held = [max(map(cells, texts)) for texts in zip(*rows, strict=True)]
    shown = _shown(columns, held, width)
    return shown, _widths([columns[at] for at in shown], [held[at] for at in shown], width)


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: two for a wide character, none for an accent."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """The text, its end replaced by an ellipsis where it takes more than `width` cells."""
    return text if cells(text) <= width else _head(text, width - cells(ellipsis)) + ellipsis


def styled(text: str, style: str) -> str:
    """The text in a style that a terminal shows."""
    return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if style and text else text


def _shown(columns: Sequence[Column], held: Sequence[int], width: int) -> list[int]:
    """The columns that there is room for: those that are not wide, then the wide ones that fit."""
    least = [
        min(cell, WORTHWHILE) if column.flexible and column.wide else cell
        for column, cell in zip(columns, held, strict=True)
    ]
    taken = {at for at, column in enumerate(columns) if not column.wide}
    for at in sorted(range(len(columns)), key=lambda at: columns[at].wide):
        wanted = {*taken, at}
        if sum(least[one] for one in wanted) + GAP * (len(wanted) - 1) <= width:
            taken = wanted
    return sorted(taken)


def _widths(columns: Sequence[Column], held: Sequence[int], width: int) -> list[int]:
    """The cells of each column: what it holds or, where that is too much, a fair share."""
    widths = list(held)
    flexible = [at for at, column in enumerate(columns) if column.flexible]
    room = width - GAP * (len(columns) - 1) - sum(held)
    room += sum(held[at] for at in flexible)
    # Those that need least take it first; what they leave is for the others.
    for count, at in enumerate(sorted(flexible, key=lambda at: held[at])):
        share = max(room // (len(flexible) - count), NARROWEST)
        widths[at] = min(held[at], share)
        room -= widths[at]
    return widths


def _parts(column: Column, cell: str, room: int, ellipsis: str) -> list[str]:
    """A cell as the lines that it takes."""
    if cells(cell) <= room:
        return [cell]
    if column.cut:
        return [cut(cell, room, ellipsis)]
    return list(_folded(cell, room))


def _folded(text: str, width: int) -> Iterator[str]:
    """The text in pieces of at most `width` cells, broken at a blank where that wastes little."""
    while cells(text) > width:
        head = _head(text, width) or text[0]
        blank = (head + text[len(head)]).rfind(" ")
        end = blank if blank > len(head) // 2 else len(head)
        yield text[:end]
        text = text[end:].removeprefix(" ")
    yield text


def _joined(texts: Sequence[str], widths: Sequence[int], styles: Sequence[str] = ()) -> str:
    last = max((at for at, text in enumerate(texts) if text), default=0)
    joined = []
    for at, (text, width) in enumerate(zip(texts, widths, strict=True)):
        if at > last:
            break
        blanks = "" if at == last else " " * (width - cells(text) + GAP)
        joined.append(styled(text, styles[at] if styles else "") + blanks)
    return "".join(joined)


def _head(text: str, width: int) -> str:
    """The beginning of a text that takes at most `width` cells."""
    if text.isascii():
        return text[: max(width, 0)]
    taken = 0
    for at, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:at]
    return text


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
