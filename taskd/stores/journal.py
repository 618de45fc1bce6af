"""The journal's meaning: folding its events, in their order, gives the tables.

A journal that was cut begins with updates of rows whose first events are gone. They are passed
over: each such row that still stood was told anew, whole, by the cut, and that event comes later.
At any place of the fold a row is there as it truly was then, or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from taskd.stores.chain import CUT
from taskd.stores.events import Event
from taskd.stores.rows import JOB_COLUMNS, MARK_COLUMNS, RECEIPT_COLUMNS, SKIP_COLUMNS
from taskd.stores.run_rows import ATTEMPT_COLUMNS, RUN_COLUMNS

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "jobs": ("name",),
    "runs": ("id",),
    "attempts": ("run", "number"),
    "skips": ("job", "first_at"),
    "marks": ("scope", "key"),
    "receipts": ("key",),
}
"""The tables that the journal tells of, and the columns that name a row of each."""
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "jobs": JOB_COLUMNS,
    "runs": RUN_COLUMNS,
    "attempts": ATTEMPT_COLUMNS,
    "skips": SKIP_COLUMNS,
    "marks": MARK_COLUMNS,
    "receipts": RECEIPT_COLUMNS,
}

Values: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, tuple[object, ...]]
"""A row: its table, and the values of that table's KEYS."""


def fold(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Apply events, in their order, to the tables of `db`, which begin empty.

    Raises:
        sqlite3.Error, KeyError, TypeError, AttributeError: An event tells what cannot be.
    """
    for event in events:
        apply(db, event)


def apply(db: sqlite3.Connection, event: Event) -> None:
    """Do to the tables of `db` what one event tells."""
    told = event.data
    match event.kind:
        case "job.removed":
            _delete(db, "jobs", (event.job,))
        case "run.withdrawn":
            _delete(db, "runs", (event.run,))
        case "journal.pruned":
            for run in told["runs"]:
                _delete(db, "runs", (run,))
                db.execute("DELETE FROM attempts WHERE run = ?", (run,))
            for job, first_at in told["skips"]:
                _delete(db, "skips", (job, first_at))
        case "journal.cut":
            for table in KEYS:
                for row in told["rows"].get(table, ()):
                    _put(db, table, row)
        case _:
            _apply_parts(db, event)


def _apply_parts(db: sqlite3.Connection, event: Event) -> None:
    # Where the journal tells the latest of a run follows from where it tells it. Earlier versions
    # told of marks without a word of where the event before was.
    here = {"event": event.commit}
    if "run" not in event.data and ("prev" in event.data or event.kind == "run.marked"):
        _update(db, "runs", here, (event.run,))
    for part, values in event.data.items():
        match part:
            case "run" if "id" not in values:
                _update(db, "runs", {**values, **here}, (event.run,))
            case "run":
                _insert(db, "runs", {**values, **here})
            case "job" if "name" not in values:
                _update(db, "jobs", values, (event.job,))
            case "job" | "attempt" | "mark" | "receipt":
                _insert(db, f"{part}s", values)
            case "skip":
                _put(db, "skips", values)
            case _:
                pass  # told for readers, and of no table


def made(event: Event) -> Iterator[Key]:
    """Yield the rows that an event tells whole: what they are is lost where the event is."""
    if event.kind == CUT:
        for table, rows in event.data["rows"].items():
            for row in rows:
                yield table, _key(table, row)
        return
    for part, values in event.data.items():
        table = f"{part}s"
        if table in KEYS and all(column in values for column in KEYS[table]):
            yield table, _key(table, values)


def read_row(db: sqlite3.Connection, key: Key) -> dict[str, object] | None:
    """Return a row as it stands, as a cut tells it; None where it is gone."""
    table, values = key
    names = COLUMNS[table]
    statement = f"SELECT {', '.join(names)} FROM {table} WHERE {_where(table)}"
    row = db.execute(statement, values).fetchone()
    if row is None:
        return None
    return {name: value for name, value in zip(names, row, strict=True) if value is not None}


def _key(table: str, row: Values) -> tuple[object, ...]:
    return tuple(row[column] for column in KEYS[table])


def _insert(db: sqlite3.Connection, table: str, row: Values, verb: str = "INSERT") -> None:
    names, marks = ", ".join(map(_named, row)), ", ".join("?" * len(row))
    db.execute(f"{verb} INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def _put(db: sqlite3.Connection, table: str, row: Values) -> None:
    _insert(db, table, row, "INSERT OR REPLACE")


def _update(db: sqlite3.Connection, table: str, row: Values, key: tuple[object, ...]) -> None:
    if row:
        assigned = ", ".join(f"{_named(column)} = ?" for column in row)
        statement = f"UPDATE {table} SET {assigned} WHERE {_where(table)}"
        db.execute(statement, (*row.values(), *key))


def _delete(db: sqlite3.Connection, table: str, key: tuple[object, ...]) -> None:
    db.execute(f"DELETE FROM {table} WHERE {_where(table)}", key)


def _where(table: str) -> str:
    return " AND ".join(f"{column} = ?" for column in KEYS[table])


def _named(column: str) -> str:
    # A journal may have been meddled with: what is no column is no statement of ours either.
    if not column.isidentifier():
        raise KeyError(column)
    return column
