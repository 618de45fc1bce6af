"""The installed command as people see it: in a terminal of 80 and 200 columns, and in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import live as live
from tests.daemon.live import Live
from tests.e2e.terminal import CONTROL, STYLE, terminal

TASKD = str(Path(sys.executable).with_name("taskd"))

WORK = """
def shout():
    raise ValueError("a\\x1b]0;x\\x07[red]\\u202eb")

def work():
    from taskd import current_run
    current_run.progress(4, 10, "rows")
    print("row 4")
    return hold()
"""
JOBS = """
[jobs.nightly-report]
call = "work:work"
cron = "30 2 1 1 *"
description = "Revenue of the year [red]"

[jobs.shouts]
call = "work:shout"
cron = "@yearly"
"""
# Drawn lines and corners: a table has none.
BOXES = re.compile("[\u2500-\u257f]")


@pytest.fixture
def daemon(live: Live) -> Iterator[Live]:
    work = live.folder / "work.py"
    work.write_text(work.read_text() + WORK)
    live.start(JOBS)
    yield live


def seen(live: Live, *arguments: str, columns: int = 80, no_color: str = "") -> str:
    """Return what the command writes into a terminal, to its end, colours included."""
    socket = str(live.socket)
    with terminal([TASKD, *arguments], columns, TASKD_SOCKET=socket, NO_COLOR=no_color) as screen:
        return screen.whole()


def piped(live: Live, *arguments: str) -> str:
    ended = subprocess.run(
        [TASKD, *arguments],
        env=os.environ | {"TASKD_SOCKET": str(live.socket)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.stdout + ended.stderr


def test_an_operators_session_reads_well_at_80_and_200_columns_and_in_a_pipe(daemon: Live) -> None:
    failed = piped(daemon, "trigger", "shouts", "--wait")
    assert re.search(r"^FAILED: ValueError: a\\x1b\]0;x\\x07\[red\]\\u202eb$", failed, re.M)
    sessions = {
        width: [
            STYLE.sub("", seen(daemon, *verb, columns=width))
            for verb in (["status"], ["runs"], ["status", "nightly-report"], ["top", "--once"])
        ]
        for width in (80, 200)
    }
    for width, texts in sessions.items():
        for text in texts:
            assert max(map(len, text.splitlines()[1:])) <= width  # the first is a sentence
            assert not BOXES.search(text)
            assert not {"\x07", "\u202e"} & set(text)
    assert "CALL" not in sessions[80][0]
    assert "CALL" in sessions[200][0]
    for width, line in ((80, r"^  ValueError"), (200, r"FAILED .* ValueError")):
        assert re.search(line + re.escape(r": a\x1b]0;x\x07[red]\u202eb"), sessions[width][1], re.M)
    assert "Revenue of the year [red]" in sessions[80][2]
    pipe = piped(daemon, "status")
    assert "\x1b" not in pipe
    assert pipe.splitlines()[1].split()[-1] == "CALL"


def test_what_was_done_and_what_comes_next_is_said_in_a_sentence(daemon: Live) -> None:
    name = "nightly-report"
    assert f"paused {name}; go on with: taskd resume {name}" in piped(daemon, "pause", name)
    assert re.search(
        rf"resumed {name}, next run \d{{4}}-01-01 02:30 ", piped(daemon, "resume", name)
    )
    said = piped(daemon, "add", "count", "work:add", "--in", "2h", "--arg", "1")
    assert re.search(r"added count, next run (today|tomorrow) \d\d:\d\d ", said)
    assert "revive it with: taskd resume count" in piped(daemon, "stop", "count")
    assert "removed count" in piped(daemon, "remove", "count")
    assert "did you mean nightly-report?" in piped(daemon, "status", "nightly-reprot")
    assert "Did you mean 'status'?" in piped(daemon, "stauts")


def test_a_wait_is_a_line_that_goes_on_and_is_gone_at_the_end(daemon: Live) -> None:
    command = [TASKD, "trigger", "nightly-report", "--wait"]
    with terminal(command, columns=80, TASKD_SOCKET=str(daemon.socket)) as screen:
        shown = screen.until("s, ████░░░░░░ 40%, ")
        assert re.search(r"nightly-report RUNNING \d+s, ████░░░░░░ 40%, ", shown)
        (daemon.folder / "gate.open").touch()
        assert screen.end() == 0
        assert screen.until("SUCCEEDED in ").rstrip().rpartition("\x1b[K")[2].startswith("SUCC")


def test_top_is_worked_by_keys_and_gives_the_terminal_back(daemon: Live) -> None:
    run = daemon.client.trigger("nightly-report")["id"]
    command = [TASKD, "top"]
    with terminal(command, columns=100, lines=30, TASKD_SOCKET=str(daemon.socket)) as top:
        top.until("████░░░░░░ 40%")
        assert "\x1b[?1049h" in top.sent  # the alternate screen
        top.type("l")
        top.until(f"output of nightly-report {run}")
        top.until("row 4")
        top.type("q")
        top.until("l logs")
        top.type("s")
        top.until(f"stop run {run} of nightly-report? y or n")
        top.type("n")
        top.type("\x1b[B")
        top.until("p pause or resume")
        top.type("p")
        top.until("paused shouts; p resumes it")
        assert daemon.job("shouts")["state"] == "paused"
        top.type("q")
        assert top.end() == 0
        top.until("\x1b[?1049l")
        assert top.is_as_before()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_top_gives_the_terminal_back_when_a_signal_ends_it(
    daemon: Live, number: int, status: int
) -> None:
    with terminal([TASKD, "top"], TASKD_SOCKET=str(daemon.socket)) as top:
        top.until("nothing runs")
        top.process.send_signal(number)
        assert top.end() == status
        top.until("\x1b[?1049l")
        assert "\x1b[?25h" in top.sent  # the cursor is shown again
        assert top.is_as_before()


def test_top_says_that_the_daemon_is_gone_and_finds_the_next_one(daemon: Live) -> None:
    with terminal([TASKD, "top"], TASKD_SOCKET=str(daemon.socket)) as top:
        top.until("nothing runs")
        daemon.end(signal.SIGKILL)
        top.until("calling the daemon again: ")
        top.type("k")
        daemon.start(JOBS + '[jobs.newcomer]\ncall = "work:ping"\ncron = "@yearly"\n')
        top.until("newcomer")


def test_status_watch_shows_each_change(daemon: Live) -> None:
    command = [TASKD, "status", "--watch"]
    with terminal(command, columns=80, TASKD_SOCKET=str(daemon.socket)) as watch:
        watch.until("nightly-report")
        watch.type("x")
        daemon.client.pause("shouts")
        assert "shouts          paused" in CONTROL.sub("", watch.until("paused"))
        watch.type("q")
        assert watch.end() == 0
        assert watch.is_as_before()


def test_colour_is_for_a_state_and_there_is_none_where_it_is_not_wanted(daemon: Live) -> None:
    assert set(re.findall(r"\x1b\[3\dm(\w+)", seen(daemon, "status"))) == {"active"}
    plain = seen(daemon, "status", no_color="1")
    assert not re.search(r"\x1b\[3\dm", plain)
    assert STYLE.search(plain)  # the titles are bold
