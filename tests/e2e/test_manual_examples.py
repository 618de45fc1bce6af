"""Every example of the manual pages does what the page says, on a real daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskd.config.load import load

ROOT = Path(__file__).parents[2]

JOBS = """
[categories]
transient = ["ConnectionError"]

[jobs.nightly-report]
call = "myapp.reports:build"
cron = "30 2 * * mon-fri"
timezone = "Europe/Berlin"

[jobs.heartbeat]
call = "app:fetch"
every = "1h"

[jobs.broken]
call = "app:fail"
every = "1h"
retry = { max_attempts = 2, initial = "1ms" }
"""
APP = """
def fetch(region=None):
    print("fetched", region)
    return 42

def fail():
    raise TimeoutError("no answer")
"""

REPORTS = """
def build(region=None, fails=False):
    print("built", region)
    if fails:
        raise ValueError("no such region")
    return region
"""

# What must run before the others, and after them; in between is the order of the page.
FIRST = ("taskd init", "taskd add", "taskd trigger")
LAST = ("taskd dismiss", "taskd remove", "taskd reload", "taskd shutdown")
DAEMONS = ("taskd run ", "taskd init ")  # examples that end with a daemon, which is told to end


def blocks(page: str) -> list[str]:
    """Return the literal blocks of a page."""
    found = re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed", (ROOT / "man" / page).read_text(), re.S | re.M
    )
    return [block.replace("\\&", "").replace("\\e", "\\") for block in found]


def examples() -> list[str]:
    """Return the command lines of taskd(1), in an order in which each finds what it needs."""
    lines = [line for block in blocks("taskd.1") for line in block.splitlines()]
    assert all("taskd " in line for line in lines)

    def place(line: str) -> int:
        if line.startswith(FIRST):
            return 0
        return 2 if line.startswith(LAST) else 1

    return sorted(lines, key=place)


class Shell:
    """A shell in a folder with jobs, in which `taskd` is the command of this environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TASKD_SOCKET": str(folder / "s"),
            "XDG_STATE_HOME": str(folder / "state"),
            "STATE_DIRECTORY": "",
        }

    def start(self, line: str, **more: str) -> subprocess.Popen[str]:
        """Start a command line; elsewhere, if it writes a jobs.toml of its own."""
        return subprocess.Popen(
            ["sh", "-c", line],
            cwd=self.folder / "elsewhere" if "> jobs.toml" in line else self.folder,
            env=self.environ | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def run(self, line: str) -> str:
        """Run a command line that must succeed; return what it prints."""
        with self.start(line) as process:
            told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, (line, told)
        return told

    def interrupt(self, process: subprocess.Popen[str]) -> int:
        """Press Ctrl-C, and return the exit status."""
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        return process.returncode


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("manual")
    (folder / "jobs.toml").write_text(JOBS)
    (folder / "app.py").write_text(APP)
    (folder / "myapp").mkdir()
    (folder / "myapp/reports.py").write_text(REPORTS)
    (folder / "elsewhere").mkdir()
    (folder / "bin").mkdir()
    (folder / "bin/crontab").write_text("#!/bin/sh\necho '30 2 * * * tar czf /tmp/x.tgz /etc'\n")
    (folder / "bin/crontab").chmod(0o755)
    shell = Shell(folder)
    with shell.start("exec taskd run jobs.toml") as daemon:
        assert daemon.stdout is not None
        assert "is ready" in daemon.stdout.readline()
        shell.run("taskd trigger nightly-report --kwarg fails=true --wait || true")
        for job in ("nightly-report", "heartbeat", "broken"):
            shell.run(f"taskd trigger {job} --wait || true")
        yield shell
        if daemon.poll() is None:
            shell.interrupt(daemon)


def a_run(shell: Shell, line: str) -> str:
    """Return the id of a run that the command line is about."""
    job = (
        "broken"
        if line.startswith(("taskd error", "taskd dismiss", "taskd retry"))
        else "heartbeat"
    )
    runs: list[dict[str, Any]] = json.loads(shell.run(f"taskd runs {job} --json"))
    return str(runs[-1]["id"])


@pytest.mark.parametrize("line", examples())
def test_an_example_of_the_commands_works(shell: Shell, line: str) -> None:
    if line.startswith(DAEMONS):
        own = {"TASKD_SOCKET": f"{shell.folder}/other", "XDG_STATE_HOME": f"{shell.folder}/own"}
        with shell.start(line, **own) as daemon:
            assert daemon.stdout is not None
            while "is ready" not in (said := daemon.stdout.readline()):
                assert said
            assert shell.interrupt(daemon) in (0, -signal.SIGINT, 130)
        return
    line = re.sub(r"\b01a2[0-9a-f.-]*", lambda _: a_run(shell, line), line)
    line = line.replace("/var/lib/taskd/", f"{shell.folder}/state/taskd/")
    if line.endswith(" -f"):
        with shell.start(line) as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline()
            assert shell.interrupt(follower) in (130, -signal.SIGINT)
        return
    shell.run(line)


@pytest.mark.parametrize("block", blocks("taskd.toml.5"))
def test_an_example_of_the_file_is_one_that_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "jobs.toml").write_text(block)
    assert load(tmp_path / "jobs.toml").jobs
