"""Records: how a worker process tells what was printed: to which stream, how much, and that.

Its own Python code prints here, so that the order between stdout, stderr and log is kept. What C
code and children write goes to the descriptors 1 and 2, which are pipes of their own.
"""

from __future__ import annotations

import io
import logging
import os
import select
import threading
from collections.abc import Iterator
from struct import Struct
from typing import Final

from taskd.executors.segments import STREAMS, Stream

HEADER: Final = Struct("<BH")
"""Which of `STREAMS`, and how many bytes follow."""
MOST: Final = select.PIPE_BUF - HEADER.size
"""Bytes of a record: a write of more may be torn apart by that of a fork, see pipe(7)."""
LOG_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"


class Records:
    """Takes records from the bytes of a pipe, in whatever pieces they come.

    The pipe is open to the callable, too: whatever comes out of it is taken for some record.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """Yield the records that `data` completes."""
        buffer = self._buffer
        buffer += data
        at = 0
        while at + HEADER.size <= len(buffer):
            index, size = HEADER.unpack_from(buffer, at)
            begin = at + HEADER.size
            if begin + size > len(buffer):
                break
            at = begin + size
            yield STREAMS[index % len(STREAMS)], bytes(buffer[begin:at])
        del buffer[:at]


class Pen:
    """Writes records to a pipe, from any thread."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def write(self, stream: Stream, data: bytes) -> None:
        """Write `data` as records. Raises OSError."""
        index = STREAMS.index(stream)
        with self._lock:
            for begin in range(0, len(data), MOST):
                part = data[begin : begin + MOST]
                os.write(self._pipe, HEADER.pack(index, len(part)) + part)

    def text(self, stream: Stream, descriptor: int) -> io.TextIOWrapper:
        """Return a text file that writes each line as a record; `descriptor` is its `fileno`."""
        raw = _Raw(self, stream, descriptor)
        buffer = io.BufferedWriter(raw, MOST)  # type: ignore[type-var]  # its write takes bytes
        return io.TextIOWrapper(
            buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )


def is_as_made(file: object, made: io.TextIOWrapper) -> bool:
    """Return whether a file is still what `Pen.text` made, open and not configured anew."""
    return (
        file is made
        and not made.closed
        and made.line_buffering
        and (made.encoding, made.errors) == ("utf-8", "backslashreplace")
    )


class _Raw(io.RawIOBase):
    """What is written through a pen to one stream. Closing it closes nothing else."""

    def __init__(self, pen: Pen, stream: Stream, descriptor: int) -> None:
        self._pen = pen
        self._stream = stream
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes) -> int:  # type: ignore[override]
        copied = bytes(data)
        self._pen.write(self._stream, copied)
        return len(copied)


class LogHandler(logging.Handler):
    """Writes what is logged as records of its own stream."""

    def __init__(self, pen: Pen) -> None:
        super().__init__()
        self._pen = pen
        self.setFormatter(logging.Formatter(LOG_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace")
            self._pen.write(Stream.LOG, line + b"\n")
        # As every handler: a record that cannot be formatted is not the callable's fault.
        except Exception:  # noqa: BLE001
            self.handleError(record)
