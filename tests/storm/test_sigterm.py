"""SIGTERM in the midst of a start, a reload, a commit, a call, the wait for a retry.

Whenever it comes, the daemon ends with 0 within its grace, and nothing is lost: no attempt is LOST,
for none was running when it ended.
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from taskd.core.job import Job
from tests.daemon.live import PATIENCE_S
from tests.storm.besieged import Besieged
from tests.storm.lives import Place, job

GRACE_S = 5
POINTS = [
    "load.before:1",
    "commit.after:2",
    "call.before:1",
    "end.before_told:2",
    "reload.applied:1",
]
OFTEN = [
    *("commit.before", "commit.after", "start.before", "start.after", "call.before", "call.after"),
    *("report.before", "end.before_told", "reply.before"),
]
LONG_POINTS = [
    *("load.before:1", "load.after:1", "reload.checked:1", "reload.applied:1", "reload.adopted:1"),
    *(f"{point}:{n}" for point in OFTEN for n in range(1, 21)),
]


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.2),
        job(place, "fail", "fail", every=0.3),
        job(place, "heed", "heed", 0.5),
        job(place, "echo", "tick"),
    ]


@contextmanager
def terminating(besieged: Besieged, at: str) -> Iterator[None]:
    """Start a daemon that gets SIGTERM at a point, with callers until it has ended."""
    name, _, passing = at.partition(":")
    besieged.live.program = ["tests.storm.terminated", name, passing]
    besieged.start_to_die()
    besieged.live.program = ["taskd"]
    with besieged.callers():
        yield


def end_of(besieged: Besieged, at: str) -> int:
    """Return the status of a daemon that got SIGTERM at a point, however it came by it."""
    besieged.define(jobs(besieged.place), shutdown_grace=f"{GRACE_S}s")
    with terminating(besieged, at):
        if at.startswith("reload"):
            besieged.live.until(besieged.live.answers)
            more = job(besieged.place, "late", "tick", every=0.2)
            besieged.define([*jobs(besieged.place), more], shutdown_grace=f"{GRACE_S}s")
        return besieged.await_death()


def outcomes(besieged: Besieged) -> set[str]:
    with closing(sqlite3.connect(besieged.place.store)) as db:
        return {outcome for (outcome,) in db.execute("SELECT outcome FROM attempts")}


@pytest.mark.parametrize("at", POINTS)
def test_sigterm_at_any_point_ends_it_well_and_loses_nothing(besieged: Besieged, at: str) -> None:
    survive(besieged, at)


@pytest.mark.long
@pytest.mark.parametrize("at", LONG_POINTS)
def test_sigterm_at_any_passing_of_a_point_loses_nothing(besieged: Besieged, at: str) -> None:
    survive(besieged, at)


def survive(besieged: Besieged, at: str) -> None:
    assert end_of(besieged, at) == 0
    assert not besieged.live.socket.exists()
    assert "LOST" not in outcomes(besieged)
    heartbeat = "late" if at.startswith("reload") else "tick"
    assert besieged.settle(heartbeat).faults() == {}


@pytest.mark.parametrize("after_s", [0.1, 0.5])
def test_sigterm_as_it_starts_ends_it_and_leaves_nothing_behind(
    besieged: Besieged, after_s: float
) -> None:
    besieged.define(jobs(besieged.place))
    besieged.start_to_die()
    time.sleep(after_s)  # its start has no event to wait for yet
    besieged.live.send(signal.SIGTERM)
    # Before the interpreter has come to taskd's code the signal ends it by itself.
    assert besieged.await_death() in (0, -signal.SIGTERM)
    assert not besieged.live.socket.exists()
    assert besieged.settle("tick").faults() == {}


def test_sigterm_in_the_wait_for_a_retry_keeps_the_retry(besieged: Besieged) -> None:
    place = besieged.place
    besieged.define([*jobs(place), job(place, "again", "fail")])
    text = besieged.live.config.read_text()
    retry = 'retry = { max_attempts = 3, initial = "1s", jitter = "none" }\n'
    besieged.live.write(f"{text}{retry}")
    besieged.start()
    run = besieged.trigger("again")
    besieged.live.until(lambda: besieged.live.client.run(run)["state"] == "RETRYING")
    began = time.monotonic()
    assert besieged.kill(signal.SIGTERM) == 0
    assert time.monotonic() - began < PATIENCE_S / 2  # it does not wait for the retry
    besieged.start()
    ended = besieged.live.client.wait(run, timeout=PATIENCE_S)
    assert (ended["state"], ended["attempt"]) == ("DEAD", 3)
    assert [attempt["outcome"] for attempt in ended["attempts"]] == ["FAILED"] * 3
    assert besieged.kill(signal.SIGTERM) == 0


def test_a_storm_of_hang_ups_is_a_few_readings_and_keeps_every_run(besieged: Besieged) -> None:
    besieged.define(jobs(besieged.place), reload="signal")
    besieged.start()
    for _ in range(300):
        besieged.live.send(signal.SIGHUP)
    more = job(besieged.place, "late", "tick", every=0.2)
    besieged.define([*jobs(besieged.place), more], reload="signal")
    besieged.live.send(signal.SIGHUP)
    besieged.live.until(
        lambda: "late" in {j["name"] for j in besieged.live.client.status()["jobs"]}
    )
    readings = [line for line in besieged.live.rest() if "has read" in line]
    assert len(readings) < 30
    assert besieged.kill(signal.SIGTERM) == 0
    assert besieged.settle("late").faults() == {}
