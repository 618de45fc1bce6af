"""A crash between any two steps of taskd loses nothing, doubles nothing, leaves nothing stuck."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskd import crashpoints
from taskd.core.job import Job
from taskd.crashpoints import EXIT_CRASHED, POINTS
from tests.storm.checker import check
from tests.storm.lives import PATIENCE_S, Life, Place, intervals, job
from tests.storm.nursery import Case, fork, raise_all, reap
from tests.storm.squeeze import is_refused, size_limit, until
from tests.storm.undaunted import until_answered
from tests.storm.work import microseconds, note_death

IN_THE_DAEMON = {"reload.checked", "reload.applied", "reload.adopted"}
ONCE = {point for point in POINTS if point.startswith(("migration", "load", "shutdown", "store"))}
AT_ONCE = 2 * (os.cpu_count() or 1)  # they mostly wait for their own intervals


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.1),
        job(place, "fail", "fail", every=0.2),
        job(place, "slow", "linger", 0.15, every=0.1),
        job(place, "doomed", "tick", every=0.1),
        job(place, "heed", "heed", 0.3),
        job(place, "stubborn", "linger", 0.5),
    ]


def scripted(place: Place, at: str) -> None:
    """Do something of everything, three times, and end; die on the way if `at` is passed."""
    crashpoints.arm(at)
    life = Life(place).define(jobs(place))
    if at.startswith("recovery"):
        fail_to_commit(life)
    for _ in range(3):
        run = life.trigger("heed")
        ended = life.end_of(run)
        life.stop_run(run)
        life.add_task()
        ended.result(PATIENCE_S)
    life.add_job()
    life.stop_job("doomed")
    life.end_of("tick").result(PATIENCE_S)
    if at.startswith("shutdown.handed_back"):
        life.trigger("stubborn")
        life.scheduler.shutdown(grace=timedelta(seconds=0.02))
    else:
        life.scheduler.shutdown()


def fail_to_commit(life: Life) -> None:
    """Leave the store no room, three times."""
    for _ in range(3):
        with size_limit(life.place) as refill:
            until(lambda: is_refused(life, refill))
        until_answered(lambda: life.end_of("tick").result(PATIENCE_S))


def die_and_restart(case: Case) -> dict[str, Any]:
    """Return how the process ended that was to die, and what the checker finds after a restart."""
    place = Place(Path(case["folder"]))
    died = _outlive(place, fork(lambda: scripted(place, case["at"]), place.said))
    began = microseconds()
    settled = _outlive(
        place, fork(lambda: Life(place).define(jobs(place)).settle("tick"), place.said)
    )
    log, requests = place.log, place.requests.path
    every = intervals(jobs(place))
    verdict = check(place.store, log, requests, every=every, decided_until=began)
    said = place.said.read_text() if settled or died not in (0, EXIT_CRASHED) else ""
    return {"died": died, "settled": settled, "faults": verdict.faults(), "said": said}


def _outlive(place: Place, pid: int) -> int:
    status = reap(pid)
    note_death(place.log, pid)
    return status


def cases(folder: Path, points: Iterable[tuple[str, int]]) -> Iterator[Case]:
    for point, passing in points:
        place = folder / f"{point}-{passing}"
        place.mkdir()
        yield {"folder": str(place), "at": f"{point}:{passing}"}


def survive(folder: Path, points: Iterable[tuple[str, int]]) -> dict[str, bool]:
    """Crash at each of the points; return which of them were reached, and fail for any fault."""
    function = "tests.storm.test_crash_points:die_and_restart"
    answers = raise_all(function, list(cases(folder, points)), at_once=AT_ONCE)
    bad = {
        case["at"]: answer
        for case, answer in answers
        if answer["faults"] or answer["settled"] or answer["died"] not in (0, EXIT_CRASHED)
    }
    assert not bad, bad
    return {case["at"]: answer["died"] == EXIT_CRASHED for case, answer in answers}


def test_a_crash_at_any_point_is_survived(tmp_path: Path) -> None:
    points = sorted(POINTS - IN_THE_DAEMON)
    asked = [(point, n) for point in points for n in (1, 2, 3) if n == 1 or point not in ONCE]
    reached = survive(tmp_path, asked)
    assert not [at for at, was_reached in reached.items() if not was_reached]
    print(f"\n{len(reached)} crashes at {len(points)} points survived")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("point", sorted(POINTS - IN_THE_DAEMON))
def test_a_crash_at_any_passing_of_a_point_is_survived(point: str, tmp_path: Path) -> None:
    survived, is_at_the_end = 0, False
    while not is_at_the_end:
        next_ones = range(survived + 1, survived + 1 + AT_ONCE)
        reached = survive(tmp_path, ((point, n) for n in next_ones))
        survived += sum(reached.values())
        is_at_the_end = not all(reached.values())
    assert survived > 0
    print(f"\n{point}: {survived} crashes survived")
