"""Segments: the files in which the output of an attempt is kept, and how it is read back.

The bytes of all streams are in the order they came in, cut into segments ``ATTEMPT.0``, ``.1`` and
so on. Which stream a byte is of is in ``ATTEMPT.K.streams`` beside each: an entry wherever another
stream begins. A segment begins with stdout, so that who prints only there has no such file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from struct import Struct
from typing import Final

ENTRY: Final = Struct("<QB")
"""Where in its segment a stream begins, and which of `STREAMS` that is."""


class Stream(StrEnum):
    """Where an attempt prints; ``log`` is what it logs, one line or more for each record."""

    STDOUT = "stdout"
    STDERR = "stderr"
    LOG = "log"


STREAMS: Final = tuple(Stream)


@dataclass(frozen=True, slots=True)
class Piece:
    """What was printed to one stream, until another had its turn."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of an attempt's output, in the order in which it came; read on at `after`.

    `left_out` bytes before it are not kept any more. `is_last` says that no more will come.
    """

    pieces: tuple[Piece, ...]
    after: int
    left_out: int = 0
    is_last: bool = False

    @property
    def text(self) -> str:
        """All of it, whatever the stream."""
        return "".join(piece.text for piece in self.pieces)


class Sizes:
    """How much the segments of one attempt hold: the head, the first of them, and each other."""

    def __init__(self, head: int, piece: int) -> None:
        self._head = head
        self._piece = piece

    @classmethod
    def within(cls, limit: int) -> Sizes:
        """Return those for an output of `limit` bytes: head and the last two segments fit in."""
        return cls(limit // 2, limit // 4)

    def of(self, number: int) -> int:
        """Return how many bytes a segment holds."""
        return self._piece if number else self._head

    def begin(self, number: int) -> int:
        """Return the place in the whole output of a segment's first byte."""
        return self._head + (number - 1) * self._piece if number else 0

    def write(self, path: Path) -> None:
        """Keep them for who reads the segments of `path`."""
        descriptor = create(path.with_name(f"{path.name}.sizes"))
        try:
            os.write(descriptor, f"{self._head} {self._piece}".encode())
        finally:
            os.close(descriptor)

    @classmethod
    def read(cls, path: Path) -> Sizes | None:
        """Return those of `path`, None where nothing was printed."""
        try:
            head, piece = path.with_name(f"{path.name}.sizes").read_text().split()
            return cls(int(head), int(piece))
        except (OSError, ValueError):
            return None


def segment(path: Path, number: int) -> Path:
    """Return the file of a segment."""
    return path.with_name(f"{path.name}.{number}")


def streams_of(path: Path, number: int) -> Path:
    """Return the file that says which part of a segment is of which stream."""
    return path.with_name(f"{path.name}.{number}.streams")


def create(path: Path) -> int:
    """Return a descriptor for appending to a new private file. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)


def read_chunk(path: Path, after: int, most: int, *, is_over: bool) -> Chunk:
    """Return up to `most` bytes from byte `after` on; what is not UTF-8 is shown as ``\\xNN``.

    `is_over` says that nothing is being written any more.
    """
    if (sizes := Sizes.read(path)) is None:
        return Chunk((), after, is_last=is_over)
    numbers = _numbers(path)
    for number in numbers:
        begin, end = sizes.begin(number), sizes.begin(number) + sizes.of(number)
        if after >= end:
            continue
        start = max(after, begin)
        data = _read(segment(path, number), start - begin, most)
        if not data and number != numbers[-1]:
            continue
        is_end = is_over and number == numbers[-1] and len(data) < most
        whole = is_end or start + len(data) == end
        pieces, size = _pieces(streams_of(path, number), start - begin, data, whole=whole)
        return Chunk(pieces, start + size, left_out=start - after, is_last=is_end)
    return Chunk((), after, is_last=is_over)


def _numbers(path: Path) -> list[int]:
    prefix = f"{path.name}."
    names = [one.name for one in path.parent.iterdir() if one.name.startswith(prefix)]
    return sorted(int(end) for name in names if (end := name.removeprefix(prefix)).isdecimal())


def _read(path: Path, offset: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except OSError:  # the attempt has printed on, and this part is gone meanwhile
        return b""


def _pieces(
    streams: Path, offset: int, data: bytes, *, whole: bool
) -> tuple[tuple[Piece, ...], int]:
    """Return `data`, from `offset` of a segment, by stream; and how many bytes of it that are."""
    pieces, size = [], 0
    # They are read after the data: who writes tells first what stream is to come.
    for stream, begin, end in _stretches(streams, offset, offset + len(data)):
        is_cut_short = not whole and end == offset + len(data)
        text, taken = _text(data[begin - offset : end - offset], whole=not is_cut_short)
        size += taken
        if text:
            pieces.append(Piece(stream, text))
    return tuple(pieces), size


def _stretches(streams: Path, start: int, stop: int) -> Iterator[tuple[Stream, int, int]]:
    """Yield each stretch of a segment between two bytes: its stream, its begin and its end."""
    stream, begin = Stream.STDOUT, start
    with suppress(FileNotFoundError):
        entries = streams.read_bytes()
        whole = len(entries) - len(entries) % ENTRY.size
        for at, index in ENTRY.iter_unpack(entries[:whole]):
            if at >= stop:
                break
            if at > begin:
                yield stream, begin, at
            stream, begin = STREAMS[index % len(STREAMS)], max(at, start)
    if begin < stop:
        yield stream, begin, stop


def _text(data: bytes, *, whole: bool) -> tuple[str, int]:
    """Return `data` as text, and how many bytes of it that are; a cut character waits for more."""
    size = len(data)
    if not whole:
        for back in range(1, min(4, size) + 1):
            byte = data[-back]
            if byte >= 0xC0:  # the first byte of a character
                length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                size -= back if back < length else 0
                break
            if byte < 0x80:
                break
    return data[:size].decode("utf-8", "backslashreplace"), size
