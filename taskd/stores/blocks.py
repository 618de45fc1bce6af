"""Blocks: the rows of the journal, each the events of one commit, or a part of a large one.

A block is one row with one hash: to tell of eight runs costs one insert, no index and one digest.
Its text is the JSON ``[[[actor, kind, job, run, data], ...], commit]``, where `commit` is the
sequence of the first event of its commit; its key is the sequence of its own first event.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple

from taskd.stores.events import Event, Told
from taskd.stores.rows import instant

COLUMNS: Final = ["seq", "at", "told", "hash"]
MOST_EVENTS: Final = 200
MOST_TEXT: Final = 1024 * 1024
"""Characters of a block of more than one event: a reader of one event reads the block whole."""
UNREADABLE: Final = (
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
)
"""What reading a block that was meddled with, or what it tells, may raise: it may hold any text."""


class Head(NamedTuple):
    """A place in the journal: the sequence of an event, and the hash of the block it ends."""

    seq: int
    hash: bytes


START: Final = Head(0, bytes(32))
"""Before the first event."""


class Block(NamedTuple):
    """A row of the journal, in the order of COLUMNS."""

    seq: int
    at: int
    told: str
    hash: bytes


def link(before: bytes, seq: int, at: int, told: str) -> bytes:
    """Return the hash of a block that follows the one whose hash is `before`.

    It is the SHA-256 of `before` and, in UTF-8, seq, at and told with one space between them.
    """
    return sha256(before + f"{seq} {at} {told}".encode()).digest()


def to_json(value: object) -> str:
    """Return what a block tells as its column holds it."""
    # ASCII, so that an argument with a lone surrogate (a file name that is not UTF-8) is kept too.
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Tail:
    """The growing end of a journal in one commit; `head` is its last event."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self._commit = head.seq + 1

    def blocks(self, at: int, events: Iterator[Told]) -> Iterator[Block]:
        """Give events their places, and put them into blocks."""
        while some := list(islice(events, MOST_EVENTS)):
            for part, told in self._packed(some):
                seq = self.head.seq + 1
                digest = link(self.head.hash, seq, at, told)
                yield Block(seq, at, told, digest)
                self.head = Head(self.head.seq + len(part), digest)

    def _packed(self, events: Sequence[Told]) -> Iterator[tuple[Sequence[Told], str]]:
        told = to_json([events, self._commit])
        if len(told) <= MOST_TEXT or len(events) == 1:
            yield events, told
            return
        half = len(events) // 2
        yield from self._packed(events[:half])
        yield from self._packed(events[half:])


def is_of(row: sqlite3.Row, commit: int) -> bool:
    """Return whether a block is of that commit; it is not read for that."""
    return bool(row["seq"] == commit or row["told"].endswith(f",{commit}]"))


def unpacked(row: sqlite3.Row) -> list[Event]:
    """Return the events of a block.

    Raises:
        Exception: One of UNREADABLE: it tells none.
    """
    seq, at, text, _ = row
    if not text.startswith("["):
        return [_single(seq, instant(at), text)]
    told, commit = json.loads(text)
    if not told:
        raise ValueError("a block without events")
    return [
        Event(number, commit, instant(at), *event) for number, event in enumerate(told, start=seq)
    ]


def _single(seq: int, at: datetime, text: str) -> Event:
    """Return the event of a block that an earlier version wrote.

    It is, with one space after each, the lengths of actor, kind, job and run, -1 for none; then
    they and the data, with nothing between them.
    """
    *lengths, rest = text.split(" ", 4)
    parts: list[str | None] = []
    for length in map(int, lengths):
        parts.append(None if length < 0 else rest[:length])
        rest = rest[max(length, 0) :]
    actor, kind, job, run = parts
    return Event(seq, seq, at, actor or "", kind or "", job, run, json.loads(rest))
