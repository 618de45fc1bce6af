"""Opening a store: what is served, what is refused and left as it was, and who holds the lock."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from taskd import Scheduler
from taskd.doctor.machine import OLDEST_SQLITE
from taskd.errors import StoreLocked, StoreUnusable
from taskd.stores import open_store, sqlite_path
from taskd.stores.blocks import link
from taskd.stores.filesystem import file_system, refuse_remote
from taskd.stores.history import opened
from taskd.stores.migrations import migrate
from taskd.stores.rebuild import rebuild
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
from tests.stores.records import a_job, new

SOON = 20.0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


# -- what cannot be served -----------------------------------------------------------------------


def newer(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cookies (name)")
    db.close()


def no_database(path: Path) -> None:
    path.write_bytes(b"[daemon]\nworkers = 8\n" * 100)


def cut_short(path: Path) -> None:
    SqliteStore(path).close()
    os.truncate(path, 5000)


def with_a_damaged_header(path: Path) -> None:
    SqliteStore(path).close()
    with path.open("r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 40)


def with_a_damaged_schema(path: Path) -> None:
    SqliteStore(path).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 200)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (newer, "has schema 99, and this taskd knows up to 5"),
        (of_another_program, "is another program's database"),
        (no_database, "file is not a database"),
        (cut_short, "malformed"),
        (with_a_damaged_header, "file is not a database"),
        (with_a_damaged_schema, "malformed"),
        (Path.mkdir, "unable to open database file"),
    ],
)
def test_what_cannot_be_served_is_refused_and_not_changed(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "t.db"
    spoil(path)
    before = contents(tmp_path) if path.is_file() else {}
    for _ in range(2):
        with pytest.raises(StoreUnusable, match=reason) as caught:
            SqliteStore(path)
        assert caught.value.path == str(path)
        assert caught.value.fix
    assert (contents(tmp_path) if path.is_file() else {}) == before


NOBODY = 65534
AS_NOBODY = """
import os, sys
from importlib.resources import files
from pathlib import Path
from taskd.errors import StoreUnusable
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
try:
    SqliteStore(Path(sys.argv[1]))
except StoreUnusable as error:
    print(error)
"""


@pytest.mark.parametrize("forbidden", ["t.db", "t.db.lock", "."])
def test_what_may_not_be_written_is_refused_and_not_changed(
    open_to_all: Path, forbidden: str
) -> None:
    SqliteStore(open_to_all / "t.db").close()
    for path in open_to_all.iterdir():
        path.chmod(0o666)
    (open_to_all / forbidden).chmod(0o555 if forbidden == "." else 0o444)
    if forbidden == ".":
        (open_to_all / "t.db.lock").unlink()
    before = contents(open_to_all)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY.format(nobody=NOBODY), str(open_to_all / "t.db")],
        capture_output=True,
        text=True,
        timeout=SOON,
        check=True,
    )
    assert "writable for this user" in done.stdout
    assert contents(open_to_all) == before
    open_to_all.chmod(0o755)


@pytest.fixture
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that another user can reach, and write in."""
    folder = tmp_path_factory.mktemp("open")
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid != os.geteuid() or parent == Path("/"):
            break
        parent.chmod(parent.stat().st_mode | 0o011)
    folder.chmod(0o777)
    return folder


# -- migrations ----------------------------------------------------------------------------------


def test_a_crash_at_any_statement_of_a_migration_leaves_a_store_that_opens(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    images: list[Path] = []

    def photograph(statement: str) -> None:
        images.append(tmp_path / f"image{len(images)}")
        shutil.copytree(tmp_path / "work", images[-1])

    db = sqlite3.connect(tmp_path / "work" / "t.db", isolation_level=None)
    db.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the commit
    db.set_trace_callback(photograph)
    migrate(db, "t.db")
    db.close()
    assert len(images) > 15
    for image in images:
        store = SqliteStore(image / "t.db")
        store.commit(new(a_job()))
        assert store.load() == ((a_job(),), ())
        store.close()


OLD = Path(__file__).with_name("old") / "schema_2.db"
"""A store that version 2 of the schema was written in: 13 to 39 are left of its journal, and it has
tasks that went well, failed, were retried and wait, and a periodic one that was stopped."""


STATES = {"SUCCEEDED": 15, "FAILED": 1, "DEAD": 1, "PENDING": 1}


def first_schema(path: Path) -> None:
    with sqlite3.connect(path) as db:
        for column in ("delay", "decided_until", "scheduled_runs"):
            db.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    db.close()


@pytest.mark.parametrize("age", [lambda _: None, first_schema])
def test_an_old_store_is_brought_up_to_date_and_goes_on(
    age: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "t.db"
    shutil.copy(OLD, path)
    age(path)
    with Scheduler(f"sqlite:///{path}") as scheduler:
        runs = scheduler.read(lambda history: history.runs(limit=99))
        (job,) = scheduler.read(lambda history: history.jobs())
        task = scheduler.schedule_one_time(divmod, runs[0].scheduled_at, args=[7, 2])
        assert scheduler.get_task_result(task, timeout=SOON) == [3, 1]
    assert Counter(run.state.value for run in runs) == STATES
    assert job.counts == {"SUCCEEDED": 9}
    if age is first_schema:
        return  # its journal tells of columns that it had not
    found = verify(path)
    assert found.findings == ()
    assert found.first_seq == 13
    assert found.last_seq > 39
    rebuild(path, tmp_path / "new.db")
    assert verify(tmp_path / "new.db").is_sound


def test_the_events_of_an_old_store_are_read_like_new_ones(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / "t.db")
    SqliteStore(tmp_path / "t.db").close()
    with opened(tmp_path / "t.db") as history:
        events = history.events(0, 99)
        assert [event.seq for event in events] == list(range(13, 40))
        assert history.events(20, 3) == events[8:11]
        assert history.last_events(2) == events[-2:]
        for run in history.runs(limit=99):
            of_run = [event for event in events if event.run == run.id]
            assert history.events(0, 99, run=run.id) == of_run
            assert history.last_events(1, run=run.id) == of_run[-1:]


def test_an_old_store_that_told_last_of_a_mark_proves_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    shutil.copy(OLD, path)
    with sqlite3.connect(path) as db:
        seq, at, run, before = db.execute(
            "SELECT seq, at, run, hash FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        data = f'{{"mark":{{"scope":"s","key":"k","run":"{run}","at":{at}}}}}'
        told = f"5 10 -1 {len(run)} taskdrun.marked{run}{data}"
        digest = link(before, seq + 1, at, told)
        marked = (seq + 1, at, "taskd", "run.marked", None, run, data, digest)
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", marked)
        db.execute("INSERT INTO marks VALUES ('s', 'k', ?, ?)", (run, at))
    db.close()
    SqliteStore(path).close()
    assert verify(path).findings == ()
    with opened(path) as history:
        assert [event.kind for event in history.last_events(1, run=run)] == ["run.marked"]


@pytest.mark.parametrize("meddling", ["told = '['", "at = 4611686018427387904"])
def test_a_store_whose_journal_ends_in_nonsense_is_refused(meddling: str, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    store.commit(new(a_job()))
    store._db.execute(f"UPDATE journal SET {meddling}")
    store.close()
    with pytest.raises(StoreUnusable, match="taskd verify"):
        SqliteStore(tmp_path / "t.db")


def test_the_schema_is_for_every_sqlite_that_the_doctor_takes_for_new_enough() -> None:
    folder = files("taskd.stores").joinpath("sql", "sqlite")
    scripts = [item.read_text(encoding="utf-8") for item in folder.iterdir()]
    assert OLDEST_SQLITE == (3, 37)
    assert not any("->" in script for script in scripts)  # from 3.38 on


def test_an_empty_file_becomes_a_store_and_a_store_stays_one(tmp_path: Path) -> None:
    (tmp_path / "t.db").touch()
    for _ in range(2):
        store = SqliteStore(tmp_path / "t.db")
        assert store._db.execute("PRAGMA user_version").fetchone()[0] == 5
        store.close()


# -- the lock ------------------------------------------------------------------------------------

HOLD = """
import sys
from importlib.resources import files
from pathlib import Path
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
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


def test_a_second_scheduler_of_this_process_is_refused_until_the_first_is_shut_down(
    tmp_path: Path,
) -> None:
    address = f"sqlite:///{tmp_path}/t.db"
    first = Scheduler(address)
    with pytest.raises(StoreLocked) as caught:
        Scheduler(address)
    assert caught.value.pid == os.getpid()
    first.shutdown()
    Scheduler(address).shutdown()


def test_two_names_of_one_file_are_one_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    (tmp_path / "other.db").symlink_to("t.db")
    with pytest.raises(StoreLocked):
        SqliteStore(tmp_path / "other.db")
    store.close()


def test_what_is_refused_holds_no_lock(tmp_path: Path) -> None:
    no_database(tmp_path / "t.db")
    with pytest.raises(StoreUnusable):
        SqliteStore(tmp_path / "t.db")
    (tmp_path / "t.db").unlink()
    SqliteStore(tmp_path / "t.db").close()


FORK = """
import os, sys
from importlib.resources import files
from pathlib import Path
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
store = SqliteStore(Path(sys.argv[1]))
child = os.fork()
if not child:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
if sys.argv[2] == "close":
    store.close()
    SqliteStore(Path(sys.argv[1])).close()
os._exit(0)
"""


@pytest.mark.parametrize("end", ["close", "die"])
def test_a_child_that_was_forked_and_lives_on_does_not_hold_the_lock(
    tmp_path: Path, end: str
) -> None:
    command = [sys.executable, "-c", FORK, str(tmp_path / "t.db"), end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"forked\n"
        assert first.wait(SOON) == 0
        SqliteStore(tmp_path / "t.db").close()


def test_the_lock_file_is_not_a_way_to_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "t.db.lock").symlink_to("precious")
    with pytest.raises(StoreUnusable, match=r"t\.db\.lock"):
        SqliteStore(tmp_path / "t.db")
    assert (tmp_path / "precious").read_text() == "precious"


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///jobs.db", "/here/jobs.db"),
        ("sqlite:///./a/jobs.db", "/here/a/jobs.db"),
        ("sqlite:///../jobs.db", "/here/../jobs.db"),
        ("sqlite:///.run/jobs.db", "/here/.run/jobs.db"),
        ("sqlite:///var/lib/taskd/taskd.db", "/var/lib/taskd/taskd.db"),
        ("sqlite:////abs/jobs.db", "/abs/jobs.db"),
        ("sqlite:///~/jobs.db", f"{Path.home()}/jobs.db"),
        ("sqlite:///a b?mode=memory#x%20.db", "/here/a b?mode=memory#x%20.db"),
    ],
)
def test_an_address_names_a_file(url: str, path: str) -> None:
    assert sqlite_path(url, Path("/here")) == Path(path)


def test_a_name_that_looks_like_a_query_is_a_name(tmp_path: Path) -> None:
    store = open_store("sqlite:///a b?mode=memory#x%20.db", folder=tmp_path)
    with store.history() as history:
        assert history.jobs() == []
    store.close()
    assert (tmp_path / "a b?mode=memory#x%20.db").stat().st_size


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jobs.db",
        "sqlite:jobs.db",
        "sqlite://jobs.db",
        "sqlite:///",
        "sqlite:///a\0b.db",
        "sqlite:///~nobody-of-that-name/jobs.db",
        "mysql:///x",
        "postgresql://host/db",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(StoreUnusable) as caught:
        open_store(url)
    assert caught.value.path == url


# -- on what kind of file system -------------------------------------------------------------------


def mounted_as(kind: str, folder: Path) -> str:
    """Return what proc(5) lists where `folder` is a file system of another kind."""
    place = str(folder).replace(" ", "\\040")
    return (
        "21 1 0:19 / /proc rw,nosuid - proc proc rw\n"
        f"29 1 0:44 / {place} rw shared:1 master:2 - {kind} server:/jobs rw,vers=4.2\n"
    )


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "ceph", "fuse.sshfs"])
def test_a_store_on_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounts, folder = tmp_path / "mountinfo", tmp_path / "a name"
    mounts.write_text(mounted_as(kind, folder))
    with pytest.raises(StoreUnusable, match=f"on {kind}, a network file system.*; give it a local"):
        refuse_remote(folder / "taskd.db", mounts)
    refuse_remote(tmp_path / "taskd.db", mounts)


def test_a_store_elsewhere_is_not(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(mounted_as("ext4", tmp_path))
    refuse_remote(tmp_path / "taskd.db", mounts)
    refuse_remote(tmp_path / "not there yet" / "taskd.db", mounts)
    refuse_remote(tmp_path / "taskd.db", tmp_path / "no such list")
    assert file_system(Path("/proc")) == "proc"
