"""Rules of connections that serve one request after another, against a real server."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from taskd.client import Client
from taskd.connections import Connections
from taskd.errors import ApiError
from taskd.server import Server, listen
from taskd.wire import Connection
from tests.unit.host import Host

PATIENCE_S = 20.0


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskd-") as folder:
        yield Path(folder) / "s"


@pytest.fixture
def server(host: Host, path: Path) -> Iterator[Server]:
    server = Server(host, listen(path))
    server.start()
    yield server
    server.close()


@pytest.fixture
def kept(path: Path) -> Iterator[Connections]:
    connections = Connections([path])
    connections.keep()
    yield connections
    connections.close()


def ask(connection: Connection) -> int:
    connection.send("GET", "/v1/ping", {})
    status = connection.status()
    connection.body()
    return status


@pytest.fixture
def full(path: Path) -> Iterator[socket.socket]:
    """A listening socket with a queue of one, which is full."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with closing(socket.socket(socket.AF_UNIX)) as first:
            first.connect(str(path))
            yield listener


@pytest.mark.usefixtures("full")
def test_a_daemon_with_a_full_queue_is_busy_and_not_missing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskd.wire.QUEUE_S", 1)
    with pytest.raises(ApiError) as caught:
        Client(path).ping()
    assert (caught.value.status, caught.value.code) == (503, "busy")
    assert str(path) in caught.value.detail


def test_room_in_the_queue_is_waited_for(
    path: Path, full: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskd.wire.QUEUE_S", 20)
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(Connection, path, PATIENCE_S)
        full.accept()[0].close()
        connecting.result(PATIENCE_S).close()


@pytest.mark.usefixtures("server")
def test_a_connection_serves_the_next_request_where_they_are_kept(kept: Connections) -> None:
    first = kept.take(PATIENCE_S)
    assert ask(first) == 200
    kept.give_back(first)
    assert kept.take(PATIENCE_S) is first
    assert ask(first) == 200
    first.close()


@pytest.mark.usefixtures("server")
def test_a_connection_whose_answer_was_not_read_is_not_kept(kept: Connections) -> None:
    first = kept.take(PATIENCE_S)
    first.send("GET", "/v1/ping", {})
    kept.give_back(first)
    second = kept.take(PATIENCE_S)
    assert second is not first
    second.close()


@pytest.mark.usefixtures("server")
def test_a_connection_serves_one_request_by_default(path: Path) -> None:
    connections = Connections([path])
    first = connections.take(PATIENCE_S)
    ask(first)
    connections.give_back(first)
    assert not first.can_go_on
    second = connections.take(PATIENCE_S)
    assert second is not first
    ask(second)
    second.close()


def test_a_connection_that_the_daemon_closed_is_replaced(
    host: Host, path: Path, kept: Connections
) -> None:
    server = Server(host, listen(path))
    server.start()
    first = kept.take(PATIENCE_S)
    ask(first)
    kept.give_back(first)
    server.close()  # hangs up on all that are idle
    again = Server(host, listen(path))
    again.start()
    second = kept.take(PATIENCE_S)
    assert second is not first
    assert ask(second) == 200
    second.close()
    again.close()


@pytest.mark.usefixtures("server")
def test_a_client_as_a_context_goes_on_after_a_refusal_and_after_its_end(path: Path) -> None:
    with Client(path) as client:
        with pytest.raises(ApiError):
            client.job("none")
        assert client.ping()["pid"] == 42
        assert list(client.events()) == []
    assert client.ping()["pid"] == 42


@pytest.mark.usefixtures("server")
def test_threads_that_share_a_client_get_each_its_own_answer(path: Path) -> None:
    gate = threading.Barrier(4, timeout=PATIENCE_S)

    def refused(number: int) -> str:
        gate.wait()
        with pytest.raises(ApiError) as caught:
            client.job(f"j{number}")
        return caught.value.detail

    with Client(path) as client, ThreadPoolExecutor(4) as threads:
        details = list(threads.map(refused, range(40)))
    assert details == [f"there is no job 'j{number}'" for number in range(40)]
