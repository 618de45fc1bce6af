"""A disk that takes its time for each fsync holds up neither the callers nor the schedule."""

from __future__ import annotations

import time
from statistics import median

import pytest

from tests.storm.besieged import Besieged
from tests.storm.checker import Log, Store
from tests.storm.lives import job
from tests.storm.test_syscalls import strace_works

pytestmark = pytest.mark.skipif(not strace_works(), reason="strace is not there, or may not trace")

FSYNC_S = 0.2
LATE_S = 1.0  # a turn's own commit, the one before it, and the start


def make_slow(besieged: Besieged) -> None:
    live = besieged.live
    inject = f"inject=fdatasync:delay_exit={int(FSYNC_S * 1e6)}"
    slow = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(live.folder / "trace")]
    command = [*slow, "-e", "trace=fdatasync", "-e", inject, *live.command()]
    live.command = lambda: command  # type: ignore[method-assign]


def test_a_slow_disk_delays_nobody_by_a_second(besieged: Besieged) -> None:
    place = besieged.place
    besieged.define([job(place, "tick", "tick", every=0.5), job(place, "echo", "tick")])
    make_slow(besieged)
    besieged.start()
    took = []
    for _ in range(5):
        began = time.monotonic()
        besieged.trigger("echo")
        besieged.live.client.status()
        took.append(time.monotonic() - began)
        besieged.live.until(lambda: not besieged.live.job("echo")["running"])
    assert FSYNC_S / 2 < median(took) < LATE_S  # one that is slower tells of the machine
    besieged.live.until(lambda: besieged.live.job("tick")["counts"]["SUCCEEDED"] >= 4)
    besieged.live.client.pause_all()
    besieged.live.client.shutdown()
    assert besieged.await_death() == 0
    assert besieged.verdict().faults() == {}
    kept, told = Store.read(place.store), Log.read(place.log)
    late = [a.started_at - kept.runs[a.run]["scheduled_at"] for a in told.attempts.values()]
    assert median(late) < LATE_S * 1e6
