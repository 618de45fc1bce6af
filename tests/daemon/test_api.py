"""The control API on its real socket: what it answers, and what it survives."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskd.errors import ApiError
from tests.daemon.live import HOLD, PING, Live


def raw(live: Live, *parts: bytes, wait: bool = True) -> bytes:
    """Send bytes as they are and return all that comes back until the daemon closes or rests."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(live.socket))
        peer.settimeout(20)
        try:
            for part in parts:
                peer.sendall(part)
            return peer.recv(65536) if wait else b""
        except OSError:
            return b""


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: taskd\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_each_request_answers_as_documented(live: Live) -> None:
    live.start(PING)
    client = live.client
    assert client.ping().keys() == {"version", "pid"}
    added = client.add({"name": "x", "call": "work:add", "args": [1], "every": "1h"})
    assert added["job"]["source"] == "cli"
    run = live.until(lambda: live.job("x")["last_run"])
    assert client.request("GET", "/v1/jobs") == client.status()["jobs"]
    triggered = client.trigger("x", args=[10], kwargs={"step": 5})
    ended = client.wait(triggered["id"], timeout=20)
    assert (ended["state"], ended["result"], ended["origin"]) == ("SUCCEEDED", 15, "trigger")
    assert [r["id"] for r in client.runs(job="x")] == [triggered["id"], run["id"]]
    assert client.next(job="x")[0]["due_at"] == live.job("x")["next_due_at"]
    assert client.pause("x", reason="why not")["paused"] is True
    assert client.resume("x")["state"] == "active"
    assert set(client.pause_all()["jobs"]) == {"ping", "x"}
    assert set(client.resume_all()["jobs"]) == {"ping", "x"}
    assert client.stop_job("x") == {"job": "x", "state": "stopped", "runs": []}
    assert client.remove("x") == {"job": "x", "cancelled": []}
    assert client.reload()["unchanged"] == ["ping"]


def test_refusals_have_stable_codes(live: Live) -> None:
    live.start(PING + HOLD)
    live.until((live.folder / "gate.begun").exists)
    client = live.client

    def refused(*arguments: object, **more: object) -> ApiError:
        with pytest.raises(ApiError) as caught:
            client.request(*arguments, **more)  # type: ignore[arg-type]
        return caught.value

    assert refused("GET", "/v1/nowhere").code == "not_found"
    assert refused("DELETE", "/v1/status").status == 405
    unknown = refused("GET", "/v1/jobs/pong")
    assert (unknown.code, unknown.problem["hint"]) == ("unknown_job", "ping")
    assert refused("GET", "/v1/runs/nope").code == "unknown_run"
    met = refused("POST", "/v1/jobs/hold/trigger")
    assert met.code == "conflict"
    assert met.problem["run"] == client.runs(job="hold")[0]["id"]
    bad = refused("POST", "/v1/jobs", body={"name": "y", "call": "work:ping", "every": 10, "z": 1})
    problems = bad.problem["problems"]
    assert isinstance(problems, list)
    assert sorted(problem["key"] for problem in problems) == ["every", "z"]
    gone = refused("POST", "/v1/jobs", body={"name": "y", "call": "work:gone", "every": "1h"})
    assert "work" in gone.detail
    assert refused("DELETE", "/v1/jobs/ping").code == "conflict"
    (live.folder / "gate.open").touch()


def test_a_stop_of_a_running_run_tells_the_truth(live: Live) -> None:
    live.start(HOLD)
    live.until((live.folder / "gate.begun").exists)
    (run,) = live.client.runs(job="hold")
    stopped = live.client.stop_run(run["id"])
    assert (stopped["state"], stopped["stopping"]) == ("RUNNING", True)
    (live.folder / "gate.open").touch()
    assert live.client.wait(run["id"], timeout=20)["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'{"args": [NaN]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"reason": "\\ud800"}',
        b'{"reason": ' + b'"' + b"x" * 2000 + b'"}',
    ],
    ids=["half", "list", "nan", "encoding", "deep", "surrogate", "long"],
)
def test_a_malformed_body_is_refused_in_words(live: Live, body: bytes) -> None:
    live.start(PING)
    answer = raw(live, post("/v1/jobs/ping/stop", body))
    head, _, document = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"422")
    assert b"application/problem+json" in head
    assert json.loads(document)["code"] in ("malformed", "invalid")
    assert live.job("ping")["state"] == "active"


def test_a_body_over_the_cap_is_refused(live: Live) -> None:
    live.start(PING)
    assert raw(live, post("/v1/jobs", b" " * 1_200_000)).split()[1] == b"413"


def test_noise_and_idle_connections_do_no_harm(live: Live) -> None:
    live.start('[jobs.fast]\ncall = "work:ping"\nevery = "100ms"\n')
    idle = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for peer in idle:
        peer.connect(str(live.socket))
    seeded = random.Random(7)
    for _ in range(300):
        raw(live, seeded.randbytes(seeded.randint(1, 400)), wait=False)
        raw(live, post("/v1/jobs", b"{" * 10)[: seeded.randint(1, 60)], wait=False)
    runs = live.job("fast")["counts"]["SUCCEEDED"]
    live.until(lambda: live.job("fast")["counts"]["SUCCEEDED"] > runs)
    for peer in idle:
        peer.close()


def test_connections_over_the_cap_are_told_so_and_keep_no_job_waiting(live: Live) -> None:
    live.descriptors = 160
    live.start('[jobs.fast]\ncommand = ["true"]\nevery = "100ms"\n')
    runs = live.job("fast")["counts"].get("SUCCEEDED", 0)
    dripping = [socket.socket(socket.AF_UNIX) for _ in range(400)]
    for peer in dripping:
        peer.connect(str(live.socket))
    with pytest.raises(ApiError) as caught:
        live.client.ping()
    assert (caught.value.status, caught.value.code) == (503, "too_many_connections")
    for peer in dripping[:40]:
        peer.close()
    live.until(lambda: answers(live) and live.job("fast")["counts"]["SUCCEEDED"] > runs + 5)
    assert set(live.job("fast")["counts"]) <= {"SUCCEEDED", "SKIPPED"}
    for peer in dripping[40:]:
        peer.close()
    assert not [line for line in live.rest() if line.startswith("ERROR")]


def answers(live: Live) -> bool:
    try:
        return bool(live.client.ping())
    except ApiError:
        return False


SLOW = """
import time
from pathlib import Path
while not Path(__file__).with_suffix(".open").exists():
    time.sleep(0.01)
def f(): pass
"""


def test_long_polls_and_slow_imports_do_not_hold_up_the_others(live: Live) -> None:
    (live.folder / "slow.py").write_text(SLOW)
    live.start(HOLD)
    live.until((live.folder / "gate.begun").exists)
    (run,) = live.client.runs(job="hold")
    with ThreadPoolExecutor(60) as pool:
        polls = [pool.submit(live.client.wait, run["id"], 20) for _ in range(40)]
        adds = [
            pool.submit(live.client.add, {"name": f"s{n}", "call": "slow:f", "every": "1h"})
            for n in range(20)
        ]
        assert live.client.ping()
        assert live.client.reload()["unchanged"] == ["hold"]
        assert not any(added.done() for added in adds)  # it did not wait behind them
        (live.folder / "slow.open").touch()
        (live.folder / "gate.open").touch()
        assert {poll.result(30)["state"] for poll in polls} == {"SUCCEEDED"}
        for added in adds:
            added.result(60)


AS_NOBODY = """
import os, sys
from taskd.client import Client
from taskd.errors import ApiError
from pathlib import Path
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    print(Client(Path(sys.argv[1])).ping())
except ApiError as error:
    print(error.code)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_is_refused_by_the_kernels_word(live: Live) -> None:
    live.start(PING)
    live.folder.chmod(0o755)
    live.socket.chmod(0o666)
    asked = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(live.socket)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "forbidden\n"
    live.line_with("uid 65534 was refused")
