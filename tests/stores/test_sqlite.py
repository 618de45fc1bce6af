"""The store's verbs, on SQLite in a file and in memory."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd.core.cron import Cron
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import Changes, JobChange, RunChange
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import Attempt, Origin, Outcome, Result, Run, RunError, RunId, RunState
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.errors import StoreLocked, StoreRefused, StoreUnavailable, StoreUnusable
from taskd.ids import new_id
from taskd.stores import open_store, rows, sqlite_path
from taskd.stores.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NASTY = 'Ünïcode \x00 \x1b]0;x\x07 "quotes" \u202e \U0001f600'


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(None if request.param == "memory" else tmp_path / "t.db")
    yield store
    store.close()


def a_job(name: str = "job", schedule: Schedule | None = None) -> JobRecord:
    call = Call("work:f", (1, None, [NASTY]), {"k": {"deep": True}})
    job = Job(
        name=JobName(name),
        call=call,
        schedule=schedule,
        source=Source.CLI,
        description=NASTY,
        tags=("a", "b"),
        enabled=False,
        priority=-7,
        carry=True,
    )
    return JobRecord(
        job=job,
        state=JobState.PAUSED,
        created_at=NOW,
        anchor_at=NOW + SECOND,
        next_due_at=NOW + 2 * SECOND,
        pause_reason=NASTY,
        paused_until=NOW + 3 * SECOND,
        counts={"SUCCEEDED": 3, "SKIPPED": 10**12},
        last_run=new_id(NOW),
        carried="[1]",
        version=1,
    )


def a_run(job: str | None = "job", state: RunState = RunState.QUEUED, **more: object) -> Run:
    run = Run(
        id=new_id(NOW),
        job=JobName(job) if job else None,
        origin=Origin.TRIGGER,
        state=state,
        scheduled_at=NOW,
        due_at=NOW,
    )
    return replace(run, **more)  # type: ignore[arg-type]


def written(*changes: RunChange | JobChange) -> Changes:
    written = Changes(NOW)
    for change in changes:
        if isinstance(change, RunChange):
            written.runs[change.after.id] = change
        else:
            named = change.after or change.before
            assert named is not None
            written.jobs[named.job.name] = change
    return written


def new(*items: Run | JobRecord) -> Changes:
    return written(
        *(
            RunChange(None, item, "t") if isinstance(item, Run) else JobChange(None, item, "t")
            for item in items
        )
    )


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        Every(SECOND, Mode.FIXED_DELAY),
        Every(90 * SECOND, align=True),
        Cron(("H 2 * * mon-fri", "@daily"), "Europe/Berlin", "job"),
        At((NOW, NOW + SECOND)),
    ],
    ids=str,
)
def test_every_field_of_a_job_comes_back(store: SqliteStore, schedule: Schedule | None) -> None:
    record = a_job(schedule=schedule)
    store.commit(new(record))
    assert store.load() == ((record,), ())


def test_every_field_of_a_run_its_attempts_and_skips_comes_back(store: SqliteStore) -> None:
    run = a_run(
        state=RunState.RUNNING,
        priority=9,
        call=Call("work:g", ("x",)),
        queued_at=NOW,
        started_at=NOW + SECOND,
        finished_at=NOW + 2 * SECOND,
        attempt=2,
        crashes=1,
        stopping=True,
        reason=NASTY,
        result=Result("<object>", is_repr=True),
        error=RunError("E", NASTY, "Traceback", "E()"),
        node="host",
        pid=4242,
    )
    changes = new(run)
    attempt = Attempt(
        run=run.id,
        number=1,
        outcome=Outcome.LOST,
        started_at=NOW,
        finished_at=NOW + SECOND,
        node="host",
        pid=1,
        error=run.error,
    )
    skip = Skip(JobName("job"), NOW, NOW + SECOND, 2, SkipReason.OVERLAP, NOW)
    changes.attempts.append(attempt)
    changes.skips[skip.job, skip.first_at] = skip
    store.commit(changes)
    assert store.find([run.id, RunId("no such run")]) == (run,)
    with store.history() as history:
        assert history.run(run.id) == run
        assert history.attempts(run.id) == [attempt]
        assert history.skips(skip.job) == [skip]


def test_waiting_runs_come_in_the_order_of_their_turn_and_by_the_page(store: SqliteStore) -> None:
    queued = [a_run(None, priority=priority) for priority in (0, 50, -50, 0)]
    later = [
        a_run(None, RunState.PENDING, due_at=NOW + n * SECOND, origin=Origin.SCHEDULE)
        for n in (3, 1, 2)
    ]
    store.commit(new(*queued, *later))
    page = store.queued(3)
    assert [run.id for run in page.runs] == [queued[1].id, queued[0].id, queued[3].id]
    assert not page.complete
    assert store.queued(5).complete
    assert [run.due_at - NOW for run in store.pending(9).runs] == [SECOND, 2 * SECOND, 3 * SECOND]


def test_a_row_that_somebody_else_moved_refuses_the_whole_commit(store: SqliteStore) -> None:
    record, run = a_job(), a_run()
    store.commit(new(record, run))
    running = replace(run, state=RunState.RUNNING, attempt=1)
    stale = replace(run, attempt=5)
    other = a_run()
    with pytest.raises(StoreRefused):
        store.commit(written(RunChange(None, other, "t"), RunChange(stale, running, "t")))
    with pytest.raises(StoreRefused):
        old = replace(record, version=7)
        store.commit(written(RunChange(None, other, "t"), JobChange(old, replace(old), "t")))
    assert store.find([other.id]) == ()
    store.commit(written(RunChange(run, running, "t")))
    assert store.find([run.id]) == (running,)


def test_an_occurrence_that_is_decided_is_refused_by_name(store: SqliteStore) -> None:
    first, again = (a_run(origin=Origin.SCHEDULE) for _ in range(2))
    store.commit(new(first))
    with pytest.raises(StoreRefused) as caught:
        store.commit(new(again))
    assert caught.value.occurrences == (("job", NOW),)
    store.commit(new(a_run(origin=Origin.TRIGGER), a_run(None, origin=Origin.SCHEDULE)))


def test_what_the_store_cannot_hold_is_refused_and_leaves_it_well(store: SqliteStore) -> None:
    with pytest.raises(StoreRefused, match="surrogates"):
        store.commit(new(a_run(reason="half a surrogate: \ud800")))
    with pytest.raises(StoreRefused, match="too large"):
        store.commit(new(a_run(pid=2**70)))
    run = a_run()
    store.commit(new(run))
    assert store.queued(9).runs == (run,)


def test_folding_the_journal_gives_the_tables(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    record, run = a_job(), a_run()
    store.commit(new(record, run))
    running = replace(run, state=RunState.RUNNING, attempt=1, started_at=NOW)
    moved = replace(record, next_due_at=None, version=2)
    store.commit(written(RunChange(run, running, "t"), JobChange(record, moved, "t")))
    removed = a_job("other")
    store.commit(new(removed))
    store.commit(written(JobChange(removed, None, "t")))
    store.close()
    with sqlite3.connect(tmp_path / "t.db") as db:
        jobs: dict[str, dict[str, object]] = {}
        runs: dict[str, dict[str, object]] = {}
        for kind, job, run_id, data in db.execute("SELECT kind, job, run, data FROM events"):
            told = json.loads(data)
            if "run" in told:
                runs.setdefault(run_id, {}).update(told["run"])
            if kind == "job.removed":
                del jobs[job]
            elif "job" in told:
                jobs.setdefault(job, {}).update(told["job"])
    empty = dict.fromkeys(rows.RUN_COLUMNS) | {"reason": "", "node": ""}
    folded = {key: rows.run_from(empty | row) for key, row in runs.items()}
    assert folded == {run.id: running}
    assert [rows.job_record(row) for row in jobs.values()] == [moved]


def test_readers_see_the_last_commit_and_cannot_write(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    run = a_run()
    store.commit(new(run))
    with store.history() as history:
        assert [found.id for found in history.runs(job="job")] == [run.id]
        with pytest.raises(StoreUnavailable, match="readonly"), store.history() as other:
            other._db.execute("DELETE FROM runs")
    store.close()


def test_the_full_store_refuses_and_heals(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    store._db.execute("PRAGMA max_page_count = 20")
    big = [a_run(reason="x" * 100_000)]
    with pytest.raises(StoreUnavailable, match="full"):
        store.commit(new(*big))
    store._db.execute("PRAGMA max_page_count = 100000")
    store.commit(new(*big))
    assert store.find([big[0].id]) == (big[0],)
    with pytest.raises(StoreLocked):
        SqliteStore(tmp_path / "t.db")
    store.close()


@pytest.mark.parametrize(("full", "level"), [(True, 2), (False, 1)])
def test_durability_is_sqlites_synchronous_in_wal_mode(
    tmp_path: Path, full: bool, level: int
) -> None:
    store = SqliteStore(tmp_path / "t.db", full_durability=full)
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == level
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    store.close()


def test_no_hot_statement_scans_the_runs(tmp_path: Path) -> None:
    from taskd.stores import sqlite

    store = SqliteStore(tmp_path / "t.db")
    hot = [
        (sqlite.LOAD_RUNNING, ()),
        (sqlite.LOAD_LIVE, ()),
        (sqlite.LOAD_PENDING, (1,)),
        (sqlite.LOAD_QUEUED, (1,)),
        (sqlite.FIND_RUN, ("",)),
        (sqlite.FIND_OCCURRENCE, ("", 0)),
        (sqlite.UPDATE_RUN, (None,) * (len(rows.RUN_COLUMNS) + 2)),
        ("SELECT * FROM runs WHERE job = ? ORDER BY id DESC LIMIT 9", ("",)),
    ]
    for statement, values in hot:
        plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        bad = [step for step in plan if "TEMP B-TREE" in step or step == "SCAN runs"]
        assert not bad, (statement, plan)
    store.close()


def test_the_store_is_its_owners_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state" / "t.db")
    store.commit(new(a_run()))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    store.close()


HOLD = """
import sys
from pathlib import Path
from taskd.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone_however_it_went(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.db"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(StoreLocked) as caught:
        SqliteStore(path)
    assert caught.value.pid == first.pid
    first.send_signal(signal.SIGKILL)
    first.communicate()
    SqliteStore(path).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where modes forbid it")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnusable, match="writable"):
        SqliteStore(tmp_path / "t.db")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///jobs.db", "/here/jobs.db"),
        ("sqlite:///./a/jobs.db", "/here/a/jobs.db"),
        ("sqlite:///.run/jobs.db", "/here/.run/jobs.db"),
        ("sqlite:///var/lib/taskd/taskd.db", "/var/lib/taskd/taskd.db"),
        ("sqlite:////abs/jobs.db", "/abs/jobs.db"),
    ],
)
def test_an_address_names_a_file(url: str, path: str) -> None:
    assert sqlite_path(url, Path("/here")) == Path(path)


@pytest.mark.parametrize("url", ["", "jobs.db", "sqlite://jobs.db", "mysql:///x", "sqlite:///"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(StoreUnusable, match="sqlite:///"):
        open_store(url)
