"""Takes the pictures of the README: what a real daemon's `taskd status` and `taskd top` show.

python -m docs.screenshots    writes docs/status.svg and docs/top.svg
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from taskd.client import Client
from taskd.errors import NoDaemon
from tests.e2e.terminal import terminal

HERE: Final = Path(__file__).parent
TASKD: Final = str(Path(sys.executable).with_name("taskd"))
COLUMNS: Final = 100
BEATS: Final = 600  # of a tenth of a second, for the scene to be set
SHARE: Final = 0.62  # of the report that is done in the picture

DRIVING: Final = re.compile(r"\r|\x1b\[[0-9;?]*[A-Za-ln-z]")  # all but colours

JOBS: Final = """
[daemon]
timezone = "UTC"
workers = 4

[jobs.nightly-report]
call = "shop:report"
cron = "30 2 * * mon-fri"

[jobs.sync-mail]
call = "shop:sync"
every = "15m"

[jobs.import-feed]
call = "shop:feed"
every = "10m"
retry = { max_attempts = 5, initial = "45s", backoff = "fixed", jitter = "none" }

[jobs.heartbeat]
call = "shop:ping"
every = "10s"

[jobs.invoices]
call = "shop:invoices"
every = "1h"

[jobs.backup]
command = ["true"]
cron = "@daily"

[jobs.campaign]
call = "shop:ping"
at = 2030-12-24T18:00:00Z

[jobs.reindex]
call = "shop:ping"
cron = "0 4 * * sun"
"""
WORK: Final = """
from threading import Event
from taskd import current_run

def report():
    for row in range(1000):
        current_run.progress(row, 1000, f"row {row}")
        Event().wait(0.01)

def sync():
    while not current_run.cancelled:
        Event().wait(0.1)

def feed():
    raise ConnectionError("feed.example.org does not answer")

def invoices():
    raise ValueError("3 of 100 invoices are not paid")

def ping():
    return "ok"
"""
THEME: Final = TerminalTheme(
    (24, 26, 31),
    (204, 208, 216),
    [
        (60, 64, 72),
        (240, 113, 120),
        (145, 203, 107),
        (229, 192, 100),
        (97, 175, 239),
        (198, 120, 221),
        (86, 196, 208),
        (204, 208, 216),
    ],
)


@contextmanager
def scene() -> Iterator[tuple[Path, Client]]:
    """A daemon in a folder of its own, in the midst of its work."""
    folder = Path(tempfile.mkdtemp(prefix="taskd-"))
    (folder / "jobs.toml").write_text(JOBS)
    (folder / "shop.py").write_text(WORK)
    socket = folder / "s"
    daemon = subprocess.Popen(
        [TASKD, "run", "jobs.toml", "--socket", str(socket), "--store", "sqlite:///taskd.db"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    client = Client(socket)
    try:
        until(lambda: answers(client))
        client.pause("reindex", "the index is being moved")
        client.trigger("nightly-report")
        client.trigger("backup")
        until(lambda: is_set(client.top()))
        yield socket, client
    finally:
        daemon.kill()
        daemon.wait()
        shutil.rmtree(folder)


def answers(client: Client) -> bool:
    """Whether the daemon answers by now."""
    try:
        client.ping()
    except NoDaemon:
        return False
    return True


def is_set(document: dict[str, Any]) -> bool:
    """Whether the report is as far as wanted, and the others have failed or wait."""
    shares = [
        one["progress"]["done"] / one["progress"]["total"]
        for one in document["running"]
        if one["progress"]
    ]
    return bool(document["retrying"] and document["failures"]) and max(shares, default=0) >= SHARE


def until(holds: Any) -> None:
    """Look again and again, until `holds` is true."""
    beat = Event()
    for _ in range(BEATS):
        if holds():
            return
        beat.wait(0.1)
    raise SystemExit("the scene was never set")


def picture(screen: str, title: str, file: Path) -> None:
    """Write what a terminal showed as an SVG file."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    shown = DRIVING.sub("", screen).rstrip("\n")
    for line in shown.split("\n"):
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    svg = console.export_svg(title=title, theme=THEME, unique_id=file.stem)
    # Some programs that draw SVG, unlike browsers, drop the blanks that rich has made unbreakable.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    file.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def main() -> None:
    """Set the scene and take both pictures."""
    with scene() as (socket, _):
        surroundings = {"TASKD_SOCKET": os.path.relpath(socket), "TZ": "UTC"}
        with terminal([TASKD, "top"], COLUMNS, 22, **surroundings) as top:
            top.until("q quit")
            frame = top.sent.rpartition("\x1b[H")[2]
        with terminal([TASKD, "status"], COLUMNS, **surroundings) as status:
            table = status.whole()
    picture(frame, "taskd top", HERE / "top.svg")
    picture(table, "taskd status", HERE / "status.svg")


if __name__ == "__main__":
    main()
