"""Processes: what a callable does to its process it does to its own attempt alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.core.execution import Executor
from taskd.core.job import Call
from taskd.core.messages import AttemptFinished, Checkpointed
from taskd.core.run import Outcome
from taskd.executors import groups, processes
from taskd.executors.progress import Progress
from tests.unit.executors.bench import SOON, Bench
from tests.unit.executors.test_conformance import appears, eventually

MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


def call(bench: Bench, name: str, *args: object, **execution: object) -> AttemptFinished:
    run = bench.start(name, *args, executor=Executor.PROCESS, **execution)  # type: ignore[arg-type]
    return bench.end(run)


def result(end: AttemptFinished) -> object:
    assert end.result is not None, end
    return json.loads(end.result.text)


@pytest.mark.parametrize(
    ("how", "words"),
    [("segfault", "killed by SIGSEGV"), ("exit", "exit status 3"), ("kill", "killed by SIGKILL")],
)
def test_a_worker_that_dies_fails_its_attempt_alone_and_at_once(
    bench: Bench, how: str, words: str, tmp_path: Path
) -> None:
    other = bench.start("heed", str(tmp_path / "ready"), executor=Executor.PROCESS)
    call(bench, "give", "value")
    before = time.monotonic()
    end = call(bench, "die", how)
    assert time.monotonic() - before < SOON / 3  # and not when the other ends
    assert end.error is not None
    assert (end.error.type, end.error.message) == ("taskd.errors.ProcessDied", words)
    assert end.usage.signal == (None if how == "exit" else words.split()[-1])
    assert call(bench, "give", "value").outcome is Outcome.SUCCEEDED
    bench.executors.interrupt(other, 1)
    assert bench.end(other).run == other


@pytest.mark.parametrize(
    "frame",
    [
        "garbage that begins with a length",
        {"is": "end"},
        {"is": "ask", "ticket": 1},
        {"is": "ask", "ticket": 1, "checkpoint": 5},
        {"is": "progress", "at": 1},
        {"is": "progress", "at": ["R" * 36, "far", 10, ""]},
        {"is": "progress", "at": ["R" * 36, 1, -10, ""]},
        {"is": "nonsense"},
        {},
    ],
)
def test_a_worker_that_breaks_its_word_is_replaced(bench: Bench, frame: object) -> None:
    error = call(bench, "lie", frame).error
    assert error is not None
    assert error.message.startswith("the worker broke its word")
    assert call(bench, "give", "value").outcome is Outcome.SUCCEEDED


def test_memory_over_the_limit_fails_the_attempt(bench: Bench) -> None:
    end = call(bench, "eat", 600, max_memory=512 * MIB)
    assert end.error is not None
    assert end.error.type == "MemoryError"
    assert result(call(bench, "eat", 600)) == 600 * MIB  # the limit was that attempt's


def test_cpu_time_over_the_limit_ends_the_process(bench: Bench) -> None:
    end = call(bench, "burn", max_cpu_time=timedelta(seconds=1))
    assert end.error is not None
    assert end.error.message == "killed by SIGXCPU, for it used more than max_cpu_time"
    assert end.usage.cpu_time is not None
    assert timedelta(seconds=0.4) < end.usage.cpu_time < timedelta(seconds=10)  # see test_commands


def nice_call(bench: Bench, what: str, *args: object, nice: int = 0) -> object:
    run = bench.start(Call(what, args), executor=Executor.PROCESS, nice=nice)
    return result(bench.end(run))


def test_a_worker_is_as_nice_as_its_attempts_and_never_serves_others(bench: Bench) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for nice in (5, 0, 7, 5):
        niceness = nice_call(bench, "os:getpriority", os.PRIO_PROCESS, 0, nice=nice)
        assert niceness == min(own + nice, 19)


def test_workers_are_kept_warm_by_how_nice_they_are(bench: Bench) -> None:
    pids = [nice_call(bench, "os:getpid", nice=nice) for nice in (5, 0, 5, 0)]
    assert pids[:2] == pids[2:]
    assert pids[0] != pids[1]


def test_what_an_attempt_used_is_its_own(bench: Bench) -> None:
    big, small = call(bench, "eat", 200).usage, call(bench, "give", "value").usage
    assert big.peak_memory is not None
    assert small.peak_memory is not None
    assert big.cpu_time is not None
    assert big.peak_memory > 200 * MIB
    assert small.peak_memory < 150 * MIB
    assert timedelta(0) <= big.cpu_time < timedelta(seconds=5)


def test_what_waits_for_the_engine_is_stopped_all_the_same(bench: Bench) -> None:
    """Whose store is away, say: the answer may be long in coming."""
    run = bench.start("remember", executor=Executor.PROCESS)
    eventually(lambda: bench.inbox)
    (asked,) = bench.inbox.take()
    assert isinstance(asked, Checkpointed)
    bench.executors.interrupt(run, 2)
    end = bench.end(run)
    assert end.error is not None
    assert end.error.message == "killed by SIGKILL"


def test_current_run_works_inside(bench: Bench) -> None:
    run = bench.start("who", 3, executor=Executor.PROCESS)
    told = result(bench.end(run))
    assert isinstance(told, list)
    assert told[:5] == [run, "job", 1, 7, "2026-01-01T00:00:00+00:00"]
    assert told[5] != os.getpid()


def test_the_latest_progress_can_be_read_while_it_runs(bench: Bench, tmp_path: Path) -> None:
    for executor in (Executor.THREAD, Executor.PROCESS):
        ready, release = tmp_path / f"ready-{executor}", tmp_path / f"release-{executor}"
        run = bench.start("progress", str(ready), str(release), executor=executor)
        appears(ready)

        def is_complete(run: object = run) -> bool:
            live = bench.executors.live(run)  # type: ignore[arg-type]
            assert live is not None
            return live.progress == Progress(1000, 1000, "all", 0.0)

        eventually(is_complete)
        live = bench.executors.live(run)
        assert live is not None
        assert live.executor == executor
        assert (live.pid == os.getpid()) is (executor is Executor.THREAD)
        release.touch()
        bench.end(run)
        assert bench.executors.live(run) is None


def test_surroundings_are_those_of_the_attempt_and_no_other(bench: Bench, tmp_path: Path) -> None:
    here = str(Path.cwd())
    before = result(call(bench, "where"))
    asked = call(bench, "where", env={"GREETING": "hello"}, cwd=str(tmp_path))
    assert (before, result(asked)) == ([None, here], ["hello", str(tmp_path)])
    assert call(bench, "wreck").outcome is Outcome.SUCCEEDED
    assert result(call(bench, "where")) == [None, here]
    missing = call(bench, "where", cwd=str(tmp_path / "missing"))
    assert missing.error is not None
    assert missing.error.type == "FileNotFoundError"


def test_a_worker_is_kept_warm_until_the_code_changes(bench: Bench) -> None:
    pids = [result(call(bench, "who"))[-1] for _ in range(3)]  # type: ignore[index]
    assert len(set(pids)) == 1
    bench.executors.recycle()
    assert result(call(bench, "who"))[-1] not in pids  # type: ignore[index]
    eventually(lambda: not Path(f"/proc/{pids[0]}").exists())


def test_an_idle_executor_has_no_thread_and_no_process(bench: Bench, tmp_path: Path) -> None:
    assert not (tmp_path / "state").exists()


def test_a_worker_that_nobody_needs_ends_and_loses_no_attempt_by_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "IDLE_S", 0.02)
    pid = result(call(bench, "who"))[-1]  # type: ignore[index]
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    monkeypatch.setattr(processes, "IDLE_S", 0.0005)  # as short as what lies between two attempts
    for _ in range(15):
        assert call(bench, "give", "value").outcome is Outcome.SUCCEEDED


# -- the death of the daemon ---------------------------------------------------------------------

DAEMON = """
import sys, threading
from pathlib import Path
from taskd.core.job import Call
from tests.unit.executors.bench import Bench
bench = Bench(Path(sys.argv[1]))
if sys.argv[2] == "command":
    bench.command(sys.executable, "-c", {parent!r}, {grandchild!r}, sys.argv[3])
else:
    bench.start("parent", sys.argv[3], executor="process")
threading.Event().wait()
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]])"


@pytest.mark.parametrize("kind", ["process", "command"])
def test_a_killed_daemon_leaves_nothing_that_the_next_does_not_end(
    tmp_path: Path, kind: str
) -> None:
    from tests.unit.executors.work import GRANDCHILD

    state, ready = tmp_path / "state", tmp_path / "ready"
    code = DAEMON.format(parent=PARENT, grandchild=GRANDCHILD)
    daemon = subprocess.Popen([sys.executable, "-c", code, str(state), kind, str(ready)])
    eventually(lambda: ready.exists() and ready.read_text())
    grandchild = int(ready.read_text())
    (group,) = {int(note.name) for note in (state / "groups").iterdir()}
    assert os.getpgid(grandchild) == group
    daemon.kill()
    daemon.wait(SOON)
    eventually(lambda: not is_alive(group))
    bench = Bench(state)
    if kind == "command":  # a worker kills its own group when the daemon is gone, if it can
        assert bench.executors.killed == [group]
    eventually(lambda: not is_alive(grandchild))
    assert not list((state / "groups").iterdir())


def test_a_group_that_is_not_ours_any_more_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    boot = groups.BOOT.read_text().strip()
    ticks = groups.started_ticks(stranger.pid)
    assert ticks is not None
    notes = {
        "earlier": f"{stranger.pid} {ticks - 1} {boot} mark",
        "other boot": f"{stranger.pid} {ticks} another mark",
        "torn": f"{stranger.pid} ",
        "empty": "",
    }
    try:
        for name, text in notes.items():
            (tmp_path / name).write_text(text)
        assert groups.kill_leftovers(tmp_path) == []
        assert stranger.poll() is None
        (tmp_path / "ours").write_text(f"{stranger.pid} {ticks} {boot} mark")
        assert groups.kill_leftovers(tmp_path) == [stranger.pid]
        assert stranger.wait(SOON) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait()


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
