"""A page of the store is overwritten: taskd says so or works on, and never falls over."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from taskd.core.job import Job
from taskd.errors import StoreError
from tests.machine import lacking
from tests.storm.lives import Life, Place, job
from tests.storm.nursery import Case, fork, raise_all, reap

PAGE = 4096  # bytes, SQLite's default
FIRST = 100  # bytes of the first page that are the file's header: see tests/stores
EVERY = 4  # of the pages, in the default run
AT_ONCE = 4


def jobs(place: Place) -> list[Job]:
    return [job(place, "tick", "tick", every=0.1), job(place, "echo", "tick")]


# -- a store with some history, and copies of it with one bad page ---------------------------------


def live_well(case: Case) -> None:
    place = Place(Path(case["folder"]))

    def live() -> None:
        life = Life(place).define(jobs(place))
        for _ in range(40):
            life.add_task()
        life.settle("tick")

    assert reap(fork(live, place.said)) == 0, place.said.read_text()


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("well")
    raise_all("tests.storm.test_damage:live_well", [{"folder": str(folder)}], at_once=1)
    return folder / "taskd.db"


def damaged(well: Path, folder: Path, page: int) -> Case:
    """A copy of the store whose `page`, from 1, is noise."""
    place = folder / f"page-{page}"
    place.mkdir()
    shutil.copy(well, place / "taskd.db")
    with (place / "taskd.db").open("r+b") as file:
        start = max((page - 1) * PAGE, FIRST)
        file.seek(start)
        file.write(random.Random(page).randbytes(page * PAGE - start))
    return {"folder": str(place)}


def work(case: Case) -> dict[str, Any]:
    """Ask a life on the store for work; return its status, and what it said."""
    place = Place(Path(case["folder"]))

    def ask() -> None:
        try:
            life = Life(place).define(jobs(place))
            life.trigger("echo")
            life.add_task()
            Event().wait(case.get("watch_s", 0))
            life.add_task()
            print("answered")
        except StoreError as error:
            print(f"refused: {error}")
        else:
            life.scheduler.shutdown(grace=timedelta(0))

    return {"status": reap(fork(ask, place.said)), "said": place.said.read_text()}


# -- what holds ------------------------------------------------------------------------------------


def assert_that_none_falls_over(cases: list[Case]) -> None:
    answers = raise_all("tests.storm.test_damage:work", cases, at_once=AT_ONCE)
    bad = [
        (case, answer)
        for case, answer in answers
        if answer["status"] or not ("refused: " in answer["said"] or "answered" in answer["said"])
    ]
    assert not bad
    assert any("refused: " in answer["said"] for _, answer in answers)


def test_a_bad_page_is_reported_or_not_met(well: Path, tmp_path: Path) -> None:
    pages = range(1, well.stat().st_size // PAGE + 1, EVERY)
    assert_that_none_falls_over([damaged(well, tmp_path, page) for page in pages])


@pytest.mark.long
def test_any_bad_page_is_reported_or_not_met(well: Path, tmp_path: Path) -> None:
    pages = range(1, well.stat().st_size // PAGE + 1)
    assert_that_none_falls_over([damaged(well, tmp_path, page) for page in pages])


def pages_of_history(well: Path) -> Iterator[int]:
    """The pages that new work does not come by: the oldest of the journal."""
    with closing(sqlite3.connect(well)) as db:
        query = (
            "SELECT pageno FROM dbstat WHERE name = 'journal' AND pagetype = 'leaf' ORDER BY path"
        )
        try:
            yield from (page for (page,) in db.execute(query))
        except sqlite3.OperationalError:
            lacking("this SQLite has no dbstat")


def test_a_bad_page_that_no_work_meets_is_found_and_stops_it(well: Path, tmp_path: Path) -> None:
    case = damaged(well, tmp_path, next(pages_of_history(well)))
    case["watch_s"] = 1.0  # a check of so small a file takes milliseconds
    ((_, answer),) = raise_all("tests.storm.test_damage:work", [case], at_once=1)
    assert "refused: " in answer["said"]
