"""The chain: every block carries a hash of itself and of the hash before it.

So nobody can change, move or remove an event and leave the others as they are. A chain that was
written anew from there to its end does not show; who must know that keeps a head elsewhere, as a
backup does.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from taskd.errors import StoreUnavailable
from taskd.stores.blocks import START, UNREADABLE, Head, unpacked

CUT: Final = "journal.cut"
LAST_CUT: Final = (
    # The term of the index, to the letter.
    "SELECT * FROM {schema}.journal INDEXED BY journal_cut "
    """WHERE substr(told, 1, 25) = '[[["taskd","journal.cut",' """
    "OR substr(told, 1, 28) = '5 11 -1 -1 taskdjournal.cut{{' ORDER BY seq DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the journal begins: after the event `at`, which is gone with all before it.

    Cutting goes on, a piece at a time, until the event `until`; `kept` rows have been told anew
    since this round of it began.
    """

    at: Head = START
    until: int = 0
    kept: int = 0

    def to_json(self) -> dict[str, object]:
        """Return what the event of the cut says of it."""
        return {
            "seq": self.at.seq,
            "hash": self.at.hash.hex(),
            "until": self.until,
            "kept": self.kept,
        }


def read_head(db: sqlite3.Connection, schema: str = "main") -> Head:
    """Return the place of the last event.

    Raises:
        StoreUnavailable: The last block cannot be read.
    """
    last = f"SELECT * FROM {schema}.journal ORDER BY seq DESC LIMIT 1"
    row = db.execute(last).fetchone()
    if row is None:
        return START
    seq, _, _, digest = row
    try:
        return Head(seq + len(unpacked(row)) - 1, digest)
    except UNREADABLE as error:
        raise StoreUnavailable(
            f"the end of the journal, event {seq} and later, cannot be read; "
            "look with: taskd verify"
        ) from error


def read_cut(db: sqlite3.Connection, schema: str = "main") -> Cut:
    """Return where the journal begins.

    Raises:
        ValueError: The event that should say so does not.
    """
    row = db.execute(LAST_CUT.format(schema=schema)).fetchone()
    if row is None:
        return Cut()
    try:
        told = unpacked(row)[0].data["cut"]
        at = Head(int(told["seq"]), bytes.fromhex(told["hash"]))
        return Cut(at, int(told["until"]), int(told["kept"]))
    except UNREADABLE as error:
        raise ValueError(f"the last {CUT} event does not say where it cut") from error
