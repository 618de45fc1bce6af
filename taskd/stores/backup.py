"""Backup: a copy of a store as it was at one commit, taken while its writer goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from taskd.errors import StoreUnavailable
from taskd.stores.blocks import Head
from taskd.stores.chain import read_head
from taskd.stores.new_file import new_file
from taskd.stores.replay import attach


def backup(source: Path, target: Path) -> int:
    """Copy the store at `source` to `target`, where there must be nothing; return its head.

    The head is the sequence of the last event in the copy. The copy is its owner's alone, is on
    the disk and was read back when it appears at `target`; a failure leaves nothing there. Readers
    and the writer are not held up; the WAL cannot be reused meanwhile.

    Raises:
        StoreUnusable: `source` is not a store, or `target` is there or cannot be written.
        StoreUnavailable: It could not be done to the end (disk full, I/O error, a damaged file).
    """
    with new_file(target) as partial:
        try:
            head = _copy(source, partial)
            _check(partial, head)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot back up {source}: {error}") from error
    return head.seq


def _copy(source: Path, partial: Path) -> Head:
    with closing(sqlite3.connect("", uri=True, isolation_level=None)) as db:
        attach(db, source)
        db.execute("BEGIN")
        head = read_head(db, "store")  # from here on every page is of this commit
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # it is synced once, when it is whole
            db.backup(copy, name="store", pages=-1)
    return head


def _check(partial: Path, head: Head) -> None:
    """Read the copy back; immutable, so that no side files are made for it."""
    address = f"{partial.as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db:
        found = [line for (line,) in db.execute("PRAGMA quick_check(1)")]
        if found != ["ok"] or read_head(db) != head:
            raise sqlite3.DatabaseError(f"the copy is not sound: {found[0]}")
