"""The store's verbs, on every store: what goes in comes out, all of it or nothing."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.job import Call, JobName
from taskd.core.record import JobRecord, JobState, Skip
from taskd.core.run import Attempt, Origin, Run, RunState, microseconds
from taskd.core.turn import Changes, JobChange, Mark, RunChange
from taskd.errors import StoreRefused
from taskd.stores.events import Event
from taskd.stores.run_rows import ATTEMPT_COLUMNS
from taskd.stores.sqlite import SqliteStore
from tests.stores.conftest import KINDS
from tests.stores.records import (
    NOBODY,
    NOW,
    SECOND,
    a_job,
    a_run,
    attempts,
    new,
    records,
    runs,
    skips,
    written,
)

every_kind = pytest.mark.parametrize("kind", KINDS)
some = settings(max_examples=30, deadline=None)


@every_kind
@some
@given(record=records)
def test_every_field_of_a_job_comes_back(
    kind: str, record: JobRecord, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = KINDS[kind](tmp_path_factory.mktemp("s"))
    store.commit(new(record))
    assert store.load() == ((record,), ())
    store.close()


@every_kind
@some
@given(run=runs, attempt=attempts, skip=skips)
def test_every_field_of_a_run_an_attempt_and_a_skip_comes_back(
    kind: str, run: Run, attempt: Attempt, skip: Skip, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = KINDS[kind](tmp_path_factory.mktemp("s"))
    changes = new(run)
    changes.attempts.append(attempt)
    changes.skips[skip.job, skip.first_at] = skip
    store.commit(changes)
    assert store.find([run.id, NOBODY]) == (run,)
    with store.history() as history:
        assert history.run(run.id) == run
        assert history.attempts(attempt.run) == [attempt]
        assert history.skips(skip.job) == [skip]
    store.close()


def test_waiting_runs_come_in_the_order_of_their_turn_and_by_the_page(store: SqliteStore) -> None:
    queued = [a_run(None, priority=priority) for priority in (0, 50, -50, 0)]
    later = [
        a_run(None, state, due_at=NOW + n * SECOND)
        for n, state in ((3, RunState.PENDING), (1, RunState.RETRYING), (2, RunState.PENDING))
    ]
    store.commit(new(*queued, *later))
    page = store.queued(3)
    assert [run.id for run in page.runs] == [queued[1].id, queued[0].id, queued[3].id]
    assert not page.complete
    assert store.queued(5).complete
    assert [run.due_at - NOW for run in store.pending(9).runs] == [SECOND, 2 * SECOND, 3 * SECOND]


def test_load_returns_what_runs_and_what_jobs_have_waiting_and_nothing_else(
    store: SqliteStore,
) -> None:
    running, waiting = a_run(None, RunState.RUNNING), a_run("job", RunState.QUEUED)
    suspect = a_run(None, crashes=1)
    store.commit(new(running, waiting, suspect, a_run(None), a_run("job", RunState.SUCCEEDED)))
    jobs, (first, *others) = store.load()
    assert (jobs, first) == ((), running)
    assert {run.id for run in others} == {waiting.id, suspect.id}


def test_a_row_that_somebody_else_moved_refuses_the_whole_commit(store: SqliteStore) -> None:
    record, run = a_job(), a_run()
    store.commit(new(record, run))
    running = replace(run, state=RunState.RUNNING, attempt=1)
    stale_job = replace(record, version=7)
    other = RunChange(None, a_run(), "t")
    for stale in (
        RunChange(replace(run, attempt=5), running, "t"),
        RunChange(replace(run, state=RunState.PENDING), running, "t"),
        JobChange(stale_job, stale_job, "t"),
        JobChange(stale_job, replace(stale_job, job=replace(record.job, priority=5)), "t"),
        JobChange(stale_job, None, "t"),
    ):
        with pytest.raises(StoreRefused):
            store.commit(written(other, stale))
    assert store.find([other.after.id]) == ()
    assert store.load() == ((record,), (run,))
    store.commit(written(RunChange(run, running, "t")))
    assert store.find([run.id]) == (running,)


def test_an_occurrence_that_is_decided_is_refused_by_name(store: SqliteStore) -> None:
    first, again = (a_run(origin=Origin.SCHEDULE) for _ in range(2))
    undecided = a_run(origin=Origin.SCHEDULE, scheduled_at=NOW + SECOND)
    store.commit(new(first))
    with pytest.raises(StoreRefused) as caught:
        store.commit(new(undecided, again))
    assert caught.value.occurrences == (("job", NOW),)
    store.commit(new(undecided, a_run(origin=Origin.TRIGGER), a_run(None, origin=Origin.SCHEDULE)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("reason", "half a surrogate: \ud800", id="surrogate"),
        pytest.param("reason", b"bytes", id="bytes"),
        pytest.param("pid", 2**70, id="more than 64 bits"),
        pytest.param("call", Call("a:b", ({1, 2},)), id="not JSON"),
        pytest.param("call", Call("a:b", (10**5000,)), id="more digits than Python writes"),
    ],
)
def test_what_the_store_cannot_hold_is_refused_and_leaves_it_well(
    store: SqliteStore, field: str, value: object
) -> None:
    good = a_run(None)
    with pytest.raises(StoreRefused):
        store.commit(new(good, a_run("job", RunState.QUEUED, **{field: value})))
    store.commit(new(good))
    assert store.queued(9).runs == (good,)


def test_hostile_text_comes_back_as_it_was(store: SqliteStore) -> None:
    text = 'Ünïcode \x00 \x1b]0;x\x07 "quotes" \u202e \U0001f600 \'); DROP TABLE runs; --'
    run = a_run(reason=text, call=Call("a:b", (text, "\ud800")))
    store.commit(new(run))
    assert store.find([run.id]) == (run,)


def test_runs_are_listed_newest_first_by_job_state_and_time(store: SqliteStore) -> None:
    states = [RunState.SUCCEEDED, RunState.FAILED, RunState.DEAD] * 4
    made = [
        a_run("a" if n % 2 else None, state, scheduled_at=NOW + n * SECOND)
        for n, state in enumerate(states)
    ]
    store.commit(new(*made))
    with store.history() as history:
        for job in (None, "a"):
            for wanted in ([], [RunState.FAILED], [RunState.DEAD, RunState.SUCCEEDED] * 2):
                for since in (None, NOW + 3 * SECOND):
                    expected = [
                        run
                        for run in reversed(made)
                        if (job is None or run.job == job)
                        and (not wanted or run.state in wanted)
                        and (since is None or run.scheduled_at >= since)
                    ]
                    assert (
                        history.runs(job=job, states=wanted, since=since, limit=3) == (expected[:3])
                    )


# -- the journal ---------------------------------------------------------------------------------

TABLES = ("jobs", "runs", "attempts", "skips")
Rows = dict[str, list[dict[str, object]]]


def tables(store: SqliteStore) -> Rows:
    return {table: [dict(row) for row in select(store, table)] for table in TABLES}


def fold(store: SqliteStore) -> Rows:
    """Make the tables again from the journal alone."""
    made: dict[str, dict[object, dict[str, object]]] = {table: {} for table in TABLES}
    defaults = {
        column["name"]: json.loads((column["dflt_value"] or "null").replace("'", '"'))
        for column in store._db.execute("PRAGMA table_info(runs)")
    }
    with store.history() as history:
        events = history.events(0, 999)
    for event in events:
        told = event.data
        if event.kind == "job.removed":
            del made["jobs"][event.job]
            continue
        if "job" in told:
            made["jobs"].setdefault(event.job, {}).update(told["job"])
        if event.run is not None:
            made["runs"].setdefault(event.run, {**defaults}).update(told.get("run", {}))
            made["runs"][event.run]["event"] = event.commit
        if "attempt" in told:
            made["attempts"][event.run, told["attempt"]["number"]] = {
                **dict.fromkeys(ATTEMPT_COLUMNS),
                **told["attempt"],
            }
        if "skip" in told:
            made["skips"][event.job, told["skip"]["first_at"]] = told["skip"]
    return {table: sorted(rows.values(), key=partial(key, table)) for table, rows in made.items()}


def key(table: str, row: dict[str, object]) -> list[object]:
    columns = {"jobs": ["name"], "runs": ["id"], "attempts": ["run", "number"]}
    return [row[name] for name in columns.get(table, ["job", "first_at"])]


def select(store: SqliteStore, table: str) -> Iterator[sqlite3.Row]:
    return store._db.execute(f"SELECT * FROM {table}")


@every_kind
@some
@given(
    records=st.lists(records, min_size=3, max_size=3),
    before=runs,
    after=runs,
    attempt=attempts,
    skip=skips,
)
def test_folding_the_journal_gives_the_tables(
    kind: str,
    records: list[JobRecord],
    before: Run,
    after: Run,
    attempt: Attempt,
    skip: Skip,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = JobName("job")
    first, second, other = (replace(it, job=replace(it.job, name=name)) for it in records)
    other = replace(other, job=replace(other.job, name=JobName("other")))
    before, after = (replace(run, id=before.id, job=name) for run in (before, after))
    before = replace(before, result=None)  # a new run has none
    moved = replace(second, next_due_at=NOW, counts={"FAILED": 1})
    worked = written(JobChange(first, second, "t"), RunChange(before, after, "t"))
    worked.attempts.append(replace(attempt, run=after.id))
    worked.skips[name, skip.first_at] = replace(skip, job=name)
    grown = written(JobChange(second, moved, "t"))
    grown.skips[name, skip.first_at] = replace(skip, job=name, last_at=NOW, count=skip.count + 1)
    store = KINDS[kind](tmp_path_factory.mktemp("s"))
    for changes in (new(first, before, other), worked, grown, written(JobChange(other, None, "t"))):
        store.commit(changes)
        assert fold(store) == tables(store)
    store.close()


def test_the_journal_holds_one_event_for_each_change_with_only_what_changed(
    store: SqliteStore,
) -> None:
    record, run, lone = a_job(), a_run(), a_run(None)
    store.commit(new(record, run, lone))
    running = replace(run, state=RunState.RUNNING, attempt=1, started_at=NOW)
    moved = replace(record, next_due_at=None, version=2)
    store.commit(written(JobChange(record, moved, "me"), RunChange(run, running, "me")))
    paused = replace(moved, state=JobState.PAUSED, pause_reason="why", version=3)
    store.commit(written(JobChange(moved, paused, "root")))
    active = replace(paused, state=JobState.ACTIVE, pause_reason="", version=4)
    store.commit(written(JobChange(paused, active, "root", "all is well")))
    with store.history() as history:
        events = history.events(0, 9)
    assert [(event.actor, event.kind, event.job, event.run) for event in events] == [
        ("t", "job.added", "job", None),
        ("t", "run.queued", "job", run.id),
        ("t", "run.queued", None, lone.id),
        ("me", "run.running", "job", run.id),
        ("root", "job.paused", "job", None),
        ("root", "job.resumed", "job", None),
    ]
    assert [event.data for event in events[2:]] == [
        {
            "run": {
                "id": lone.id,
                "origin": "trigger",
                "state": "QUEUED",
                "scheduled_at": microseconds(NOW),
                "due_at": microseconds(NOW),
                "rank": microseconds(NOW),
            }
        },
        {
            "run": {"state": "RUNNING", "started_at": microseconds(NOW), "attempt": 1},
            "prev": 0,
            "job": {"version": 2, "next_due_at": None},
        },
        {"job": {"version": 3, "state": "paused", "pause_reason": "why"}},
        {
            "job": {"version": 4, "state": "active", "pause_reason": ""},
            "reason": "all is well",
        },
    ]
    assert [event.commit for event in events] == [1, 1, 1, 4, 5, 6]


def test_events_are_read_in_order_after_a_place_and_of_a_job_or_a_run(store: SqliteStore) -> None:
    record, run, lone = a_job(), a_run(), a_run(None)
    store.commit(new(record, run, lone))
    running = replace(run, state=RunState.RUNNING, attempt=1)
    store.commit(written(RunChange(run, running, "me")))
    with store.history() as history:
        events = history.events(0, 9)
        assert [event.seq for event in events] == [1, 2, 3, 4]
        assert events[3] == Event(
            4,
            4,
            NOW,
            "me",
            "run.running",
            "job",
            run.id,
            {"run": {"state": "RUNNING", "attempt": 1}, "prev": 0},
        )
        assert history.events(1, 2) == events[1:3]
        assert history.events(4, 9) == []
        assert history.events(0, 9, run=run.id) == [events[1], events[3]]
        assert history.events(2, 9, job="job") == [events[3]]
        assert history.events(0, 9, job="job", run=lone.id) == []
    assert store.head() == 4


def test_a_run_finds_its_events_in_a_large_commit_and_among_its_marks(store: SqliteStore) -> None:
    many = [a_run(None) for _ in range(500)]
    store.commit(new(*many))
    run = replace(many[321], event=1)
    start = replace(run, state=RunState.RUNNING, attempt=1, started_at=NOW)
    store.commit(written(RunChange(run, start, "t")))
    marked = written(RunChange(replace(start, event=501), start, "t"))
    marked.marks["s", "k"] = Mark("s", "k", run.id, NOW)
    store.commit(marked)
    with store.history() as history:
        events = history.events(0, 999, run=run.id)
        assert [event.kind for event in events] == ["run.queued", "run.running", "run.marked"]
        assert [event.seq for event in events] == [322, 501, 502]
        assert history.events(322, 1, run=run.id) == events[1:2]
        assert [event.commit for event in history.events(0, 999)][:500] == [1] * 500


def test_a_run_finds_its_end_in_a_large_commit_that_names_it_before(store: SqliteStore) -> None:
    jobs = [a_job(f"job-{number}") for number in range(300)]
    live = [
        a_run(job.job.name, RunState.RUNNING, attempt=1, started_at=NOW, event=301) for job in jobs
    ]
    store.commit(new(*jobs))
    store.commit(new(*live))
    changes = Changes(NOW)
    for job, run in zip(jobs, live, strict=True):
        failed = replace(run, state=RunState.FAILED, finished_at=NOW)
        paused = replace(job, version=2, state=JobState.PAUSED, last_run=run.id)
        changes.jobs[job.job.name] = JobChange(job, paused, "t")
        changes.runs[run.id] = RunChange(run, failed, "t")
        changes.marks["s", run.id] = Mark("s", run.id, run.id, NOW)
    store.commit(changes)
    with store.history() as history:
        for run in live:
            found = history.events(0, 99, run=run.id)
            kinds = [event.kind for event in found]
            assert kinds == ["run.running", "run.failed", "run.marked"]
            assert history.last_events(2, run=run.id) == found[1:]
            assert history.events(found[1].seq, 99, run=run.id) == found[2:]
