"""Writer: the one connection that writes, and what became of each of its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from taskd.crashpoints import crash_point
from taskd.errors import StoreDoubtful, StoreUnavailable, StoreUnusable
from taskd.stores.blocks import COLUMNS, Head, Tail
from taskd.stores.chain import read_head
from taskd.stores.connection import connect, unusable
from taskd.stores.events import Told

FileId: TypeAlias = tuple[int, int]
"""Device and inode: which file it is, whatever it is called."""

FAILURES = (sqlite3.Error, StoreUnavailable)

INSERT_BLOCK = f"INSERT INTO journal VALUES ({', '.join('?' * len(COLUMNS))})"


def _empty_log(db: sqlite3.Connection) -> None:
    """Copy what the WAL holds into the database, sync that, and leave nothing in the WAL.

    The kernel takes pages whose sync failed for written, so that syncing the WAL again would prove
    nothing; and a commit that failed may lie in it whole, to be found after a crash.
    """
    is_busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if is_busy:
        raise StoreUnavailable("the last commit cannot be made sure of while others read the store")


class Transaction:
    """One transaction under way: its connection, and the events that it adds to the journal.

    `commit` is the sequence of the first of them.
    """

    def __init__(self, db: sqlite3.Connection, head: Head) -> None:
        self.db = db
        self.commit = head.seq + 1
        self._tail = Tail(head)

    @property
    def head(self) -> Head:
        """The place of the last event, those of this transaction included."""
        return self._tail.head

    def append(self, at: int, events: Iterable[Told]) -> None:
        """Add events to the journal, told at `at`: microseconds since the Unix epoch."""
        self.db.executemany(INSERT_BLOCK, self._tail.blocks(at, iter(events)))


class Writer:
    """Writes the database at `path`, which must be there, or one in memory, for one thread.

    A failed connection is dropped, for only the file tells what of its last transaction is there;
    the next use opens it again. It never writes to a file that is not, or no longer, at `path`.

    Raises:
        StoreUnusable: Not a database, newer than this version, not ours, or not writable.
    """

    def __init__(self, path: Path | None, *, synchronous: str) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal") if path is not None else None
        self._synchronous = self._sync_now = synchronous
        self.db = connect(path, synchronous=synchronous)
        try:
            self.head = read_head(self.db)
            self._file = self._file_at_path()
            self._log = self._log_at_path()
        except FAILURES as error:
            self.db.close()
            raise unusable(path, error) from error
        self._is_dropped = False
        self._expected: Head | None = None  # what a commit of unknown outcome was to write
        self._is_written = True

    def ready(self) -> sqlite3.Connection:
        """Return the connection, opened again where a failure dropped it.

        Raises:
            StoreUnavailable: It cannot be opened, or what lies there is not what was left.
        """
        if self._is_dropped:
            self._reconnect()
        return self.db

    @contextmanager
    def transaction(self, *, synced: bool = True) -> Iterator[Transaction]:
        """Write all of what the block does, or nothing of it where it raises.

        Not `synced`, a power loss may undo it, until another transaction is synced after it.

        Raises:
            StoreUnavailable: It failed, and nothing of it is written.
            StoreDoubtful: It failed, and `settled` will tell if it is written.
        """
        self.ready()
        self._check_place()
        if self._log_at_path() != self._log:
            self._drop()  # closing it, SQLite copies the log that it has open into the database
        db = self.ready()
        transaction = Transaction(db, self.head)
        self._is_written = False
        try:
            self._set_sync(self._synchronous if synced else "NORMAL")
            db.execute("BEGIN IMMEDIATE")
            yield transaction
        except sqlite3.IntegrityError:
            self._roll_back()
            raise
        except sqlite3.Error as error:
            self._drop()
            raise StoreUnavailable(f"cannot write the store: {error}") from error
        except BaseException:
            self._roll_back()
            raise
        self._commit(transaction.head)

    def settled(self) -> bool | None:
        """Tell what became of the last transaction: written, or not; None: not known yet."""
        try:
            self.ready()
        except StoreUnavailable:
            return None if self._expected else self._is_written
        return self._is_written

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    # -- inside ----------------------------------------------------------------------------------

    def _commit(self, head: Head) -> None:
        crash_point("commit.before")
        try:
            self.db.execute("COMMIT")
            self._check_place()  # or it went into a file that nobody will find
        except FAILURES as error:
            self._drop()
            self._expected = head if self._path is not None else None
            is_written = self.settled()
            if is_written is None:
                raise StoreDoubtful(f"nobody knows yet if it was written: {error}") from error
            if not is_written:
                raise StoreUnavailable(f"cannot write the store: {error}") from error
        self.head = head
        self._is_written = True
        crash_point("commit.after")

    def _reconnect(self) -> None:
        """Connect again and see which journal is there; the lock was kept meanwhile."""
        self._check_place()
        try:
            db = connect(self._path, synchronous=self._synchronous)
        except StoreUnusable as error:
            raise StoreUnavailable(str(error)) from error
        try:
            found = read_head(db)
            if found not in (self.head, self._expected):
                raise StoreUnavailable(
                    f"{self._path} holds another journal than before; restart taskd to use it"
                )
            if self._expected is not None:
                # Where nothing is written and the disk is full, there is nothing to be sure of.
                with suppress(*(() if found == self._expected else FAILURES)):
                    _empty_log(db)
        except FAILURES as error:
            db.close()
            raise StoreUnavailable(str(error)) from error
        if self._expected is not None:
            self._is_written = found == self._expected
        self.db, self.head, self._expected, self._is_dropped = db, found, None, False
        self._sync_now, self._log = self._synchronous, self._log_at_path()
        crash_point("recovery.revived")

    def _set_sync(self, level: str) -> None:
        if level != self._sync_now:
            self.db.execute(f"PRAGMA synchronous = {level}")
            self._sync_now = level

    def _drop(self) -> None:
        if self._path is None:
            self._roll_back()
            return
        self._is_dropped = True
        with suppress(sqlite3.Error):
            self.db.close()
        crash_point("recovery.dropped")

    def _roll_back(self) -> None:
        if self.db.in_transaction:  # some errors make SQLite roll back by itself
            self.db.execute("ROLLBACK")

    def _check_place(self) -> None:
        if self._file_at_path() != self._file:
            raise StoreUnavailable(
                f"{self._path} was replaced by another file; put the right one back, "
                f"or restart taskd to use this one"
            )

    def _file_at_path(self) -> FileId | None:
        if self._path is None:
            return None
        try:
            return _file_id(self._path)
        except OSError as error:
            raise StoreUnavailable(
                f"{self._path} cannot be found ({error.strerror}); put it back, "
                f"or stop taskd and restore a backup"
            ) from error

    def _log_at_path(self) -> FileId | None:
        """The WAL; a commit into one that was deleted would be gone with this process."""
        if self._log_path is None:
            return None
        try:
            return _file_id(self._log_path)
        except OSError:
            return None


def _file_id(path: Path) -> FileId:
    found = path.stat()
    return found.st_dev, found.st_ino
