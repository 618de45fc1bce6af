"""Frames: what a worker process and the daemon tell each other: a length, then that much JSON.

Nothing is ever unpickled: what a callable returned or raised crosses as the words that the store
keeps, made in the worker.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from taskd.core.job import Call
from taskd.core.run import MICROSECOND, Origin, Outcome, Result, Run, RunError, RunState, Usage
from taskd.core.turn import Start
from taskd.executors.call import End

HEADER: Final = 4  # bytes of the length
LONGEST: Final = 256 * 1024 * 1024
"""Bytes of a frame. A result is up to 16 Mi characters, and six bytes each where JSON escapes them,
twice over where it is text within text."""
CHUNK: Final = 64 * 1024
MOST: Final = 2**62  # of what is counted: it is in the store as 64 bits

ENCODER: Final = json.JSONEncoder(separators=(",", ":"))

Frame = dict[str, Any]


class Broken(Exception):
    """The other end sent what is no frame."""


def encode(frame: Frame) -> bytes:
    """Return a frame as it is sent."""
    body = ENCODER.encode(frame).encode()
    return len(body).to_bytes(HEADER, "big") + body


class Reader:
    """Takes frames from a socket, in whatever pieces they come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self.is_over = False

    def read(self, flags: int = 0) -> list[Frame]:
        """Wait for the next piece and return the frames that are complete. Raises Broken.

        `flags` are those of recv(2); with MSG_DONTWAIT it does not wait.
        """
        try:
            piece = self._connection.recv(CHUNK, flags)
        except BlockingIOError:
            return []
        except ConnectionError:
            piece = b""
        self.is_over = not piece
        self._buffer += piece
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if len(self._buffer) < HEADER:
            return None
        end = HEADER + int.from_bytes(self._buffer[:HEADER], "big")
        if end > LONGEST:
            raise Broken(f"a frame of {end} bytes")
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER:end])
        del self._buffer[:end]
        try:
            frame = json.loads(body)
        except ValueError as error:
            raise Broken(str(error)) from error
        if not isinstance(frame, dict):
            raise Broken("a frame that is no object")
        return frame


def start_frame(start: Start, categories: dict[str, str]) -> Frame:
    """Return an attempt as the worker is told of it."""
    run, call, execution = start.run, start.call, start.execution
    time = execution.max_cpu_time
    return {
        "is": "start",
        "run": [run.id, run.job, run.scheduled_at.isoformat(), run.attempt, run.fence],
        "checkpoint": run.checkpoint,
        "call": [call.target, list(call.args), dict(call.kwargs)],
        "carried": start.carried,
        "categories": categories,
        "env": dict(execution.env),
        "cwd": execution.cwd,
        "max_memory": execution.max_memory,
        "max_cpu_s": None if time is None else -(-time // timedelta(seconds=1)),
    }


def start_from(frame: Frame) -> Start:
    """Return the attempt that a frame tells of."""
    run_id, job, scheduled_at, attempt, fence = frame["run"]
    target, args, kwargs = frame["call"]
    scheduled = datetime.fromisoformat(scheduled_at)
    run = Run(
        id=run_id,
        job=job,
        origin=Origin.SCHEDULE,
        state=RunState.RUNNING,
        scheduled_at=scheduled,
        due_at=scheduled,
        attempt=attempt,
        fence=fence,
        checkpoint=frame["checkpoint"],
    )
    return Start(run, Call(target, tuple(args), kwargs), carried=frame["carried"])


def end_frame(end: End) -> Frame:
    """Return how an attempt ended as the daemon is told of it."""
    after, cpu = end.retry_after, end.usage.cpu_time
    return {
        "is": "end",
        "outcome": end.outcome.value,
        "result": None if end.result is None else [end.result.text, end.result.is_repr],
        "error": None if end.error is None else asdict(end.error),
        "reason": end.reason,
        "classes": list(end.classes),
        "wants_retry": end.wants_retry,
        "retry_after": None if after is None else after // MICROSECOND,
        "peak_memory": end.usage.peak_memory,
        "cpu_time": None if cpu is None else cpu // MICROSECOND,
    }


def _check_types(frame: Frame) -> None:
    """Refuse values of other types. Raises TypeError, KeyError."""
    error = {} if frame["error"] is None else dict(frame["error"])
    category = error.pop("category", None)
    text, is_repr = frame["result"] or ("", False)
    texts = [frame["reason"], *frame["classes"], *error.values(), category or "", text]
    for value in texts:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is no text")
        value.encode()
    for key in ("retry_after", "peak_memory", "cpu_time"):
        if type(number := frame[key] or 0) is not int or not 0 <= number < MOST:
            raise TypeError(f"{key} {number!r}")
    if not isinstance(frame["wants_retry"], bool) or not isinstance(is_repr, bool):
        raise TypeError("it is neither true nor false")


def end_from(frame: Frame) -> End:
    """Return how an attempt ended.

    The callable has the worker's end of the connection in its process too: what the store could not
    take must not get there.

    Raises:
        Broken: It is not as `end_frame` makes it.
    """
    try:
        _check_types(frame)
        after, cpu, result, error = (
            frame[key] for key in ("retry_after", "cpu_time", "result", "error")
        )
        return End(
            outcome=Outcome(frame["outcome"]),
            result=None if result is None else Result(*result),
            error=None if error is None else RunError(**error),
            reason=frame["reason"],
            classes=tuple(frame["classes"]),
            wants_retry=frame["wants_retry"],
            retry_after=None if after is None else after * MICROSECOND,
            usage=Usage(
                peak_memory=frame["peak_memory"],
                cpu_time=None if cpu is None else cpu * MICROSECOND,
            ),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as fault:
        raise Broken(str(fault)) from fault
