"""Outputs: what attempts print, in files beside the store, each no longer than its limit.

An attempt that prints nothing has no file. What one prints is one stream of bytes, cut into
segments: the first holds the head, half of the limit; of the others, a quarter each, the last two
are kept. So a reader who follows sees everything, one who comes late the head and the tail, and an
attempt that prints without end costs no memory and no more disk than its limit.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskd.core.run import RunId

CHUNK: Final = 64 * 1024  # bytes
BUCKET: Final = 6  # digits of a run's id: a directory for the runs of a few hours
RUN: Final = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an attempt's output; read on at `after`.

    `left_out` bytes before it are not kept any more. `is_last` says that no more will come.
    """

    text: str
    after: int
    left_out: int = 0
    is_last: bool = False


class Output:
    """What one attempt prints; any thread may write."""

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self._folder = folder
        self._name = name
        self._head, self._piece = limit // 2, limit // 4
        self._lock = threading.Lock()
        self._file: int | None = None
        self._segment = 0
        self._left = self._head
        self._is_closed = False

    def write(self, data: bytes) -> None:
        """Append `data`; a full disk, or an end that has been reported, loses it quietly."""
        with self._lock, suppress(OSError):
            view = memoryview(data)
            while view and not self._is_closed:
                if self._file is None or self._left == 0:
                    self._next_segment()
                assert self._file is not None
                written = os.write(self._file, view[: self._left])
                self._left -= written
                view = view[written:]

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_closed = True
            self._close_file()

    def _next_segment(self) -> None:
        if self._file is None and self._segment == 0 and self._left:
            make_private(self._folder)
            _write_limit(self._folder / self._name, self._head, self._piece)
        else:
            self._segment += 1
            self._left = self._piece
            if self._segment > 2:
                _segment(self._folder / self._name, self._segment - 2).unlink(missing_ok=True)
        self._close_file()
        path = _segment(self._folder / self._name, self._segment)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Outputs:
    """The outputs of a store's attempts, in `folder`; any thread may ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: set[tuple[str, int]] = set()

    def open(self, run: RunId, attempt: int, limit: int) -> Output:
        """Return where an attempt is to print; nothing is made before it does."""
        self._open.add((run, attempt))
        return Output(self._of(run), str(attempt), limit)

    def close(self, run: RunId, attempt: int, output: Output) -> None:
        """Take nothing more of an attempt."""
        output.close()
        self._open.discard((run, attempt))

    def read(self, run: str, attempt: int, after: int = 0, most: int = CHUNK) -> Chunk:
        """Return up to `most` bytes of what an attempt printed, from byte `after` on.

        What is not UTF-8 is shown as ``\\xNN``. Who printed nothing has an empty output.
        """
        is_last = (run, attempt) not in self._open  # before the look: what is missed comes later
        path = self._of(run) / str(attempt)
        if not RUN.fullmatch(run) or (sizes := _read_limit(path)) is None:
            return Chunk("", after, is_last=is_last)
        head, piece = sizes
        begins = {n: 0 if n == 0 else head + (n - 1) * piece for n in _segments(path)}
        for number, begin in sorted(begins.items()):
            end = begin + (head if number == 0 else piece)
            if after >= end:
                continue
            start = max(after, begin)
            data = _read(_segment(path, number), start - begin, most)
            if not data and number != max(begins):
                continue
            is_end = is_last and number == max(begins) and len(data) < most
            text, size = _text(data, whole=is_end or start + len(data) == end)
            return Chunk(text, start + size, left_out=start - after, is_last=is_end)
        return Chunk("", after, is_last=is_last)

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

    def _of(self, run: str) -> Path:
        return self.folder / run[:BUCKET] / run


def make_private(folder: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def left_out_marker(count: int) -> str:
    """Return the line that stands for `count` bytes that are not kept."""
    return f"\n... {count} bytes left out ...\n"


def _segment(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _segments(path: Path) -> list[int]:
    prefix = f"{path.name}."
    names = [one.name for one in path.parent.iterdir() if one.name.startswith(prefix)]
    return [int(end) for name in names if (end := name.removeprefix(prefix)).isdecimal()]


def _write_limit(path: Path, head: int, piece: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path.with_name(f"{path.name}.sizes"), flags, 0o600)
    try:
        os.write(descriptor, f"{head} {piece}".encode())
    finally:
        os.close(descriptor)


def _read_limit(path: Path) -> tuple[int, int] | None:
    try:
        head, piece = path.with_name(f"{path.name}.sizes").read_text().split()
        return int(head), int(piece)
    except (OSError, ValueError):
        return None


def _read(path: Path, offset: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except OSError:  # the attempt has printed on, and this part is gone meanwhile
        return b""


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
