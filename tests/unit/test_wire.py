"""Rules of HTTP from the caller's end, against a peer that sends what the test says."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.wire import Connection, Garbled

PATIENCE_S = 20.0
HEAD = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def saying(*pieces: bytes) -> Iterator[Connection]:
    """A connection that has asked, and its peer has said `pieces` and nothing more."""
    with tempfile.TemporaryDirectory(prefix="taskd-") as folder:
        path = Path(folder) / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            connection = Connection(path, PATIENCE_S)
            peer, _ = listener.accept()
            connection.send("GET", "/", {})
            for piece in pieces:
                peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
            try:
                yield connection
            finally:
                connection.close()
                peer.close()


@pytest.mark.parametrize(
    ("answer", "body", "goes_on"),
    [
        (HEAD + b"Content-Length: 3\r\n\r\nabc", b"abc", True),
        (HEAD + b"content-length:3\r\nConnection: close\r\n\r\nabc", b"abc", False),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            b"abc",
            True,
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n", b"abc", True),
        (HEAD + b"\r\nabc", b"abc", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
        (HEAD + b"Content-Length: 3\r\n\r\nabc" + HEAD, b"abc", False),
        (HEAD + b"Content-Length: 3\r\n\r\nabc" + EMPTY, b"abc", False),
    ],
)
def test_a_body_ends_where_its_head_says(answer: bytes, body: bytes, goes_on: bool) -> None:
    with saying(answer) as connection:
        assert (connection.status(), connection.body()) == (200, body)
        assert connection.can_go_on is goes_on


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200\nContent-Length: 3\n\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nabc",
        HEAD + b"Content-Length: 3\r\n",
        HEAD + b"Content-Length: 3\r\n\r\nab",
        HEAD + b"Content-Length: -3\r\n\r\nabc",
        HEAD + b"Content-Length: 3, 4\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\nabc\r\n0\r\n\r\n",
        HEAD + b"X" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_an_answer_is_refused(answer: bytes) -> None:
    with saying(answer) as connection:
        with pytest.raises(Garbled):
            connection.status()
            connection.body()
        assert not connection.can_go_on


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_of_a_peer_raise_anything_else(pieces: list[bytes]) -> None:
    with saying(HEAD, *pieces) as connection:
        try:
            connection.status()
            b"".join(connection.lines())
        except OSError:
            assert not connection.can_go_on


@given(st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=8))
def test_lines_are_whole_however_they_are_cut_into_chunks(texts: list[str]) -> None:
    chunks = [b"%x\r\n%b\r\n" % (len(text), text.encode()) for text in texts]
    with saying(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n") as connection:
        assert connection.status() == 200
        assert list(connection.lines()) == "".join(texts).encode().splitlines()


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/ä", "/\x00"])
def test_a_request_holds_nothing_that_could_be_another(target: str) -> None:
    with saying(EMPTY) as connection, pytest.raises(ValueError, match="is no request"):
        assert (connection.status(), connection.body()) == (204, b"")
        connection.send("GET", target, {})


def test_a_header_holds_nothing_that_could_be_another() -> None:
    with saying(EMPTY) as connection, pytest.raises(ValueError, match="is no request"):
        assert (connection.status(), connection.body()) == (204, b"")
        connection.send("GET", "/", {"Idempotency-Key": "a\r\nX: y"})
