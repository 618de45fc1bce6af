"""Verify and rebuild: whatever is done behind the journal's back, or to it, is found and named."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.messages import AttemptFinished
from taskd.core.record import Skip, SkipReason
from taskd.core.retry import DEFAULT_FAILURE
from taskd.core.run import Origin, Outcome, Result, RunId, RunState, Usage
from taskd.core.settling import settle
from taskd.core.turn import RunChange
from taskd.errors import StoreRefused, StoreUnusable
from taskd.stores.blocks import link
from taskd.stores.journal import KEYS
from taskd.stores.rebuild import rebuild
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
from tests.stores.records import NOW, a_job, a_run, new, written

RUN = RunId("019ca960-bc53-7000-8000-000000000001")
A_CUT = '[[["taskd","journal.cut",null,null,{}]],7]'
OTHER = RunId("019ca960-bc53-7000-8000-000000000002")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two rows in each table; its writer is gone."""
    path = tmp_path / "t.db"
    store = SqliteStore(path)
    store.commit(new(a_job("a"), a_job("b")))
    for run_id in (RUN, OTHER):
        run = a_run("a", RunState.RUNNING, id=run_id, attempt=1, started_at=NOW)
        store.commit(new(run))
        usage = Usage(peak_memory=1)
        ended = AttemptFinished(run.id, 1, NOW, Outcome.SUCCEEDED, Result('"secret"'), usage=usage)
        settled, attempt = settle(run, ended, DEFAULT_FAILURE, lambda: 0.5)
        assert attempt is not None
        changes = written(RunChange(run, settled, "t"))
        changes.attempts.append(attempt)
        skip = Skip(a_job(f"s{run_id[-1]}").job.name, NOW, NOW, 1, SkipReason.PAUSED, NOW)
        changes.skips[skip.job, NOW] = skip
        store.commit(changes)
    store.close()
    return path


def meddle(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement


def test_a_withdrawn_run_is_gone_and_its_occurrence_may_be_decided_in_the_same_commit(
    path: Path,
) -> None:
    store = SqliteStore(path)
    here = {"origin": Origin.SCHEDULE, "started_at": NOW, "attempt": 1}
    ahead = a_run("b", RunState.RUNNING, id=RunId("019ca960-bc53-7000-8000-000000000009"), **here)
    store.commit(new(ahead))
    again = replace(ahead, id=RunId("019ca960-bc53-7000-8000-00000000000a"))
    changes = new(again)
    changes.withdrawn[ahead.id] = ahead
    store.commit(changes)
    assert store.find([ahead.id, again.id]) == (again,)
    with store.history() as history:
        assert [event.kind for event in history.last_events(2)] == ["run.withdrawn", "run.running"]
    with pytest.raises(StoreRefused):
        store.commit(changes)  # it is not there any more
    store.close()
    assert verify(path).findings == ()


def test_a_store_that_nobody_meddled_with_is_sound(path: Path) -> None:
    found = verify(path)
    assert found.is_sound
    assert (found.events, found.first_seq, found.last_seq) == (8, 1, 8)
    assert (found.jobs, found.runs) == (2, 2)


def test_an_empty_store_is_sound(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "t.db").close()
    found = verify(tmp_path / "t.db")
    assert (found.is_sound, found.events, found.first_seq, found.last_seq) == (True, 0, 0, 0)


def test_a_store_is_verified_while_its_writer_is_in_a_transaction(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(new(a_run()))
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("DELETE FROM runs")
    assert verify(path).is_sound
    assert verify(path).runs == 3
    store._db.execute("ROLLBACK")
    store.close()


@pytest.mark.parametrize(
    ("statement", "findings"),
    [
        (
            f"UPDATE runs SET state = 'FAILED', attempt = 7 WHERE id = '{RUN}'",
            [
                f"run {RUN}: state is FAILED in the table and SUCCEEDED in the journal",
                f"run {RUN}: attempt is 7 in the table and 1 in the journal",
            ],
        ),
        (
            f"UPDATE runs SET result = '1' WHERE id = '{RUN}'",
            [f"run {RUN}: result in the table is not what the journal tells"],
        ),
        (
            f"UPDATE runs SET node = '', started_at = NULL WHERE id = '{RUN}'",
            [f"run {RUN}: started_at is empty in the table and {1772368215123456} in the journal"],
        ),
        (
            "UPDATE jobs SET version = 9 WHERE name = 'a'",
            ["job a: version is 9 in the table and 1"],
        ),
        (
            "UPDATE jobs SET definition = '{}' WHERE name = 'a'",
            ["job a: definition in the table is not what the journal tells"],
        ),
        (
            f"UPDATE attempts SET outcome = 'LOST' WHERE run = '{RUN}'",
            [f"attempt 1 of run {RUN}: outcome is LOST in the table and SUCCEEDED in the journal"],
        ),
        (
            "UPDATE skips SET count = 2 WHERE job = 's1'",
            ["the skip of job s1 at 1772368215123456:"],
        ),
        *(
            (
                f"DELETE FROM {table} WHERE {KEYS[table][0]} = '{key}'",
                [f"{called} is in the journal and not in the table"],
            )
            for table, key, called in (
                ("jobs", "a", "job a"),
                ("runs", RUN, f"run {RUN}"),
                ("attempts", RUN, f"attempt 1 of run {RUN}"),
                ("skips", "s1", "the skip of job s1 at 1772368215123456"),
            )
        ),
        (
            f"UPDATE runs SET id = 'x' WHERE id = '{RUN}'",
            [
                "run x is in the table and not in the journal",
                f"run {RUN} is in the journal and not in the table",
            ],
        ),
        (
            "UPDATE jobs SET name = 'x' WHERE name = 'a'",
            ["job x is in the table and not", "job a is in the journal and not"],
        ),
        (
            "UPDATE attempts SET number = 2 WHERE number = 1 AND run = '" + RUN + "'",
            [f"attempt 2 of run {RUN} is in the table and", f"attempt 1 of run {RUN} is in the j"],
        ),
        (
            "UPDATE skips SET job = 'x' WHERE job = 's1'",
            ["the skip of job x at", "the skip of job s1 at"],
        ),
    ],
)
def test_a_row_that_was_changed_added_or_removed_is_named(
    path: Path, tmp_path: Path, statement: str, findings: list[str]
) -> None:
    meddle(path, statement)
    found = verify(path)
    assert len(found.findings) == len(findings)
    for told, expected in zip(found.findings, findings, strict=True):
        assert told.startswith(expected)
        assert "secret" not in told
    rebuild(path, tmp_path / "new.db")
    assert verify(tmp_path / "new.db").is_sound


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE journal SET at = at + 1 WHERE seq = 3", "event 3 was changed"),
        (
            "UPDATE journal SET told = replace(told, '\"t\"', '\"x\"') WHERE seq = 3",
            "event 3 was changed",
        ),
        ("UPDATE journal SET told = told || ' ' WHERE seq = 3", "event 3 was changed"),
        (
            "UPDATE journal SET told = replace(told, '3]', '2]') WHERE seq = 3",
            "event 3 was changed",
        ),
        ("UPDATE journal SET hash = x'00' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE journal SET told = '[' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE journal SET told = '[[],3]' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE journal SET told = '3 0 x' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE journal SET told = '[[[1,2,3,4,5]],3]' WHERE seq = 3", "event 3 was changed"),
        ("UPDATE journal SET at = 0 WHERE seq = 4", "one of the events 4 to 5 was changed"),
        ("DELETE FROM journal WHERE seq = 3", "event 3 is missing"),
        ("DELETE FROM journal WHERE seq IN (3, 4)", "events 3 to 5 are missing"),
        ("DELETE FROM journal WHERE seq <= 3", "events 1 to 3 are missing"),
        ("UPDATE journal SET seq = 100 WHERE seq = 7", "events 7 to 99 are missing"),
        (
            f"UPDATE journal SET told = '{A_CUT}' WHERE seq = 7",
            "where the journal begins",
        ),
        ("DELETE FROM journal WHERE seq > 6", "job s2"),  # a shorter chain, and the tables tell
    ],
)
def test_an_event_that_was_changed_or_removed_is_named(
    path: Path, statement: str, finding: str
) -> None:
    meddle(path, statement)
    findings = verify(path).findings
    assert any(finding in told for told in findings), findings


def test_two_events_that_changed_places_are_named(path: Path) -> None:
    meddle(
        path,
        "UPDATE journal SET seq = -1 WHERE seq = 3",
        "UPDATE journal SET seq = 3 WHERE seq = 6",
        "UPDATE journal SET seq = 6 WHERE seq = -1",
    )
    findings = verify(path).findings
    assert findings[0] == "event 3 was changed: its hash does not fit"


def test_a_journal_that_does_not_hold_together_is_not_rebuilt_from(
    path: Path, tmp_path: Path
) -> None:
    meddle(path, "UPDATE journal SET at = 0 WHERE seq = 3")
    with pytest.raises(StoreUnusable, match="event 3 was changed"):
        rebuild(path, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_findings_are_capped(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(new(*(a_run() for _ in range(300))))
    store.close()
    meddle(path, "UPDATE runs SET attempt = 99")
    assert len(verify(path).findings) == 100


def test_a_rebuilt_store_has_the_same_rows_and_goes_on(path: Path, tmp_path: Path) -> None:
    rebuild(path, tmp_path / "new.db")
    assert contents(tmp_path / "new.db") == contents(path)
    store = SqliteStore(tmp_path / "new.db")
    assert store.head() == 8
    store.commit(new(a_run()))
    store.close()
    assert verify(tmp_path / "new.db").last_seq == 9
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table}").fetchall() for table in (*KEYS, "journal")
        }


# -- damage --------------------------------------------------------------------------------------


def test_a_damaged_page_is_told(path: Path) -> None:
    store = SqliteStore(path)
    for _ in range(50):
        store.commit(new(*(a_run(reason="x" * 100) for _ in range(20))))
    store.close()
    pages = path.stat().st_size // 4096
    told = []
    for page in range(pages // 4, pages, max(1, pages // 9)):
        healthy = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
        told.append(verify(path).findings)
        path.write_bytes(healthy)
    assert all(told)
    assert all(any("damaged" in line for line in findings) for findings in told)
    assert verify(path).is_sound


def is_absent(path: Path) -> None:
    path.unlink()


def is_text(path: Path) -> None:
    path.write_text("[daemon]\n" * 200)


def is_anothers(path: Path) -> None:
    meddle(path, "PRAGMA application_id = 1")


def is_newer(path: Path) -> None:
    meddle(path, "PRAGMA user_version = 99")


def has_a_damaged_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 300)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (is_absent, "unable to open"),
        (is_text, "not a database"),
        (is_anothers, "not a store of taskd"),
        (is_newer, "has schema 99"),
        (has_a_damaged_schema, "restore a backup"),
    ],
)
def test_what_cannot_be_read_is_refused(
    path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StoreUnusable, match=reason):
        verify(path)
    assert (path.read_bytes() if path.exists() else None) == before


def test_an_event_tells_of_a_value_that_became_empty(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    full = a_run(reason="why", queued_at=NOW, result=Result("x"), node="n")
    bare = replace(full, reason="", queued_at=None, result=Result(""), node="")
    store.commit(new(full))
    store.commit(written(RunChange(full, bare, "t")))
    store.commit(new(replace(bare, id=OTHER)))
    store.close()
    assert verify(tmp_path / "t.db").is_sound


def test_attempts_are_told_however_many_a_commit_ends_of_a_run_or_of_one_it_does_not_move(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "t.db")
    run = a_run(None, RunState.RUNNING, attempt=1, started_at=NOW)
    _, attempt = settle(
        run,
        AttemptFinished(run.id, run.attempt, NOW, Outcome.FAILED),
        DEFAULT_FAILURE,
        lambda: 0.5,
    )
    assert attempt is not None
    changes = new(run)
    changes.attempts += [attempt, replace(attempt, number=2), replace(attempt, run=OTHER)]
    store.commit(changes)
    assert store.head() == 3
    store.commit(replace(new(), attempts=[replace(attempt, number=3)]))
    assert store.head() == 4
    store.close()
    assert verify(tmp_path / "t.db").is_sound


# -- the chain -----------------------------------------------------------------------------------

blocks = st.tuples(st.integers(0, 11), st.integers(0, 11), st.text("1 -[", max_size=3))


@given(one=blocks, other=blocks)
def test_two_blocks_have_one_hash_only_when_they_are_one(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    for block in (other, (one[1], one[0], one[2]), (*one[:2], f" {one[2]}")):
        assert (link(bytes(32), *one) == link(bytes(32), *block)) == (one == block)
    assert link(bytes(32), *one) != link(b"1" * 32, *one)
