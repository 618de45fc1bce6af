"""The wall clock is set while nobody knows what became of a commit: it is noticed all the same."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulation.script import START, job
from tests.simulation.store import Failure
from tests.simulation.test_machine import SCHEDULES
from tests.simulation.world import World

SECOND = timedelta(seconds=1)
HOUR = 3600 * SECOND


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    jobs = [job(name, schedule, unit=SECOND) for name, schedule in SCHEDULES.items()]
    world = World(tmp_path / "taskd.db", START, seed=1, jobs=jobs, workers=2)
    world.longest = 60 * SECOND
    world.settle()
    yield world
    world.close()


@pytest.mark.parametrize("by", [-HOUR, -30 * SECOND, 24 * HOUR], ids=str)
@pytest.mark.parametrize("before", [0 * SECOND, SECOND / 2], ids=str)
@pytest.mark.parametrize("failure", Failure, ids=lambda failure: failure.name.lower())
def test_a_clock_set_while_a_commit_is_in_doubt_moves_each_grid_once(
    world: World, failure: Failure, before: timedelta, by: timedelta
) -> None:
    world.run(100 * SECOND)
    world.fail_commits([failure])
    while not world.passed_points["failed"]:
        world.run(SECOND / 4)
    world.run(before)
    moved = world.witness.seen["grid moved"]
    world.set_clock(by)
    world.run(10 * SECOND)
    world.set_clock(-by)
    world.run(600 * SECOND)
    assert world.witness.problems == []
    assert world.witness.seen["grid moved"] > moved
    world.verify()
    assert world.witness.problems == []
