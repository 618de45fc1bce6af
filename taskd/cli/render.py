"""What a verb prints: data on stdout, talk on stderr, tables for people, columns for pipes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence

from taskd.cli.table import STATE_STYLES, Column, fitted_lines, plain_lines, styled
from taskd.terminal import encoded, harmless, harmless_lines


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


def put_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()
) -> None:
    """Print rows as a table that fits the terminal, as aligned plain columns elsewhere.

    `notes` are those of `fitted_lines`; plain columns have room for all.
    """
    clean = [[harmless(cell) for cell in row] for row in rows]
    for line in _table_lines(columns, clean, [harmless(note) for note in notes]):
        _write(line)


def put_card(fields: Iterable[tuple[str, str]]) -> None:
    """Print what is known of one thing, a line for each field that is not empty."""
    known = [(label, harmless(text)) for label, text in fields if text]
    width = max((len(label) for label, _ in known), default=0)
    has_styles = sys.stdout.isatty() and has_colour()
    for label, text in known:
        style = STATE_STYLES.get(text, "") if has_styles and label == "state" else ""
        _write(f"{label:{width}}  {styled(text, style)}")


def size(count: int) -> str:
    """A number of bytes: ``512 B``, ``34.2 MiB``."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        del units[0]
    return f"{count} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def counted(count: int, noun: str) -> str:
    """A number of things in words: ``1 job``, ``2 jobs``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def has_colour() -> bool:
    """Whether the terminal is to show states in colour: no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def ellipsis() -> str:
    """What stands for the end of a text that was cut, in what the terminal can show."""
    try:
        "…".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "..."
    return "…"


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> Iterator[str]:
    if not sys.stdout.isatty():
        return plain_lines(columns, rows)
    width = shutil.get_terminal_size().columns
    return fitted_lines(columns, rows, width, notes=notes, colour=has_colour(), ellipsis=ellipsis())
