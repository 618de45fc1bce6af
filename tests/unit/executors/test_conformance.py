"""One suite for all executors: whatever is called, it ends as the contract says, and alone."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskd.core.execution import Executor
from taskd.core.job import Call
from taskd.core.messages import AttemptFinished
from taskd.core.run import Outcome, Result, RunId
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.reports import Reports
from taskd.executors.threads import Threads
from tests.unit.executors.bench import SOON, Bench, children, descriptors
from tests.unit.executors.work import GRANDCHILD

PLUGGED = "plugged"
"""A plug-in that is found by its entry point: it has threads of its own."""
CALLING = [Executor.THREAD, Executor.PROCESS, Executor.ASYNC, PLUGGED]
COMMANDS = {
    "value": "pass",
    "exit": "raise SystemExit(3)",
    "error": "raise ValueError('no such luck')",
    "interrupt": "raise KeyboardInterrupt",
    "recursion": "def f(): f()\nf()",
}


class Subject(Bench):
    """One executor under test, in whose words the work is put."""

    def __init__(self, state: Path, executor: str) -> None:
        super().__init__(state)
        self.executor = executor
        self._folder = state.parent
        self._count = 0

    def give(self, kind: str) -> RunId:
        if self.executor is Executor.COMMAND:
            return self.command(sys.executable, "-c", COMMANDS[kind])
        return self.work("give", kind)

    def work(self, name: str, *args: object) -> RunId:
        prefix = "a" if self.executor is Executor.ASYNC else ""
        return self.start(prefix + name, *args, executor=self.executor)

    def busy(self, name: str, *more: str) -> RunId:
        """Start what goes on until it is interrupted, and wait until it does."""
        self._count += 1
        ready = self._folder / f"ready{self._count}"
        if self.executor is Executor.COMMAND:
            code = {
                "heed": "import sys, time; open(sys.argv[1], 'w'); time.sleep(600)",
                "spin": GRANDCHILD,
                "hang": GRANDCHILD,
            }[name]
            run = self.command(sys.executable, "-c", code, str(ready))
        else:
            run = self.work(name, str(ready), *more)
        appears(ready)
        return run


def appears(path: Path) -> None:
    eventually(path.exists)


def eventually(holds: Callable[[], object]) -> None:
    """Wait for something that another process or thread does, and that tells nobody."""
    until = time.monotonic() + SOON
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < until
        pause.wait(0.005)


@pytest.fixture(autouse=True)
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "plugged-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    entry = f"[taskd.executors]\n{PLUGGED} = {__name__}:own_threads\n"
    (installed / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)


def own_threads(reports: Reports) -> Threads:
    return Threads(reports, LoadedCode())


@pytest.fixture(params=[*Executor, PLUGGED])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    subject = Subject(tmp_path / "state", request.param)
    yield subject
    subject.close()
    eventually(lambda: not children())


@pytest.fixture(params=CALLING)
def calling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    subject = Subject(tmp_path / "state", request.param)
    yield subject
    subject.close()
    eventually(lambda: not children())


def error_type(end: AttemptFinished) -> str:
    assert end.error is not None, end
    return end.error.type


# -- begins --------------------------------------------------------------------------------------


def test_what_is_stopped_before_it_begins_does_not_begin(
    calling: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its module is imported, which takes its time."""
    monkeypatch.setenv("TASKD_SLOW_IMPORT", str(tmp_path))
    sys.modules.pop("tests.unit.executors.slow_import", None)
    name = "abegin" if calling.executor is Executor.ASYNC else "begin"
    target = Call(f"tests.unit.executors.slow_import:{name}", (str(tmp_path / "begun"),))
    run = calling.start(target, executor=calling.executor)
    appears(tmp_path / "importing")
    calling.executors.interrupt(run)
    appears(tmp_path / "told")  # a process is told by a thread of its own
    (tmp_path / "go").touch()
    assert error_type(calling.end(run)) in (
        "taskd.errors.Interrupted",
        "asyncio.exceptions.CancelledError",
    )
    assert not (tmp_path / "begun").exists()


# -- ends ----------------------------------------------------------------------------------------


def test_success(subject: Subject) -> None:
    end = subject.end(subject.give("value"))
    assert end.outcome is Outcome.SUCCEEDED
    is_command = subject.executor is Executor.COMMAND
    assert end.result == Result("null" if is_command else '{"answer": 42}')


@pytest.mark.parametrize(
    ("kind", "error", "died"),
    [
        ("error", "ValueError", "exit status 1"),
        ("exit", "SystemExit", "exit status 3"),
        ("interrupt", "KeyboardInterrupt", "killed by SIGINT"),
        ("recursion", "RecursionError", "exit status 1"),
    ],
)
def test_failure_ends_the_attempt_alone(subject: Subject, kind: str, error: str, died: str) -> None:
    end = subject.end(subject.give(kind))
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    if subject.executor is Executor.COMMAND:
        assert end.error.message == died
        assert kind == "exit" or "Traceback" in subject.printed(end.run)
    else:
        assert end.error.type == error
        assert "in give" in end.error.traceback
        assert error in end.classes
    assert subject.end(subject.give("value")).outcome is Outcome.SUCCEEDED


def test_an_exception_with_two_arguments_and_an_odd_result_cross_as_words(
    calling: Subject,
) -> None:
    end = calling.end(calling.give("two arguments"))
    assert end.error is not None
    assert (end.error.type, end.error.message) == (
        "tests.unit.executors.work.TwoArguments",
        "a b",
    )
    assert calling.end(calling.give("opaque")).result == Result("<opaque>", is_repr=True)
    nested = calling.end(calling.give("nested")).result
    assert nested is not None
    assert nested.is_repr
    huge = calling.end(calling.give("huge")).result
    assert huge is not None
    assert len(json.loads(huge.text)) == 1_000_000


# -- interrupting --------------------------------------------------------------------------------


def test_stage_1_asks(subject: Subject) -> None:
    run = subject.busy("heed")
    subject.executors.interrupt(run, 1)
    end = subject.end(run)
    if subject.executor is Executor.COMMAND:
        assert end.error is not None
        assert (end.error.message, end.usage.signal) == ("killed by SIGTERM", "SIGTERM")
    else:
        assert end.result == Result('"heeded"')


def test_stage_2_insists_and_tells_where_it_was(subject: Subject, tmp_path: Path) -> None:
    run = subject.busy("spin")
    subject.executors.interrupt(run, 1)
    if subject.executor is Executor.ASYNC:
        appears(tmp_path / "ready1.heard")
    subject.executors.interrupt(run, 2)
    end = subject.end(run)
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    match subject.executor:
        case Executor.THREAD | "plugged":
            assert end.error.type == "taskd.errors.Interrupted"
        case Executor.ASYNC:
            assert end.error.type == "asyncio.exceptions.CancelledError"
        case _:
            assert end.error.message == "killed by SIGKILL"
    if subject.executor is not Executor.COMMAND:
        assert "spin" in end.error.traceback
        assert "Before it was interrupted" in end.error.traceback
    assert subject.end(subject.give("value")).outcome is Outcome.SUCCEEDED


def test_stage_3_gives_up_and_the_slot_serves_on(subject: Subject, tmp_path: Path) -> None:
    release = tmp_path / "release"
    run = subject.busy("hang", str(release))
    if subject.executor is Executor.ASYNC:
        eventually(lambda: "hang" in subject.executors.stack(run))
        blocked = subject.give("value")  # holds nothing up once the loop is seen to be blocked
    subject.executors.interrupt(run, 3)
    subject.executors.interrupt(run, 3)
    is_killable = subject.executor in (Executor.PROCESS, Executor.COMMAND)
    assert subject.executors.leaked == (0 if is_killable else 1)
    assert subject.end(subject.give("value")).outcome is Outcome.SUCCEEDED
    release.touch()
    end = subject.end(run)
    assert subject.executors.leaked == 0
    if is_killable:
        assert end.usage.signal == "SIGKILL"
    else:
        assert end.result == Result('"released"')
    if subject.executor is Executor.ASYNC:
        assert subject.end(blocked).outcome is Outcome.SUCCEEDED


def test_an_interruption_of_what_has_ended_hits_nobody(subject: Subject) -> None:
    for stage in (1, 2, 3):
        run = subject.give("value")
        subject.end(run)
        subject.executors.interrupt(run, stage)
        subject.executors.interrupt(RunId("nobody"), stage)
        assert subject.end(subject.give("value")).outcome is Outcome.SUCCEEDED
    assert subject.executors.leaked == 0


def test_insisting_at_any_moment_reaches_that_attempt_or_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(300):
        run = bench.start("give", "value")
        bench.executors.interrupt(run, 2)
        after = bench.start("give", "value")
        end = bench.end(run)
        assert end.outcome is Outcome.SUCCEEDED or error_type(end) == "taskd.errors.Interrupted"
        assert bench.end(after).outcome is Outcome.SUCCEEDED
    bench.close()


# -- many ----------------------------------------------------------------------------------------


def test_many_at_once_and_nothing_is_left(subject: Subject, tmp_path: Path) -> None:
    count = 20 if subject.executor is Executor.PROCESS else 100
    subject.end(subject.give("value"))
    before, threads = len(descriptors()), threading.active_count()
    runs = [subject.give("value") for _ in range(count)]
    assert {subject.end(run).outcome for run in runs} == {Outcome.SUCCEEDED}
    subject.close()
    eventually(lambda: threading.active_count() <= threads)
    eventually(lambda: len(descriptors()) <= before)
    eventually(lambda: not children())
    assert not list((tmp_path / "state").glob("groups/*"))
