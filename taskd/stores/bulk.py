"""Bulk: many rows of a table in one statement.

SQLite's driver lets go of the interpreter's lock for each step of a statement. ``executemany``
takes a step for each row, and must win the lock back from every busy thread in between; a statement
that holds its rows as ``VALUES`` takes one. It is as fast where no other thread is busy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final

from taskd.stores.layout import Row

MOST_ROWS: Final = 64
"""Rows of one statement; a number of rows is put together from powers of two, so that there are few
different statements and SQLite has them prepared."""


def insert(
    db: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    rows: Iterable[Row],
    conflict: str = "",
) -> None:
    """Insert rows, each with a value for every one of `columns`."""
    for part in _parts(rows):
        db.execute(_insert(table, columns, len(part), conflict), _flat(part))


def update(
    db: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    rows: Iterable[Row],
) -> int:
    """Set `columns` of the rows that have the values of `key`, and return how many there were.

    Each of `rows` is the new values, then those of the key, which names one row of the table.
    """
    return sum(
        db.execute(_update(table, columns, key, len(part)), _flat(part)).rowcount
        for part in _parts(rows)
    )


@cache
def _insert(table: str, columns: tuple[str, ...], count: int, conflict: str) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_marks(columns, count)} {conflict}"


@cache
def _update(table: str, columns: tuple[str, ...], key: tuple[str, ...], count: int) -> str:
    if count == 1:
        assigned = ", ".join(f"{column} = ?" for column in columns)
        return f"UPDATE {table} SET {assigned} WHERE " + " AND ".join(f"{k} = ?" for k in key)
    # SQLite calls the columns of VALUES column1, column2 and so on.
    given = [f"new.column{place}" for place in range(1, len(columns) + len(key) + 1)]
    assigned = ", ".join(map("{} = {}".format, columns, given))
    found = " AND ".join(map(f"{table}.{{}} = {{}}".format, key, given[len(columns) :]))
    rows = _marks((*columns, *key), count)
    return f"UPDATE {table} SET {assigned} FROM (VALUES {rows}) AS new WHERE {found}"


def _marks(columns: Sequence[str], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return ", ".join([row] * count)


def _parts(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows in parts of `MOST_ROWS` and smaller powers of two."""
    left, begin = list(rows), 0
    while begin < len(left):
        size = min(MOST_ROWS, 1 << (len(left) - begin).bit_length() - 1)
        yield left[begin : begin + size]
        begin += size


def _flat(rows: Sequence[Row]) -> list[object]:
    return list(chain.from_iterable(rows))
