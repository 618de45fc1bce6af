"""Backup: a copy taken under a writer is one commit's state, whole, and sound."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from taskd.errors import StoreUnavailable, StoreUnusable
from taskd.stores.backup import backup
from taskd.stores.sqlite import SqliteStore
from taskd.stores.verify import verify
from tests.stores.records import a_job, a_run, new


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_copy_taken_while_a_writer_commits_opens_and_is_sound(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db", full_durability=False)
    store.commit(new(a_job()))
    heads: list[int] = []
    enough = threading.Event()

    def copy() -> None:
        heads.extend(backup(tmp_path / "t.db", tmp_path / f"copy{n}.db") for n in range(5))
        enough.set()

    thread = threading.Thread(target=copy)
    thread.start()
    while not enough.is_set():
        store.commit(new(*(a_run(reason="x" * 1000) for _ in range(20))))
    thread.join()
    assert heads == sorted(heads)
    assert heads[-1] <= store.head()
    store.close()
    for number, head in enumerate(heads):
        found = verify(tmp_path / f"copy{number}.db")
        assert (found.findings, found.last_seq) == ((), head)
    again = SqliteStore(tmp_path / "copy4.db")
    again.commit(new(a_run()))
    assert again.head() == heads[-1] + 1
    again.close()


def test_a_copy_holds_what_is_only_in_the_wal_yet_and_is_its_owners_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    run = a_run()
    store.commit(new(run))
    umask = os.umask(0)
    try:
        assert backup(tmp_path / "t.db", tmp_path / "copy.db") == 1
    finally:
        os.umask(umask)
    store.close()
    assert listing(tmp_path) == {"t.db", "t.db.lock", "copy.db"}
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = SqliteStore(tmp_path / "copy.db")
    assert copy.find([run.id]) == (run,)
    copy.close()


def test_what_is_at_the_target_is_refused_and_left_alone(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    (tmp_path / "copy.db").write_text("precious")
    (tmp_path / "link.db").symlink_to("nowhere")
    before = listing(tmp_path)
    for name in ("copy.db", "link.db", "t.db"):
        with pytest.raises(StoreUnusable, match="is there already"):
            backup(tmp_path / "t.db", tmp_path / name)
    with pytest.raises(StoreUnusable, match="No such file"):
        backup(tmp_path / "t.db", tmp_path / "nowhere" / "copy.db")
    assert listing(tmp_path) == before
    assert (tmp_path / "copy.db").read_text() == "precious"


FULL = """
import resource, signal, sys
from pathlib import Path
from taskd.errors import StoreUnavailable
from taskd.stores.backup import backup
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    backup(Path(sys.argv[1]), Path(sys.argv[2]))
except StoreUnavailable as error:
    print(error)
"""


def test_a_copy_for_which_there_is_no_room_leaves_nothing_behind(
    file_store: SqliteStore, tmp_path: Path
) -> None:
    file_store.commit(new(a_run(reason="x" * 200_000)))
    before = listing(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "t.db"), str(tmp_path / "copy.db")],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "cannot back up" in done.stdout
    assert listing(tmp_path) == before


def test_a_damaged_store_is_not_copied(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.db")
    for _ in range(20):
        store.commit(new(*(a_run(reason="x" * 100) for _ in range(20))))
    store.close()
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'runs'").fetchone()[0]
    with (tmp_path / "t.db").open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreUnavailable, match="cannot back up"):
        backup(tmp_path / "t.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("source", ["none.db", "text.db"])
def test_what_is_no_store_is_not_copied(tmp_path: Path, source: str) -> None:
    (tmp_path / "text.db").write_text("text" * 500)
    with pytest.raises(StoreUnusable):
        backup(tmp_path / source, tmp_path / "copy.db")
    assert listing(tmp_path) == {"text.db"}
