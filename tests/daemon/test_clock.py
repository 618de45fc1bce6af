"""A real daemon whose wall clock is set under it, or that is stopped for a while."""

from __future__ import annotations

import signal
import sqlite3
import threading
from datetime import datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from tests.daemon.live import Live
from tests.daemon.shift import COMPILER, Shift

JOBS = """
[jobs.beat]
call = "work:ping"
every = "500ms"

[jobs.clock]
call = "work:ping"
cron = "* * * * * *"
timezone = "UTC"
"""
HOUR = 3600
DAY = 24 * HOUR


def ended(live: Live, job: str) -> list[dict[str, Any]]:
    """The runs of a job, oldest first."""
    return live.client.runs(job=job, state="SUCCEEDED", limit=10_000)[::-1]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def goes_on(live: Live, job: str, more: int = 3) -> None:
    """Wait for some more runs of a job."""
    known = len(ended(live, job))
    live.until(lambda: len(ended(live, job)) >= known + more)


def no_slot_twice_and_none_early(live: Live) -> None:
    for job in ("beat", "clock"):
        runs = ended(live, job)
        due = [run["scheduled_at"] for run in runs]
        assert len(set(due)) == len(due), job
        early = [run for run in runs if instant(run["started_at"]) < instant(run["scheduled_at"])]
        assert early == [], job
        assert live.client.job(job)["counts"]["SUCCEEDED"] >= len(runs)


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
@pytest.mark.parametrize(
    "by",
    [
        HOUR,
        -DAY,
        pytest.param(DAY, marks=pytest.mark.long),
        pytest.param(-HOUR, marks=pytest.mark.long),
    ],
)
def test_a_clock_that_is_set_is_noticed_and_repeats_nothing(live: Live, by: int) -> None:
    shift = Shift(live.folder)
    live.start(JOBS, **shift.environ)
    goes_on(live, "beat")
    goes_on(live, "clock", 1)
    for ahead in (by, 0):  # there, and back again
        before, decided = monotonic(), len(ended(live, "clock"))
        shift.set(ahead)
        live.line_with("the wall clock was set by")
        assert monotonic() - before < 10  # it looks twice a second; the rest is a slow machine's
        goes_on(live, "beat")  # an interval goes by elapsed time
        no_slot_twice_and_none_early(live)
        if (by > 0) == (ahead == by):
            goes_on(live, "clock", 1)  # forward: what was missed is late, and then it goes on
        else:
            assert len(ended(live, "clock")) <= decided + 1  # back: no second run of a slot
    skipped = live.client.job("clock")["counts"].get("SKIPPED", 0)
    assert skipped >= abs(by) - 20 if by > 0 else skipped < 20
    assert live.end() == 0


def test_a_daemon_that_was_stopped_for_a_while_goes_on_at_once(live: Live) -> None:
    live.start(JOBS)
    goes_on(live, "beat")
    live.send(signal.SIGSTOP)
    threading.Event().wait(3)  # it is the time that passes which is tested
    known = len(ended_in_store(live))
    live.send(signal.SIGCONT)
    resumed = monotonic()
    live.until(lambda: len(ended(live, "beat")) > known)
    assert monotonic() - resumed < 10
    goes_on(live, "beat")
    no_slot_twice_and_none_early(live)
    assert live.client.job("beat")["counts"]["SKIPPED"] >= 4
    due = [instant(run["scheduled_at"]) for run in ended(live, "beat")]
    assert max(two - one for one, two in pairwise(due)) >= timedelta(seconds=2.5)


def ended_in_store(live: Live) -> list[object]:
    """The runs of the beat while the daemon cannot answer."""
    with sqlite3.connect(f"file:{live.folder}/taskd.db?mode=ro", uri=True) as db:
        return db.execute(
            "SELECT id FROM runs WHERE job = 'beat' AND state = 'SUCCEEDED'"
        ).fetchall()
