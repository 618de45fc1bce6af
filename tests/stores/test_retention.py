"""Pruning: what is too old goes, the journal of it too, and each step leaves a sound store."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.record import Skip, SkipReason
from taskd.core.run import Attempt, Outcome, Result, Run, RunState
from taskd.core.turn import JobChange, RunChange
from taskd.errors import StoreRefused
from taskd.stores import retention
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import Verification, verify
from tests.stores.histories import HOUR, NAMES, History, Step, keep, steps
from tests.stores.records import NOW, SECOND, a_job, a_run, new, written

LATER = NOW + 3 * HOUR  # beyond what succeeded, not beyond what failed


def sound(path: Path) -> Verification:
    found = verify(path)
    assert found.findings == ()
    return found


def prune(store: SqliteStore, now: datetime, batch: int = 3) -> int:
    count = 0
    while store.prune(now, keep, batch):
        count += 1
    return count


def finished(job: str | None, state: RunState, **more: object) -> Run:
    return a_run(job, state, **{"finished_at": NOW, "attempt": 1, **more})


def kept(store: SqliteStore) -> set[str]:
    with store.history() as history:
        return {run.id for run in history.runs(limit=1000)}


def test_old_runs_go_by_the_retention_of_how_they_ended(file_store: SqliteStore) -> None:
    gone_first = [
        finished("a", state) for state in (RunState.SUCCEEDED, RunState.SKIPPED, RunState.CANCELLED)
    ]
    failed = finished("a", RunState.FAILED)
    stays = [
        finished("a", RunState.DEAD),
        finished("c", RunState.SUCCEEDED),
        finished("a", RunState.SUCCEEDED, finished_at=NOW + 4 * HOUR),
        *(a_run("a", state) for state in RunState if not state.is_final),
    ]
    file_store.commit(new(*gone_first, failed, *stays))
    prune(file_store, NOW + 2 * HOUR)
    assert kept(file_store) == {run.id for run in [*gone_first, failed, *stays]}
    prune(file_store, LATER)
    assert kept(file_store) == {run.id for run in [failed, *stays]}
    prune(file_store, NOW + 5 * HOUR + SECOND)
    assert kept(file_store) == {run.id for run in stays}


def test_the_last_run_of_a_job_stays_while_the_job_does(file_store: SqliteStore) -> None:
    last, gone = finished("a", RunState.SUCCEEDED), finished("a", RunState.SUCCEEDED)
    of_removed = finished("b", RunState.SUCCEEDED)
    file_store.commit(new(replace(a_job("a"), last_run=last.id), last, gone, of_removed))
    prune(file_store, LATER)
    assert kept(file_store) == {last.id}


def test_attempts_go_with_their_run_and_skips_by_their_age(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    gone, stays = finished("a", RunState.SUCCEEDED), finished("a", RunState.FAILED)
    changes = new(gone, stays)
    for run in (gone, stays):
        changes.attempts.append(
            Attempt(
                run=run.id,
                number=1,
                outcome=Outcome.FAILED,
                started_at=NOW,
                finished_at=NOW,
                node="n",
                pid=1,
            )
        )
    old = [Skip(name, NOW, NOW, 1, SkipReason.PAUSED, NOW) for name in NAMES]
    young = replace(old[0], first_at=LATER, decided_at=LATER)
    for skip in (*old, young):
        changes.skips[skip.job, skip.first_at] = skip
    file_store.commit(changes)
    prune(file_store, LATER, batch=1)
    with file_store.history() as history:
        assert history.attempts(gone.id) == []
        assert len(history.attempts(stays.id)) == 1
        assert history.skips(old[0].job) == [young]
        assert history.skips(old[1].job) == []
        assert history.skips(old[2].job) == [old[2]]
    sound(tmp_path / "t.db")


def test_one_event_names_what_a_step_forgot(file_store: SqliteStore) -> None:
    runs = [finished("a", RunState.SUCCEEDED) for _ in range(3)]
    file_store.commit(new(*runs))
    assert file_store.head() == 3
    file_store.prune(LATER, keep, 2)
    with file_store.history() as history:
        (event,) = history.events(3, 9)
    assert (event.kind, event.actor, event.at) == ("journal.pruned", "taskd", LATER)
    assert event.data == {"runs": [run.id for run in runs[:2]], "skips": []}


def a_day(store: SqliteStore, day: int, runs: int) -> datetime:
    """A hundred runs that succeed on that day, in three commits."""
    now = NOW + timedelta(days=day)
    queued = [a_run("a", scheduled_at=now) for _ in range(runs)]
    running = [replace(run, state=RunState.RUNNING, attempt=1) for run in queued]
    ended = [replace(run, state=RunState.SUCCEEDED, finished_at=now) for run in running]
    for before, after in (([None] * runs, queued), (queued, running), (running, ended)):
        pairs = zip(before, after, strict=True)
        changes = written(*(RunChange(old, fresh, "t") for old, fresh in pairs))
        changes.at = now
        store.commit(changes)
    return now


def test_the_journal_does_not_grow_for_ever_and_always_proves_the_tables(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    dead = [finished("a", RunState.DEAD) for _ in range(50)]
    file_store.commit(new(a_job("a"), *dead))
    sizes = []
    for day in range(12):
        now = a_day(file_store, day, runs=200)
        prune(file_store, now, batch=100)
        sizes.append(sound(tmp_path / "t.db").events)
    assert file_store.head() > 7000
    assert max(sizes) < 2500
    assert kept(file_store) > {run.id for run in dead}


def test_what_is_kept_for_ever_is_not_told_anew_all_the_time(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    file_store.commit(new(a_job("a"), *(finished("c", RunState.SUCCEEDED) for _ in range(400))))
    again = removed = 0
    for day in range(12):
        before = file_store.head()
        prune(file_store, a_day(file_store, day, runs=40), batch=100)
        with file_store.history() as history:
            found = history.events(before, 10_000)
        for event in (event for event in found if event.kind == "journal.cut"):
            again += sum(map(len, event.data["rows"].values()))
            removed = event.data["cut"]["seq"]
    sound(tmp_path / "t.db")
    assert removed > 401
    assert again < removed


def test_a_cut_resumes_where_a_crash_left_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    store.commit(new(a_job("a")))
    for day in (0, 1):
        now = a_day(store, day, runs=300)
    while sound(tmp_path / "t.db").first_seq == 1:
        assert store.prune(now, keep, 100)
    store.close()
    again = SqliteStore(tmp_path / "t.db")
    firsts = [sound(tmp_path / "t.db").first_seq]
    while again.prune(now, keep, 100):
        firsts.append(sound(tmp_path / "t.db").first_seq)
    again.close()
    assert firsts[-1] > 900 > firsts[0]
    assert firsts == sorted(firsts)


def test_a_row_that_was_told_whole_before_and_after_the_cut_is_told_by_it_too(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    job = a_job("a")
    skip = Skip(job.job.name, NOW, NOW, 1, SkipReason.PAUSED, NOW)
    for at, last in ((NOW, NOW), (LATER, LATER)):
        changes = new(*(a_run(None) for _ in range(5)))
        changes.at = at
        changes.skips[skip.job, NOW] = replace(skip, last_at=last, decided_at=at)
        file_store.commit(changes)
        define = [JobChange(None, job, "t")]
        for change in define if at == NOW else [JobChange(job, None, "t"), *define]:
            changes = written(change)
            changes.at = at
            file_store.commit(changes)
    prune(file_store, LATER, batch=100)
    assert sound(tmp_path / "t.db").first_seq > 1
    with file_store.history() as history:
        (cut,) = [event for event in history.events(0, 99) if event.kind == "journal.cut"]
    assert {table: len(rows) for table, rows in cut.data["rows"].items()} == {
        "jobs": 1,
        "runs": 5,
        "skips": 1,
    }


def test_a_step_that_cuts_stays_small_where_results_are_large(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    large = Result("x" * 600_000)
    kept = [finished("c", RunState.SUCCEEDED, result=large) for _ in range(6)]
    file_store.commit(new(*kept))
    steps = prune(file_store, LATER, batch=100)
    assert sound(tmp_path / "t.db").first_seq == 7
    with file_store.history() as history:
        cuts = history.events(6, 99)
    assert steps > 3
    assert all(len(cut.data["rows"]["runs"]) <= 2 for cut in cuts)


@pytest.mark.parametrize("meddling", ["told = '['", "at = -4611686018427387904"])
def test_a_journal_that_cannot_be_read_is_not_cut(meddling: str, file_store: SqliteStore) -> None:
    file_store.commit(new(*(a_run() for _ in range(1000))))
    file_store._db.execute(f"UPDATE journal SET {meddling}")
    assert file_store.prune(LATER, keep, 2000)
    assert file_store.prune(LATER, keep, 2000)
    with pytest.raises(StoreRefused, match="taskd verify"):
        file_store.prune(LATER, keep, 2000)
    gone = finished("a", RunState.SUCCEEDED)
    file_store.commit(new(gone))
    assert file_store.prune(LATER, keep, 2000)  # the runs are gone over again all the same
    assert gone.id not in kept(file_store)


def test_a_step_never_reads_the_tables_whole(file_store: SqliteStore) -> None:
    asked: list[str] = []
    file_store.commit(new(a_job("a")))
    for day in (0, 1):
        now = a_day(file_store, day, runs=200)
    file_store._db.set_trace_callback(asked.append)
    prune(file_store, now, batch=100)
    file_store._db.set_trace_callback(None)
    verbs = ("SELECT", "UPDATE", "DELETE", "INSERT")
    plans = {
        statement: [row[3] for row in file_store._db.execute(f"EXPLAIN QUERY PLAN {statement}")]
        for statement in asked
        if statement.startswith(verbs)
    }
    bad = {
        statement: plan
        for statement, plan in plans.items()
        if any("SEARCH" not in step and "journal_cut" not in step for step in plan)
        and plan != ["SCAN jobs"]  # they are few, and each may keep its runs for another time
    }
    assert bad == {}
    assert any("runs" in statement for statement in plans)
    assert any("DELETE FROM journal" in statement for statement in plans)


# -- any history ---------------------------------------------------------------------------------

turns = st.lists(
    st.tuples(
        st.lists(steps, min_size=1, max_size=8),
        st.integers(0, 6),
        st.integers(1, 20),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


def live(path: Path, turns: list[tuple[list[Step], int, int, bool]]) -> None:
    """Commit each turn, prune some steps after it, prove each, and crash where it says so."""
    history, store = History(), SqliteStore(path)
    for number, (made, prunings, batch, crashes) in enumerate(turns):
        changes = history.turn(made, store.head() + 1)
        if changes:
            store.commit(changes)
        for _ in range(prunings):
            store.prune(NOW + history.now, keep, batch)
            sound(path)
        check_that_each_run_finds_its_events(store)
        if crashes and number % 3 == 0:
            store.close()
            store = SqliteStore(path)
    assert sound(path).last_seq == store.head()
    with closing(sqlite3.connect(path)) as db:
        states = dict(db.execute("SELECT id, state FROM runs"))
    missing = [run for run in history.runs.values() if run.id not in states]
    assert all(run.state.is_final and run.state is not RunState.DEAD for run in missing)
    store.close()


def check_that_each_run_finds_its_events(store: SqliteStore) -> None:
    """Those of the runs that are gone, too, as long as the journal has them."""
    with store.history() as history:
        events = history.events(0, 99_999)
        for run in {event.run for event in events if event.run is not None}:
            of_run = [event for event in events if event.run == run]
            assert history.events(0, 99_999, run=run) == of_run
            assert history.events(of_run[0].seq, 1, run=run) == of_run[1:2]
            assert history.last_events(2, run=run) == of_run[-2:]


@pytest.fixture(scope="module", autouse=True)
def small_cuts() -> Iterator[None]:
    """Histories of a test are short: let a cut pay from a few events on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "CUT_AT_LEAST", 5)
        yield


@settings(max_examples=25, deadline=None)
@given(turns=turns)
def test_any_history_proves_itself_after_each_step_of_pruning(
    turns: list[tuple[list[Step], int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    live(tmp_path_factory.mktemp("s") / "t.db", turns)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=1000, deadline=None)
@given(turns=turns)
def test_very_many_histories_prove_themselves(
    turns: list[tuple[list[Step], int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    live(tmp_path_factory.mktemp("s") / "t.db", turns)
