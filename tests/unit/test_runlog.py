"""Rules of what the daemon says on stderr, on real pipes and a real terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from taskd.core.run import RunError, RunState
from taskd.runlog import BACKLOG, Runlog, line
from tests.stores.records import NOW, a_run

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        os.close(end)


def said(read: int) -> list[str]:
    return os.read(read, 65536).decode().splitlines()


def drained(read: int, *, until: str) -> str:
    text = ""
    while until not in text:
        text += os.read(read, 65536).decode()
    return text


def runlog_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "taskd-runlog"]


def fill(write: int) -> None:
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, b"." * 4096 + b"\n")
    os.set_blocking(write, True)


def a_record(error: Exception | None = None) -> logging.LogRecord:
    try:
        if error is not None:
            raise error
    except ValueError as raised:
        trace = (ValueError, raised, raised.__traceback__)
        return logging.LogRecord("taskd", logging.ERROR, "", 0, "it failed", None, trace)
    return logging.LogRecord("taskd", logging.ERROR, "", 0, "it failed", None, None)


def test_the_first_line_comes_first_whatever_was_said_before(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write)
    runlog.say("second")
    runlog.ended(run := a_run(state=RunState.SUCCEEDED, finished_at=NOW))
    runlog.start("first")
    runlog.finish(10)
    assert said(read) == ["first", "second", line(run)]


def test_what_was_said_is_written_even_when_it_never_started(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write)
    runlog.say("the store is locked")
    runlog.finish(10)
    assert said(read) == ["the store is locked"]


def test_a_reader_that_is_slow_holds_up_nobody_and_is_told_what_it_missed(pipe: Pipe) -> None:
    read, write = pipe
    fill(write)
    runlog = Runlog(write)
    runlog.start("first")
    for number in range(BACKLOG + 50):
        runlog.say(f"line {number}")
    text = drained(read, until="are not shown")
    runlog.finish(10)
    assert "line 9000\n" in text
    assert f"line {BACKLOG + 20}\n" not in text


def test_a_reader_that_is_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    runlog = Runlog(write)
    runlog.start("first")
    runlog.say("second")
    runlog.finish(10)
    os.close(write)
    assert not runlog_threads()


def test_a_log_record_is_one_line_its_traceback_included(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write)
    runlog.emit(a_record(ValueError("no luck\nat all")))
    runlog.finish(10)
    (text,) = said(read)
    assert text.startswith("ERROR taskd: it failed | Traceback (most recent call last): | File ")
    assert text.endswith(" | ValueError: no luck | at all")


def test_on_a_terminal_a_traceback_keeps_its_lines() -> None:
    controller, terminal = os.openpty()
    runlog = Runlog(terminal)
    runlog.emit(a_record(ValueError("no luck")))
    runlog.finish(10)
    lines = said(controller)
    os.close(controller)
    os.close(terminal)
    assert lines[:2] == ["ERROR taskd: it failed", "Traceback (most recent call last):"]


def test_nothing_that_is_written_can_control_a_terminal(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write)
    runlog.say("\x1b[2J")
    error = RunError("E", "one\ntwo\x1b]0;x\x07\ud800")
    runlog.ended(a_run("a", RunState.FAILED, finished_at=NOW, error=error))
    runlog.finish(10)
    first, second = said(read)
    assert first == r"\x1b[2J"
    assert second.endswith(r"E: one\x0atwo\x1b]0;x\x07\ud800")


def test_a_run_is_told_with_its_job_its_state_and_how_long_it_took() -> None:
    run = a_run(
        "nightly",
        RunState.SUCCEEDED,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=1.5),
    )
    time = NOW.astimezone() + timedelta(seconds=1.5)
    assert line(run) == f"{time:%H:%M:%S} nightly {run.id} SUCCEEDED 1.500s"
    cancelled = replace(run, state=RunState.CANCELLED, started_at=None, reason="removed")
    assert line(cancelled) == f"{time:%H:%M:%S} nightly {run.id} CANCELLED removed"
    assert " task " in line(replace(run, job=None))


def test_in_the_journal_each_line_begins_with_its_priority(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write, is_journal=True)
    runlog.say("two\nlines", logging.ERROR)
    runlog.say("all is well")
    runlog.emit(a_record())
    runlog.ended(a_run(state=RunState.FAILED, error=RunError("ValueError", "no", "", "")))
    runlog.finish()
    found = [line[:3] for line in said(read)]
    assert found == ["<3>", "<3>", "<6>", "<3>", "<4>"]


def test_as_json_each_line_is_an_object_with_its_keys_in_one_order(pipe: Pipe) -> None:
    read, write = pipe
    runlog = Runlog(write, as_json=True)
    runlog.say("taskd is\nshutting down \x1b[2J", logging.WARNING)
    error = RunError("ValueError", 'no "luck"\n', "", "")
    bad = replace(a_run(), state=RunState.FAILED, error=error, started_at=NOW)
    runlog.ended(replace(bad, finished_at=NOW + timedelta(seconds=1.5)))
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        record = logging.getLogger("t").makeRecord("t", 40, "f", 1, "oh", (), sys.exc_info())
    runlog.emit(record)
    runlog.finish()
    said_so, run, logged = map(json.loads, said(read))
    assert list(said_so) == ["at", "level", "message"]
    assert datetime.fromisoformat(said_so["at"]).tzinfo is not None
    assert (said_so["level"], said_so["message"]) == ("warning", "taskd is\nshutting down \x1b[2J")
    assert list(run)[3:] == ["job", "run", "state", "reason", "duration_s", "error"]
    assert (run["state"], run["duration_s"], run["level"]) == ("FAILED", 1.5, "warning")
    assert run["error"] == {"type": "ValueError", "message": 'no "luck"\n'}
    assert logged["level"] == "error"
    assert "ZeroDivisionError: by zero" in logged["message"]
