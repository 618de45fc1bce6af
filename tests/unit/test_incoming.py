"""Rules of requests as they come in, from bytes in whatever pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.answers import Refused
from taskd.incoming import BODY_LIMIT, HEAD_LIMIT, Incoming, Request

GET = b"GET /v1/ping HTTP/1.1\r\nHost: t\r\n\r\n"
POST = (
    b"POST /v1/a%2Fb?x=1&y HTTP/1.1\r\nHost: t\r\n"
    b"Idempotency-Key: k\r\nContent-Length: 3\r\n\r\nabc"
)
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: x\r\n\r\n"
)
ASKED = [
    Request("GET", "/v1/ping", "", b""),
    Request("POST", "/v1/a%2Fb", "x=1&y", b"abc", key="k"),
    Request("POST", "/c", "", b"abc"),
]


def read(*pieces: bytes) -> tuple[list[Request], Refused | None]:
    incoming = Incoming()
    for piece in pieces:
        incoming.feed(memoryview(piece))
    return list(iter(incoming.take, None)), incoming.refusal


def refused(*pieces: bytes) -> tuple[int, str]:
    _, refusal = read(*pieces)
    assert refusal is not None
    return refusal.status, refusal.code


@given(st.data())
def test_requests_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    sent = GET + POST + CHUNKED
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert read(*pieces) == (ASKED, None)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_raise_anything(pieces: list[bytes]) -> None:
    read(*pieces)
    read(POST[:60], *pieces)


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", True),
        (b"GET / HTTP/1.0\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", True),
    ],
)
def test_a_request_says_whether_another_may_follow(head: bytes, is_last: bool) -> None:
    ((request,), refusal) = read(head + b"\r\n")
    assert (request.is_last, refusal) == (is_last, None)


def test_a_target_may_name_its_host() -> None:
    ((request,), _) = read(b"GET http://taskd/v1/runs?job=a HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (request.path, request.query) == ("/v1/runs", "job=a")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\nContent-Length: 3\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
        b"CONNECT a:b HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * HEAD_LIMIT),
        b"GET / HTTP/1.1\r\n%b\r\n" % (b"X: aaaaaaaa\r\n" * (HEAD_LIMIT // 9 + 1)),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(sent: bytes) -> None:
    requests, _ = read(sent)
    assert not requests
    assert refused(sent) == (400, "malformed")


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX"])
def test_a_head_that_grows_piece_by_piece_has_an_end(begun: bytes) -> None:
    assert refused(begun, *[b"a" * 1024] * (HEAD_LIMIT // 1024 + 1)) == (400, "malformed")


def test_requests_that_come_at_once_share_no_limit() -> None:
    assert len(read(GET * 3000)[0]) == 3000


def test_a_body_has_an_end_whether_its_length_is_told_or_not() -> None:
    told = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    assert refused(told % (BODY_LIMIT + 1)) == (413, "too_large")
    body = b"x" * BODY_LIMIT
    assert read(told % BODY_LIMIT, body)[0][0].body == body
    chunk = b"10000\r\n%b\r\n" % (b"x" * 0x10000)
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert refused(head, *[chunk] * (BODY_LIMIT // 0x10000 + 1)) == (413, "too_large")


def test_what_was_whole_before_it_broke_is_there() -> None:
    requests, refusal = read(GET + b"\x00")
    assert requests == ASKED[:1]
    assert refusal is not None
