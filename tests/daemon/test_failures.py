"""What follows when jobs fail, as their owner sees it: retries, dead letters, the journal."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from taskd.errors import ApiError
from tests.daemon.live import PATIENCE_S, Live

FLAKY = """
[categories]
transient = ["ConnectionError"]
[defaults]
retry.initial = "10ms"
retry.jitter = "none"
[jobs.flaky]
call = "flaky:third_time_lucky"
retry.max_attempts = 5
[jobs.doomed]
call = "flaky:never"
retry = { max_attempts = 2, retry_on = ["transient"] }
"""
CODE = """
from pathlib import Path
from taskd import current_run
HERE = Path(__file__).parent

def third_time_lucky():
    if current_run.attempt < 3:
        raise ConnectionResetError(f"attempt {current_run.attempt}")
    return current_run.attempt

def never():
    if not (HERE / "mended").exists():
        raise ConnectionRefusedError("nobody is there")
    return "at last"
"""


@pytest.fixture
def flaky(live: Live) -> Live:
    (live.folder / "flaky.py").write_text(CODE)
    live.start(FLAKY)
    return live


def end(live: Live, run: dict[str, Any]) -> dict[str, Any]:
    return live.client.wait(run["id"], timeout=PATIENCE_S)


def test_a_job_that_fails_twice_succeeds_the_third_time(flaky: Live) -> None:
    run = end(flaky, flaky.client.trigger("flaky"))
    assert (run["state"], run["result"], run["max_attempts"]) == ("SUCCEEDED", 3, 5)
    assert [a["outcome"] for a in run["attempts"]] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert [a["fence"] for a in run["attempts"]] == sorted({a["fence"] for a in run["attempts"]})
    assert run["attempts"][0]["error"]["category"] == "transient"
    assert (run["failures"], run["crashes"]) == (2, 0)
    card = flaky.taskd("status", run["id"]).stdout
    assert "attempt    3 of 5" in card
    policies = flaky.job("flaky")["policies"]
    assert policies["retry"]["initial"] == "10ms"
    assert policies["retention"] == {"success": "2w", "failed": "90d"}


def test_a_waiting_run_tells_when_its_next_attempt_is(live: Live) -> None:
    (live.folder / "flaky.py").write_text(CODE)
    live.start(FLAKY.replace('"10ms"', '"4m"'))
    run = live.client.trigger("doomed")
    waiting = live.until(lambda: live.client.runs(job="doomed", state="RETRYING"))[0]
    assert waiting["next_attempt_at"] > waiting["attempts"][0]["finished_at"]
    card = live.taskd("status", run["id"]).stdout
    assert "in 4m), attempt 2 of 2" in card


def test_a_dead_run_is_listed_retried_as_a_new_one_or_dismissed(flaky: Live) -> None:
    client = flaky.client
    first, second = (end(flaky, client.trigger("doomed")) for _ in range(2))
    assert (first["state"], second["state"]) == ("DEAD", "DEAD")
    assert [run["id"] for run in flaky.json("dead")] == [second["id"], first["id"]]
    assert flaky.json("dead", "doomed", "--error", "ConnectionRefusedError", "--since", "1h")
    assert flaky.json("dead", "--error", "ValueError") == []
    assert flaky.job("doomed")["failures_in_row"] == 2

    dry = flaky.json("retry", "--dead", "--error", "transient", "--dry-run")
    assert [run["id"] for run in dry["runs"]] == [first["id"], second["id"]]
    assert flaky.json("retry", "--dead", "--older-than", "1h")["runs"] == []
    assert flaky.taskd("dismiss", second["id"]).stdout == f"{second['id']}\n"
    assert client.run(second["id"])["dismissed_at"] is not None

    (flaky.folder / "mended").touch()
    (again,) = client.retry_dead(job="doomed")["runs"]
    assert (again["retry_of"], again["origin"]) == (first["id"], "retry")
    assert end(flaky, again)["result"] == "at last"
    assert flaky.json("dead") == []
    assert client.run(first["id"])["state"] == "DEAD"


def test_what_cannot_be_run_again_or_dismissed_is_a_conflict(live: Live) -> None:
    live.start('[jobs.hold]\ncall = "work:hold"\n[jobs.ping]\ncall = "work:ping"\n')
    held = live.client.trigger("hold")
    refused = live.taskd("retry", held["id"])
    assert (refused.returncode, refused.stdout) == (5, "")
    assert held["id"] in refused.stderr
    assert live.taskd("retry", "01a20af3-3b21-74cd-9e71-356abab62da7").returncode == 4
    pinged = live.client.trigger("ping")
    assert live.client.wait(pinged["id"])["state"] == "SUCCEEDED"
    assert live.taskd("dismiss", pinged["id"]).returncode == 5
    assert live.json("retry", pinged["id"])["runs"][0]["retry_of"] == pinged["id"]
    (live.folder / "gate.open").touch()


def test_the_journal_is_followed_as_it_grows_and_resumed(flaky: Live) -> None:
    seen: list[dict[str, Any]] = []
    (newest,) = flaky.client.events(limit=1)
    last = newest["seq"]

    def follow() -> None:
        for event in flaky.client.events(after=last, follow=True):
            seen.append(event)
            if event["kind"] == "run.succeeded":
                return

    reader = Thread(target=follow)
    reader.start()
    run = flaky.client.trigger("flaky")
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert [event["seq"] for event in seen] == list(range(last + 1, last + 1 + len(seen)))
    assert (seen[0]["job"], seen[0]["run"]) == ("flaky", run["id"])
    assert seen[0]["actor"].startswith("uid:")
    kinds = [event["kind"] for event in seen if event["run"] == run["id"]]
    assert kinds.count("run.running") == 3
    assert list(flaky.client.events(after=last, run=run["id"])) == [
        event for event in seen if event["run"] == run["id"]
    ]
    ended = flaky.taskd("events", "flaky", "-n", "1", "--json")
    assert json.loads(ended.stdout)["seq"] == seen[-1]["seq"]
    assert "run.succeeded flaky" in flaky.taskd("events").stdout
    assert flaky.taskd("events", "flakey").returncode == 4


def test_those_who_follow_are_let_go_at_the_end(flaky: Live) -> None:
    got = subprocess.Popen(
        [sys.executable, "-m", "taskd", "events", "-f", "--json"],
        env={"TASKD_SOCKET": str(flaky.socket)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert got.stdout is not None
    with got:
        assert json.loads(got.stdout.readline())["seq"]
        assert flaky.end() == 0
        got.stdout.read()
    assert got.returncode == 0


def test_the_store_is_verified_backed_up_and_pruned_while_it_is_served(flaky: Live) -> None:
    end(flaky, flaky.client.trigger("flaky"))
    sound = flaky.json("verify")
    assert (sound["ok"], sound["jobs"], sound["runs"]) == (True, 2, 1)
    copy = flaky.folder / "copy.db"
    assert flaky.taskd("backup", str(copy)).stdout == f"{copy}\n"
    assert flaky.json("verify", "--store", f"sqlite:///{copy}")["events"] >= sound["events"]
    assert flaky.taskd("backup", str(copy)).returncode == 1
    rebuilt = flaky.folder / "rebuilt.db"
    assert flaky.taskd("verify", "--rebuild", str(rebuilt)).returncode == 0
    assert flaky.json("verify", "--store", f"sqlite:///{rebuilt}")["runs"] == 1
    assert flaky.json("prune") == {"runs": 0, "events": 0}
    nothing = flaky.taskd("verify", "--store", "sqlite:///nowhere/t.db")
    assert (nothing.returncode, "is not there" in nothing.stderr) == (1, True)


def test_a_repeated_request_with_its_key_is_done_once(flaky: Live) -> None:
    def ask(method: str, path: str, body: object = None, key: str = "k 1") -> Any:
        return flaky.client.request(method, path, body=body, key=key)

    path = "/v1/jobs/flaky/trigger"
    first = ask("POST", path)["run"]
    end(flaky, first)
    again = ask("POST", path)["run"]
    assert (again["id"], again["state"]) == (first["id"], "SUCCEEDED")
    assert len(flaky.client.runs(job="flaky")) == 1
    with pytest.raises(ApiError) as reused:
        ask("POST", path, {"kwargs": {}})
    assert (reused.value.status, reused.value.code) == (422, "idempotency_key_reused")
    entry = {"name": "x", "call": "flaky:never"}
    assert ask("POST", "/v1/jobs", entry, "a")["job"]["name"] == "x"
    assert ask("POST", "/v1/jobs", entry, "a")["job"]["name"] == "x"
    assert ask("DELETE", "/v1/jobs/x", key="r") == ask("DELETE", "/v1/jobs/x", key="r")
    with pytest.raises(ApiError) as bad:
        ask("POST", path, key="k" * 256)
    assert bad.value.code == "malformed"


def test_a_bad_name_of_an_exception_is_refused_by_add(flaky: Live) -> None:
    add = ("add", "x", "work:ping", "--retry-max-attempts", "3", "--retry-on")
    refused = flaky.taskd(*add, "flaky.Gone")
    assert refused.returncode == 1
    assert "retry.retry_on" in refused.stderr
    assert flaky.taskd(*add, "transient").returncode == 0
    assert flaky.job("x")["policies"]["retry"]["retry_on"] == ["transient"]


def test_status_answers_while_the_store_is_gone(live: Live) -> None:
    flaky = live
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(live.folder / "notify"))
    notices.settimeout(PATIENCE_S)
    (live.folder / "flaky.py").write_text(CODE)
    live.start(FLAKY, NOTIFY_SOCKET=str(live.folder / "notify"))
    store = Path(flaky.store.removeprefix("sqlite:///"))
    moved = store.with_name("moved.db")
    store.rename(moved)
    with pytest.raises(ApiError) as refused:
        flaky.client.trigger("flaky")
    assert refused.value.code == "store_unavailable"
    daemon = flaky.until(lambda: flaky.client.status()["daemon"]["store_error"])
    assert daemon
    told = flaky.taskd("status")
    assert (told.returncode, "nothing starts" in told.stderr) == (0, True)
    with notices:
        while b"STATUS=nothing starts" not in notices.recv(4096):
            pass  # READY=1 comes first
    moved.rename(store)
    flaky.until(lambda: flaky.client.status()["daemon"]["store_error"] is None)
    assert end(flaky, flaky.client.trigger("flaky"))["state"] == "SUCCEEDED"
