"""The n-th write or fsync fails, or the process dies at it: what was acknowledged is there.

strace(1) injects the fault into a scripted durable Scheduler, in whichever thread is at its n-th
call of the kind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.storm.checker import check
from tests.storm.lives import Life, Place, intervals
from tests.storm.nursery import PATIENCE_S, Case, fork, raise_all, reap
from tests.storm.undaunted import REFUSED, jobs
from tests.storm.work import microseconds, note_death


def strace_works() -> bool:
    """Whether there is one, and this process may trace another."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    tried = subprocess.run([strace, "-e", "trace=none", "true"], capture_output=True, check=False)
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(not strace_works(), reason="strace is not there, or may not trace")

KINDS = {
    "fsync-fails": ("fdatasync", "error=EIO"),
    "write-fails": ("pwrite64", "error=EIO"),
    "read-fails": ("pread64", "error=EIO"),
    "disk-full": ("pwrite64", "error=ENOSPC"),
    "dies-at-fsync": ("fdatasync", "signal=KILL"),
    "dies-at-write": ("pwrite64", "signal=KILL"),
}
AT_ONCE = os.cpu_count() or 1


def injure(case: Case) -> dict[str, Any]:
    """Run the life with one fault, again without, and return what the checker finds."""
    place = Place(Path(case["folder"]))
    call, fault = KINDS[case["kind"]]
    trace = place.folder / "trace"
    inject = f"inject={call}:{fault}:when={case['when']}"
    with place.said.open("a") as said:
        status = subprocess.run(
            [
                *("strace", "-f", "-qq", "-o", str(trace)),
                *("-e", f"trace={call}", "-e", inject),
                *(sys.executable, "-m", "tests.storm.undaunted", str(place.folder)),
            ],
            stdout=said,
            stderr=said,
            timeout=PATIENCE_S,
            check=False,
        ).returncode
    if not (place.folder / "pid").exists():  # the fault met the loader: nothing of taskd's began
        return {"reached": True, "status": 0, "settled": 0, "faults": {}}
    note_death(place.log, int((place.folder / "pid").read_text()))
    began = microseconds()
    settled = reap(fork(lambda: Life(place).define(jobs(place)).settle("tick"), place.said))
    requests, every = place.requests.path, intervals(jobs(place))
    verdict = check(place.store, place.log, requests, every=every, decided_until=began)
    traced = trace.read_text()
    return {
        "reached": "(INJECTED)" in traced or "killed by SIGKILL" in traced,
        "status": status,
        "settled": settled,
        "faults": verdict.faults(),
        "said": place.said.read_text(),
    }


def is_well(case: Case, answer: dict[str, Any]) -> bool:
    dies = case["kind"].startswith("dies")
    ended_well = answer["status"] in ({0, -9} if dies else {0, REFUSED})
    return ended_well and answer["settled"] == 0 and not answer["faults"]


def survive(
    folder: Path, points: Iterable[tuple[str, int | str]]
) -> dict[tuple[str, int | str], bool]:
    """Injure at each of the points; return which of them were reached, and fail for any fault."""
    cases = []
    for kind, when in points:
        place = folder / f"{kind}-{when}"
        place.mkdir()
        cases.append({"folder": str(place), "kind": kind, "when": when})
    answers = raise_all("tests.storm.test_syscalls:injure", cases, at_once=AT_ONCE)
    bad = [(case, answer) for case, answer in answers if not is_well(case, answer)]
    assert not bad, bad
    return {(case["kind"], case["when"]): answer["reached"] for case, answer in answers}


def test_a_fault_of_the_disk_loses_nothing_and_heals_without_a_restart(tmp_path: Path) -> None:
    moments: dict[str, Sequence[int | str]] = {
        "fsync-fails": (2, 6, 17),
        "write-fails": (3, 23),
        "read-fails": (14,),
        "disk-full": (9, 31, 60, "40+50"),  # and again at each fiftieth
        "dies-at-fsync": (4, 11),
        "dies-at-write": (2, 40, 75),
    }
    points = [(kind, when) for kind, times in moments.items() for when in times]
    reached = survive(tmp_path, points)
    assert not [point for point, was_reached in reached.items() if not was_reached]
    print(f"\n{len(reached)} faults survived")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_of_the_disk_is_survived(kind: str, tmp_path: Path) -> None:
    survived, is_at_the_end = 0, False
    while not is_at_the_end:
        next_ones = range(survived + 1, survived + 1 + 4 * AT_ONCE)
        reached = survive(tmp_path, ((kind, when) for when in next_ones))
        survived += sum(reached.values())
        is_at_the_end = not all(reached.values())
    assert survived > 20
    print(f"\n{kind}: {survived} faults survived")
