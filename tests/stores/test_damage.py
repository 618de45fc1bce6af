"""The reading of the whole file that finds what no work comes by."""

from __future__ import annotations

from pathlib import Path

from taskd.core.turn import Changes, JobChange
from taskd.stores.damage import Examination
from taskd.stores.sqlite import SqliteStore
from tests.stores.records import NOW, a_job

PAGE = 4096  # bytes, SQLite's default


def a_store(path: Path) -> None:
    store = SqliteStore(path)
    for number in range(100):
        record = a_job(f"job-{number}")
        store.commit(Changes(at=NOW, jobs={record.job.name: JobChange(None, record, "test")}))
    assert store.damage() == ""
    store.close()


def test_a_page_of_noise_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    a_store(path)
    pages = path.stat().st_size // PAGE
    found = []
    for page in range(2, pages):
        whole = path.read_bytes()
        path.write_bytes(whole[: page * PAGE] + b"\xa5" * PAGE + whole[(page + 1) * PAGE :])
        found.append(Examination(path).run())
        path.write_bytes(whole)
    assert len(found) > 5
    assert all(found)
    assert Examination(path).run() == ""


def test_a_reading_that_was_ended_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    a_store(path)
    path.write_bytes(path.read_bytes()[:PAGE] + b"\xa5" * PAGE * 9)
    examination = Examination(path)
    examination.end()
    assert examination.run() == ""


def test_a_file_that_is_gone_is_no_damage(tmp_path: Path) -> None:
    assert Examination(tmp_path / "gone.db").run() == ""
