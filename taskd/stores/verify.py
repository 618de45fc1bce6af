"""Verify: does the journal hold together, and is what it tells what the tables hold?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskd.errors import StoreUnavailable
from taskd.stores.journal import KEYS
from taskd.stores.replay import (
    MOST_FINDINGS,
    Findings,
    Replayed,
    attach,
    raise_unless_damaged,
    replay,
)

SHOWN: Final = frozenset({"state", "origin", "outcome", "source", "node"})
"""Columns of text whose values a finding shows: others may hold secrets, or be long."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and what is wrong with it: at most MOST_FINDINGS sentences, none when sound.

    `first_seq` and `last_seq` are the sequences of the journal's first and last event, 0 for none.
    """

    events: int
    first_seq: int
    last_seq: int
    jobs: int
    runs: int
    findings: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(path: Path) -> Verification:
    """Check the file, the chain of events, and that folding them gives the tables.

    It reads one commit's state, also while a writer goes on, and writes nothing but a temporary
    file of about the size of the tables, where SQLite puts its own (``SQLITE_TMPDIR``). The writer
    cannot reuse its WAL meanwhile.

    Raises:
        StoreUnusable: It is not a store, or not of this version.
        StoreUnavailable: It cannot be read to the end (disk full, I/O error).
    """
    # The nameless database is a temporary file that nobody else can open.
    with closing(sqlite3.connect("", uri=True, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        attach(db, path)
        try:
            db.execute("PRAGMA main.journal_mode = MEMORY")
            db.execute("BEGIN")
            return _verified(db)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot verify {path}: {error}") from error


def _verified(db: sqlite3.Connection) -> Verification:
    findings = Findings()
    for line in _damage(db):
        findings.add(line)
    replayed, jobs, runs = Replayed(0, 0, 0), 0, 0
    try:
        _make_tables(db)
        replayed = replay(db, findings)
        for table in KEYS:
            _compare(db, table, findings)
        jobs, runs = (
            db.execute(f"SELECT count(*) FROM store.{table}").fetchone()[0]
            for table in ("jobs", "runs")
        )
    except sqlite3.DatabaseError as error:
        raise_unless_damaged(error)
        findings.add(f"the tables cannot be read to the end: {error}")
    counted = replayed.events, replayed.first, replayed.last
    return Verification(*counted, jobs, runs, tuple(findings))


def _damage(db: sqlite3.Connection) -> Iterator[str]:
    try:
        for (line,) in db.execute(f"PRAGMA store.quick_check({MOST_FINDINGS})"):
            if line != "ok":
                yield f"the file is damaged: {line}"
    except sqlite3.DatabaseError as error:
        raise_unless_damaged(error)
        yield f"the file is damaged: {error}"


def _make_tables(db: sqlite3.Connection) -> None:
    """Make the tables as the store's schema has them, without its indexes."""
    marks = ", ".join("?" * len(KEYS))
    schema = f"SELECT sql FROM store.sqlite_schema WHERE type = 'table' AND name IN ({marks})"
    for (statement,) in db.execute(schema, tuple(KEYS)).fetchall():
        db.execute(statement)


def _compare(db: sqlite3.Connection, table: str, findings: Findings) -> None:
    """Tell each difference of a table to what the journal made; both are read in key order."""
    columns = [row["name"] for row in db.execute(f"PRAGMA store.table_info({table})")]
    key = KEYS[table]
    matched = " AND ".join(f"told.{name} = held.{name}" for name in key)
    held, told = (", ".join(f"{side}.{name}" for name in columns) for side in ("held", "told"))
    differing = (
        f"SELECT {held}, {told} FROM store.{table} AS held LEFT JOIN main.{table} AS told "
        f"ON {matched} WHERE told.{key[0]} IS NULL OR ({held}) IS NOT ({told}) LIMIT ?"
    )
    for row in db.execute(differing, (MOST_FINDINGS,)):
        _tell_difference(table, columns, tuple(row), findings)
    names = ", ".join(f"told.{name}" for name in key)
    absent = (
        f"SELECT {names} FROM main.{table} AS told LEFT JOIN store.{table} AS held "
        f"ON {matched} WHERE held.{key[0]} IS NULL LIMIT ?"
    )
    for row in db.execute(absent, (MOST_FINDINGS,)):
        findings.add(f"{_called(table, tuple(row))} is in the journal and not in the table")


def _tell_difference(
    table: str, columns: list[str], row: tuple[object, ...], findings: Findings
) -> None:
    held, told = row[: len(columns)], row[len(columns) :]
    where = [columns.index(name) for name in KEYS[table]]
    called = _called(table, tuple(held[place] for place in where))
    if all(told[place] is None for place in where):
        findings.add(f"{called} is in the table and not in the journal")
        return
    for column, left, right in zip(columns, held, told, strict=True):
        if left == right:
            continue
        if column in SHOWN or not (isinstance(left, str) or isinstance(right, str)):
            what = f"{column} is {_shown(left)} in the table and {_shown(right)} in the journal"
        else:
            what = f"{column} in the table is not what the journal tells"
        findings.add(f"{called}: {what}")


def _shown(value: object) -> str:
    return "empty" if value in (None, "") else str(value)


def _called(table: str, key: tuple[object, ...]) -> str:
    match table:
        case "attempts":
            return f"attempt {key[1]} of run {key[0]}"
        case "skips":
            return f"the skip of job {key[0]} at {key[1]}"
        case _:
            return f"{table.removesuffix('s')} {key[0]}"
