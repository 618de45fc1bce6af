"""Power loss: whatever the disk kept of what was not synced, what was acknowledged is there."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from taskd.stores.sqlite import SqliteStore
from tests.storm.power import TASKS, Disk, Op, record
from tests.storm.test_syscalls import strace_works

pytestmark = pytest.mark.skipif(not strace_works(), reason="strace is not there, or may not trace")

IMAGES = 200
LONG_IMAGES = 5000

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Op], Rows]:
    """What was written, in order, and the journal in the end."""
    folder = tmp_path_factory.mktemp("lived")
    ops = record(folder, folder.with_name("trace"))
    journal, runs = contents(folder / "taskd.db")
    assert len(runs) == TASKS
    told = [op.name for op in ops]
    assert (
        "taskd.db" in told[told.index("acked") : -50]
    )  # the log was moved into the file meanwhile
    return ops, journal


def contents(store: Path) -> tuple[Rows, set[str]]:
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        journal = db.execute("SELECT * FROM journal ORDER BY seq").fetchall()
        return journal, {run for (run,) in db.execute("SELECT id FROM runs")}


def opened(folder: Path) -> tuple[Rows, set[str]]:
    """Return the journal and the runs as taskd finds them."""
    store = SqliteStore(folder / "taskd.db")
    store.load()
    assert store.damage() == ""
    store.close()
    return contents(folder / "taskd.db")


def survive(lived: tuple[list[Op], Rows], scratch: Path, images: int, seed: int) -> None:
    ops, whole = lived
    chance = random.Random(seed)
    moments = sorted(chance.choices(range(len(ops)), k=images))
    disk, done, lengths = Disk(), 0, set[int]()
    for moment in moments:
        for op in ops[done:moment]:
            disk.take(op)
        done = moment
        disk.image(scratch, chance)
        journal, runs = opened(scratch)
        assert journal == whole[: len(journal)], f"seed {seed}, moment {moment}"
        assert set(disk.acked) <= runs, f"seed {seed}, moment {moment}"
        lengths.add(len(journal))
        for left in scratch.iterdir():
            left.unlink()
    assert len(lengths) > TASKS // 2  # else all moments were in a few commits


def test_what_was_acknowledged_is_there_whatever_the_disk_kept_of_the_rest(
    lived: tuple[list[Op], Rows], tmp_path: Path
) -> None:
    survive(lived, tmp_path, IMAGES, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thousands_of_power_losses_lose_nothing(
    lived: tuple[list[Op], Rows], tmp_path: Path
) -> None:
    survive(lived, tmp_path, LONG_IMAGES, seed=2)


def test_a_disk_that_was_not_synced_loses_what_was_acknowledged(
    lived: tuple[list[Op], Rows], tmp_path: Path
) -> None:
    """The test can fail: without the syncs of the log, the same record loses tasks."""
    ops, whole = lived
    unsynced = [op for op in ops if op.kind != "sync" or op.name != "taskd.db-wal"]
    with pytest.raises(AssertionError, match="seed 3, moment"):
        survive((unsynced, whole), tmp_path, IMAGES, seed=3)
