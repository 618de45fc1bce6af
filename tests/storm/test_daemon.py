"""A real daemon dies at a crash point, by its own job, and by SIGTERM in the midst of work."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from taskd import Scheduler
from taskd.core.job import Job
from taskd.crashpoints import EXIT_CRASHED
from taskd.task import OneTime
from tests.daemon.live import PATIENCE_S
from tests.storm.besieged import Besieged
from tests.storm.checker import Log, Store
from tests.storm.lives import Place, job
from tests.storm.work import linger, microseconds

QUEUED = 1000
WORKERS = 8


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.2),
        job(place, "fail", "fail", every=0.3),
        job(place, "heed", "heed", 0.5),
        job(place, "echo", "tick"),
    ]


# -- crash points ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [
        "migration.before_commit:1",
        "commit.after:1",
        "reply.before:4",
        "report.before:3",
        "reload.checked:1",
        "reload.applied:1",
        "reload.adopted:1",
    ],
)
def test_a_daemon_that_crashes_at_a_point_goes_on_after_it(besieged: Besieged, at: str) -> None:
    place = besieged.place
    besieged.define(jobs(place))
    besieged.start_to_die(TASKD_CRASH_AT=at)
    with besieged.callers():
        if at.startswith("reload"):
            besieged.live.until(besieged.live.answers)
            besieged.define([*jobs(place), job(place, "late", "tick", every=0.2)])
        assert besieged.await_death() == EXIT_CRASHED
    assert besieged.settle("late" if at.startswith("reload") else "tick").faults() == {}


# -- a job that takes the daemon down --------------------------------------------------------------


def test_a_job_that_crashes_the_daemon_is_dead_after_three_and_others_go_on(
    besieged: Besieged,
) -> None:
    besieged.define([*jobs(besieged.place), job(besieged.place, "bang", "bang", every=3600)])
    for _ in range(3):
        besieged.start_to_die()
        assert besieged.await_death() == 9
    assert besieged.settle("tick").faults() == {}
    with closing(sqlite3.connect(besieged.place.store)) as db:
        (dead,) = db.execute("SELECT job, attempt, crashes FROM runs WHERE state = 'DEAD'")
    assert dead == ("bang", 3, 3)


# -- SIGTERM in the midst of work ------------------------------------------------------------------


def fill_queue(place: Place, seconds: float) -> None:
    """Leave a thousand tasks in the store that are due in a moment."""
    due_at = datetime.now(UTC) + timedelta(seconds=1)
    with Scheduler(f"sqlite:///{place.store}") as scheduler:
        task = OneTime(linger, due_at, [str(place.log), seconds])
        scheduler.schedule_many([task] * QUEUED)


def states(place: Place) -> Counter[str]:
    with closing(sqlite3.connect(place.store)) as db:
        return Counter(state for (state,) in db.execute("SELECT state FROM runs"))


def outcomes(place: Place) -> Counter[str]:
    return Counter(row["outcome"] for row in Store.read(place.store).attempts.values())


def start_and_fill_all_slots(besieged: Besieged, *, seconds: float, grace: str) -> None:
    besieged.define([], shutdown_grace=grace)
    fill_queue(besieged.place, seconds)
    besieged.start()
    besieged.live.until(lambda: len(Log.read(besieged.place.log).under_way) == WORKERS)


def terminate(besieged: Besieged) -> tuple[int, int]:
    """Send SIGTERM; return when the daemon said that it is stopping, and its status."""
    besieged.live.send(signal.SIGTERM)
    besieged.live.line_with("shutting down")
    said_at = microseconds()
    return said_at, besieged.await_death()


def assert_none_began_after(besieged: Besieged, said_at: int) -> None:
    begun = Log.read(besieged.place.log).attempts.values()
    assert len(begun) >= WORKERS
    assert not [attempt for attempt in begun if attempt.started_at > said_at]


def assert_all_are_accounted_for(besieged: Besieged) -> None:
    faults = besieged.verdict().faults()
    waiting = faults.pop("stuck", [])
    assert faults == {}
    assert all(line.endswith("is QUEUED") for line in waiting)
    assert states(besieged.place).total() == QUEUED


def test_sigterm_lets_what_runs_end_and_starts_nothing_more(besieged: Besieged) -> None:
    start_and_fill_all_slots(besieged, seconds=0.4, grace="10s")
    said_at, status = terminate(besieged)
    assert status == 0
    assert_none_began_after(besieged, said_at)
    assert_all_are_accounted_for(besieged)
    begun = len(Log.read(besieged.place.log).attempts)
    assert outcomes(besieged.place) == {"SUCCEEDED": begun}
    assert states(besieged.place) == {"SUCCEEDED": begun, "QUEUED": QUEUED - begun}


def test_what_does_not_end_in_the_grace_is_released_and_no_attempt_is_used_up(
    besieged: Besieged,
) -> None:
    start_and_fill_all_slots(besieged, seconds=60, grace="300ms")
    began = time.monotonic()
    said_at, status = terminate(besieged)
    assert (status, time.monotonic() - began < PATIENCE_S / 2) == (0, True)
    assert_none_began_after(besieged, said_at)
    assert_all_are_accounted_for(besieged)
    assert outcomes(besieged.place) == {"RELEASED": WORKERS}
    assert states(besieged.place) == {"QUEUED": QUEUED}
    with closing(sqlite3.connect(besieged.place.store)) as db:
        assert db.execute("SELECT sum(crashes) FROM runs").fetchone() == (0,)


def test_a_second_sigterm_forces_the_end(besieged: Besieged) -> None:
    start_and_fill_all_slots(besieged, seconds=30, grace="60s")
    besieged.live.send(signal.SIGTERM)
    besieged.live.line_with("shutting down")
    began = time.monotonic()
    said_at = microseconds()
    assert besieged.kill(signal.SIGTERM) == 0
    assert time.monotonic() - began < PATIENCE_S / 2
    assert_none_began_after(besieged, said_at)
    assert_all_are_accounted_for(besieged)
    assert outcomes(besieged.place) == {"RELEASED": WORKERS}
