"""What runs print, as `taskd logs` shows it: of one run or of a job, at its end or as it comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.daemon.live import PATIENCE_S, Live

MORE = """
import logging, sys

def speak(name):
    print("out", name)
    print("err", name, file=sys.stderr)
    logging.getLogger("work").warning("log %s", name)
    return hold(name)

def tell(word):
    print(word)
    if word == "fail":
        raise ValueError
    return word

def shaky():
    from taskd import current_run
    print("attempt", current_run.attempt)
    if current_run.attempt == 1:
        raise ValueError
"""
JOBS = """
[jobs.thread]
call = "work:speak"
args = ["thread"]

[jobs.process]
call = "work:speak"
args = ["process"]
executor = "process"

[jobs.tell]
call = "work:tell"
args = ["word"]

[jobs.shaky]
call = "work:shaky"
retry = { max_attempts = 2, initial = "100ms", jitter = "none" }
"""


@pytest.fixture
def speaking(live: Live) -> Live:
    work = live.folder / "work.py"
    work.write_text(work.read_text() + MORE)
    live.start(JOBS)
    return live


def begin(live: Live, job: str) -> str:
    """Start a run that prints and then waits for `let_go`."""
    run = str(live.client.trigger(job)["id"])
    live.until(lambda: (live.folder / f"{job}.begun").exists())
    live.until(lambda: "log" in live.client.logs(run)["text"])
    return run


def let_go(live: Live, job: str) -> None:
    (live.folder / f"{job}.open").touch()


class Follower:
    """`taskd logs -f` in a process of its own, whose output is a pipe."""

    def __init__(self, live: Live, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "taskd", "logs", "-f", *arguments],
            env=os.environ | {"TASKD_SOCKET": str(live.socket)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self, count: int) -> list[str]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline() for _ in range(count)]

    def end(self) -> tuple[str, str]:
        """What else it prints before it ends by itself."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0
        return out, err

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def followers() -> Iterator[list[Follower]]:
    made: list[Follower] = []
    yield made
    for follower in made:
        follower.kill()


@pytest.mark.parametrize("job", ["thread", "process"])
def test_streams_are_shown_together_or_one_alone(speaking: Live, job: str) -> None:
    run = begin(speaking, job)
    whole = f"out {job}\nerr {job}\nWARNING work: log {job}\n"
    assert speaking.taskd("logs", run).stdout == whole  # while it runs
    let_go(speaking, job)
    speaking.client.wait(run, PATIENCE_S)
    for arguments, text in (
        ([run], whole),
        ([job], whole),
        ([run, "--stream", "stdout"], f"out {job}\n"),
        ([job, "--stream", "stderr"], f"err {job}\n"),
        ([run, "--stream", "log"], f"WARNING work: log {job}\n"),
    ):
        assert speaking.taskd("logs", *arguments).stdout == text
    document = speaking.json("logs", run)
    assert document["text"] == whole
    assert document["pieces"] == [
        {"stream": "stdout", "text": f"out {job}\n"},
        {"stream": "stderr", "text": f"err {job}\n"},
        {"stream": "log", "text": f"WARNING work: log {job}\n"},
    ]
    assert document["is_last"]


def test_a_run_is_followed_to_its_end(speaking: Live, followers: list[Follower]) -> None:
    run = begin(speaking, "thread")
    followers += [Follower(speaking, run), Follower(speaking, run, "--stream", "stderr", "--json")]
    whole, errors = followers
    assert whole.lines(3) == ["out thread\n", "err thread\n", "WARNING work: log thread\n"]
    (line,) = errors.lines(1)
    piece = json.loads(line)
    assert (piece["run"], piece["stream"], piece["text"]) == (run, "stderr", "err thread\n")
    let_go(speaking, "thread")
    assert whole.end() == ("", "")
    assert errors.end() == ("", "")


def test_a_job_is_followed_over_its_runs(speaking: Live, followers: list[Follower]) -> None:
    follower = Follower(speaking, "tell")
    followers.append(follower)
    runs = []
    for word in ("one", "two", "fail", "three"):
        run = speaking.client.trigger("tell", args=[word])["id"]
        assert follower.lines(1) == [f"{word}\n"]
        speaking.client.wait(run, PATIENCE_S)
        runs.append(run)
    speaking.client.shutdown()
    _, said = follower.end()
    assert said == "".join(f"run {run} of tell\n" for run in runs)


def test_a_run_is_followed_over_its_attempts(speaking: Live, followers: list[Follower]) -> None:
    run = speaking.client.trigger("shaky")["id"]
    follower = Follower(speaking, run)
    followers.append(follower)
    out, _ = follower.end()
    assert out.endswith("attempt 2\n")
    assert speaking.taskd("logs", run).stdout == "attempt 2\n"
    assert speaking.taskd("logs", run, "--attempt", "1").stdout == "attempt 1\n"
    assert speaking.taskd("logs", run, "--attempt", "1", "-f").stdout == "attempt 1\n"


def test_what_there_is_not_is_said(speaking: Live) -> None:
    never = speaking.taskd("logs", "tell")
    assert (never.returncode, never.stdout, never.stderr) == (0, "", "tell has not run yet\n")
    run = speaking.client.trigger("tell")["id"]
    speaking.client.wait(run, PATIENCE_S)
    silent = speaking.taskd("logs", run, "--stream", "stderr")
    assert silent.stderr == f"run {run} has printed nothing to stderr\n"
    wrong = speaking.taskd("logs", run, "--stream", "both")
    assert wrong.returncode == 2
    assert "'stdout', 'stderr', 'log'" in wrong.stderr
    unknown = speaking.taskd("logs", "tel")
    assert unknown.returncode == 4
    assert "tell" in unknown.stderr
