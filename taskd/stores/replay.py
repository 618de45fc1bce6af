"""Replay: another store's journal, checked link by link and folded into the tables at hand."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskd.errors import StoreUnusable
from taskd.stores.blocks import START, UNREADABLE, Head, link, unpacked
from taskd.stores.chain import Cut, read_cut
from taskd.stores.connection import unusable
from taskd.stores.events import Event
from taskd.stores.journal import apply
from taskd.stores.migrations import APPLICATION_ID, newest_version

MOST_FINDINGS: Final = 100

TOLD_WRONG: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    *UNREADABLE,
)
"""What applying an event of a journal that was meddled with may raise."""

BLOCKS: Final = "SELECT * FROM store.journal WHERE seq > ? ORDER BY seq"
LEFT_OVER: Final = "SELECT 1 FROM store.journal WHERE seq <= ? LIMIT 1"


class Findings(list[str]):
    """What is wrong, in plain sentences; those beyond MOST_FINDINGS are not kept."""

    def add(self, finding: str) -> None:
        """Keep a finding, where there is room."""
        if len(self) < MOST_FINDINGS:
            self.append(finding)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events were read, and the sequences of the first and the last, 0 for none."""

    events: int
    first: int
    last: int


def attach(db: sqlite3.Connection, path: Path) -> None:
    """Let `db`, opened with ``uri=True``, read the store at `path` as its schema ``store``.

    Raises:
        StoreUnusable: It cannot be read, is another program's, or is not of this schema's version.
    """
    try:
        db.execute("ATTACH ? AS store", (f"{path.resolve().as_uri()}?mode=ro",))
        owner = db.execute("PRAGMA store.application_id").fetchone()[0]
        version = db.execute("PRAGMA store.user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    if owner != APPLICATION_ID:
        raise StoreUnusable(str(path), "is not a store of taskd", "give the path of one")
    if version != newest_version():
        reason = f"has schema {version}, and this taskd reads {newest_version()}"
        raise StoreUnusable(str(path), reason, "use the taskd that runs on it")


def raise_unless_damaged(error: sqlite3.DatabaseError) -> None:
    """Raise the error again, unless it says that the store's file is damaged."""
    # Without a name it is Python's: text that is not UTF-8.
    name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
    if not name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        raise error


def replay(db: sqlite3.Connection, findings: Findings) -> Replayed:
    """Fold the journal of ``store`` into the tables of `db`, which begin empty.

    What does not fit is told, and what can be folded is folded all the same. Memory stays flat.
    """
    cut = _cut(db, findings)
    before, count = cut.at, 0
    try:
        for row in db.execute(BLOCKS, (cut.at.seq,)):
            events = _events(row, findings)
            _check_link(before, row, len(events), findings)
            for event in events:
                _apply(db, event, findings)
            before = Head(row["seq"] + max(len(events), 1) - 1, row["hash"])
            count += len(events)
    except sqlite3.DatabaseError as error:
        raise_unless_damaged(error)
        findings.add(f"the journal cannot be read after event {before.seq}: {error}")
    return Replayed(count, cut.at.seq + 1 if count else 0, before.seq if count else 0)


def _events(row: sqlite3.Row, findings: Findings) -> list[Event]:
    try:
        return unpacked(row)
    except TOLD_WRONG as error:
        findings.add(f"event {row['seq']} and those told with it cannot be read: {error}")
        return []


def _cut(db: sqlite3.Connection, findings: Findings) -> Cut:
    try:
        cut = read_cut(db, "store")
        if db.execute(LEFT_OVER, (cut.at.seq,)).fetchone():
            findings.add(f"the journal was cut after event {cut.at.seq}, and older ones are there")
    except ValueError as error:
        findings.add(f"where the journal begins cannot be read: {error}")
        return Cut(START)
    return cut


def _check_link(before: Head, row: sqlite3.Row, count: int, findings: Findings) -> None:
    seq, missing = row["seq"], row["seq"] - before.seq - 1
    if missing == 1:
        findings.add(f"event {before.seq + 1} is missing")
    elif missing:
        findings.add(f"events {before.seq + 1} to {seq - 1} are missing")
    elif link(before.hash, seq, row["at"], row["told"]) != row["hash"]:
        what = (
            f"event {seq} was"
            if count <= 1
            else f"one of the events {seq} to {seq + count - 1} was"
        )
        findings.add(f"{what} changed: its hash does not fit")


def _apply(db: sqlite3.Connection, event: Event, findings: Findings) -> None:
    try:
        apply(db, event)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_ERROR":  # the disk's fault, not the event's
            raise
        findings.add(f"event {event.seq} cannot be applied: {error}")
    except TOLD_WRONG as error:
        findings.add(f"event {event.seq} cannot be applied: {error}")
