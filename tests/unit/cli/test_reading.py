from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from taskd.cli.times import clock, relative
from taskd.cli.values import rfc3339
from tests.unit.cli.conftest import Taskd, Terminal
from tests.unit.cli.peer import (
    OTHER_RUN_ID,
    RUN_ID,
    Peer,
    failed_run,
    job_document,
    run_document,
    status_document,
)

HOSTILE = "a\x1b]0;x\x07[red]\u202eb\x9b31m\x7f\rc"
HARMLESS = r"a\x1b]0;x\x07[red]\u202eb\x9b31m\x7f\x0dc"
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_status_lists_the_daemon_and_its_jobs_in_plain_columns_in_a_pipe(
    taskd_process: Taskd, peer: Peer
) -> None:
    jobs = [job_document(), job_document(name="b", last_run=None, next_due_at=None)]
    peer.answers_with("GET", "/v1/status", status_document(*jobs))
    ended = taskd_process("status")
    daemon, header, first, second = ended.out.splitlines()
    assert re.fullmatch(
        r"taskd 0.1.0, pid 7, up \d+d, 2 jobs, 0 running, on /etc/taskd/jobs.toml", daemon
    )
    assert header.split() == (
        ["JOB", "STATE", "SCHEDULE", "NEXT", "LAST", "ENDED", "RUNNING", "SOURCE", "CALL"]
    )
    assert header.index("SCHEDULE") == first.index("every 10s") == second.index("every 10s")
    assert second.split()[-6:] == ["-", "-", "-", "0", "cli", "app:build"]
    assert "\x1b" not in ended.out


def test_status_tells_a_bad_file_and_a_job_with_a_problem(taskd: Taskd, peer: Peer) -> None:
    problem = {"file": "j.toml", "line": 2, "column": 3, "key": "jobs.a", "message": "odd"}
    document = status_document(job_document(problem="no module app"), config_error=[problem])
    peer.answers_with("GET", "/v1/status", document)
    said = taskd("status").err
    assert "report: no module app" in said
    assert "j.toml:2:3: jobs.a: odd" in said


@pytest.mark.parametrize(
    ("arguments", "path", "document"),
    [
        (["status"], "/v1/status", status_document(job_document())),
        (["status", "report"], "/v1/jobs/report", job_document()),
        (["status", RUN_ID], f"/v1/runs/{RUN_ID}", run_document()),
        (["next"], "/v1/next", [{"job": "a", "due_at": "2099-01-01T00:00:00Z"}]),
        (["runs"], "/v1/runs", [run_document(), failed_run()]),
        (["wait", RUN_ID], f"/v1/runs/{RUN_ID}/wait", run_document()),
        (["ping"], "/v1/ping", {"version": "1", "pid": 2}),
    ],
)
def test_json_is_the_document_of_the_api(
    taskd: Taskd, peer: Peer, arguments: list[str], path: str, document: object
) -> None:
    peer.answers_with("GET", path, document)
    ended = taskd(*arguments, "--json")
    wanted = [document] if arguments[0] == "wait" else document
    assert json.loads(ended.out) == wanted
    assert (ended.status, ended.err) == (0, "")


def test_an_id_that_is_no_run_may_be_a_job(taskd: Taskd, peer: Peer) -> None:
    peer.refuses("GET", f"/v1/runs/{RUN_ID}", 404, "unknown_run", detail="no run")
    peer.answers_with("GET", f"/v1/jobs/{RUN_ID}", job_document(name=RUN_ID))
    assert f"job       {RUN_ID}" in taskd("status", RUN_ID).out


def test_a_name_that_is_no_id_is_never_asked_for_as_a_run(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/jobs/report", job_document())
    taskd("status", "report")
    assert [request.target for request in peer.requests] == ["/v1/jobs/report"]


def test_the_card_of_a_run_has_its_times_its_error_and_its_attempts(
    taskd: Taskd, peer: Peer
) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", failed_run())
    card = taskd("status", RUN_ID).out
    assert "started    2026-01-02 04:04:05 CET\n" in card
    assert "took       1.5s\n" in card
    assert "error      ValueError: no\n" in card
    assert "ATTEMPT  OUTCOME" in card


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"attempt": 2, "max_attempts": 5, "failures": 1}, "attempt    2 of 5"),
        (
            {"attempt": 4, "max_attempts": 3, "failures": 2, "crashes": 1},
            "attempt    4; 2 of 3 failed, 1 lost",
        ),
        (
            {
                "state": "RETRYING",
                "attempt": 2,
                "max_attempts": 5,
                "failures": 2,
                "next_attempt_at": "2099-01-01T00:00:00Z",
            },
            f"next       2099-01-01 01:00:00 CET ({relative('2099-01-01T00:00:00Z')}), "
            "attempt 3 of 5",
        ),
        (
            {"error": {**failed_run()["error"], "category": "transient"}},
            "category   transient",
        ),
        ({"retry_of": OTHER_RUN_ID}, f"retry of   {OTHER_RUN_ID}"),
    ],
)
def test_the_card_of_a_run_counts_its_attempts(
    taskd: Taskd, peer: Peer, fields: dict[str, object], line: str
) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", failed_run(**fields))
    assert line in taskd("status", RUN_ID).out.splitlines()


def test_the_card_of_a_job_tells_how_it_is_retried_and_that_it_fails(
    taskd: Taskd, peer: Peer
) -> None:
    retry = {"max_attempts": 3, "backoff": "fixed", "initial": "1s", "max_delay": "5m"}
    policies = {"retry": {**retry, "jitter": "full"}, "pause_after_failures": 4}
    document = job_document(policies=policies, failures_in_row=1)
    peer.answers_with("GET", "/v1/jobs/report", document)
    lines = taskd("status", "report").out.splitlines()
    assert "retries   3 attempts, fixed from 1s to 5m, jitter full" in lines
    assert "in a row  1 failure, paused after 4" in lines


def test_status_tells_what_keeps_the_store_from_being_written(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/status", status_document(store_error="disk full"))
    assert "nothing starts, for nothing can be recorded: disk full" in taskd("status").err


def test_what_to_retry_is_named_or_chosen_among_the_dead(taskd: Taskd, peer: Peer) -> None:
    reply = {"dry_run": False, "runs": [run_document(id=OTHER_RUN_ID)], "more": True}
    peer.answers_with("POST", "/v1/retry", reply)
    ended = taskd("retry", RUN_ID)
    assert (ended.status, ended.out) == (0, f"{OTHER_RUN_ID}\n")
    again = f"1 run queued again; wait for it with: taskd wait {OTHER_RUN_ID}"
    assert ended.err == f"{again}\nthere may be more: type it again\n"
    taskd("retry", "--dead", "--job", "a", "--error", "E", "--older-than", "1d", "--dry-run")
    filters = {"job": "a", "error": "E", "older_than": "1d"}
    assert [request.body for request in peer.requests] == [
        {"runs": [RUN_ID]},
        {"dead": True, "dry_run": True, **filters},
    ]
    for wrong in (["retry"], ["retry", RUN_ID, "--dead"], ["retry", RUN_ID, "--job", "a"]):
        assert taskd(*wrong).status == 2
    assert taskd("retry", "--dead", "--older-than", "3").status == 2


def test_events_say_where_to_go_on_when_the_stream_breaks_off(taskd: Taskd, peer: Peer) -> None:
    event = {"seq": 7, "at": "2026-01-02T03:04:05Z", "actor": "uid:0", "kind": "job.added"}
    line = json.dumps({**event, "job": HOSTILE, "run": None, "data": {}}).encode()
    peer.answers_raw("GET", "/v1/events", line + b"\n" + b"{half")
    ended = taskd("events", "-f")
    assert ended.out == f"7  2026-01-02 04:04:05 CET  job.added {HARMLESS}  by uid:0\n"
    assert ended.status == 1
    assert "taskd events --after 7" in ended.err


def test_the_card_of_a_job_has_what_is_known_and_no_empty_line(taskd: Taskd, peer: Peer) -> None:
    document = job_document(state="paused", pause_reason="audit", next_due_at=None, tags=["x", "y"])
    peer.answers_with("GET", "/v1/jobs/report", document)
    assert taskd("status", "report").out.splitlines() == [
        "job       report",
        "state     paused",
        "reason    audit",
        "tags      x, y",
        "call      app:build",
        "schedule  every 10s",
        "timezone  UTC",
        "source    cli",
        "running   0",
        f"last run  {RUN_ID} FAILED {relative('2026-01-02T03:04:06Z')}, took 1.0s",
        "counts    SUCCEEDED 3, FAILED 1",
    ]


def test_the_card_of_a_job_that_is_not_enabled_says_why_it_is_stopped(
    taskd: Taskd, peer: Peer
) -> None:
    peer.answers_with("GET", "/v1/jobs/report", job_document(state="stopped", enabled=False))
    lines = taskd("status", "report").out.splitlines()
    assert lines[1:3] == ["state     stopped", "enabled   false"]


def test_a_run_of_no_job_is_shown_as_a_task(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [run_document(job=None)])
    assert f"{RUN_ID}  (a task)" in taskd("runs").out
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", run_document(job=None))
    assert "(a task)" in taskd("status", RUN_ID).out


def test_runs_passes_its_filters_on(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [])
    ended = taskd("runs", "a", "--state", "failed", "--since", "2026-07-01T12:00", "--limit", "3")
    assert (ended.status, ended.out, ended.err) == (0, "", "no runs\n")
    assert peer.requests[0].target == (
        "/v1/runs?job=a&state=FAILED&since=2026-07-01T10%3A00%3A00Z&limit=3"
    )


@pytest.mark.parametrize(
    ("result", "printed"),
    [
        ("two\nlines", "two\nlines\n"),
        (HOSTILE, f"{HOSTILE}\n"),
        (None, "null\n"),
        ({"a": [1, "é"]}, '{\n  "a": [\n    1,\n    "é"\n  ]\n}\n'),
    ],
)
def test_result_prints_text_as_it_is_and_anything_else_as_json(
    taskd_process: Taskd, peer: Peer, result: object, printed: str
) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", run_document(result=result))
    ended = taskd_process("result", RUN_ID)
    assert ended.out == printed.replace("\r", "\n")  # the test's own pipe reads lines
    assert ended.status == 0


def test_what_an_encoding_lacks_is_spelled_out(
    taskd_process: Taskd, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", run_document(result="é\ud800"))
    assert taskd_process("result", RUN_ID).out == "\\xe9\\ud800\n"


def test_result_of_a_run_without_one_says_how_it_stands_and_what_to_type(
    taskd: Taskd, peer: Peer
) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", failed_run())
    ended = taskd("result", RUN_ID)
    assert (ended.status, ended.out) == (1, "")
    assert f"FAILED: ValueError: no; look at it with: taskd error {RUN_ID}" in ended.err


def test_error_prints_the_traceback(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", failed_run())
    assert taskd("error", RUN_ID).out == "Traceback (most recent call last):\nValueError: no\n"


def test_result_and_error_of_a_job_are_those_of_its_latest_run_of_that_kind(
    taskd: Taskd, peer: Peer
) -> None:
    peer.answers_with("GET", "/v1/runs", [run_document(result="well")])
    peer.answers_with("GET", "/v1/runs", [failed_run()])
    peer.answers_with("GET", "/v1/runs", [])
    assert taskd("result", "report").out == "well\n"
    assert taskd("error", "report").out.endswith("ValueError: no\n")
    assert [request.target for request in peer.requests] == [
        "/v1/runs?job=report&state=SUCCEEDED&limit=1",
        "/v1/runs?job=report&state=FAILED%2CDEAD&limit=1",
    ]
    none = taskd("error", "report")
    assert (none.status, none.err) == (4, "report has no run that is FAILED or DEAD\n")


def test_a_job_that_is_waited_for_stands_for_its_latest_run(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [run_document(state="RUNNING")])
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document())
    assert taskd("wait", "report").out == f"{RUN_ID} SUCCEEDED\n"
    assert peer.requests[0].target == "/v1/runs?job=report&limit=1"


def test_a_terminal_has_short_events_and_a_coloured_state_on_a_card(
    taskd_terminal: Terminal, peer: Peer
) -> None:
    event = {"seq": 7, "at": rfc3339(clock().now()), "actor": "taskd", "kind": "run.running"}
    line = json.dumps({**event, "job": "report", "run": RUN_ID, "data": {}}).encode()
    peer.answers_raw("GET", "/v1/events", line + b"\n")
    assert re.fullmatch(
        rf"7  \d\d:\d\d:\d\d  run.running report {RUN_ID}\n", taskd_terminal("events")
    )
    peer.answers_with("GET", "/v1/jobs/report", job_document(state="paused"))
    card = taskd_terminal("status", "report")
    assert "\x1b[33mpaused\x1b[0m" in card
    assert "next" not in card  # it is held


def test_error_of_a_run_without_one_prints_nothing(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", run_document())
    ended = taskd("error", RUN_ID)
    assert (ended.status, ended.out) == (0, "")
    assert "SUCCEEDED" in ended.err


def test_wait_waits_for_each_run(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document())
    peer.answers_with("GET", f"/v1/runs/{OTHER_RUN_ID}/wait", run_document(id=OTHER_RUN_ID))
    ended = taskd("wait", RUN_ID, OTHER_RUN_ID, "--timeout", "1h")
    assert ended.out == f"{RUN_ID} SUCCEEDED\n{OTHER_RUN_ID} SUCCEEDED\n"
    assert ended.status == 0


@pytest.mark.parametrize(
    ("arguments", "path", "document"),
    [
        (["status"], "/v1/status", status_document(job_document(name=HOSTILE))),
        (["status", "x"], "/v1/jobs/x", job_document(description=HOSTILE)),
        (["runs"], "/v1/runs", [run_document(job=HOSTILE, result=HOSTILE)]),
        (["result", RUN_ID], f"/v1/runs/{RUN_ID}", run_document(result=HOSTILE)),
        (["result", RUN_ID, "--json"], f"/v1/runs/{RUN_ID}", run_document(result=HOSTILE)),
        (
            ["error", RUN_ID],
            f"/v1/runs/{RUN_ID}",
            failed_run(error={"type": "E", "message": "", "traceback": HOSTILE}),
        ),
    ],
)
def test_a_terminal_sees_nothing_that_drives_it(
    taskd_terminal: Terminal, peer: Peer, arguments: list[str], path: str, document: object
) -> None:
    peer.answers_with("GET", path, document)
    sent = taskd_terminal(*arguments, columns=300)
    without_our_own_colours = re.sub(r"\x1b\[[0-9;]*m", "", sent)
    assert not DANGEROUS.search(without_our_own_colours)
    assert "[red]" in sent
    assert "\\u202e" in sent


def test_names_are_made_harmless_in_a_pipe_too(taskd_process: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [run_document(job=HOSTILE)])
    assert HARMLESS in taskd_process("runs").out


def test_talk_is_made_harmless(taskd: Taskd, peer: Peer) -> None:
    peer.refuses("GET", "/v1/jobs/x", 404, "unknown_job", detail=f"no {HOSTILE}")
    assert taskd("status", "x").err == f"taskd: no {HARMLESS}\n"


@pytest.mark.parametrize("columns", [80, 200])
def test_tables_fit_the_terminal_and_keep_ids_whole(
    taskd_terminal: Terminal, peer: Peer, columns: int
) -> None:
    peer.answers_with("GET", "/v1/runs", [failed_run(job="nightly-report-of-europe" * 3)])
    sent = re.sub(r"\x1b\[[0-9;]*m", "", taskd_terminal("runs", columns=columns))
    assert max(map(len, sent.splitlines())) <= columns
    assert RUN_ID in sent
    assert "ValueError: no" in sent
    assert ("\n  ValueError: no" in sent) == (columns == 80), "a line of its own where it is narrow"


def test_a_run_that_was_stopped_tells_the_reason_that_was_given(taskd: Taskd, peer: Peer) -> None:
    ended = failed_run(state="CANCELLED", reason="the disk is full")
    peer.answers_with("GET", "/v1/runs", [ended, failed_run(reason="told apart")])
    stopped, failed = taskd("runs").out.splitlines()[1:]
    assert stopped.endswith("the disk is full")
    assert "ValueError: no" in failed


@pytest.mark.parametrize("note", [None, "02:30 is skipped: runs 03:00"])
def test_what_the_clocks_do_to_a_run_that_comes_has_a_column_where_there_is_any(
    taskd: Taskd, peer: Peer, note: str | None
) -> None:
    plain = {"job": "a", "due_at": "2099-01-01T00:00:00Z", "note": None}
    peer.answers_with("GET", "/v1/next", [plain, {**plain, "job": "b", "note": note}])
    head, first, second = taskd("next").out.splitlines()
    assert head.split() == ["JOB", "DUE", "IN", *(["CLOCKS"] if note else [])]
    assert first.endswith("  -") == bool(note)
    assert second.endswith(note or "d")


def test_a_real_terminal_gets_its_own_width_and_colour(peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [failed_run()])
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    # A copy: readline, which pytest loads, put a COLUMNS of its own behind os.environ.
    surroundings = {**os.environ, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "taskd", "runs"]
    subprocess.run(command, stdin=theirs, stdout=theirs, env=surroundings, check=True)
    sent = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert "\x1b[31mFAILED" in sent
    assert "ValueError: no" in sent


def test_colour_is_for_states_alone(
    taskd_terminal: Terminal, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answers_with("GET", "/v1/runs", [failed_run(job="SUCCEEDED")])
    assert re.findall(r"\x1b\[3[0-7]m(\w+)", taskd_terminal("runs", columns=200)) == ["FAILED"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in taskd_terminal("runs")


def test_next_tells_when_and_in_how_long(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/next", [{"job": "a", "due_at": "2099-01-01T00:00:00Z"}])
    ended = taskd("next", "a", "-n", "1")
    assert re.fullmatch(
        r"JOB  DUE                      IN\na    2099-01-01 01:00:00 CET  in \d+d\n", ended.out
    )
    assert peer.requests[0].target == "/v1/next?job=a&n=1"


def test_curl_prints_the_request_and_sends_nothing(taskd: Taskd, peer: Peer) -> None:
    ended = taskd("runs", "a", "--curl")
    assert ended.status == 0
    assert ended.out.startswith(f"curl --unix-socket {peer.socket} ")
    assert peer.requests == []
