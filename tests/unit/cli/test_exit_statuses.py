from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Taskd
from tests.unit.cli.peer import OTHER_RUN_ID, RUN_ID, Peer, Request, failed_run, run_document


def test_0_and_the_answer_on_stdout_when_all_is_well(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ping", {"version": "0.1.0", "pid": 7})
    ended = taskd("ping")
    assert (ended.status, ended.out, ended.err) == (0, "taskd 0.1.0, pid 7\n", "")


def test_0_when_the_daemon_ends_that_a_job_was_followed_on_whatever_was_shown_just_then(
    taskd: Taskd, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answers_with("GET", "/v1/events", {"seq": 9})
    peer.answers_with("GET", "/v1/runs", [run_document()])
    piece = {"stream": "stdout", "text": "said\n", "left_out": 0}
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/logs", piece)
    answer = peer.answer

    def answer_and_be_gone(request: Request) -> tuple[int, bytes]:
        if "logs" in request.target:
            peer.socket.unlink()
        return answer(request)

    monkeypatch.setattr(peer, "answer", answer_and_be_gone)
    ended = taskd("logs", "report", "-f")
    assert (ended.status, ended.out, ended.err) == (0, "said\n", f"run {RUN_ID} of report\n")


def test_a_job_is_followed_on_where_the_start_of_a_run_was_taken_back(
    taskd: Taskd, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answers_with("GET", "/v1/events", {"seq": 9})
    begins = {"seq": 10, "kind": "run.running", "run": OTHER_RUN_ID}
    peer.answers_with("GET", "/v1/events", begins)
    peer.answers_with("GET", "/v1/runs", [run_document()])
    peer.refuses("GET", f"/v1/runs/{RUN_ID}/logs", 404, "unknown_run", detail="no such run")
    piece = {"stream": "stdout", "text": "said\n", "left_out": 0}
    peer.answers_with("GET", f"/v1/runs/{OTHER_RUN_ID}/logs", piece)
    answer = peer.answer

    def answer_and_be_gone(request: Request) -> tuple[int, bytes]:
        if OTHER_RUN_ID in request.target:
            peer.socket.unlink()
        return answer(request)

    monkeypatch.setattr(peer, "answer", answer_and_be_gone)
    ended = taskd("logs", "report", "-f")
    assert (ended.status, ended.out) == (0, "said\n")


def test_1_when_the_daemon_refuses_and_every_problem_is_named(taskd: Taskd, peer: Peer) -> None:
    problems = [
        {"key": "cron", "message": "odd", "hint": "even"},
        {"key": "args", "message": "no", "hint": ""},
    ]
    peer.refuses("POST", "/v1/jobs", 422, "invalid", detail="both", problems=problems)
    ended = taskd("add", "a", "m:f", "--cron", "x")
    assert ended.status == 1
    assert ended.err.splitlines() == ["taskd: cron: odd; even", "taskd: args: no"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuchverb"],
        ["ping", "--nosuchflag"],
        ["add", "a", "m:f", "--every", "1s", "--now"],
        ["add", "a", "m:f", "--wait"],
        ["add", "a", "m:f", "--at", "soon"],
        ["add", "a", "m:f", "--in", "-5s"],
        ["trigger", "a", "--kwarg", "noequals"],
        ["wait", RUN_ID, "--timeout", "5"],
        ["pause"],
        ["pause", "a", "--all"],
        ["resume"],
        ["runs", "--limit", "none"],
        ["runs", "--limit", "10001"],
        ["next", "-n", "1001"],
        [],
    ],
)
def test_2_when_the_command_line_is_wrong_before_anything_is_sent(
    taskd: Taskd, peer: Peer, arguments: list[str]
) -> None:
    assert taskd(*arguments).status == 2
    assert peer.requests == []


def test_3_when_no_daemon_answers_and_how_to_start_one(taskd: Taskd) -> None:
    ended = taskd("ping")
    assert ended.status == 3
    assert ended.out == ""
    assert "taskd run jobs.toml" in ended.err


def test_4_when_there_is_no_such_job_and_the_nearest_name(taskd: Taskd, peer: Peer) -> None:
    peer.refuses(
        "GET",
        "/v1/jobs/reprot",
        404,
        "unknown_job",
        detail="there is no job 'reprot'",
        hint="did you mean report?",
    )
    ended = taskd("status", "reprot")
    assert ended.status == 4
    assert ended.err == "taskd: there is no job 'reprot'; did you mean report?\n"


def test_5_when_refused_as_things_stand_and_the_run_in_the_way(taskd: Taskd, peer: Peer) -> None:
    path = "/v1/jobs/report/trigger"
    peer.refuses("POST", path, 409, "conflict", detail="it runs already", run=RUN_ID)
    ended = taskd("trigger", "report")
    assert ended.status == 5
    assert f"taskd wait {RUN_ID}" in ended.err


def test_78_when_a_reload_meets_a_bad_file(taskd: Taskd, peer: Peer) -> None:
    problem = {"file": "jobs.toml", "line": 4, "column": 8, "key": "jobs.a.cron", "message": "odd"}
    peer.refuses("POST", "/v1/reload", 422, "config_invalid", detail="kept", problems=[problem])
    ended = taskd("reload")
    assert ended.status == 78
    assert ended.err.splitlines()[0] == "jobs.toml:4:8: jobs.a.cron: odd"
    assert "run on" in ended.err


def test_1_when_a_run_that_was_waited_for_ends_badly(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", failed_run())
    ended = taskd("wait", RUN_ID)
    assert (ended.status, ended.out) == (1, f"{RUN_ID} FAILED\n")
    assert "ValueError: no" in ended.err


def test_124_when_the_wait_times_out(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document(state="RUNNING"))
    assert taskd("wait", RUN_ID, "--timeout", "10ms").status == 124


def test_an_interrupt_ends_with_130_and_no_word(tmp_path: Path) -> None:
    # The script is Ctrl-C at the moment that the verb asks the daemon.
    script = (
        "import os, signal, sys, taskd.client as c\n"
        "c.Client.request = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv[1:] = ['ping']\n"
        "from taskd.__main__ import main\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGINT, b"", b"")


def test_a_reader_that_leaves_early_is_no_traceback(peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [run_document() for _ in range(2000)])
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "taskd", "runs"], stdout=closed, stderr=-1, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_reader_that_leaves_before_a_short_answer_is_no_traceback(peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ping", {"version": "0.1.0", "pid": 7})
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-m", "taskd", "ping"], stdout=closed, stderr=-1, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_what_is_neither_a_time_nor_a_duration_is_told_how_to_write_both(taskd: Taskd) -> None:
    ended = taskd("runs", "--since", "yesterday")
    assert ended.status == 2
    assert "write 2026-12-24T18:00, or 2h" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("pause", "feed", "--until", "1000000w"),
        ("runs", "--since", "1000000w"),
        ("add", "feed", "work:f", "--in", "1000000w"),
        ("why", "feed", "--at", "1000000w"),
    ],
)
def test_a_time_that_no_calendar_has_is_a_usage_error(
    taskd: Taskd, arguments: tuple[str, ...]
) -> None:
    ended = taskd(*arguments)
    assert ended.status == 2
    assert "over 100 years" in ended.err


def test_a_word_that_is_none_of_the_possible_ones_is_told_them(taskd: Taskd) -> None:
    ended = taskd("logs", "feed", "--stream", "stdlog")
    assert ended.status == 2
    assert ended.err.strip().endswith(
        "Invalid value for '--stream': 'stdlog' is not one of 'stdout', 'stderr', 'log'."
    )
