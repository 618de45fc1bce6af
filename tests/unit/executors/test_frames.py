"""What crosses between a worker and the daemon is the same on the other side, or is refused."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.run import Outcome, Result, RunError, Usage
from taskd.executors.call import End
from taskd.executors.frames import HEADER, LONGEST, Broken, Reader, encode, end_frame, end_from

TEXT = st.text(max_size=20)
TIMES = st.none() | st.timedeltas(timedelta(0), timedelta(days=366))
ENDS = st.builds(
    End,
    outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED]),
    result=st.none() | st.builds(Result, TEXT, st.booleans()),
    error=st.none() | st.builds(RunError, TEXT, TEXT, TEXT, TEXT, st.none() | TEXT),
    reason=TEXT,
    classes=st.lists(TEXT, max_size=3).map(tuple),
    wants_retry=st.booleans(),
    retry_after=TIMES,
    usage=st.builds(Usage, peak_memory=st.none() | st.integers(0, 2**50), cpu_time=TIMES),
)


def received(pieces: list[bytes]) -> list[dict[str, Any]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader, frames = Reader(ours), []
        for piece in pieces:
            theirs.sendall(piece)
            frames += reader.read()
        return frames


@settings(deadline=None)
@given(st.lists(ENDS, min_size=1, max_size=3), st.integers(1, 50))
def test_an_end_is_the_same_however_it_is_cut(ends: list[End], size: int) -> None:
    data = b"".join(encode(end_frame(end)) for end in ends)
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    assert [end_from(frame) for frame in received(pieces)] == ends


@pytest.mark.parametrize(
    "data",
    [
        (LONGEST + 1).to_bytes(HEADER, "big"),
        b"\0\0\0\1x",
        b"\0\0\0\2[]",
        b"\0\0\0\1\xff",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(Broken):
        received([data])


@given(st.dictionaries(st.sampled_from(sorted(end_frame(End(Outcome.FAILED)))), st.integers()))
def test_an_end_that_is_none_is_refused_or_an_end(changes: dict[str, Any]) -> None:
    frame = end_frame(End(Outcome.FAILED)) | changes
    try:
        end_from(frame)
    except Broken:
        return
    for key in ("outcome", "reason", "classes", "wants_retry", "result", "error"):
        assert key not in changes
