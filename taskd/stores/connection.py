"""Connections of the writer to a SQLite file, and what to tell those who cannot have one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from taskd.errors import StoreError, StoreUnusable
from taskd.stores.migrations import migrate

MEMORY = ":memory:"
STATEMENTS_KEPT = 512  # prepared; see `bulk`: there are some for each table, by the number of rows
WAL_KEPT = 64 * 1024 * 1024  # bytes: a long reader lets the WAL grow; a checkpoint then cuts it


def create(path: Path) -> None:
    """Make an empty database at `path` if there is none.

    Raises:
        StoreUnusable: It cannot be made; or it is there and cannot be written.
    """
    try:
        # Arguments may be secrets. SQLite gives the WAL the mode of its database.
        with suppress(FileExistsError):
            path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise StoreUnusable(str(path), str(error.strerror), _fix("SQLITE_CANTOPEN")) from error
    if not os.access(path, os.W_OK):  # SQLite would open it all the same, to be read
        raise StoreUnusable(str(path), "is read-only", _fix("SQLITE_READONLY"))


def connect(path: Path | None, *, synchronous: str) -> sqlite3.Connection:
    """Open the database at `path`, which must be there, or one in memory, and bring it up to date.

    Raises:
        StoreUnusable: Not a database, newer than this version, not ours, or not writable.
    """
    place = MEMORY if path is None else str(path)
    db = None
    try:
        # Not made anew where it is gone: an empty store in its place would look like a healthy one.
        address = MEMORY if path is None else f"{path.as_uri()}?mode=rw"
        # Made on the thread that makes the Scheduler, used by the loop's.
        db = sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_KEPT,
        )
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 5000")
        migrate(db, place)
        if path is not None:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
        db.execute(f"PRAGMA synchronous = {synchronous}")
    except (sqlite3.Error, StoreError) as error:
        if db is not None:
            db.close()
        if isinstance(error, StoreError):
            raise
        raise unusable(path, error) from error
    return db


def unusable(path: Path | None, error: Exception) -> StoreUnusable:
    """Return what to tell of a database that failed while it was opened."""
    name = error.sqlite_errorname if isinstance(error, sqlite3.Error) else ""
    return StoreUnusable(MEMORY if path is None else str(path), str(error), _fix(name))


def _fix(error_name: str) -> str:
    match error_name:
        case "SQLITE_NOTADB":
            return "move the file away, or give another path"
        case "SQLITE_CORRUPT":
            return "restore a backup, or move the file away to begin anew; it was not changed"
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_READONLY_DIRECTORY" | "SQLITE_PERM":
            return "make the file and its directory writable for this user"
        case _:
            return "see that the disk is well and has room"
