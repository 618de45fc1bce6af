"""Capture: what attempts in threads and coroutines print and log, each to an output of its own.

The daemon puts these in the place of sys.stdout and sys.stderr. What they get within an attempt
goes to its output, anything else where it went before; which attempt it is, the context says, so
that a thread that a callable started without its context counts as none. What is written to the
descriptors themselves, by C code or a child, is the daemon's: only a process has its own.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from taskd.executors.current_run import CONTEXT
from taskd.executors.outputs import Output
from taskd.executors.segments import Stream

LOG_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"


def current_output() -> Output | None:
    """Return where the calling attempt prints, None outside of one or where it is not kept."""
    context = CONTEXT.get(None)
    return None if context is None else context.output


class Text(io.TextIOBase):
    """A text stream that leads to the output of the calling attempt, or to `real`."""

    def __init__(self, stream: Stream, real: TextIO) -> None:
        self._stream = stream
        self._real = real
        self.buffer = _Bytes(stream, real)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8, for the files are."""
        return "utf-8"

    def write(self, text: str) -> int:
        """Write text; what UTF-8 has not is shown as an escape."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output = current_output()
        if output is None:
            return self._real.write(text)
        output.print(self._stream, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Have what of a line has come shown at once."""
        output = current_output()
        if output is None:
            self._real.flush()
        else:
            output.flush(self._stream)

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the caller prints to a terminal; an attempt never does."""
        return current_output() is None and self._real.isatty()

    def fileno(self) -> int:
        """Return the daemon's own descriptor: an attempt in a thread has none of its own."""
        return self._real.fileno()


class _Bytes(io.RawIOBase):
    """The same for bytes, as ``sys.stdout.buffer``."""

    def __init__(self, stream: Stream, real: TextIO) -> None:
        self._stream = stream
        self._real = real

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        data = bytes(data)
        output = current_output()
        if output is None:
            return self._real.buffer.write(data)
        output.flush(self._stream)  # of the text, which came before
        output.write(self._stream, data)
        return len(data)


class Handler(logging.Handler):
    """Writes the log records of an attempt to its output."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(LOG_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        output = current_output()
        if output is not None:
            try:
                line = self.format(record).encode("utf-8", "backslashreplace")
                output.write(Stream.LOG, line + b"\n")
            # As every handler: a record that cannot be formatted is not the callable's fault.
            except Exception:  # noqa: BLE001
                self.handleError(record)


def _is_of_nobody(record: logging.LogRecord) -> bool:  # noqa: ARG001 - the context decides
    return current_output() is None


@contextmanager
def captured() -> Iterator[None]:
    """Have what attempts print and log kept apart; afterwards all is as before.

    The handlers that the root logger has by now get only what is of no attempt.
    """
    root, handler = logging.getLogger(), Handler()
    others: Iterable[logging.Handler] = tuple(root.handlers)
    keep_out: Callable[[logging.LogRecord], bool] = _is_of_nobody
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Text(Stream.STDOUT, stdout), Text(Stream.STDERR, stderr)
    for other in others:
        other.addFilter(keep_out)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for other in others:
            other.removeFilter(keep_out)
        sys.stdout, sys.stderr = stdout, stderr
