"""Rules of the watch, on real files: each change of content once, at rest, and none lost."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import pytest
from watchdog.observers import inotify_c

from taskd.watch import Watcher

GENEROUS_S = 10.0
QUIET_S = 0.3  # longer than a change needs to come to rest and be reported


class Reports:
    """A watcher on `file` that notes the file's content at each report."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.contents: SimpleQueue[str | None] = SimpleQueue()
        self.watcher = Watcher(self._note)

    def _note(self) -> None:
        self.contents.put(self.file.read_text() if self.file.is_file() else None)

    def next(self) -> str | None:
        return self.contents.get(timeout=GENEROUS_S)

    def assert_none(self, quiet_s: float = QUIET_S) -> None:
        with pytest.raises(Empty):
            self.contents.get(timeout=quiet_s)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "etc" / "jobs.toml"
    file.parent.mkdir()
    file.write_text("old")
    return file


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the stat check come soon, for rules that do not tell which of the two saw a change."""
    monkeypatch.setattr("taskd.watch._CHECK_S", 0.2)


@pytest.fixture
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the stat check off, for what inotify alone is to see."""
    monkeypatch.setattr("taskd.watch._CHECK_S", 3600)


@pytest.fixture
def long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has files rest for longer than a busy machine keeps a writer waiting."""
    monkeypatch.setattr("taskd.watch._REST_S", 2 * QUIET_S)


@pytest.fixture
def reports(file: Path) -> Iterator[Reports]:
    reports = Reports(file)
    reports.watcher.watch([file])
    yield reports
    reports.watcher.close()


def replace(file: Path, text: str) -> None:
    swap = file.with_name(file.name + ".new")
    swap.write_text(text)
    swap.rename(file)


def relink(link: Path, target: str) -> None:
    swap = link.with_name(link.name + ".new")
    swap.symlink_to(target)
    swap.rename(link)


def rename_and_create(file: Path, text: str) -> None:
    file.rename(file.with_name(file.name + "~"))
    file.write_text(text)


def keep_the_times(file: Path, text: str) -> None:
    before = file.stat()
    swap = file.with_name("swap")
    swap.write_text(text)
    os.utime(swap, ns=(before.st_atime_ns, before.st_mtime_ns))
    swap.rename(file)


Edit = Callable[[Path, str], object]
EDITS: list[Edit] = [Path.write_text, replace, rename_and_create, keep_the_times]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_reported_once_with_its_content(
    file: Path, reports: Reports, edit: Edit
) -> None:
    edit(file, "new")
    assert reports.next() == "new"
    reports.assert_none()


@pytest.mark.usefixtures("no_checks")
def test_an_edit_in_place_is_reported_before_any_stat_check(file: Path, reports: Reports) -> None:
    file.write_text("new")
    assert reports.next() == "new"


@pytest.mark.usefixtures("quick_checks")
def test_nothing_is_reported_without_a_change_even_after_a_stat_check(reports: Reports) -> None:
    reports.assert_none()


def test_a_touch_or_an_equal_rewrite_is_no_change(file: Path, reports: Reports) -> None:
    file.touch()
    reports.assert_none()
    replace(file, "old")
    reports.assert_none()


@pytest.mark.usefixtures("long_rest")
def test_a_change_that_was_undone_before_it_rested_is_none(file: Path, reports: Reports) -> None:
    file.write_text("new")
    file.write_text("old")
    reports.assert_none(4 * QUIET_S)


@pytest.mark.usefixtures("quick_checks")
def test_a_rewrite_with_pauses_is_reported_only_when_closed(file: Path, reports: Reports) -> None:
    with file.open("w") as out:
        out.write("half")
        out.flush()
        reports.assert_none(quiet_s=0.6)
        out.write(" and half")
    assert reports.next() == "half and half"
    reports.assert_none()


def test_a_new_file_written_with_pauses_is_reported_only_when_closed(
    file: Path, reports: Reports
) -> None:
    file.unlink()
    assert reports.next() is None
    with file.open("w") as out:
        out.write("half")
        out.flush()
        reports.assert_none()
        out.write(" and half")
    assert reports.next() == "half and half"


def test_a_file_that_is_never_closed_is_taken_in_the_end(
    file: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskd.watch._PATIENCE", 20)
    with file.open("w") as out:
        out.write("new")
        out.flush()
        reports.assert_none(quiet_s=0.5)
        assert reports.next() == "new"


@pytest.mark.usefixtures("long_rest")
def test_writes_without_a_pause_are_reported_once_at_their_end(
    file: Path, reports: Reports
) -> None:
    for number in range(8):
        file.write_text(f"{number}")
        Event().wait(0.03)
    assert reports.next() == "7"
    reports.assert_none(4 * QUIET_S)


def test_a_file_removed_and_made_again_is_two_changes(file: Path, reports: Reports) -> None:
    file.unlink()
    assert reports.next() is None
    file.write_text("old")
    assert reports.next() == "old"


@pytest.mark.usefixtures("quick_checks")
def test_a_file_that_did_not_exist_is_seen_to_appear(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "later" / "jobs.toml")
    reports.watcher.watch([reports.file])
    reports.file.parent.mkdir()
    reports.file.write_text("new")
    assert reports.next() == "new"
    reports.watcher.close()


def test_a_directory_removed_and_made_again_is_followed(
    file: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(file.parent)
    assert reports.next() is None
    file.parent.mkdir()
    file.write_text("again")
    assert reports.next() == "again"
    monkeypatch.setattr("taskd.watch._CHECK_S", 3600)
    file.write_text("and again")
    assert reports.next() == "and again"  # a check may have been under way
    file.write_text("and once more")
    assert reports.next() == "and once more", "inotify should be back"


@pytest.mark.usefixtures("quick_checks")
def test_a_directory_swapped_for_another_is_followed(file: Path, reports: Reports) -> None:
    other = file.parent.with_name("other")
    other.mkdir()
    (other / file.name).write_text("other")
    file.parent.rename(file.parent.with_name("away"))
    other.rename(file.parent)
    assert reports.next() == "other"
    file.write_text("more")
    assert reports.next() == "more"


@pytest.mark.usefixtures("no_checks")
def test_a_link_flipped_to_another_file_is_seen(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).write_text(version)
    link = tmp_path / "etc" / "jobs.toml"
    link.parent.mkdir()
    link.symlink_to("../v1")
    reports = Reports(link)
    reports.watcher.watch([link])
    relink(link, "../v2")
    assert reports.next() == "v2"
    (tmp_path / "v2").write_text("v2, edited through no link")
    assert reports.next() == "v2, edited through no link"
    reports.watcher.close()


@pytest.mark.usefixtures("no_checks")
def test_a_config_map_swap_of_the_data_directory_is_seen(tmp_path: Path) -> None:
    for version in ("..2026_1", "..2026_2", "..2026_3"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "jobs.toml").write_text(version)
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "jobs.toml").symlink_to("..data/jobs.toml")
    reports = Reports(tmp_path / "jobs.toml")
    reports.watcher.watch([reports.file])
    for version in ("..2026_2", "..2026_3"):
        relink(tmp_path / "..data", version)
        assert reports.next() == version
    reports.watcher.close()


@pytest.mark.usefixtures("no_checks")
def test_a_flipped_release_directory_above_the_file_is_seen(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "jobs.toml").write_text(version)
    (tmp_path / "current").symlink_to("1")
    reports = Reports(tmp_path / "current" / "jobs.toml")
    reports.watcher.watch([reports.file])
    relink(tmp_path / "current", "2")
    assert reports.next() == "2"
    reports.watcher.close()


@pytest.mark.usefixtures("quick_checks")
def test_a_target_far_down_a_chain_of_links_is_seen_by_the_stat_check(tmp_path: Path) -> None:
    for place in ("a", "b", "c"):
        (tmp_path / place).mkdir()
    (tmp_path / "c" / "one").write_text("one")
    (tmp_path / "c" / "two").write_text("two")
    (tmp_path / "b" / "link").symlink_to("../c/one")
    (tmp_path / "a" / "jobs.toml").symlink_to("../b/link")
    reports = Reports(tmp_path / "a" / "jobs.toml")
    reports.watcher.watch([reports.file])
    (tmp_path / "c" / "one").write_text("one, edited")
    assert reports.next() == "one, edited"
    relink(tmp_path / "b" / "link", "../c/two")
    assert reports.next() == "two"
    reports.watcher.close()


@pytest.mark.usefixtures("no_checks")
def test_files_that_come_and_go_in_a_directory_are_changes_unless_hidden_or_of_another_kind(
    tmp_path: Path, file: Path
) -> None:
    include = tmp_path / "conf.d"
    include.mkdir()
    changes: SimpleQueue[list[str]] = SimpleQueue()
    watcher = Watcher(lambda: changes.put(sorted(path.read_text() for path in include.iterdir())))
    watcher.watch([file], directories=[str(include)])
    (include / "a.toml").write_text("a")
    assert changes.get(timeout=GENEROUS_S) == ["a"]
    (include / "a.toml").write_text("b")
    assert changes.get(timeout=GENEROUS_S) == ["b"]
    (include / "a.toml").unlink()
    assert changes.get(timeout=GENEROUS_S) == []
    (include / ".a.toml").write_text("hidden")
    (include / "a.toml.swp").write_text("another kind")
    with pytest.raises(Empty):
        changes.get(timeout=0.6)
    watcher.close()


def test_another_set_replaces_the_first(tmp_path: Path, file: Path, reports: Reports) -> None:
    other = tmp_path / "other.toml"
    other.write_text("1")
    reports.watcher.watch([other])
    file.write_text("nobody looks")
    reports.assert_none()
    other.write_text("2")
    assert reports.next() == "nobody looks"


def test_a_change_between_a_report_and_the_next_watch_is_not_lost(
    tmp_path: Path, file: Path
) -> None:
    reported: SimpleQueue[str] = SimpleQueue()

    def reload() -> None:
        reported.put(file.read_text())
        if file.read_text() == "second":
            file.write_text("third")
            watcher.watch([file, tmp_path / "more.toml"])

    watcher = Watcher(reload)
    watcher.watch([file])
    file.write_text("second")
    assert reported.get(timeout=GENEROUS_S) == "second"
    assert reported.get(timeout=GENEROUS_S) == "third"
    watcher.close()


def write_in_pieces(file: Path, text: str) -> None:
    with file.open("w") as out:
        for letter in text:
            out.write(letter)
            out.flush()
            Event().wait(0.01)


def test_a_hundred_random_edits_never_show_half_and_end_in_the_final_content(
    file: Path, reports: Reports
) -> None:
    draw = random.Random(2026)
    for number in range(100):
        draw.choice([*EDITS, write_in_pieces])(file, f"{number:03}")
        if draw.random() < 0.1:
            Event().wait(draw.random() / 5)
    shown = reports.next()
    while shown != "099":
        assert shown is None or len(shown) == 3
        shown = reports.next()
    reports.assert_none()


@pytest.mark.usefixtures("quick_checks")
@pytest.mark.parametrize(
    ("call", "number"), [("inotify_init", errno.EMFILE), ("inotify_add_watch", errno.ENOSPC)]
)
def test_out_of_inotify_the_stat_check_works_alone_after_one_warning(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
    number: int,
) -> None:
    def refuse(*arguments: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(inotify_c, call, refuse)
    reports = Reports(file)
    with caplog.at_level(logging.WARNING, "taskd.watch"):
        reports.watcher.watch([file])
        file.write_text("new")
        assert reports.next() == "new"
    assert [record.name for record in caplog.records] == ["taskd.watch"]
    reports.watcher.close()


def test_close_ends_the_reports_and_may_come_first_or_twice(file: Path, reports: Reports) -> None:
    Watcher(lambda: None).close()
    reports.watcher.close()
    reports.watcher.close()
    file.write_text("new")
    reports.assert_none()


def test_close_from_within_a_report_does_not_hang(file: Path) -> None:
    closed = Event()

    def close() -> None:
        watcher.close()
        closed.set()

    watcher = Watcher(close)
    watcher.watch([file])
    file.write_text("new")
    assert closed.wait(GENEROUS_S)


def test_a_pipe_in_the_place_of_a_file_does_not_hang_the_watch(
    file: Path, reports: Reports
) -> None:
    file.unlink()
    os.mkfifo(file)
    assert reports.next() is None
    file.unlink()
    file.write_text("a file again")
    assert reports.next() == "a file again"
