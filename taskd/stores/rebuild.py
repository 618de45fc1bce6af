"""Rebuild: a new store whose tables are folded from the journal of another."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from taskd.errors import StoreUnavailable, StoreUnusable
from taskd.stores.migrations import migrate
from taskd.stores.new_file import new_file
from taskd.stores.replay import Findings, attach, replay

COPY_JOURNAL = "INSERT INTO main.journal SELECT * FROM store.journal"


def rebuild(path: Path, target: Path) -> None:
    """Make a store at `target`, where there must be nothing, from the journal of the one at `path`.

    The one at `path` is only read. Whatever was done to its tables behind the journal's back is
    not in the new one.

    Raises:
        StoreUnusable: `path` is not a store, its journal does not hold together, or `target` is
            there or cannot be written.
        StoreUnavailable: It could not be done to the end (disk full, I/O error).
    """
    with new_file(target) as partial:
        try:
            with closing(sqlite3.connect(partial.as_uri(), uri=True, isolation_level=None)) as db:
                db.row_factory = sqlite3.Row
                _rebuild(db, path, partial)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot rebuild {path}: {error}") from error


def _rebuild(db: sqlite3.Connection, path: Path, partial: Path) -> None:
    db.execute("PRAGMA main.journal_mode = MEMORY")
    db.execute("PRAGMA synchronous = OFF")  # the file is synced once, when it is whole
    migrate(db, str(partial))
    attach(db, path)
    db.execute("BEGIN")
    findings = Findings()
    replay(db, findings)
    if findings:
        reason = f"its journal does not hold together: {findings[0]}"
        raise StoreUnusable(str(path), reason, "restore a backup")
    db.execute(COPY_JOURNAL)
    db.execute("COMMIT")
