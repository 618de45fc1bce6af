"""Stacks: where an attempt was that was killed, whatever its threads and ours did then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskd.core.execution import Executor
from taskd.core.run import RunId
from tests.unit.executors.bench import Bench
from tests.unit.executors.test_conformance import appears, eventually


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


def killed(bench: Bench, run: RunId) -> str:
    """What is told of where an attempt was when its process was killed."""
    bench.executors.interrupt(run, 2)
    error = bench.end(run).error
    assert error is not None
    assert error.message == "killed by SIGKILL"
    return error.traceback.partition("Before it was interrupted:\n")[2]


def test_the_callable_is_shown_while_the_worker_listens_on_top_of_it(
    bench: Bench, tmp_path: Path
) -> None:
    """In the handler of the signal that says so, in the thread of the callable."""
    ready, heard = tmp_path / "ready", tmp_path / "heard"
    run = bench.start("listen", str(ready), str(heard), executor=Executor.PROCESS)
    appears(ready)
    bench.executors.interrupt(run, 1)
    appears(heard)
    stack = killed(bench, run)
    assert stack.startswith("Main thread (most recent call first):\n")
    assert "in loads" not in stack
    assert "in spin\n" in stack


def test_every_thread_is_shown_while_they_all_run(bench: Bench, tmp_path: Path) -> None:
    """Their stacks are more than a pipe holds, and change all the time."""
    ready = tmp_path / "ready"
    run = bench.start("crowd", str(ready), executor=Executor.PROCESS)
    appears(ready)
    main, *others = killed(bench, run).split("\n\n")
    assert "in crowd" in main
    assert len(others) == 20
    assert all("in dive\n" in other for other in others)
    assert all(other.endswith("  ...") or "in descend" in other for other in others)


def test_the_callable_is_shown_where_it_waits_for_us(bench: Bench) -> None:
    run = bench.start("remember", executor=Executor.THREAD)
    eventually(lambda: bench.inbox)  # it asks, and has no answer
    eventually(lambda: bench.executors.stack(run))
    stack = bench.executors.stack(run)
    bench.inbox.close()
    assert "in remember" in stack
    assert stack.count("File ") == 1
