"""Rules of HTTP on the Unix socket, with a daemon behind it that does as the test says."""

from __future__ import annotations

import json
import logging
import select
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskd.client import Client
from taskd.core.diff import Diff
from taskd.core.job import Call, Job, JobName, Overlap
from taskd.core.messages import Added
from taskd.errors import (
    ApiError,
    Conflict,
    InvalidJob,
    SocketUnusable,
    Stopped,
    StoreUnavailable,
    UnknownTask,
)
from taskd.server import Server, listen
from tests.unit.host import Host

PATIENCE_S = 20.0


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskd-") as folder:
        yield Path(folder) / "private" / "taskd.sock"


@pytest.fixture
def client(host: Host, path: Path) -> Iterator[Client]:
    server = Server(host, listen(path), read_timeout_s=0.2)
    server.start()
    yield Client(path)
    server.close()
    assert not path.exists()


@pytest.fixture
def patient(host: Host, path: Path) -> Iterator[Client]:
    """A client of a server that gives a slow machine the time it gives in earnest."""
    server = Server(host, listen(path))
    server.start()
    yield Client(path)
    server.close()


def raw(path: Path, sent: bytes) -> bytes:
    """Send bytes and return what comes back until the server closes."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(path))
        peer.sendall(sent)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def test_the_socket_is_for_its_owner_alone_from_the_first_moment(path: Path) -> None:
    with listen(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_link_in_the_sockets_place_is_not_followed(path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "other").touch()
    path.symlink_to("other")
    with pytest.raises(SocketUnusable):
        listen(path)
    assert path.is_symlink()


def test_a_body_that_does_not_arrive_is_given_up(client: Client, path: Path) -> None:
    head = b"POST /v1/shutdown HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\n"
    answer = raw(path, head + b'{"now"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer


def test_a_connection_that_says_nothing_is_closed(client: Client, path: Path) -> None:
    assert raw(path, b"") == b""


@pytest.mark.parametrize(
    ("query", "key"), [("timeout=nan", "timeout"), ("timeout=-1", "timeout"), ("t=1", "t")]
)
def test_a_wait_takes_a_number_of_seconds(client: Client, query: str, key: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.request("GET", f"/v1/runs/x/wait?{query}")
    assert caught.value.code == "invalid"
    problems = caught.value.problem["problems"]
    assert isinstance(problems, list)
    assert [problem["key"] for problem in problems] == [key]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict("it runs", run="r1"), 409, "conflict"),
        (UnknownTask("x", kind="job"), 404, "unknown_job"),
        (UnknownTask("x", kind="run"), 404, "unknown_run"),
        (InvalidJob("every", "too short"), 422, "invalid"),
        (Stopped("bye"), 503, "stopping"),
        (StoreUnavailable("disk full"), 503, "store_unavailable"),
    ],
)
def test_each_refusal_has_its_status_and_its_code(
    host: Host, client: Client, error: Exception, status: int, code: str
) -> None:
    def refuse() -> None:
        raise error

    host.on_shutdown = refuse
    with pytest.raises(ApiError) as caught:
        client.shutdown()
    assert (caught.value.status, caught.value.code) == (status, code)


def test_a_run_refused_among_others_has_its_problem_in_its_place(
    host: Host, client: Client
) -> None:
    job = Job(name=JobName("a"), call=Call("os:getcwd"))
    host.scheduler.inbox.ask(Added(jobs=(job,))).result(PATIENCE_S)
    made, refused = client.trigger_many([{"job": "a", "kwargs": {}}, {"job": "b"}])
    assert (made["job"], made["origin"]) == ("a", "trigger")
    assert (refused["status"], refused["code"], "id" in refused) == (404, "unknown_job", False)


def test_a_defect_is_answered_without_its_secrets_and_logged(
    host: Host, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a secret")

    host.on_shutdown = fail
    with pytest.raises(ApiError) as caught:
        client.shutdown()
    assert (caught.value.status, caught.value.code) == (500, "internal")
    assert "secret" not in caught.value.detail
    assert "ZeroDivisionError: a secret" in caplog.text


def test_noise_leaves_nothing_in_the_log(
    client: Client, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for noise in (
        b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n",
        b"GET /v1/%s HTTP/1.1\r\nHost: t\r\n\r\n" % (b"a" * 100_000),
        b"\x16\x03\x01\r\n\r\n",
    ):
        head, _, document = raw(path, noise).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in head
        assert json.loads(document)["code"] == "malformed"
    assert not caplog.records


@pytest.mark.parametrize(
    "line", [b"GET /v1/ping HTTP/1.1\r\nHost: ", b"POST /v1/shutdown HTTP/1.1\r\nHost: "]
)
@pytest.mark.parametrize("before", [b"", b"GET /v1/ping HTTP/1.1\r\nHost: t\r\n\r\n"])
def test_a_head_that_drips_is_given_up(
    client: Client, path: Path, before: bytes, line: bytes
) -> None:
    beat = threading.Event()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(path))
        peer.sendall(before)
        if before:
            assert peer.recv(65536)
        peer.sendall(line)
        with pytest.raises(BrokenPipeError):
            for _ in range(int(PATIENCE_S / 0.02)):
                peer.sendall(b"x")
                beat.wait(0.02)


def test_a_length_over_the_cap_is_refused_before_the_body_comes(client: Client, path: Path) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000\r\n\r\n"
    answer = raw(path, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"POST /v1/shutdown", b'{"now": false, "now": true}'),
        (b"POST /v1/jobs", b'{"name": "a", "kwargs": {"n": 1, "n": 2}}'),
        (b"GET /v1/runs?limit=1&limit=2", b""),
    ],
)
def test_what_is_there_twice_is_refused(
    client: Client, path: Path, target: bytes, body: bytes
) -> None:
    head = b"%s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answer = raw(path, head % (target, len(body)) + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"is there twice" in answer


def test_a_reader_that_does_not_take_its_answer_is_cut_off(
    host: Host, client: Client, path: Path
) -> None:
    words = "w" * 8192
    jobs = tuple(
        Job(name=JobName(f"j{n}"), call=Call("os:getcwd"), description=words) for n in range(300)
    )
    host.scheduler.inbox.ask(Added(jobs=jobs)).result()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b"GET /v1/status HTTP/1.1\r\nHost: t\r\n\r\n")
        hang_up = select.poll()
        hang_up.register(slow, select.POLLHUP)
        assert hang_up.poll(PATIENCE_S * 1000)
    assert len(client.status()["jobs"]) == 300


def test_changes_that_wait_hold_up_no_question_and_a_reload_holds_up_no_change(
    host: Host, patient: Client
) -> None:
    waiting, let_go = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        waiting.release()
        let_go.wait(PATIENCE_S)

    with ThreadPoolExecutor(60) as pool:
        reloads = [pool.submit(patient.reload) for _ in range(20)]
        assert patient.shutdown() == {"stopping": True}
        host.on_shutdown = wait
        changes = [pool.submit(patient.shutdown) for _ in range(40)]
        waiting.acquire(timeout=PATIENCE_S)
        assert patient.status()["jobs"] == []
        assert not any(future.done() for future in [*reloads, *changes])
        let_go.set()
        host.reloaded.set_result(Diff((), (), (), ()))
        assert all(future.result(PATIENCE_S) for future in [*reloads, *changes])


def test_no_thread_waits_for_a_ping_or_for_a_run_that_is_asked_for(
    host: Host, patient: Client
) -> None:
    job = Job(name=JobName("a"), call=Call("os:getcwd"), overlap=Overlap.ALLOW)
    host.scheduler.inbox.ask(Added(jobs=(job,))).result(PATIENCE_S)
    before = pools()
    patient.ping()
    patient.trigger("a")
    assert patient.trigger_many([{"job": "a"}] * 3)[-1]["job"] == "a"
    assert not pools() - before
    with pytest.raises(ApiError, match="did you mean a"):
        patient.trigger("aa")  # to name the nearest it has to read
    assert pools() - before


def pools() -> set[threading.Thread]:
    """The threads of servers' pools; one is made when it is first needed."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("taskd-api-")}


def test_a_reader_of_the_journal_that_makes_no_room_is_cut_off(
    host: Host, client: Client, path: Path
) -> None:
    words = "w" * 8192
    jobs = tuple(
        Job(name=JobName(f"j{n}"), call=Call("os:getcwd"), description=words) for n in range(300)
    )
    host.scheduler.inbox.ask(Added(jobs=jobs)).result()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b"GET /v1/events?after=0&follow=1 HTTP/1.1\r\nHost: t\r\n\r\n")
        hang_up = select.poll()
        hang_up.register(slow, select.POLLHUP)
        assert hang_up.poll(PATIENCE_S * 1000)
    assert len(list(client.events(after=0))) == 300


def test_a_repeat_says_that_it_is_one(client: Client, path: Path) -> None:
    body = b'{"name": "a", "call": "os:getcwd"}'
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: t\r\nIdempotency-Key: k\r\nConnection: close\r\n"
    request = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    first, again = raw(path, request), raw(path, request)
    assert first.startswith(b"HTTP/1.1 201 ")
    assert again.startswith(b"HTTP/1.1 201 ")
    assert b"Idempotency-Replayed" not in first
    assert b"Idempotency-Replayed: true" in again


@pytest.mark.parametrize(
    ("query", "key"),
    [("after=-1", "after"), ("limit=0", "limit"), ("follow=perhaps", "follow"), ("x=1", "x")],
)
def test_a_wrong_question_for_events_is_refused_before_the_stream(
    client: Client, query: str, key: str
) -> None:
    with pytest.raises(ApiError) as caught:
        list(client.stream(f"/v1/events?{query}"))
    assert caught.value.code == "invalid"
    problems = caught.value.problem["problems"]
    assert isinstance(problems, list)
    assert [problem["key"] for problem in problems] == [key]
