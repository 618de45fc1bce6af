"""What the README shows is what a reader sees, in a fresh clone and line by line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shell import Shell
from tests.e2e.terminal import STYLE, Terminal, terminal
from tests.machine import lacking

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TASKD = str(Path(sys.executable).with_name("taskd"))

MYAPP = {"reports": "def build(region):\n    return region\n", "health": "def ping():\n    pass\n"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def plain(text: str, home: Path) -> list[str]:
    """The lines without what differs each time: ids, times, durations, widths, and whose home."""
    text = STYLE.sub("", text).replace(f"{home}/run", "/run/user/1000/taskd")
    text = text.replace(str(home), "/home/alice").replace("\r", "")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "RUN", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\b\d+(\.\d+)?(s|m|h|d|ms)( \d+[smh])?(?= ago|,|\s|$)", "N", text)
    text = re.sub(r"pid \d+", "pid N", text).replace(" now ", " N ago ")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # Which column is the last that there is room for hangs on the width of a duration.
    return [re.sub(r" (RUNNING|SOURCE|file|0)$", "", line) for line in lines]


def test_it_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 200


def test_the_first_commands_print_what_it_shows(tmp_path: Path) -> None:
    run, status = (block.partition("\n")[2] for block in blocks("console"))
    (tmp_path / "jobs.toml").write_text(blocks("toml")[0])
    (tmp_path / "myapp").mkdir()
    for module, text in MYAPP.items():
        (tmp_path / "myapp" / f"{module}.py").write_text(text)
    shell = Shell(tmp_path)
    shell.environ |= {"TASKD_SOCKET": f"{tmp_path}/run/taskd.sock"}
    shell.environ |= {"XDG_STATE_HOME": f"{tmp_path}/.local/state"}
    with shell.start("exec taskd run jobs.toml") as daemon:
        assert daemon.stdout is not None
        said = daemon.stdout.readline() + daemon.stdout.readline()
        with terminal([TASKD, "status"], 80, 24, **shell.environ) as window:
            table = window.whole()
        assert shell.interrupt(daemon) == 0
    assert plain(said, tmp_path) == plain(run, Path("/home/alice"))
    assert plain(table, tmp_path) == plain(status, Path("/home/alice"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone of the working tree would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        lacking("a checkout of git")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


class Prompt:
    """Somebody at a shell in a terminal of 80 columns."""

    def __init__(self, window: Terminal, folder: Path) -> None:
        self.window = window
        self.enter(f"cd {folder} && unset VIRTUAL_ENV PYTHONPATH")

    def enter(self, line: str) -> str:
        """Paste a line, which must succeed; return what the terminal showed."""
        self.window.type(f"{line}\n")
        self.window.type('echo "it ended with" "$?."\n')
        shown = self.window.until("it ended with ")
        assert "it ended with 0." in self.window.until("."), (line, shown)
        return shown


@pytest.fixture
def windows() -> Iterator[tuple[Terminal, Terminal]]:
    bash = ["bash", "--norc", "--noprofile"]
    with terminal(bash, 80) as one, terminal(bash, 80) as other:
        yield one, other


@pytest.mark.timeout(600)
def test_a_walk_through_a_fresh_clone(clone: Path, windows: tuple[Terminal, Terminal]) -> None:
    one, other = windows
    start, *_ = blocks("sh")
    one.type(f"cd {clone} && unset VIRTUAL_ENV PYTHONPATH\n")
    one.type(start)
    patiently(one, "is ready: 8 jobs")
    prompt = Prompt(other, clone)
    (lines,) = (block.splitlines() for block in blocks("sh")[1:])
    for line in lines:
        prompt.enter(line)
    one.type("\x03")
    one.until("taskd is shutting down")


def patiently(window: Terminal, text: str) -> None:
    """Wait for a text that takes minutes: an environment is set up first."""
    for _ in range(15):
        try:
            window.until(text)
        except AssertionError:
            continue
        return
    raise AssertionError(window.sent)
