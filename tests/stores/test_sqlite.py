"""SQLite's own: durability, indexes, readers, failures of the disk, and healing from them."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from taskd.core.job import JobName
from taskd.core.run import RunState
from taskd.core.turn import RunChange
from taskd.errors import StoreLocked, StoreRefused, StoreUnavailable
from taskd.stores import bulk
from taskd.stores.history import History
from taskd.stores.sqlite import RUN_KEY, SqliteStore
from tests.stores.disk import small_files
from tests.stores.records import NOBODY, NOW, SECOND, a_job, a_run, new, written

BIG = "x" * 200_000


@pytest.mark.parametrize(("full", "level"), [(True, 2), (False, 1)])
def test_durability_is_sqlites_synchronous_in_wal_mode(
    tmp_path: Path, full: bool, level: int
) -> None:
    store = SqliteStore(tmp_path / "t.db", full_durability=full)
    for _ in range(2):
        store.prune(NOW, lambda _: (SECOND, SECOND))
        store.commit(new(a_run()))
        assert store._db.execute("PRAGMA synchronous").fetchone()[0] == level
        assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        break_connection(store)
        store.find([NOBODY])
    store.close()


def break_connection(store: SqliteStore) -> None:
    """Make the next commit fail with an error that is not of its making."""
    store._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreUnavailable, match="full"):
        store.commit(new(a_run(reason=BIG)))


# -- every hot statement has its index -----------------------------------------------------------

# A partial index that holds nothing else, walked in order up to the limit.
IN_ORDER = [f"SCAN runs USING INDEX runs_{name}" for name in ("pending", "queued", "live")]
IN_ORDER += ["SCAN jobs", "SCALAR SUBQUERY 1", "CORRELATED SCALAR SUBQUERY 2"]
IN_ORDER += ["MERGE (UNION ALL)", "LEFT", "RIGHT"]
# The rows of `bulk`.
IN_ORDER += ["MATERIALIZE new", "SCAN new", *(f"SCAN {rows} CONSTANT ROWS" for rows in (2, 64))]


def test_the_loop_and_the_readers_search_by_an_index_in_its_order(store: SqliteStore) -> None:
    asked: list[str] = []
    store._db.set_trace_callback(asked.append)
    store.load()
    store.pending(1)
    store.queued(1)
    store.find([NOBODY])
    with store.history() as lent:
        read_everything(History(store._db) if store.path else lent)
    store._db.set_trace_callback(None)
    plans = {statement: plan(store, statement) for statement in asked}
    for rows in (1, 2, 64):
        move = bulk._update("runs", ("state",), RUN_KEY, rows)
        plans[move] = plan(store, move, *(None,) * 4 * rows)
    # These are read backwards until there are enough, or sorted, for they are few: what waits.
    for terms in ("", " AND state = 'SUCCEEDED'"):
        newest = f"SELECT * FROM runs WHERE true{terms} ORDER BY id DESC LIMIT 100"
        assert plans.pop(newest) == ["SCAN runs"]
    assert len(plans) > 20
    by_time = "SEARCH runs USING INDEX runs_by_time (scheduled_at>?)"
    for statement, steps in plans.items():
        if by_time in steps:
            continue  # sorted by id, of what was due since then
        is_of_waiting = "INDEXED BY runs_" in statement and "ORDER BY id DESC" in statement
        sorts = ["USE TEMP B-TREE FOR ORDER BY"] if is_of_waiting else []
        bad = [step for step in steps if "SEARCH" not in step and step not in IN_ORDER + sorts]
        assert not bad, (statement, steps)
    assert any(by_time in steps for steps in plans.values())


def read_everything(history: History) -> None:
    history.jobs(), history.job("x"), history.job_names(), history.has_runs_of("x")
    history.added_names(), history.outlook()
    history.run("x"), history.runs_by_id([NOBODY]), history.running()
    history.attempts("x"), history.skips(JobName("x"))
    history.events(0, 9), history.events(0, 9, run="x"), history.events(0, 9, job="x")
    for job in (None, "x"):
        for states in ((), RunState):
            for since in (None, NOW):
                history.runs(job=job, states=states, since=since)


def plan(store: SqliteStore, statement: str, *values: object) -> list[str]:
    return [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


# -- readers -------------------------------------------------------------------------------------


def test_readers_read_while_the_writer_is_in_a_transaction_and_see_one_commit(
    file_store: SqliteStore,
) -> None:
    run = a_run()
    file_store.commit(new(run))
    file_store._db.execute("BEGIN IMMEDIATE")
    file_store._db.execute("DELETE FROM runs")
    with file_store.history() as history:
        assert history.run(run.id) == run
        file_store._db.execute("COMMIT")
        assert history.run(run.id) == run
    with file_store.history() as history:
        assert history.run(run.id) is None


def test_readers_cannot_write_and_never_checkpoint(file_store: SqliteStore, tmp_path: Path) -> None:
    file_store.commit(new(a_run()))
    database, wal = tmp_path / "t.db", tmp_path / "t.db-wal"
    before = database.read_bytes(), wal.read_bytes()
    with file_store.history() as history:
        history.runs()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            history._db.execute("DELETE FROM runs")
    assert (database.read_bytes(), wal.read_bytes()) == before


def test_a_reader_of_a_store_that_is_gone_says_so(file_store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "t.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailable, match="cannot read"), file_store.history():
        pass


# -- failures, and healing from them -------------------------------------------------------------


def test_a_full_store_refuses_and_heals(store: SqliteStore) -> None:
    kept, big = a_run(None), a_run(None, reason=BIG)
    store.commit(new(kept))
    store._db.execute("PRAGMA max_page_count = 1")  # as many as there are

    with pytest.raises(StoreUnavailable, match="full"):
        store.commit(new(big))
    assert store.queued(9).runs == (kept,)
    store._db.execute("PRAGMA max_page_count = 100000")
    store.commit(new(big))
    assert store.queued(9).runs == (kept, big)


def test_a_write_that_fails_half_way_leaves_the_last_commit_and_the_lock(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    kept = a_run(None)
    file_store.commit(new(kept))
    for _ in range(3):
        with small_files(), pytest.raises(StoreUnavailable, match="disk I/O error"):
            file_store.commit(new(a_run(reason=BIG)))
        assert file_store.queued(9).runs == (kept,)
        with pytest.raises(StoreLocked):
            SqliteStore(tmp_path / "t.db")
    small = a_run(None)
    file_store.commit(new(small))
    assert file_store.queued(9).runs == (kept, small)


def test_a_refusal_is_not_a_failure_and_keeps_the_connection(file_store: SqliteStore) -> None:
    db, run = file_store._db, a_run()
    with pytest.raises(StoreRefused):
        file_store.commit(written(RunChange(run, replace(run, attempt=1), "t")))
    assert file_store._db is db


def test_a_store_whose_file_is_gone_is_unavailable_and_not_made_anew(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    run = a_run()
    file_store.commit(new(run))
    break_connection(file_store)
    (tmp_path / "t.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailable, match="put it back"):
        file_store.load()
    with pytest.raises(StoreUnavailable, match="put it back"):
        file_store.commit(new(a_run()))
    assert not (tmp_path / "t.db").exists()
    (tmp_path / "away.db").rename(tmp_path / "t.db")
    assert file_store.find([run.id]) == (run,)


def test_a_store_that_another_program_writes_to_is_unavailable_until_it_lets_go(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    file_store._db.execute("PRAGMA busy_timeout = 10")
    with sqlite3.connect(tmp_path / "t.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            file_store.commit(new(a_job()))
        assert file_store.load() == ((), ())
        other.execute("ROLLBACK")
    other.close()
    file_store.commit(new(a_job()))
    assert file_store.load() == ((a_job(),), ())


# -- secrets -------------------------------------------------------------------------------------


def test_the_store_is_its_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "var" / "state" / "t.db")
        store.commit(new(a_run()))
    finally:
        os.umask(umask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "var/state").iterdir()}
    assert modes == dict.fromkeys(["t.db", "t.db-wal", "t.db-shm", "t.db.lock"], 0o600)
    assert (tmp_path / "var/state").stat().st_mode & 0o777 == 0o700
    store.close()


def test_the_mode_of_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "t.db").close()
    (tmp_path / "t.db").chmod(0o640)
    SqliteStore(tmp_path / "t.db").close()
    assert (tmp_path / "t.db").stat().st_mode & 0o777 == 0o640
