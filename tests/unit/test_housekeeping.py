"""Housekeeping and outages: small steps between turns, and what is told of a store that fails."""

import logging
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd.core.ports import Pruned
from taskd.core.run import Outcome, RunState
from taskd.errors import StoreUnavailable
from taskd.housekeeping import EVERY, FIRST, Housekeeper
from taskd.outage import Outage
from taskd.stores.sqlite import SqliteStore
from taskd.testing import FakeClock
from tests.stores.records import a_run, new

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def keep(job: str | None) -> tuple[timedelta, timedelta]:
    return DAY, 2 * DAY


class House:
    def __init__(self, path: Path) -> None:
        self.clock = FakeClock(START + 30 * DAY)
        self.store = SqliteStore(path)
        self.gone: list[str] = []
        self.keeper = Housekeeper(self.store, self.clock, self.gone.extend)

    def fill(self, runs: int) -> None:
        old = [
            a_run(None, RunState.SUCCEEDED, finished_at=START, started_at=START, attempt=1)
            for _ in range(runs)
        ]
        self.store.commit(new(*old))

    @property
    def kept(self) -> int:
        with self.store.history() as history:
            return len(history.runs(limit=10_000))

    def steps(self) -> int:
        """Take steps until a sweep is over, and return how many it took."""
        taken = 0
        while True:
            self.keeper.step(keep)
            taken += 1
            left = self.keeper.left()
            if left is None:
                return taken
            self.clock.advance(left)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "taskd.db")


def test_a_sweep_begins_some_time_after_the_start_and_then_every_hour(house: House) -> None:
    house.fill(3)
    house.keeper.step(keep)
    assert (house.kept, house.keeper.left()) == (3, None)
    house.clock.advance(FIRST)
    house.steps()
    assert house.kept == 0
    house.fill(1)
    house.clock.advance(EVERY - timedelta(seconds=1))
    house.keeper.step(keep)
    assert house.kept == 1
    house.clock.advance(timedelta(minutes=1))
    house.steps()
    assert house.kept == 0


def test_a_sweep_is_many_small_steps_with_room_for_others_between_them(house: House) -> None:
    house.fill(500)
    house.clock.advance(FIRST)
    house.keeper.step(keep)
    assert 0 < house.kept < 500
    left = house.keeper.left()
    assert left is not None
    assert left > timedelta(0)
    assert house.steps() > 1
    assert house.kept == 0
    assert len(set(house.gone)) == len(house.gone) == 500


def test_whoever_asks_is_told_when_all_is_done(house: House) -> None:
    house.fill(500)
    done: Future[object] = Future()
    house.keeper.sweep_now(done)
    house.keeper.step(keep)
    assert not done.done()
    house.steps()
    assert done.result(0) == Pruned(runs=500, goes_on=False)
    assert house.kept == 0


def test_a_sweep_that_fails_is_told_and_waits_for_the_next_hour(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.fill(1)
    done: Future[object] = Future()
    house.keeper.sweep_now(done)
    assert house.store.path is not None
    moved = house.store.path.rename(house.store.path.with_name("moved"))
    house.keeper.step(keep)
    assert isinstance(done.exception(0), StoreUnavailable)
    assert "cannot keep house" in caplog.text
    assert house.keeper.left() is None
    moved.rename(house.store.path)
    house.clock.advance(EVERY + timedelta(seconds=1))
    house.steps()
    assert house.kept == 0


def test_a_clock_that_jumps_forward_makes_nothing_old_for_a_day(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.fill(1)
    house.clock.advance(FIRST)
    house.clock.step(timedelta(days=3650))
    house.steps()
    house.clock.advance(timedelta(hours=23))
    house.steps()
    assert house.kept == 1
    assert "jumped forward" in caplog.text
    house.clock.advance(timedelta(hours=2))
    house.steps()
    assert house.kept == 0


# -- outages --------------------------------------------------------------------------------------


def test_an_outage_is_told_once_and_again_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "taskd.loop")
    told: list[str] = []
    outage = Outage(told.append)
    assert outage.healed() is None
    for _ in range(3):
        outage.met(StoreUnavailable("the disk is full"), START)
    healed = outage.healed()
    assert healed is not None
    assert (healed.error, healed.since) == ("the disk is full", START)
    outage.over()
    outage.over()
    assert told == ["the disk is full", ""]
    assert len(caplog.records) == 2


def test_a_listener_that_fails_is_not_in_the_way() -> None:
    def listen(_: str) -> None:
        raise ValueError("a listener's own fault")

    outage = Outage(listen)
    outage.met(StoreUnavailable("full"), START)
    assert outage.error == "full"


def test_every_outcome_has_a_name_of_the_contract() -> None:
    names = "SUCCEEDED FAILED TIMED_OUT LOST CANCELLED ABANDONED RELEASED"
    assert {outcome.value for outcome in Outcome} == set(names.split())
