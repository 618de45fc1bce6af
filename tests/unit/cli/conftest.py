"""A scripted daemon, and the command line run in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from taskd.cli import main
from tests.unit.cli.peer import Peer, listening


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


class Taskd(Protocol):
    def __call__(self, *arguments: str) -> Ended: ...


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No daemon of this machine is met by accident; local time is Berlin's."""
    for variable in ("TASKD_SOCKET", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TASKD_SOCKET", str(tmp_path / "s"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with listening(tmp_path / "s") as peer:
        yield peer


@pytest.fixture
def taskd(capsys: pytest.CaptureFixture[str]) -> Taskd:
    """The command line, in this process."""

    def run(*arguments: str) -> Ended:
        status = main(arguments)
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return run


@pytest.fixture
def taskd_process() -> Taskd:
    """The command line, in a process of its own whose output is a pipe."""

    def run(*arguments: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "taskd", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(os.environ),
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


class Terminal(Protocol):
    def __call__(self, *arguments: str, columns: int = 80) -> str: ...


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def taskd_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The command line, in this process but on a terminal; gives all that the terminal is sent."""

    def run(*arguments: str, columns: int = 80) -> str:
        screen = Screen()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            patch.setenv("TERM", "xterm-256color")
            patch.setenv("COLUMNS", str(columns))
            main(arguments)
        return screen.getvalue()

    return run
