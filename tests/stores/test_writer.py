"""What became of a commit is never guessed, and nothing is written to a file that is not ours."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskd.errors import StoreDoubtful, StoreUnavailable
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
from tests.stores.disk import small_files
from tests.stores.records import NOBODY, NOW, SECOND, a_job, a_run, new

BIG = "x" * 200_000


def at_commit(store: SqliteStore, act: Callable[[], object]) -> None:
    """Let something happen to the disk just before the next COMMIT."""

    def traced(statement: str) -> None:
        if statement == "COMMIT":
            act()

    store._db.set_trace_callback(traced)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(home / "t.db")
    store.commit(new(a_job()))
    yield store
    store.close()


def sound(path: Path, last: int) -> None:
    found = verify(path)
    assert (found.findings, found.last_seq) == ((), last)


def test_the_head_is_the_last_event_also_after_a_restart(home: Path) -> None:
    for head in (0, 2, 4):
        store = SqliteStore(home / "t.db")
        assert store.head() == head
        store.commit(new(a_run(), a_run()))
        assert store.head() == head + 2
        store.close()


def test_a_commit_that_surely_failed_is_unavailable_and_not_doubtful(
    store: SqliteStore, home: Path
) -> None:
    with small_files(), pytest.raises(StoreUnavailable) as caught:
        store.commit(new(a_run(reason=BIG)))
    assert not isinstance(caught.value, StoreDoubtful)
    assert store.settled() is False
    assert store.head() == 1
    store.commit(new(a_run()))
    assert store.settled() is True
    sound(home / "t.db", 2)


def test_a_commit_into_a_file_that_was_moved_away_is_doubtful_until_it_is_back(
    store: SqliteStore, home: Path
) -> None:
    run = a_run()
    at_commit(store, lambda: home.rename(home.with_name("away")))
    with pytest.raises(StoreDoubtful, match="put it back"):
        store.commit(new(run))
    assert store.settled() is None
    for use in (store.load, lambda: store.commit(new(a_run())), lambda: store.find([NOBODY])):
        with pytest.raises(StoreUnavailable):
            use()
    assert store.settled() is None
    assert not home.exists()
    home.with_name("away").rename(home)
    assert store.settled() is True
    assert store.find([run.id]) == (run,)
    assert store.head() == 2
    store.commit(new(a_run()))
    sound(home / "t.db", 3)


def test_a_commit_that_failed_where_the_file_is_gone_turns_out_not_to_be_written(
    store: SqliteStore, home: Path
) -> None:
    at_commit(store, lambda: home.rename(home.with_name("away")))
    with small_files(), pytest.raises(StoreDoubtful):
        store.commit(new(a_run(reason=BIG)))
    assert store.settled() is None
    home.with_name("away").rename(home)
    assert store.load()[1] == ()  # a read settles it, too
    assert store.settled() is False
    assert store.head() == 1
    store.commit(new(a_run()))
    sound(home / "t.db", 2)


UNLESS_WRITTEN_AGAIN = """
import os, signal, sqlite3, sys
from pathlib import Path
from taskd.errors import StoreUnavailable
from taskd.stores.sqlite import SqliteStore
from tests.stores.records import a_run, new
store = SqliteStore(Path(sys.argv[1]))
reader = sqlite3.connect(sys.argv[1])
if sys.argv[2] == "killed":
    reader.execute("SELECT count(*) FROM journal").fetchall()  # so that the log outlives the writer
print("ready", flush=True)
sys.stdin.readline()
changes = new(a_run())
try:
    store.commit(changes)
except StoreUnavailable:
    assert store.settled() is False
    if sys.argv[2] != "killed":
        store.commit(changes)
print(store.head(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs leave to trace")
@pytest.mark.parametrize("sync", [1, 3], ids=["of its header", "of its frames"])
@pytest.mark.parametrize("end", ["made again", "killed"])
def test_a_commit_whose_sync_failed_is_there_as_was_told_whatever_the_disk_kept(
    home: Path, sync: int, end: str
) -> None:
    """SQLite may find the frames of a commit in its log also where their sync had failed."""
    SqliteStore(home / "t.db").close()
    command = [sys.executable, "-c", UNLESS_WRITTEN_AGAIN, str(home / "t.db"), end]
    inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={sync}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        tracing = ["strace", "-f", *inject, "-p", str(child.pid)]
        with subprocess.Popen(tracing, stderr=pipe, text=True) as tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            told = int(child.communicate("\n", timeout=20)[0])
            assert "INJECTED" in tracer.stderr.read()
    assert told == (0 if end == "killed" else 1)
    sound(home / "t.db", told)
    assert verify(home / "t.db").runs == told


# -- ghosts --------------------------------------------------------------------------------------


def test_a_file_that_was_moved_away_is_not_written_to_and_heals(
    store: SqliteStore, home: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        (home / "t.db").rename(tmp_path / "away.db")
        with pytest.raises(StoreUnavailable, match="put it back"):
            store.commit(new(a_run()))
        with pytest.raises(StoreUnavailable, match="cannot be found"):
            store.prune(NOW, lambda _: (SECOND, SECOND))
        assert not (home / "t.db").exists()
        (tmp_path / "away.db").rename(home / "t.db")
        store.commit(new(a_run()))
    assert store.head() == 3


def test_a_file_that_was_deleted_is_not_made_anew(store: SqliteStore, home: Path) -> None:
    (home / "t.db").unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be found"):
            store.commit(new(a_run()))
    assert not (home / "t.db").exists()


def test_a_file_in_its_place_is_not_touched(store: SqliteStore, home: Path, tmp_path: Path) -> None:
    (home / "t.db").rename(tmp_path / "away.db")
    (home / "t.db").touch()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="replaced"):
            store.commit(new(a_run()))
    assert (home / "t.db").read_bytes() == b""
    (tmp_path / "away.db").rename(home / "t.db")
    store.commit(new(a_run()))
    sound(home / "t.db", 2)


def test_an_older_copy_written_over_the_file_is_not_gone_on_with(home: Path) -> None:
    path = home / "t.db"
    SqliteStore(path).close()
    old = path.read_bytes()
    store = SqliteStore(path)
    store.commit(new(a_job()))
    with small_files(), pytest.raises(StoreUnavailable):
        store.commit(new(a_run(reason=BIG)))
    store._writer._drop()  # as the next failure would
    path.write_bytes(old)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="another journal"):
            store.commit(new(a_run()))
    assert path.read_bytes() == old
    store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from taskd.stores.sqlite import SqliteStore
from tests.stores.records import a_run, new
store = SqliteStore(Path(sys.argv[1]))
store.commit(new(a_run()))
log = Path(sys.argv[1] + "-wal")
match sys.argv[2]:
    case "deleted":
        log.unlink()
    case "moved":
        log.rename(log.with_name("away"))
    case "replaced":
        log.unlink()
        log.touch()
store.commit(new(a_run()))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["deleted", "moved", "replaced", "left alone"])
def test_a_commit_after_the_log_was_taken_away_survives_a_kill(home: Path, what: str) -> None:
    command = [sys.executable, "-c", KILLED, str(home / "t.db"), what]
    assert subprocess.run(command, timeout=20, check=False).returncode == -signal.SIGKILL
    sound(home / "t.db", 2)
