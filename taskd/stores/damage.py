"""Damage: a whole reading of a store's file, for what no work may ever come by.

SQLite notices a damaged page when it reads it, and a page that is not read for months may be the
one that the next restart needs.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

logger = logging.getLogger("taskd.store")

QUICK_CHECK: Final = "PRAGMA quick_check(1)"


class Examination:
    """Reads the file at `path` once, on a read-only connection, from a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._is_over = False
        self._lock = threading.Lock()

    def run(self) -> str:
        """Return what is damaged; empty where nothing is found, or where it was ended early."""
        # SQLite calls a page that the disk failed to give for once damaged, too: look again.
        return self._found() and self._found()

    def _found(self) -> str:
        try:
            address = f"{self._path.as_uri()}?mode=ro"
            db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            with closing(db):
                with self._lock:
                    self._db = db
                try:
                    found = [] if self._is_over else [line for (line,) in db.execute(QUICK_CHECK)]
                finally:
                    with self._lock:
                        self._db = None
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                return str(error)
            if not self._is_over:
                logger.warning("the store could not be read through: %s", error)
            return ""
        return "" if found in ([], ["ok"]) else " ".join(found[0].split())

    def end(self) -> None:
        """End the reading early, where it is under way; from any thread."""
        with self._lock:
            self._is_over = True
            if self._db is not None:
                self._db.interrupt()
