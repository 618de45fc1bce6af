"""What a verb prints: data on stdout, talk on stderr, tables for people, columns for pipes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from taskd.terminal import encoded, harmless, harmless_lines

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
WIDE: Final = 120  # columns of the terminal from which on a table shows all it has


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    A `wide` one is left out on a narrow terminal, a `flexible` one may be folded to fit, and one
    that holds a `state` is the only one with colour.
    """

    title: str
    wide: bool = False
    flexible: bool = False
    state: bool = False


def put(text: str) -> None:
    """Print data: as it is into a pipe or a file, made harmless on a terminal."""
    _write(harmless_lines(text) if sys.stdout.isatty() else text)


def put_json(document: object) -> None:
    """Print a document as JSON."""
    _write(encoded(document))


def put_json_line(document: object) -> None:
    """Print a document as JSON on one line, of a stream of such."""
    _write(encoded(document, indent=None))


def talk(text: str) -> None:
    """Say something to the person on stderr, on one line."""
    sys.stderr.write(f"{harmless(text)}\n")


def put_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table on a terminal, as aligned plain columns elsewhere."""
    clean = [[harmless(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, clean)
    else:
        _plain_table(columns, clean)


def put_card(fields: Iterable[tuple[str, str]]) -> None:
    """Print what is known of one thing, a line for each field that is not empty."""
    known = [(label, harmless(text)) for label, text in fields if text]
    width = max((len(label) for label, _ in known), default=0)
    for label, text in known:
        _write(f"{label:{width}}  {text}")


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.title for column in columns], *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        padded = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        _write("  ".join(padded).rstrip())


def _rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    shown = [at for at, column in enumerate(columns) if console.width >= WIDE or not column.wide]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at in shown:
        column = columns[at]
        table.add_column(column.title, overflow="fold", no_wrap=not column.flexible)
    for row in rows:
        # Text, not str: rich reads [red] in a str as its own markup.
        table.add_row(*(Text(row[at], style=_style(columns[at], row[at])) for at in shown))
    console.print(table)


def _style(column: Column, cell: str) -> str:
    return STATE_STYLES.get(cell, "") if column.state else ""


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
