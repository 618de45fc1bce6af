"""Outputs: what attempts print, in files beside the store, each no longer than its limit.

An attempt that prints nothing has no file. Of what one prints the first segment holds the head,
half of the limit; of the others, a quarter each, the last two are kept. So a reader who follows
sees everything, one who comes late the head and the tail, and an attempt that prints without end
costs no memory and no more disk than its limit.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final

from taskd.core.run import RunId
from taskd.executors.segments import (
    ENTRY,
    STREAMS,
    Chunk,
    Sizes,
    Stream,
    create,
    read_chunk,
    segment,
    streams_of,
)

CHUNK: Final = 64 * 1024  # bytes
LONGEST_LINE: Final = 8 * 1024  # bytes of a line that are held back for the rest of it
BUCKET: Final = 6  # digits of a run's id: a directory for the runs of a few hours
RUN: Final = re.compile(r"[0-9a-f-]{36}")


class Output:
    """What one attempt prints; any thread may write.

    It loses quietly what comes after its end was reported, and what a full disk does not take.
    """

    def __init__(self, outputs: Outputs, run: RunId, attempt: int, limit: int) -> None:
        # Most attempts print nothing: what it takes to keep something is made when some comes.
        self._outputs = outputs
        self._attempt = (run, attempt)
        self._limit = limit
        self._lock = threading.Lock()
        self._lines: dict[Stream, bytearray] = {}
        self._file: int | None = None
        self._marks: int | None = None
        self._stream = Stream.STDOUT
        self._segment = -1
        self._left = 0
        self._size = 0
        self._is_closed = False
        self._waiting: list[Future[None]] = []

    def write(self, stream: Stream, data: bytes) -> None:
        """Append `data` as it is."""
        with self._lock:
            self._append(stream, data)
            self._tell()

    def print(self, stream: Stream, data: bytes) -> None:
        """Append lines: the beginning of one waits for its end, so that no other cuts into it."""
        with self._lock:
            line = self._lines.get(stream)
            if line is None:
                line = self._lines[stream] = bytearray()
            line += data
            if data.endswith(b"\n") or len(line) > LONGEST_LINE or b"\n" in data:
                self._append_lines(stream, line)
                self._tell()

    def flush(self, stream: Stream) -> None:
        """Append what of a line has come."""
        with self._lock:
            self._append(stream, self._lines.pop(stream, b""))
            self._tell()

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            for stream in tuple(self._lines):
                self._append(stream, self._lines.pop(stream))
            self._is_closed = True
            self._close_files()
            self._tell()

    def more_than(self, size: int) -> Future[None]:
        """Return a future that is done once more bytes came than `size`, or none will come."""
        news = Future[None]()
        with self._lock:
            self._waiting.append(news)
            if self._is_closed or self._size > size:
                self._tell()
        return news

    def _append_lines(self, stream: Stream, line: bytearray) -> None:
        """Append what of `line` is to be held back no longer, and leave the rest in it."""
        end = len(line) if len(line) > LONGEST_LINE else line.rindex(b"\n") + 1
        self._append(stream, line[:end])
        del line[:end]

    def _append(self, stream: Stream, data: bytes | bytearray) -> None:
        with suppress(OSError):
            view = memoryview(bytes(data))
            while view and not self._is_closed:
                if self._left == 0:
                    self._next_segment()
                if stream is not self._stream:
                    self._mark(stream)
                assert self._file is not None
                written = os.write(self._file, view[: self._left])
                self._left -= written
                self._size += written
                view = view[written:]

    def _tell(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for news in waiting:
                if news.set_running_or_notify_cancel():
                    news.set_result(None)

    def _next_segment(self) -> None:
        number = self._segment + 1
        if number == 0:
            self._path = self._outputs.path(*self._attempt)
            self._sizes = Sizes.within(self._limit)
            make_private(self._path.parent)
            self._sizes.write(self._path)
        elif number > 2:
            for path in (segment(self._path, number - 2), streams_of(self._path, number - 2)):
                path.unlink(missing_ok=True)
        self._close_files()
        self._file = create(segment(self._path, number))
        self._segment, self._left = number, self._sizes.of(number)
        self._stream = Stream.STDOUT

    def _mark(self, stream: Stream) -> None:
        if self._marks is None:
            self._marks = create(streams_of(self._path, self._segment))
        at = self._sizes.of(self._segment) - self._left
        os.write(self._marks, ENTRY.pack(at, STREAMS.index(stream)))
        self._stream = stream

    def _close_files(self) -> None:
        for descriptor in (self._file, self._marks):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._marks = None


class Outputs:
    """The outputs of a store's attempts, in `folder`; any thread may ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[tuple[str, int], Output] = {}

    def open(self, run: RunId, attempt: int, limit: int) -> Output:
        """Return where an attempt is to print; nothing is made before it does."""
        output = self._open[run, attempt] = Output(self, run, attempt, limit)
        return output

    def close(self, run: RunId, attempt: int, output: Output) -> None:
        """Take nothing more of an attempt."""
        output.close()
        self._open.pop((run, attempt), None)

    def read(self, run: str, attempt: int, after: int = 0, most: int = CHUNK) -> Chunk:
        """Return up to `most` bytes of what an attempt printed, from byte `after` on.

        What is not UTF-8 is shown as ``\\xNN``. Who printed nothing has an empty output.
        """
        is_over = (run, attempt) not in self._open  # before the look: what is missed comes later
        if not RUN.fullmatch(run):
            return Chunk((), after, is_last=is_over)
        return read_chunk(self.path(run, attempt), after, most, is_over=is_over)

    def more_than(self, run: str, attempt: int, size: int) -> Future[None]:
        """Return a future that is done when more was printed than `size` bytes, or all was."""
        output = self._open.get((run, attempt))
        if output is not None:
            return output.more_than(size)
        over = Future[None]()
        over.set_result(None)
        return over

    def delete(self, runs: Iterable[str]) -> None:
        """Forget what runs printed."""
        for run in runs:
            if RUN.fullmatch(run):
                shutil.rmtree(self._of(run), ignore_errors=True)
                with suppress(OSError):  # others may be in it
                    self._of(run).parent.rmdir()

    def forget_unknown(self, known: Callable[[list[str]], Collection[str]]) -> int:
        """Delete the outputs of all runs but those that `known` returns of a list; return how many.

        It looks at every directory: it is for a thread that nobody waits for.
        """
        count = 0
        for bucket in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            runs = [run.name for run in bucket.iterdir() if RUN.fullmatch(run.name)]
            kept = known(runs) if runs else ()
            gone = [run for run in runs if run not in kept]
            self.delete(gone)
            count += len(gone)
        return count

    def path(self, run: str, attempt: int) -> Path:
        """Return the path that the names of an output's files begin with."""
        return self._of(run) / str(attempt)

    def _of(self, run: str) -> Path:
        return self.folder / run[:BUCKET] / run


def make_private(folder: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
