"""A real daemon in a process of its own, on a jobs.toml and a module of jobs in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from taskd.client import Client
from taskd.errors import NoDaemon

PATIENCE_S = 20.0

PING = '[jobs.ping]\ncall = "work:ping"\nevery = "1h"\n'
HOLD = '[jobs.hold]\ncall = "work:hold"\nevery = "1h"\n'

WORK = """
import os, threading, time
from pathlib import Path
HERE = Path(__file__).parent

def ping():
    return "pong"

def add(total, step=1):
    return total + step

def fail():
    raise ValueError("no such luck")

def hold(name="gate"):
    (HERE / f"{name}.begun").touch()
    while not (HERE / f"{name}.open").exists():
        time.sleep(0.01)
    return "let go"

def leave():
    threading.Thread(target=threading.Event().wait, daemon=False).start()

def tick():
    (HERE / "ticked").touch()

def crash():
    os._exit(9)
"""


class Live:
    """The daemon, its folder, and a client for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "jobs.toml"
        self.socket = folder / "taskd.sock"
        self.store = f"sqlite:///{folder}/taskd.db"
        self.client = Client(self.socket)
        self.lines: SimpleQueue[str] = SimpleQueue()
        self.said: list[str] = []
        self.descriptors: int | None = None
        self.program = ["taskd"]
        self.process: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None
        (folder / "work.py").write_text(WORK)

    def write(self, text: str) -> None:
        """Replace jobs.toml as an editor does: a new file, renamed."""
        draft = self.folder / "draft"
        draft.write_text(text)
        draft.replace(self.config)

    def start(self, text: str | None = None, **environ: str) -> str:
        """Start the daemon and return its ready line."""
        if text is not None:
            self.write(text)
        self.process = self.spawn(**environ)
        self.reader = threading.Thread(target=self._read, args=[self.process], daemon=True)
        self.reader.start()
        return self.line_with("is ready")

    def command(self) -> list[str]:
        """Return what starts the daemon."""
        limited = ["sh", "-c", f'ulimit -n {self.descriptors}; exec "$@"', "sh"]
        return [
            *(limited if self.descriptors is not None else ()),
            *(sys.executable, "-m", *self.program, "run", str(self.config)),
            *("--socket", str(self.socket), "--store", self.store),
        ]

    def spawn(self, stderr: int = subprocess.PIPE, /, **environ: str) -> subprocess.Popen[str]:
        """Start the daemon and wait for nothing."""
        return subprocess.Popen(
            self.command(),
            stderr=stderr,
            text=True,
            env=os.environ | environ,
        )

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.send(number)
        assert self.process is not None
        status = self.process.wait(PATIENCE_S)
        if self.reader is not None:
            self.reader.join(PATIENCE_S)
        return status

    def line_with(self, text: str) -> str:
        """Return the next line of stderr that holds `text`."""
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(f"no line with {text!r} in {self.said}") from None
            self.said.append(line)
            if text in line:
                return line

    def rest(self) -> list[str]:
        """Return the lines of stderr that were not asked for yet."""
        return [self.lines.get() for _ in range(self.lines.qsize())]

    def until(self, holds: Callable[[], Any]) -> Any:
        """Return what `holds` gives once it is true; asked for at each beat, never for ever."""
        beat = threading.Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if found := holds():
                return found
            beat.wait(0.02)
        raise AssertionError(f"it never held; {self.client.status()}")

    def answers(self) -> bool:
        """Whether the daemon answers by now; a socket is bound before it listens."""
        try:
            self.client.ping()
        except NoDaemon:
            return False
        return True

    def job(self, name: str) -> dict[str, Any]:
        """Return a job's card."""
        return self.client.job(name)

    def taskd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against this daemon."""
        return subprocess.run(
            [sys.executable, "-m", "taskd", *arguments],
            env=os.environ | {"TASKD_SOCKET": str(self.socket)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json and return what it printed."""
        ended = self.taskd(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self.lines.put(line.rstrip("\n"))


@pytest.fixture
def live() -> Iterator[Live]:
    """A folder for a daemon, its path short enough for a socket; at the end it is killed."""
    folder = Path(tempfile.mkdtemp(prefix="taskd-"))
    daemon = Live(folder)
    yield daemon
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.process.kill()
    if daemon.process is not None:
        daemon.process.wait()
    if daemon.reader is not None:
        daemon.reader.join(PATIENCE_S)
    shutil.rmtree(folder)
