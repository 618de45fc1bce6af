"""A year of a mixed set of jobs, meddled with, crashed, and moved to and fro in time."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from taskd.core.record import SkipReason
from taskd.core.run import Outcome, RunState
from taskd.stores.verify import verify
from tests.simulation.journal import histories, is_path, journal
from tests.simulation.rules import Rule
from tests.simulation.script import DAY, HOUR, START, Meddler, mixed_jobs
from tests.simulation.witness import SAME_FILE
from tests.simulation.world import World, refusals

# What nothing in this script leads to.
NEVER_YET = {SkipReason.UNIQUE, RunState.SKIPPED}

MET = (
    "boot",
    "grid moved",
    "start",
    "retried",
    "too late",
    "again",
    "dismissed",
    "paused by failures",
    "ahead",
    "started ahead",
    "begun beside a commit",
    "taken back",
    "withdrawn",
)


def meddled_world(store: Path, seed: int, time: timedelta) -> World:
    world = World(store, START, seed=seed, jobs=mixed_jobs())
    Meddler(world, pause=4 * HOUR).begin()
    world.run(time)
    world.close()
    return world


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("year") / "taskd.db"


@pytest.fixture(scope="module")
def year(store: Path) -> World:
    return meddled_world(store, seed=2027, time=365 * DAY)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name.lower())
def test_a_year_keeps_every_rule(year: World, rule: Rule) -> None:
    assert [problem for broken, problem in year.witness.problems if broken is rule] == []


def test_every_history_in_the_journal_is_a_path_of_the_transition_table(
    year: World, store: Path
) -> None:
    for run, states in histories(store).items():
        steps = [(None, states[0]), *pairwise(states)]
        assert all(is_path(before, after) for before, after in steps), (run, states)


def test_folding_what_is_left_of_the_journal_gives_the_tables(year: World, store: Path) -> None:
    verified = verify(store)
    assert verified.findings == ()
    assert 1 < verified.first_seq <= verified.last_seq, "a year's journal was never cut"


def test_the_year_met_everything_it_was_to_meet(year: World) -> None:
    seen = year.witness.seen
    planned = {*RunState, *Outcome, *SkipReason, *MET} - NEVER_YET
    assert {what for what in planned if not seen[what]} == set()
    assert {type(refusal).__name__ for refusal in refusals(year.answers)} >= {
        "Conflict",
        "UnknownTask",
        "Stopped",
        "StoreUnavailable",
    }


def test_the_same_seed_gives_the_same_journal(tmp_path: Path) -> None:
    first, second, other = tmp_path / "1.db", tmp_path / "2.db", tmp_path / "3.db"
    for store, seed in ((first, 7), (second, 7), (other, 8)):
        assert meddled_world(store, seed, 10 * DAY).witness.problems == []
    assert journal(first) == journal(second) != journal(other)


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "taskd.db", START, seed=1, jobs=mixed_jobs())
    yield world
    world.close()


def test_loading_the_same_file_again_writes_nothing_and_moves_no_wakeup(quiet: World) -> None:
    quiet.run(2 * DAY + HOUR / 2)
    before, wakes_at = journal(quiet.path), quiet.sleeps_until
    answer = quiet.load_file(SAME_FILE)
    quiet.settle()
    difference = answer.result(0)
    assert len(difference.unchanged) == len(quiet.file)  # type: ignore[attr-defined]
    assert (journal(quiet.path), quiet.sleeps_until) == (before, wakes_at)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100))
def test_any_year_keeps_every_rule(tmp_path: Path, seed: int) -> None:
    assert meddled_world(tmp_path / "taskd.db", seed, 365 * DAY).witness.problems == []
