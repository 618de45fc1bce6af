"""A terminal that a live view has to itself: full screen, and key by key.

It is given back as it was on every way out: a key, Ctrl-C, SIGTERM, SIGHUP, an exception, and while
Ctrl-Z has the view stopped.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

# A control sequence of ECMA-48, which a terminal sends in one write, or the bytes of a character.
_KEY: Final = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*")
# What the keys that are no characters send, in both modes of the arrows.
_NAMED: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
}
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


def is_possible() -> bool:
    """Whether there is a terminal at both ends that can be had, and that knows how to be driven."""
    is_dumb = os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb


class Stage:
    """The terminal, from ``with`` to its end, for the main thread.

    `news` gets each key: its character or name, and ``"resized"`` and ``"suspended"`` (Ctrl-Z, for
    which `suspend` is to be called). SIGTERM and SIGHUP raise `SystemExit`.
    """

    def __init__(self, news: SimpleQueue[Any]) -> None:
        self._news = news
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._before = termios.tcgetattr(sys.stdin)
        self._shown: list[Text] = []
        self._way_out = ExitStack()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._console.size

    def show(self, lines: list[Text]) -> None:
        """Put lines on the screen, unless they are there already."""
        if lines == self._shown:
            return
        self._shown = lines
        self._live.update(Group(*lines), refresh=True)

    def suspend(self) -> None:
        """Give the terminal back and stop, as Ctrl-Z asks; take it again when told to go on."""
        self._live.stop()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def __enter__(self) -> Stage:
        for number in _ENDING:
            self._handle(number, _end)
        self._handle(signal.SIGWINCH, lambda *_: self._news.put("resized"))
        self._handle(signal.SIGTSTP, lambda *_: self._news.put("suspended"))
        self._way_out.callback(termios.tcsetattr, sys.stdin, termios.TCSADRAIN, self._before)
        self._way_out.callback(self._live.stop)
        self._take()
        threading.Thread(target=self._read_keys, name="keys", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._way_out.close()

    def _take(self) -> None:
        tty.setcbreak(sys.stdin, termios.TCSADRAIN)
        self._shown = []
        self._live.start()

    def _handle(self, number: signal.Signals, handler: Callable[..., object]) -> None:
        self._way_out.callback(signal.signal, number, signal.signal(number, handler))

    def _read_keys(self) -> None:
        descriptor = sys.stdin.fileno()
        with suppress(OSError):  # EIO, of a terminal that is gone
            while typed := os.read(descriptor, 1024):
                for key in _KEY.findall(typed):
                    self._news.put(_NAMED.get(key) or key.decode(errors="replace"))
        os.kill(os.getpid(), signal.SIGHUP)  # the kernel sends it to a session's own terminal alone


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
    raise SystemExit(128 + number)
