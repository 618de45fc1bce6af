"""Unique: one run for one piece of work, for as long as the job says."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskd.core.job import Call, Job, Overlap
from taskd.core.messages import Found, Triggered
from taskd.core.run import Run, RunState
from taskd.core.schedule import Every
from taskd.core.unique import OnConflict, Scope, Unique
from taskd.errors import Conflict, InvalidJob
from tests.unit.core.driver import HOUR, JOB, MINUTE, SECOND, Driver, a_job

REGION = Unique(key="{region}")


def a_unique_job(unique: Unique = REGION, **more: object) -> Job:
    job = replace(
        a_job(), call=Call("work:f", (), {"region": "eu"}), overlap=Overlap.ALLOW, unique=unique
    )
    return replace(job, **more)  # type: ignore[arg-type]


def trigger(driver: Driver, region: str = "eu") -> Run:
    asked = Triggered(job=JOB, kwargs={"region": region})
    wanted = driver.engine.wants([asked], driver.now)
    latest = [
        max((r for r in driver.runs.values() if r.unique_key == key), key=lambda r: r.id)
        for key in wanted.unique_keys
        if any(r.unique_key == key for r in driver.runs.values())
    ]
    (reply,) = driver.turn(Found(latest=tuple(latest)), asked).replies
    if reply.error is not None:
        raise reply.error
    assert isinstance(reply.value, Run)
    return driver.runs[reply.value.id]


def test_a_second_run_of_the_same_work_is_the_first_one() -> None:
    driver = Driver(a_unique_job(), workers=9)
    first, second, other = trigger(driver), trigger(driver), trigger(driver, "us")
    assert first.id == second.id != other.id
    driver.finish(first)
    assert trigger(driver).id != first.id


def test_scope_pending_lets_a_run_go_once_the_first_has_started() -> None:
    driver = Driver(a_unique_job(replace(REGION, scope=Scope.PENDING)), workers=1)
    running, waiting, same = trigger(driver), trigger(driver), trigger(driver)
    assert (running.state, waiting.state) == (RunState.RUNNING, RunState.QUEUED)
    assert same.id == waiting.id != running.id


def test_scope_period_counts_runs_that_have_ended() -> None:
    hourly = replace(REGION, scope=Scope.PERIOD, period=HOUR)
    driver = Driver(a_unique_job(hourly), workers=9)
    first = trigger(driver)
    driver.finish(first)
    driver.turn(after=HOUR - SECOND)
    assert trigger(driver).id == first.id
    driver.turn(after=SECOND)
    assert trigger(driver).id != first.id


def test_a_run_that_waits_gives_its_place_to_the_next() -> None:
    newest = replace(REGION, on_conflict=OnConflict.REPLACE)
    driver = Driver(a_unique_job(newest), workers=0)
    first, second = trigger(driver), trigger(driver)
    assert first.id != second.id
    assert driver.state(first.id) is RunState.CANCELLED


def test_an_error_is_one_for_who_triggers_and_names_the_run() -> None:
    driver = Driver(a_unique_job(replace(REGION, on_conflict=OnConflict.ERROR)), workers=9)
    first = trigger(driver)
    with pytest.raises(Conflict) as refusal:
        trigger(driver)
    assert refusal.value.run == first.id


def test_an_occurrence_of_the_same_work_is_skipped_as_such() -> None:
    driver = Driver(a_unique_job(schedule=Every(MINUTE)), workers=9)
    driver.turn(after=MINUTE)
    assert [row[2:] for row in driver.skipped] == [(1, "unique")]
    assert len(driver.runs) == 1


@pytest.mark.parametrize(
    ("key", "args", "kwargs", "text"),
    [
        ("", (1,), {"b": 2}, '[[1], {"b": 2}]'),
        ("{region}-{0}", (7,), {"region": "eu"}, "eu-7"),
        ("{gone}/{9}", (), {}, "/"),
        ("{{}}{0}", ([1, 2],), {}, "{}[1, 2]"),
    ],
)
def test_a_key_is_made_of_arguments(
    key: str, args: tuple[object, ...], kwargs: dict[str, object], text: str
) -> None:
    assert Unique(key=key).key_of(args, kwargs) == text


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"key": "{"}, "unique.key"),
        ({"key": "{a.b}"}, "unique.key"),
        ({"key": "{}"}, "unique.key"),
        ({"scope": Scope.PERIOD}, "unique.period"),
        ({"period": HOUR}, "unique.period"),
        ({"scope": Scope.PERIOD, "period": timedelta(0)}, "unique.period"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        Unique(**wrong)  # type: ignore[arg-type]
    assert refusal.value.key == key
