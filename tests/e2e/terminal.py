"""A pseudo-terminal with a program in it, and what the program has written there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PATIENCE_S = 30.0
STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal of some size that `command` runs in."""

    def __init__(self, command: Sequence[str], columns: int, lines: int, **environ: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.modes = termios.tcgetattr(theirs)
        # readline, which pytest loads, put a COLUMNS of its own behind os.environ.
        surroundings = {**os.environ, "TERM": "xterm-256color", **environ}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=surroundings,
            start_new_session=True,
        )
        self._theirs = theirs
        self._sent = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def sent(self) -> str:
        """All that was written, with what drives the terminal."""
        with self._more:
            return self._sent

    def type(self, keys: str) -> None:
        """Press keys, all that was sent before being forgotten."""
        with self._more:
            self._sent = ""
        os.write(self._ours, keys.encode())

    def until(self, text: str) -> str:
        """Return what was sent as soon as `text` is in it, colours left out."""
        with self._more:
            found = self._more.wait_for(lambda: text in STYLE.sub("", self._sent), PATIENCE_S)
            assert found, f"no {text!r} in {self._sent!r}"
            return STYLE.sub("", self._sent)

    def end(self) -> int:
        """Return the exit status once the program has ended."""
        return self.process.wait(PATIENCE_S)

    def whole(self) -> str:
        """Return all that was sent once the program has ended, colours included."""
        self.process.wait(PATIENCE_S)
        self.close()
        return self.sent

    def is_as_before(self) -> bool:
        """Whether the terminal has the modes again that it had."""
        return termios.tcgetattr(self._theirs) == self.modes

    def close(self) -> None:
        """End the program, if it runs still, and the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._reader.is_alive():
            os.close(self._theirs)
            self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        while True:
            try:
                text = os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # nobody is at the other end any more
                os.close(self._ours)
                return
            with self._more:
                self._sent += text
                self._more.notify_all()


@contextmanager
def terminal(
    command: Sequence[str], columns: int = 80, lines: int = 24, **environ: str
) -> Iterator[Terminal]:
    """A terminal with a program in it; at the end both are gone."""
    opened = Terminal(command, columns, lines, **environ)
    try:
        yield opened
    finally:
        opened.close()
