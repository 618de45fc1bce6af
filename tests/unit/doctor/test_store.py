from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd import Scheduler
from taskd.doctor.finding import Finding, Verdict
from taskd.doctor.store import store
from taskd.stores.filesystem import file_system, is_remote
from taskd.stores.lock import StoreLock, holder_of

NOW = datetime.now(UTC)


def made(folder: Path) -> Path:
    path = folder / "taskd.db"
    with Scheduler(f"sqlite://{path}") as scheduler:
        scheduler.get_task_result(scheduler.schedule_one_time(os.getpid, NOW), timeout=20)
    return path


def findings(path: Path, now: datetime | None = None, pid: int | None = None) -> list[Finding]:
    return list(store(path, now or datetime.now(UTC), pid))


def the(found: list[Finding], verdict: Verdict) -> list[str]:
    return [finding.message for finding in found if finding.verdict is verdict]


def test_a_sound_store_is_well(tmp_path: Path) -> None:
    found = findings(made(tmp_path))
    assert the(found, Verdict.PROBLEM) == []
    assert "is sound" in found[-1].message


def test_a_store_that_is_not_there_is_made_at_the_first_start(tmp_path: Path) -> None:
    found = findings(tmp_path / "deep" / "down" / "taskd.db")
    assert "the first start makes it" in found[-1].message
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_a_problem_and_the_fix_is_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    (problem,) = [f for f in findings(path) if f.verdict is Verdict.PROBLEM]
    assert problem.check == "store"
    assert "rebuild" in problem.fix or "restore a backup" in problem.fix


def test_a_file_that_is_no_store_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "taskd.db"
    path.write_text("no database" * 1000)
    assert the(findings(path), Verdict.PROBLEM)


def test_another_programs_database_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "taskd.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
        db.commit()
    (message,) = the(findings(path), Verdict.PROBLEM)
    assert "another program's" in message


def test_a_newer_schema_is_a_problem(tmp_path: Path) -> None:
    path = made(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    (message,) = the(findings(path), Verdict.PROBLEM)
    assert "schema 999" in message


def test_a_store_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    path = made(tmp_path)
    path.chmod(0o644)
    assert any("others may read" in message for message in the(findings(path), Verdict.WARNING))


def test_a_clock_that_was_set_back_behind_the_journal_is_a_problem(tmp_path: Path) -> None:
    found = findings(made(tmp_path), NOW - timedelta(days=1))
    (problem,) = [finding for finding in found if finding.verdict is Verdict.PROBLEM]
    assert problem.check == "clock"


def test_who_holds_the_store_and_does_not_answer_is_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert holder_of(path) is None
    lock = StoreLock(path)
    try:
        assert holder_of(path) == os.getpid()
        warnings = the(findings(path), Verdict.WARNING)
        assert any(f"process {os.getpid()} has {path}" in message for message in warnings)
        assert the(findings(path, pid=os.getpid()), Verdict.WARNING) == []
    finally:
        lock.release()
    assert holder_of(path) is None


MOUNTS = """\
22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:28 / /srv rw shared:1 - nfs4 server:/export rw
31 30 0:29 / /srv/local rw - xfs /dev/sdb rw
32 22 0:30 / /mnt/my\\040disk rw - fuse.sshfs me@host: rw
33 22 0:31 / /srv/local rw - tmpfs tmpfs rw
not a line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/taskd", "ext4"),
        ("/srv/taskd", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/local/a/b", "tmpfs"),
        ("/mnt/my disk/x", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_and_latest_mount(
    tmp_path: Path, path: str, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system(Path(path), mounts) == kind
    assert is_remote(kind) is (kind in ("nfs4", "fuse.sshfs"))


def test_the_file_system_of_a_path_here_is_known(tmp_path: Path) -> None:
    assert file_system(tmp_path)
    assert file_system(tmp_path, tmp_path / "none") == ""
