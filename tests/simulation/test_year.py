"""Seasons of a mixed set of jobs, meddled with, crashed, and moved to and fro in time.

By default those in which clocks are set forward and back; whole years are a long campaign.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

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
# What chance may spare a season, but hardly a year.
SELDOM = {
    SkipReason.STOPPED,
    "paused by failures",
    "taken back",
    "withdrawn",
    "begun beside a commit",
}

MET = (
    "boot",
    "grid moved",
    "start",
    "retried",
    "too late",
    "again",
    "dismissed",
    "paused by failures",
    ("ahead", RunState.RUNNING),
    ("ahead", RunState.QUEUED),
    "started ahead",
    "begun beside a commit",
    "taken back",
    "withdrawn",
)

AUTUMN = datetime(2026, 10, 1, tzinfo=UTC)
SEASONS = {"spring": (START, 90 * DAY), "autumn": (AUTUMN, 40 * DAY)}


class Season(NamedTuple):
    """What became of the jobs, and where it is told."""

    world: World
    store: Path


def meddled_world(store: Path, seed: int, time: timedelta, start: datetime = START) -> World:
    world = World(store, start, seed=seed, jobs=mixed_jobs())
    Meddler(world, pause=4 * HOUR).begin()
    world.run(time)
    world.close()
    return world


@pytest.fixture(scope="module", params=SEASONS)
def season(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Season:
    start, time = SEASONS[request.param]
    store = tmp_path_factory.mktemp("season") / "taskd.db"
    return Season(meddled_world(store, 2027, time, start), store)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name.lower())
def test_a_season_keeps_every_rule(season: Season, rule: Rule) -> None:
    assert [problem for broken, problem in season.world.witness.problems if broken is rule] == []


def test_every_history_in_the_journal_is_a_path_of_the_transition_table(season: Season) -> None:
    for run, states in histories(season.store).items():
        steps = [(None, states[0]), *pairwise(states)]
        assert all(is_path(before, after) for before, after in steps), (run, states)


def test_folding_what_is_left_of_the_journal_gives_the_tables(season: Season) -> None:
    verified = verify(season.store)
    assert verified.findings == ()
    assert 1 < verified.first_seq <= verified.last_seq, "a season's journal was never cut"


def unmet(world: World) -> set[object]:
    """What a world was to meet and has not."""
    everything = {*RunState, *Outcome, *SkipReason, *MET} - NEVER_YET
    return {what for what in everything if not world.witness.seen[what]}


def refused(world: World) -> set[str]:
    return {type(refusal).__name__ for refusal in refusals(world.answers)}


@pytest.mark.parametrize("season", ["spring"], indirect=True)
def test_the_longer_season_met_all_but_what_is_seldom(season: Season) -> None:
    assert unmet(season.world) <= SELDOM
    assert refused(season.world) >= {"Conflict", "UnknownTask", "Stopped"}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_year_met_everything_it_was_to_meet(tmp_path: Path) -> None:
    year = meddled_world(tmp_path / "taskd.db", 2027, 365 * DAY)
    assert unmet(year) == set()
    assert refused(year) >= {"Conflict", "UnknownTask", "Stopped", "StoreUnavailable"}


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
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100))
def test_any_year_keeps_every_rule(tmp_path: Path, seed: int) -> None:
    assert meddled_world(tmp_path / "taskd.db", seed, 365 * DAY).witness.problems == []
