"""A disk that fills: nothing new starts, results are kept, and all goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from taskd.core.job import Job
from tests.machine import lacking
from tests.storm.checker import Log, check
from tests.storm.lives import BEAT_S, PATIENCE_S, Life, Place, intervals, job
from tests.storm.nursery import Case, fork, raise_all, reap
from tests.storm.squeeze import ballast, is_refused, size_limit, until
from tests.storm.work import microseconds, note_death

FULL_FOR_S = 0.7  # several intervals of each job
DISK = "16m"  # SQLite lets its WAL grow to 4 MiB, and a disk that this alone fills never heals


class OnAnotherDisk(Place):
    """The store is on a disk of its own, so that the log has room whatever happens there."""

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.folder / "disk" / "taskd.db"


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.2),
        job(place, "fail", "fail", every=0.3),
        job(place, "long", "linger", FULL_FOR_S / 2),
        job(place, "echo", "tick"),
    ]


SQUEEZES = {"ballast": ballast, "size_limit": size_limit}


# -- a life that goes through it -------------------------------------------------------------------


def go_through(place: Place, squeeze: str) -> None:
    life = Life(place).define(jobs(place))
    life.end_of("fail").result(PATIENCE_S)
    run = life.trigger("long")
    until(lambda: (run, 1) in Log.read(place.log).attempts)
    ended = life.end_of(run)
    assert life.live()  # a read behind it: the watch is in its place
    with SQUEEZES[squeeze](place) as refill:
        until(lambda: is_refused(life, refill))
        pause(FULL_FOR_S / 4, refill)  # for what was committed before to begin
        begun = set(Log.read(place.log).attempts)
        pause(FULL_FOR_S, refill)
        log = Log.read(place.log)
        assert set(log.attempts) == begun, "something was started that cannot be recorded"
        assert log.attempts[run, 1].how == "ok"
        assert is_refused(life, refill)
        assert not ended.done(), "its end was told, and is not on the disk"
    assert ended.result(PATIENCE_S).attempt == 1
    life.trigger("echo")
    life.settle("tick")


def pause(seconds: float, refill: Callable[[], None]) -> None:
    beat = Event()
    for _ in range(int(seconds / BEAT_S)):
        refill()
        beat.wait(BEAT_S)


def survive(case: Case) -> dict[str, Any]:
    place = OnAnotherDisk(Path(case["folder"]))
    began = microseconds()
    pid = fork(lambda: go_through(place, case["squeeze"]), place.said)
    status = reap(pid)
    note_death(place.log, pid)
    every = intervals(jobs(place))
    requests = place.requests.path
    verdict = check(place.store, place.log, requests, every=every, decided_until=began)
    return {"status": status, "faults": verdict.faults(), "said": place.said.read_text()}


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        lacking("only root can mount a small disk, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def hold_to_account(folder: Path, squeeze: str) -> None:
    case = {"folder": str(folder), "squeeze": squeeze}
    ((_, answer),) = raise_all("tests.storm.test_full_disk:survive", [case], at_once=1)
    assert (answer["status"], answer["faults"]) == (0, {}), answer["said"]


def test_a_full_disk_holds_work_up_and_loses_none(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        hold_to_account(tmp_path, "ballast")


def test_a_limit_of_file_size_holds_work_up_and_loses_none(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    hold_to_account(tmp_path, "size_limit")
