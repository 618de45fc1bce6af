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
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskd.core.job import Job
from taskd.core.run import RunId
from taskd.errors import TaskdError
from tests.daemon.live import Live, live
from tests.storm.checker import Figures, check
from tests.storm.lives import LIVE, Life, Place, intervals, job
from tests.storm.nursery import ROOT, Case, fork, raise_all, reap
from tests.storm.work import microseconds, note_death

__all__ = ["live"]

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
    return judged(place, jobs(place), case["kills"], began)


def judged(place: Place, jobs: list[Job], kills: int, began: int) -> dict[str, Any]:
    requests = place.requests.path
    every = intervals(jobs)
    verdict = check(place.store, place.log, requests, every=every, decided_until=began)
    figures = Figures.read(place.store, place.log, requests)
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


def toml(jobs: list[Job], place: Place) -> str:
    every = intervals(jobs)
    text = '[daemon]\nshutdown_grace = "10s"\n'
    for one in jobs:
        text += f'[jobs.{one.name}]\ncall = "{one.call.target}"\nargs = {list(one.call.args)}\n'
        if one.name in every:
            text += f'every = "{every[one.name] // 1000}ms"\n'
    return text


class Callers:
    """Threads that trigger and stop through the control socket, and note what was answered."""

    def __init__(self, live: Live, place: Place) -> None:
        self._client, self._requests = live.client, place.requests
        self._log = str(place.log)
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=[what])
            for what in (self._echo, self._trigger_and_stop, self._add)
        ]
        self._added = 0

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, what: Any) -> None:
        while not self._end.wait(0.01):
            with suppress(TaskdError):  # a conflict, no daemon, or no answer
                what()

    def _echo(self) -> None:
        self._trigger("echo")

    def _trigger_and_stop(self) -> None:
        run = self._trigger("heed")
        self._requests.asked("stop", run=run)
        self._client.stop_run(run)
        self._requests.done("stop", run=run)

    def _trigger(self, name: str) -> RunId:
        self._requests.asked("trigger", job=name)
        run = RunId(self._client.trigger(name)["id"])
        self._requests.done("trigger", job=name, run=run)
        return run

    def _add(self) -> None:
        self._added += 1
        name = f"added-{self._added}"
        self._requests.asked("add", job=name)
        call = {"call": "tests.storm.work:tick", "args": [self._log], "every": "1h"}
        self._client.add({"name": name, **call})
        self._requests.done("add", job=name)


@pytest.fixture
def place(live: Live) -> Iterator[Place]:
    yield Place(live.folder)


def storm_of_daemons(live: Live, place: Place, *, kills: int) -> None:
    chance = random.Random(SEED)
    live.write(toml(jobs(place), place))
    with Callers(live, place):
        for _ in range(kills):
            live.start(PYTHONPATH=str(ROOT))
            threading.Event().wait(chance.uniform(SOONEST_S, LATEST_S))
            kill(live, place, signal.SIGKILL)
    began = microseconds()
    live.start(PYTHONPATH=str(ROOT))
    live.until(lambda: is_since(live.job("tick")["last_run"], began))
    live.client.pause_all()
    live.until(lambda: not live.client.runs(state=",".join(LIVE)))
    assert kill(live, place, signal.SIGTERM) == 0
    hold_to_account(judged(place, jobs(place), kills, began))


def is_since(run: dict[str, Any] | None, began: int) -> bool:
    since = datetime.fromtimestamp(began / 1e6, UTC)
    return run is not None and datetime.fromisoformat(run["scheduled_at"]) > since


def kill(live: Live, place: Place, number: int) -> int:
    assert live.process is not None
    assert live.process.poll() is None
    status = live.end(number)
    note_death(place.log, live.process.pid)
    return status


def test_a_storm_of_kills_on_the_daemon_loses_and_doubles_nothing(live: Live, place: Place) -> None:
    storm_of_daemons(live, place, kills=DAEMON_KILLS)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_long_storm_on_the_daemon_loses_and_doubles_nothing(live: Live, place: Place) -> None:
    storm_of_daemons(live, place, kills=LONG_KILLS // 10)
