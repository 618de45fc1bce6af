"""A write-ahead log that was cut off anywhere: the store opens, and holds a prefix of the commits.

So does a file system leave it that lost the tail of what was written without an fsync, and no byte
of what was acknowledged is in such a tail when `durability` is "full".
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from taskd.stores.sqlite import SqliteStore
from tests.storm.lives import Life, Place, job
from tests.storm.nursery import Case, fork, raise_all, reap

CUTS = 60
LONG_CUTS = 5000

Rows = list[tuple[Any, ...]]


def live_and_die(case: Case) -> None:
    place = Place(Path(case["folder"]))

    def live() -> None:
        life = Life(place).define([job(place, "tick", "tick", every=0.1)])
        for _ in range(3):
            life.add_task()
        life.end_of("tick").result(5)
        os.kill(os.getpid(), signal.SIGKILL)
        Event().wait()

    assert reap(fork(live, place.said)) == 128 + signal.SIGKILL, place.said.read_text()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    raise_all("tests.storm.test_torn_log:live_and_die", [{"folder": str(folder)}], at_once=1)
    return folder


def journal(store: Path) -> Rows:
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT * FROM journal ORDER BY seq").fetchall()


def opened(killed: Path, scratch: Path, length: int) -> Rows:
    """Return the journal of the store whose log was cut to `length`, as taskd found it."""
    for name in ("taskd.db", "taskd.db-wal"):
        shutil.copy(killed / name, scratch / name)
    os.truncate(scratch / "taskd.db-wal", length)
    store = SqliteStore(scratch / "taskd.db")
    store.load()
    store.close()
    return journal(scratch / "taskd.db")


def survive(killed: Path, scratch: Path, lengths: Sequence[int]) -> None:
    whole = opened(killed, scratch, (killed / "taskd.db-wal").stat().st_size)
    known = set[int]()
    for length in sorted(lengths):
        found = opened(killed, scratch, length)
        assert found == whole[: len(found)]
        assert len(found) >= max(known, default=0)  # a longer log never holds less
        known.add(len(found))
    assert len(known) > 5  # else the cuts were all in one commit


def test_a_log_cut_anywhere_holds_a_prefix_of_the_commits(killed: Path, tmp_path: Path) -> None:
    size = (killed / "taskd.db-wal").stat().st_size
    survive(killed, tmp_path, random.Random(1).sample(range(size), CUTS))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_log_cut_at_many_lengths_holds_a_prefix(killed: Path, tmp_path: Path) -> None:
    size = (killed / "taskd.db-wal").stat().st_size
    survive(killed, tmp_path, random.Random(2).sample(range(size), min(size, LONG_CUTS)))
