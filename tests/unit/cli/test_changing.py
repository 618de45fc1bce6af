from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd.cli.syntax import syntaxes
from taskd.config.keys import JOB_KEYS, NESTED_KEYS
from tests.unit.cli.conftest import Taskd, Terminal
from tests.unit.cli.peer import OTHER_RUN_ID, RUN_ID, Peer, failed_run, job_document, run_document

ADDED = {"job": job_document(), "next_due_at": "2099-01-01T00:00:00Z"}


def test_add_sends_the_keys_of_jobs_toml_and_only_those_given(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    flags = "--every 10s --arg 10 --arg Alice --arg '\"10\"' --kwarg k=[1] --mode fixed-delay"
    more = "--align --priority 5 --carry --description words --tag a --tag b --timezone UTC"
    ended = taskd("add", "report", "app:build", *shlex.split(f"{flags} {more}"))
    assert (ended.status, ended.out) == (0, "report\n")
    assert ended.err == "added report, next run 2099-01-01 01:00 CET\n"
    assert peer.requests[0].body == {
        "name": "report",
        "call": "app:build",
        "every": "10s",
        "args": [10, "Alice", "10"],
        "kwargs": {"k": [1]},
        "mode": "fixed-delay",
        "align": True,
        "priority": 5,
        "carry": True,
        "description": "words",
        "tags": ["a", "b"],
        "timezone": "UTC",
    }


def test_each_policy_has_a_flag_named_as_its_key(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    typed: dict[str, dict[str, object]] = {table: {} for table in NESTED_KEYS}
    flags: list[str] = []
    for table, keys in NESTED_KEYS.items():
        for key in keys:
            flags += [f"--{table}-{key.replace('_', '-')}", "7"]
            typed[table][key] = "7"
    typed["retry"] |= {"max_attempts": 7, "retry_on": ["7"], "give_up_on": ["7", "OSError"]}
    more = "--give-up-on OSError --on-crash fail --max-crashes 2 --pause-after-failures 3"
    assert taskd("add", "a", "m:f", *flags, *more.split()).status == 0
    whole = {**typed, "on_crash": "fail", "max_crashes": 2, "pause_after_failures": 3}
    assert peer.requests[0].body == {"name": "a", "call": "m:f", **whole}
    assert {*whole, "description", "timezone", "mode"} <= JOB_KEYS


def test_add_has_a_flag_for_every_key_of_jobs_toml() -> None:
    (add,) = (syntax for syntax in syntaxes() if syntax.name == "add")
    flags = {name for flag in add.flags for name in flag.names}
    keys = JOB_KEYS - NESTED_KEYS.keys() - {"call"}  # that is an argument
    others = {"args": "--arg", "kwargs": "--kwarg", "timeout": "--run-timeout"}
    wanted = {others.get(key, f"--{key.replace('_', '-')}") for key in keys}
    nested = {f"--{t}-{key.replace('_', '-')}" for t, keys in NESTED_KEYS.items() for key in keys}
    assert wanted | nested <= flags


def test_a_command_its_surroundings_and_its_limits_are_keys_too(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    flags = "--shell --env A=1 --env B=x=y --cwd . --run-timeout 1h --kill-grace 2s --no-enabled"
    limits = "--nice -5 --max-memory 1GiB --max-cpu-time 5s --no-capture-output --output-limit 2MiB"
    assert taskd("add", "a", "--command", "ls $A", *flags.split(), *limits.split()).status == 0
    assert peer.requests[0].body == {
        "name": "a",
        "command": "ls $A",
        "shell": True,
        "env": {"A": "1", "B": "x=y"},
        "cwd": str(Path.cwd()),
        "timeout": "1h",
        "kill_grace": "2s",
        "enabled": False,
        "nice": -5,
        "max_memory": "1GiB",
        "max_cpu_time": "5s",
        "capture_output": False,
        "output_limit": "2MiB",
    }


@pytest.mark.parametrize(
    "arguments",
    [["a"], ["a", "m:f", "--command", "ls"], ["a", "m:f", "--now", "--timeout", "3s"]],
)
def test_a_job_is_a_call_or_a_command_and_a_timeout_is_of_a_wait(
    taskd: Taskd, peer: Peer, arguments: list[str]
) -> None:
    assert taskd("add", *arguments).status == 2
    assert peer.requests == []


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "{", "Alice", "01", ""])
def test_what_is_not_strict_json_is_text(taskd: Taskd, peer: Peer, text: str) -> None:
    peer.answers_with("POST", "/v1/jobs/a/trigger", {"run": run_document()}, 201)
    taskd("trigger", "a", "--arg", text, "--kwarg", f"k={text}")
    assert peer.requests[0].body == {"args": [text], "kwargs": {"k": text}}


def test_one_cron_or_at_is_a_text_and_several_are_a_list(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    taskd("add", "a", "m:f", "--cron", "@daily")
    taskd("add", "a", "m:f", "--cron", "@daily", "--cron", "0 5 * * *")
    taskd("add", "a", "m:f", "--at", "2026-12-24 18:00")
    bodies = [request.body for request in peer.requests]
    assert [body.get("cron") for body in bodies[:2]] == ["@daily", ["@daily", "0 5 * * *"]]
    assert bodies[2]["at"] == "2026-12-24T18:00:00"


@pytest.mark.parametrize(
    ("flags", "delay"), [(["--in", "1h"], timedelta(hours=1)), (["--now"], timedelta(0))]
)
def test_in_and_now_are_instants_counted_from_here(
    taskd: Taskd, peer: Peer, flags: list[str], delay: timedelta
) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    before = datetime.now(UTC)
    taskd("add", "a", "m:f", *flags)
    at = datetime.fromisoformat(peer.requests[0].body["at"])
    assert before + delay <= at <= datetime.now(UTC) + delay


def test_add_and_wait_follows_the_first_run_of_the_job(taskd: Taskd, peer: Peer) -> None:
    first, second = "fffffff0-0000-7000-8000-000000000001", "fffffff0-0000-7000-8000-000000000002"
    added = {"job": job_document(next_due_at=None), "next_due_at": None}
    earlier = run_document()  # of a job of the same name that was removed
    peer.answers_with("POST", "/v1/jobs", added, 201)
    peer.answers_with("GET", "/v1/runs", [earlier])
    made = [run_document(id=second), run_document(id=first), earlier]
    peer.answers_with("GET", "/v1/runs", made)
    peer.answers_with("GET", f"/v1/runs/{first}/wait", failed_run(id=first))
    ended = taskd("add", "report", "app:build", "--now", "--wait", "--json")
    assert ended.status == 1
    assert json.loads(ended.out) == {**added, "run": failed_run(id=first)}


def test_add_and_wait_gives_up_at_the_timeout(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs", ADDED, 201)
    peer.answers_with("GET", "/v1/runs", [])
    ended = taskd("add", "report", "app:build", "--every", "1h", "--wait", "--timeout", "20ms")
    assert ended.status == 124
    assert ended.out == "report\n"


def test_trigger_prints_the_run_and_how_to_wait_for_it(taskd: Taskd, peer: Peer) -> None:
    document = run_document(state="QUEUED")
    peer.answers_with("POST", "/v1/jobs/report/trigger", {"run": document}, 201)
    ended = taskd("trigger", "report")
    assert (ended.status, ended.out) == (0, f"{RUN_ID}\n")
    assert ended.err == f"triggered report; wait for it with: taskd wait {RUN_ID}\n"
    assert peer.requests[0].body == {}


def test_trigger_and_wait_gives_the_final_run(taskd: Taskd, peer: Peer) -> None:
    document = run_document(state="QUEUED")
    peer.answers_with("POST", "/v1/jobs/report/trigger", {"run": document}, 201)
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document())
    ended = taskd("trigger", "report", "--wait", "--json")
    assert (ended.status, json.loads(ended.out)) == (0, {"run": run_document()})
    assert taskd("trigger", "report", "--wait").err.endswith("SUCCEEDED in 1.5s\n")


def test_stop_prints_the_states_really_reached(taskd: Taskd, peer: Peer) -> None:
    runs = [{"id": RUN_ID, "state": "CANCELLED"}, {"id": OTHER_RUN_ID, "state": "RUNNING"}]
    reply = {"job": "report", "state": "stopped", "runs": runs}
    peer.answers_with("POST", "/v1/jobs/report/stop", reply)
    ended = taskd("stop", "report", "--reason", "why")
    assert ended.out == f"report stopped\n{RUN_ID} CANCELLED\n{OTHER_RUN_ID} RUNNING\n"
    assert "cannot be killed" in ended.err
    assert peer.requests[0].body == {"reason": "why"}


def test_stop_of_a_job_says_how_to_revive_it(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with(
        "POST", "/v1/jobs/report/stop", {"job": "report", "state": "stopped", "runs": []}
    )
    said = "report is not due any more; revive it with: taskd resume report\n"
    assert taskd("stop", "report").err == said


def test_a_queue_cannot_be_paused_in_this_version(taskd: Taskd, peer: Peer) -> None:
    ended = taskd("pause", "@reports")
    assert ended.status == 2
    assert "@reports: this version has one queue, of all jobs; give --all" in ended.err


def test_a_terminal_sees_how_a_run_that_is_waited_for_goes_on(
    taskd_terminal: Terminal, peer: Peer
) -> None:
    progress = {"done": 5, "total": 10, "note": "rows\x1b]0;x\x07", "eta_s": 3.0}
    running = run_document(state="RUNNING", progress=progress)
    peer.answers_with("POST", "/v1/jobs/report/trigger", {"run": running}, 201)
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", running)
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document())
    sent = taskd_terminal("trigger", "report", "--wait")
    shown, cleared = re.findall(r"\r(.*?)\x1b\[K", sent)
    assert re.match(r"report RUNNING \d+h\d+m, █████░░░░░ 50%, 3.0s left, rows\\x1b", shown)
    assert (cleared, sent.splitlines()[-1].endswith("SUCCEEDED in 1.5s")) == ("", True)


def test_stop_of_an_id_is_tried_as_a_run_then_as_a_job(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", f"/v1/runs/{RUN_ID}/stop", run_document(state="CANCELLED"))
    assert taskd("stop", RUN_ID).out == f"{RUN_ID} CANCELLED\n"
    peer.refuses("POST", f"/v1/runs/{OTHER_RUN_ID}/stop", 404, "unknown_run", detail="no run")
    reply = {"job": OTHER_RUN_ID, "state": "stopped", "runs": []}
    peer.answers_with("POST", f"/v1/jobs/{OTHER_RUN_ID}/stop", reply)
    assert taskd("stop", OTHER_RUN_ID).out == f"{OTHER_RUN_ID} stopped\n"


def test_stop_of_a_final_run_is_a_conflict_and_not_tried_as_a_job(taskd: Taskd, peer: Peer) -> None:
    peer.refuses("POST", f"/v1/runs/{RUN_ID}/stop", 409, "conflict", detail="it is SUCCEEDED")
    assert taskd("stop", RUN_ID).status == 5
    assert len(peer.requests) == 1


def test_remove_prints_the_name(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("DELETE", "/v1/jobs/a", {"job": "a", "cancelled": [RUN_ID]})
    ended = taskd("remove", "a")
    assert ended.out == "a\n"
    assert ended.err == "removed a, 1 waiting run cancelled\n"


def test_pause_holds_one_job_or_all_of_them(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs/a/pause", job_document(name="a", state="paused"))
    peer.answers_with("POST", "/v1/pause", {"jobs": ["a", "b"]})
    until = "2026-12-24T18:00:00+01:00"
    one = taskd("pause", "a", "--until", until, "--reason", "why")
    assert (one.out, one.err) == ("a\n", "paused a until 2026-12-24 18:00 CET\n")
    assert peer.requests[0].body == {"reason": "why", "until": "2026-12-24T17:00:00Z"}
    every = taskd("pause", "--all")
    assert (every.out, every.err) == ("a\nb\n", "paused 2 jobs; go on with: taskd resume --all\n")


def test_resume_tells_what_happens_next(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/jobs/a/resume", job_document(name="a"))
    peer.answers_with("POST", "/v1/resume", {"jobs": ["a"]})
    assert taskd("resume", "a").err == "resumed a, next run 2099-01-01 01:00 CET\n"
    assert taskd("resume", "--all").out == "a\n"
    assert taskd("resume", "a", "--reason", "the disk is back").status == 0
    assert peer.requests[-1].body == {"reason": "the disk is back"}


def test_reload_prints_what_changed(taskd: Taskd, peer: Peer) -> None:
    reply = {"added": ["a"], "changed": ["b"], "removed": ["c"], "unchanged": ["d", "e"]}
    peer.answers_with("POST", "/v1/reload", reply)
    ended = taskd("reload")
    assert ended.out == "+ a\n~ b\n- c\n"
    assert ended.err == "reloaded: 1 added, 1 changed, 1 removed, 2 unchanged\n"


def test_shutdown_may_be_now(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("POST", "/v1/shutdown", {"stopping": True})
    assert taskd("shutdown", "--now").status == 0
    assert peer.requests[0].body == {"now": True}


def test_curl_prints_the_body_without_a_daemon(taskd: Taskd) -> None:
    ended = taskd("add", "a", "m:f", "--every", "1s", "--wait", "--curl")
    words = shlex.split(ended.out)
    assert json.loads(words[words.index("--data") + 1]) == (
        {"name": "a", "call": "m:f", "every": "1s"}
    )
    assert (ended.status, words[-1]) == (0, "http://taskd/v1/jobs")
