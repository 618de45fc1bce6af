from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskd.client import Client, curl
from taskd.errors import ApiError, NoDaemon
from tests.unit.cli.peer import RUN_ID, Peer, Request, failed_run, listening, run_document

HEAVY = ("rich", "pydantic", "croniter", "watchdog", "typer", "asyncio", "sqlite3")


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with listening(tmp_path / "s") as peer:
        yield peer


def test_importing_the_client_loads_nothing_but_itself_and_the_standard_library() -> None:
    script = "import sys, taskd.client; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    own = {name for name in loaded if name.partition(".")[0] == "taskd"}
    assert own == {
        "taskd",
        "taskd.client",
        "taskd.errors",
        "taskd.places",
        "taskd.wire",
        "taskd.connections",
    }
    assert not set(HEAVY) & {name.partition(".")[0] for name in loaded}


def test_a_request_carries_its_query_and_its_body(peer: Peer) -> None:
    peer.answers_with("GET", "/v1/runs", [])
    peer.answers_with("POST", "/v1/jobs", {"job": "a"}, 201)
    daemon = Client(peer.socket)

    assert daemon.runs("a b", since="2026-01-01T00:00:00+01:00") == []
    assert daemon.add({"name": "a", "call": "m:f"}) == {"job": "a"}

    assert peer.requests == [
        Request("GET", "/v1/runs?job=a+b&since=2026-01-01T00%3A00%3A00%2B01%3A00", None),
        Request("POST", "/v1/jobs", {"name": "a", "call": "m:f"}),
    ]


def test_each_method_sends_the_request_of_the_contract(peer: Peer) -> None:
    daemon = Client(peer.socket)
    calls = [
        (daemon.ping, (), "GET", "/v1/ping", None),
        (daemon.status, (), "GET", "/v1/status", None),
        (daemon.job, ("a",), "GET", "/v1/jobs/a", None),
        (daemon.remove, ("a",), "DELETE", "/v1/jobs/a", None),
        (daemon.stop_job, ("a", "why"), "POST", "/v1/jobs/a/stop", {"reason": "why"}),
        (daemon.pause, ("a",), "POST", "/v1/jobs/a/pause", {}),
        (daemon.resume, ("a",), "POST", "/v1/jobs/a/resume", {}),
        (daemon.pause_all, ("why", "T"), "POST", "/v1/pause", {"reason": "why", "until": "T"}),
        (daemon.resume_all, (), "POST", "/v1/resume", {}),
        (daemon.trigger, ("a", [1]), "POST", "/v1/jobs/a/trigger", {"args": [1]}),
        (daemon.next, ("a", 3), "GET", "/v1/next?job=a&n=3", None),
        (daemon.run, ("r",), "GET", "/v1/runs/r", None),
        (daemon.stop_run, ("r",), "POST", "/v1/runs/r/stop", {}),
        (daemon.reload, (), "POST", "/v1/reload", {}),
        (daemon.shutdown, (True,), "POST", "/v1/shutdown", {"now": True}),
    ]
    for method, arguments, verb, target, body in calls:
        peer.answers_with(verb, target.partition("?")[0], {"run": {}})
        method(*arguments)  # type: ignore[operator]
        assert peer.requests.pop() == Request(verb, target, body)


def test_a_name_cannot_leave_its_place_in_the_path(peer: Peer) -> None:
    with pytest.raises(ApiError):
        Client(peer.socket).job("../status?a=b#c")
    assert peer.requests[0].target == "/v1/jobs/..%2Fstatus%3Fa%3Db%23c"


def test_a_problem_document_becomes_an_error_with_its_fields(peer: Peer) -> None:
    peer.refuses("GET", "/v1/jobs/a", 404, "unknown_job", detail="there is no job 'a'", hint="b?")
    with pytest.raises(ApiError) as caught:
        Client(peer.socket).job("a")
    error = caught.value
    assert (error.status, error.code, error.detail) == (404, "unknown_job", "there is no job 'a'")
    assert error.problem["hint"] == "b?"


def test_an_answer_that_is_not_json_is_an_error(peer: Peer) -> None:
    peer.answers_raw("GET", "/v1/ping", b"<html>", 200)
    with pytest.raises(ApiError) as caught:
        Client(peer.socket).ping()
    assert caught.value.code == "no_answer"


def test_without_a_daemon_every_place_that_was_tried_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TASKD_SOCKET", str(tmp_path / "a"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "b"))
    with pytest.raises(NoDaemon) as caught:
        Client().ping()
    assert caught.value.paths[0] == str(tmp_path / "a")
    assert caught.value.paths[-1] == str(tmp_path / "b" / "taskd.sock")


def test_the_first_socket_that_answers_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peer: Peer
) -> None:
    stale = tmp_path / "stale"
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(stale))
    monkeypatch.setenv("TASKD_SOCKET", str(stale))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / ("long" * 60)))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    peer.socket.rename(tmp_path / "taskd.sock")
    peer.answers_with("GET", "/v1/ping", {"version": "1", "pid": 2})
    assert Client().ping() == {"version": "1", "pid": 2}


@pytest.mark.skipif(os.getuid() == 0, reason="root may open every socket")
def test_a_socket_of_another_user_is_said_to_be_one(tmp_path: Path, peer: Peer) -> None:
    peer.socket.chmod(0)
    with pytest.raises(ApiError) as caught:
        Client(peer.socket).ping()
    assert caught.value.code == "forbidden"


def test_a_daemon_that_dies_before_it_answers_is_not_asked_again(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        asked = []

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ApiError) as caught:
            Client(tmp_path / "s").reload()
        thread.join()
    assert caught.value.code == "no_answer"
    assert len(asked) == 1


def test_a_silent_daemon_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(ApiError, match="does not answer"):
            Client(tmp_path / "s").request("GET", "/v1/ping", timeout=0.05)


def test_wait_polls_again_until_the_run_is_final(peer: Peer) -> None:
    path = f"/v1/runs/{RUN_ID}/wait"
    peer.answers_with("GET", path, run_document(state="QUEUED"))
    peer.answers_with("GET", path, run_document(state="RUNNING"))
    peer.answers_with("GET", path, failed_run())
    assert Client(peer.socket).wait(RUN_ID)["state"] == "FAILED"
    assert len(peer.requests) == 3


def test_wait_asks_for_exactly_its_timeout_in_all(peer: Peer) -> None:
    path = f"/v1/runs/{RUN_ID}/wait"
    peer.answers_with("GET", path, run_document(state="RUNNING"))
    assert Client(peer.socket).wait(RUN_ID, 50)["state"] == "RUNNING"
    seconds = [float(request.target.partition("timeout=")[2]) for request in peer.requests]
    assert sum(seconds) == 50


def test_wait_with_no_time_looks_once(peer: Peer) -> None:
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}/wait", run_document(state="RUNNING"))
    assert Client(peer.socket).wait(RUN_ID, 0)["state"] == "RUNNING"
    assert len(peer.requests) == 1


def test_curl_words_survive_the_shell() -> None:
    body = {"reason": "it's $HOME; `id`"}
    words = shlex.split(curl(Path("/a b/s"), "POST", "/v1/pause", body=body))
    assert words[:5] == ["curl", "--unix-socket", "/a b/s", "--request", "POST"]
    assert json.loads(words[words.index("--data") + 1]) == body
    assert words[-1] == "http://taskd/v1/pause"
