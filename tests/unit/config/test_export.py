from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings

from taskd.config.export import Exported, entry_of, export
from taskd.config.load import load
from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.job import Call, Job, JobName
from taskd.core.schedule import At, Every
from taskd.errors import InvalidJob
from tests.unit.config.vocabulary import Table, files

CALL = Call("work:f")


def job(name: str = "a", **fields: object) -> Job:
    return Job(**{"name": JobName(name), "call": CALL} | fields)  # type: ignore[arg-type]


def written(found: Exported) -> str:
    tables = {
        "daemon": found.daemon,
        "categories": found.categories,
        "calendars": found.calendars,
        "jobs": found.jobs,
    }
    return tomli_w.dumps({name: table for name, table in tables.items() if table})


@given(files())
@settings(max_examples=200, deadline=None)
def test_what_was_exported_loads_as_the_same_jobs(
    tmp_path_factory: pytest.TempPathFactory, document: Table
) -> None:
    path = tmp_path_factory.mktemp("first") / "jobs.toml"
    path.write_text(tomli_w.dumps(document), "utf-8")
    first = load(path)
    found = export(first.jobs, first.categories, first.settings.python_path)
    assert found.left_out == {}
    # In a place of its own, with another zone: nothing may hang on where it was loaded first.
    other = tmp_path_factory.mktemp("second") / "jobs.toml"
    found.daemon["timezone"] = "Pacific/Auckland"
    other.write_text(written(found), "utf-8")
    second = load(other)
    assert second.jobs == first.jobs
    if first.jobs:
        assert second.settings.python_path == first.settings.python_path
        assert second.categories == first.categories


def test_what_is_at_its_default_is_left_out() -> None:
    assert entry_of(job(schedule=Every(timedelta(seconds=90)))) == {
        "call": "work:f",
        "every": "1m30s",
    }
    assert entry_of(job()) == {"call": "work:f"}


def test_an_instant_keeps_its_zone() -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    entry = entry_of(job(schedule=At((noon,)), bounds=Bounds(start_at=noon - timedelta(days=1))))
    assert (entry["at"], entry["start_at"]) == ("2030-01-01T12:00:00Z", "2029-12-31T12:00:00Z")


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (Call("work:f", (1, [None])), "args[1][0]"),
        (Call("work:f", (), {"x": {"y": None}}), "kwargs.x.y"),
        (Call("local:7"), "call"),
    ],
)
def test_what_toml_cannot_hold_is_left_out_and_told(call: Call, key: str) -> None:
    found = export([job("odd", call=call), job("even")], {}, [])
    assert list(found.jobs) == ["even"]
    assert found.left_out["odd"].key == key


def test_two_triggers_are_more_than_an_entry_has() -> None:
    with pytest.raises(InvalidJob):
        entry_of(job(schedule=Every(timedelta(seconds=1)), boot=True))


def test_calendars_of_one_name_and_different_days_are_kept_apart() -> None:
    day = Every(timedelta(days=1))
    calendars = [
        Calendar("off", (date(2030, 1, 1),)),
        Calendar("off", (date(2031, 1, 1),)),
        Calendar("off", (date(2030, 1, 1),)),
        Calendar("none"),
    ]
    jobs = [
        job(f"job{number}", schedule=day, exclude=Exclude((calendar,), "UTC"))
        for number, calendar in enumerate(calendars)
    ]
    found = export(jobs, {}, [Path("/srv/app")])
    assert [entry["exclude"] for entry in found.jobs.values()] == [
        *(["off"], ["off-2"], ["off"], ["none"]),
    ]
    assert found.calendars == {
        "off": {"dates": ["2030-01-01"]},
        "off-2": {"dates": ["2031-01-01"]},
        "none": {"dates": []},
    }
    assert tomllib.loads(written(found))["daemon"] == {"python_path": ["/srv/app"]}
