"""docs/time.md: what it shows is what taskd prints, of a history that really happened."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from time import time

import pytest

from tests.daemon.live import Live
from tests.daemon.shift import COMPILER, Shift

GUIDE = Path(__file__).parents[2] / "docs" / "time.md"
MYAPP = """
from work import hold, ping
nightly = report = brief = mail = ping
sync = hold
"""
# What differs from run to run: ids, and how long ago or how late something is.
VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "RUN"),
    (re.compile(r"\b(\d+[dhms])+\b( ago)?|\bnow\b"), "TIME"),
    (re.compile(r"\.\d{3}\b"), ""),
    (re.compile(r" +"), " "),
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def alike(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()


def told() -> list[tuple[str, str]]:
    """Each command that the guide shows, and what it prints."""
    found = []
    for block in blocks("console"):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = shown.partition("\n")
            found.append((command, output))
    return found


class History:
    """The daemon of the guide, whose clock is set, and the command line on the same clock."""

    def __init__(self, live: Live) -> None:
        self.live, self.shift = live, Shift(live.folder)
        self.environ = {**self.shift.environ, "TZ": "Europe/Berlin"}
        (live.folder / "myapp.py").write_text(MYAPP)

    def set(self, at: str) -> None:
        self.shift.set(round(datetime.fromisoformat(at).timestamp() - time()))

    def start(self, file: str | None = None) -> None:
        self.live.start(file, **self.environ)

    def taskd(self, command: str) -> str:
        words = shlex.split(command)
        assert words[0] == "taskd"
        ended = subprocess.run(
            [sys.executable, "-m", "taskd", *words[1:]],
            env={**os.environ, **self.environ, "TASKD_SOCKET": str(self.live.socket)},
            cwd=self.live.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ended.stdout + ended.stderr

    def decided(self, job: str, state: str, count: int) -> None:
        """Wait until so many occurrences of a job ended so."""
        self.live.until(lambda: self.live.job(job)["counts"].get(state, 0) >= count)

    def happens(self, file: str) -> None:
        """What the guide tells: a morning without taskd, a noon, and the night of the change."""
        self.set("2026-03-28T07:30+01:00")
        self.start(file)
        assert self.live.end() == 0
        self.set("2026-03-28T11:59:55+01:00")
        self.start()
        self.live.client.pause("mail", reason="the server moves")
        self.decided("sync", "SKIPPED", 4)  # 8 to 10, and 12 o'clock
        self.decided("report", "SKIPPED", 1)
        self.set("2026-03-28T12:05+01:00")
        self.live.client.resume("mail")
        (self.live.folder / "gate.open").touch()
        self.decided("sync", "SUCCEEDED", 1)
        self.set("2026-03-29T01:59:57+01:00")
        self.decided("nightly", "SUCCEEDED", 1)


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
def test_the_guide_to_time_shows_what_is_printed(live: Live) -> None:
    history = History(live)
    now, later = blocks("toml")
    history.happens(now)
    (live.folder / "new.toml").write_text(later)
    shown = told()
    for command, output in shown:
        printed = history.taskd(command).replace(str(live.folder), "/var/lib/taskd")
        assert alike(printed) == alike(output), f"{command}\n{printed}"
    asked = [command.split()[1] for command, _ in shown]
    assert {"explain", "why", "diff"} <= set(asked)
