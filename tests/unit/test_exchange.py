"""Rules of a connection that serves one request after another, against a real server."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest

from taskd.server import Server, listen
from tests.unit.host import Host

PATIENCE_S = 20.0
PING = b"GET /v1/ping HTTP/1.1\r\nHost: t\r\n\r\n"
LAST = b"GET /v1/status HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


@pytest.fixture
def server(host: Host) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="taskd-") as folder:
        server = Server(host, listen(Path(folder) / "s"))
        server.start()
        yield server
        server.close()


@pytest.fixture
def peer(server: Server) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX)) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(server._path))
        yield peer


def rest(peer: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(lambda: peer.recv(65536), b""))


def statuses(answers: bytes) -> list[int]:
    return [int(part.split()[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_requests_that_come_at_once_are_answered_in_their_order(peer: socket.socket) -> None:
    wrong = b"GET /v1/nothing HTTP/1.1\r\nHost: t\r\n\r\n"
    peer.sendall(PING * 5000 + wrong + LAST + PING)
    answers = rest(peer)
    assert statuses(answers) == [200] * 5000 + [404, 200]
    assert answers.count(b"Connection: close") == 1


def test_what_is_no_request_is_answered_in_its_turn(peer: socket.socket) -> None:
    peer.sendall(PING + b"GET /v1/status HTTP/1.1\r\nHost: t\r\n\r\n" + b"\x00\r\n\r\n" + PING)
    assert statuses(rest(peer)) == [200, 200, 400]


def test_who_waits_for_leave_to_send_a_body_gets_it(peer: socket.socket) -> None:
    peer.sendall(
        b"POST /v1/pause HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert peer.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.sendall(b"{}")
    assert statuses(rest(peer)) == [200]


def test_an_answer_without_a_body_is_one_to_head(peer: socket.socket) -> None:
    peer.sendall(b"HEAD /v1/ping HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    answer = rest(peer)
    assert statuses(answer) == [HTTPStatus.METHOD_NOT_ALLOWED]
    assert b"\r\nAllow: GET\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_stream_for_a_caller_that_knows_no_chunks_ends_with_the_connection(
    peer: socket.socket,
) -> None:
    peer.sendall(b"GET /v1/events HTTP/1.0\r\n\r\n")
    head, _, body = rest(peer).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b""


def test_a_request_for_another_protocol_is_answered_in_this_one(peer: socket.socket) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"
    peer.sendall(b"GET /v1/ping HTTP/1.1\r\nHost: t\r\n" + upgrade + b"\r\nPRI * HTTP/2.0")
    assert statuses(rest(peer)) == [200]


def test_a_body_sent_to_no_avail_does_not_lose_the_answer(peer: socket.socket) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n"
    peer.sendall(head + b" " * 3_000_000)
    assert statuses(rest(peer)) == [413]


def test_the_end_answers_what_is_under_way_and_hangs_up_on_the_others(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskd.admission.LAST_ANSWERS_S", PATIENCE_S)
    begun, let_go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        let_go.wait(PATIENCE_S)

    host.on_shutdown = wait
    server = Server(host, listen(tmp_path / "s"))
    server.start()
    with (
        closing(socket.socket(socket.AF_UNIX)) as idle,
        closing(socket.socket(socket.AF_UNIX)) as peer,
    ):
        for each in (idle, peer):
            each.settimeout(PATIENCE_S)
            each.connect(str(tmp_path / "s"))
        peer.sendall(b"POST /v1/shutdown HTTP/1.1\r\nHost: t\r\n\r\n")
        assert begun.wait(PATIENCE_S)
        end = threading.Thread(target=server.close)
        end.start()
        assert rest(idle) == b""
        let_go.set()
        assert statuses(rest(peer)) == [200]
        end.join()


def test_who_does_not_come_to_an_end_is_cut_off(host: Host, tmp_path: Path) -> None:
    server = Server(host, listen(tmp_path / "s"))
    server.start()
    with closing(socket.socket(socket.AF_UNIX)) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(tmp_path / "s"))
        peer.sendall(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: t\r\n\r\n")
        head = peer.recv(65536)
        assert statuses(head) == [200]
        server.close()
        assert not rest(peer).endswith(b"0\r\n\r\n")
