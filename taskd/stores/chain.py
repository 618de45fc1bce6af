"""The chain: every event carries a hash of itself and of the hash before it.

So nobody can change, move or remove an event and leave the others as they are. A chain that was
written anew from there to its end does not show; who must know that keeps a head elsewhere, as a
backup does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from taskd.stores.events import EventRow

ChainedRow: TypeAlias = tuple[int, int, str, str, str | None, str | None, str, bytes]

CUT: Final = "journal.cut"
COLUMNS: Final = ["seq", "at", "actor", "kind", "job", "run", "data", "hash"]


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the journal: the sequence of an event, and its hash."""

    seq: int
    hash: bytes


START: Final = Head(0, bytes(32))
"""Before the first event."""


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


def link(
    before: bytes,
    seq: int,
    at: int,
    actor: str,
    kind: str,
    job: str | None,
    run: str | None,
    data: str,
) -> bytes:
    """Return the hash of an event that follows the one whose hash is `before`.

    It is the SHA-256 of `before` and this text in UTF-8: seq, at and the lengths in characters of
    actor, kind, job and run (-1 for NULL), with one space after each; then actor, kind, job, run
    and data, with nothing between them.
    """
    # The lengths tell the texts apart, and cost a third of what a JSON list of them would.
    size_of_job, size_of_run = -1 if job is None else len(job), -1 if run is None else len(run)
    lengths = f"{seq} {at} {len(actor)} {len(kind)} {size_of_job} {size_of_run} "
    text = f"{lengths}{actor}{kind}{job or ''}{run or ''}{data}"
    return sha256(before + text.encode()).digest()


class Tail:
    """The growing end of a journal; `head` is its last event, known once `chained` is used up."""

    def __init__(self, head: Head) -> None:
        self.head = head

    def chained(self, events: Iterable[EventRow]) -> Iterator[ChainedRow]:
        """Give the events their sequence and hash, in the order of COLUMNS."""
        seq, digest = self.head.seq, self.head.hash
        for event in events:
            seq += 1
            digest = link(digest, seq, *event)
            yield (seq, *event, digest)
        self.head = Head(seq, digest)


def read_head(db: sqlite3.Connection, schema: str = "main") -> Head:
    """Return the place of the last event."""
    last = f"SELECT seq, hash FROM {schema}.events ORDER BY seq DESC LIMIT 1"
    row = db.execute(last).fetchone()
    return START if row is None else Head(*row)


def read_cut(db: sqlite3.Connection, schema: str = "main") -> Cut:
    """Return where the journal begins.

    Raises:
        ValueError: The event that should say so does not.
    """
    last = f"SELECT data FROM {schema}.events WHERE kind = '{CUT}' ORDER BY seq DESC LIMIT 1"
    row = db.execute(last).fetchone()
    if row is None:
        return Cut()
    try:
        told = json.loads(row[0])["cut"]
        at = Head(int(told["seq"]), bytes.fromhex(told["hash"]))
        return Cut(at, int(told["until"]), int(told["kept"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the last {CUT} event does not say where it cut") from error
