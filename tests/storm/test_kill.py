"""kill -9 at any moment, again and again: nothing is lost, doubled, overlapping or stuck.

Most kills hit a process that runs a durable Scheduler as the daemon does (the same engine, loop,
store and threads), for it is up in a tenth of the time; the rest hit the daemon itself.
TASKD_STORM_KILLS is how many the long campaign makes of the first kind, and a tenth of that of the
second; TASKD_STORM_SEED gives the moments.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskd.core.job import Job
from taskd.errors import TaskdError
from tests.storm.besieged import Besieged
from tests.storm.checker import Figures, Verdict, check
from tests.storm.lives import Life, Place, intervals, job
from tests.storm.nursery import Case, fork, raise_all, reap
from tests.storm.work import microseconds, note_death

KILLS = 60
DAEMON_KILLS = 15
LONG_KILLS = int(os.environ.get("TASKD_STORM_KILLS", "2000"))
SEED = int(os.environ.get("TASKD_STORM_SEED", "1"))
SOONEST_S, LATEST_S = 0.02, 0.4  # from ready to the kill


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.1),
        job(place, "fail", "fail", every=0.2),
        job(place, "slow", "linger", 0.15, every=0.3),
        job(place, "busy", "linger", 0.05, every=0.1),
        job(place, "long", "linger", 0.6, every=0.5),
        job(place, "heed", "heed", 0.5),
        job(place, "echo", "tick"),
    ]


# -- a Scheduler -----------------------------------------------------------------------------------


def under_load(place: Place, ready: int) -> None:
    """Work and ask for more, for ever."""
    life = Life(place).define(jobs(place))
    os.write(ready, b".")
    threading.Thread(target=forever, args=[life.trigger, "echo"], daemon=True).start()
    threading.Thread(target=forever, args=[trigger_and_stop, life], daemon=True).start()
    life.add_job()
    forever(life.add_task)


def trigger_and_stop(life: Life) -> None:
    life.stop_run(life.trigger("heed"))


def forever(ask: Any, *arguments: object) -> None:
    beat = threading.Event()
    while not beat.wait(0.01):
        with suppress(TaskdError):  # a conflict with what is under way
            ask(*arguments)


def storm(case: Case) -> dict[str, Any]:
    """Kill one process after the other, then judge."""
    place, chance = Place(Path(case["folder"])), random.Random(case["seed"])
    for _ in range(case["kills"]):
        reader, writer = os.pipe()
        pid = fork(partial(under_load, place, writer), place.said)
        os.close(writer)
        was_ready = os.read(reader, 1)
        os.close(reader)
        assert was_ready, place.said.read_text()
        threading.Event().wait(chance.uniform(SOONEST_S, LATEST_S))
        os.kill(pid, signal.SIGKILL)
        status = reap(pid)
        assert status == 128 + signal.SIGKILL, place.said.read_text()
        note_death(place.log, pid)
    began = microseconds()
    pid = fork(lambda: Life(place).define(jobs(place)).settle("tick"), place.said)
    assert reap(pid) == 0, place.said.read_text()
    note_death(place.log, pid)
    every, requests = intervals(jobs(place)), place.requests.path
    verdict = check(place.store, place.log, requests, every=every, decided_until=began)
    return account(place, verdict, case["kills"])


def account(place: Place, verdict: Verdict, kills: int) -> dict[str, Any]:
    figures = Figures.read(place.store, place.log, place.requests.path)
    return {"kills": kills, **asdict(figures), "faults": verdict.faults()}


def hold_to_account(answer: dict[str, Any]) -> None:
    print(f"\n{answer}")
    assert answer["faults"] == {}
    # A storm that hit nobody at work has shown nothing.
    assert answer["cut_short"] >= answer["kills"] / 4
    assert answer["lost_attempts"] >= answer["cut_short"]
    assert answer["acknowledged"] >= answer["kills"]


def test_a_storm_of_kills_loses_and_doubles_nothing(tmp_path: Path) -> None:
    storms(tmp_path, kills=KILLS)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_long_storm_of_kills_loses_and_doubles_nothing(tmp_path: Path) -> None:
    storms(tmp_path, kills=LONG_KILLS)


def storms(folder: Path, *, kills: int) -> None:
    """Two storms at once, each on a store of its own: a process that dies mostly waits for that."""
    cases = []
    for share in range(2):
        place = folder / str(share)
        place.mkdir()
        cases.append({"folder": str(place), "kills": kills // 2, "seed": SEED + share})
    for _, answer in raise_all("tests.storm.test_kill:storm", cases, at_once=2):
        hold_to_account(answer)


# -- the daemon ------------------------------------------------------------------------------------


def test_a_storm_of_kills_on_the_daemon_loses_and_doubles_nothing(besieged: Besieged) -> None:
    storm_of_daemons(besieged, kills=DAEMON_KILLS)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_long_storm_on_the_daemon_loses_and_doubles_nothing(besieged: Besieged) -> None:
    storm_of_daemons(besieged, kills=LONG_KILLS // 10)


def storm_of_daemons(besieged: Besieged, *, kills: int) -> None:
    chance, place = random.Random(SEED), besieged.place
    besieged.define(jobs(place))
    with besieged.callers():
        for _ in range(kills):
            besieged.start()
            threading.Event().wait(chance.uniform(SOONEST_S, LATEST_S))
            besieged.kill()
    hold_to_account(account(place, besieged.settle("tick"), kills))
