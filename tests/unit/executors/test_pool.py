"""What is behind the one contract: plug-ins, the event loop's look-out, the way to the loop."""

from __future__ import annotations

import asyncio
import gc
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskd.config import values
from taskd.config.load import load
from taskd.core.execution import Execution, Executor
from taskd.core.job import Call, Job, JobName
from taskd.core.messages import AttemptFinished, Noticed
from taskd.core.run import Outcome
from taskd.errors import ConfigError, InvalidJob
from tests.unit.executors.bench import SOON, Bench, descriptors

PLUGIN = """
import threading
from taskd.core.run import Outcome
from taskd.executors.call import End
from taskd.executors.segments import Stream

class Echo:
    leaked = 0
    def __init__(self, reports):
        self._reports = reports
    def start(self, start):
        context = self._reports.begin(start)
        context.output.write(Stream.STDOUT, b"from afar")
        end = End(Outcome.SUCCEEDED)
        threading.Thread(target=self._reports.end, args=(context, end)).start()
    def interrupt(self, run, stage=1): pass
    def stack(self, run): return ""
    def close(self): pass

class Careful(Echo):
    honours = {"max_memory", "cwd"}

class Stubborn(Echo):
    def interrupt(self, run, stage=1): raise KeyError(run)
    def close(self): raise OSError("not now")

def broken(reports):
    raise RuntimeError("not today")
"""


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "echo-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: echo\nVersion: 1.0\n")
    entries = "[taskd.executors]\necho = plugged_echo:Echo\nbroken = plugged_echo:broken\n"
    entries += "careful = plugged_echo:Careful\ngone = plugged_echo:Gone\n"
    entries += "stubborn = plugged_echo:Stubborn\n"
    (installed / "entry_points.txt").write_text(entries)
    (tmp_path / "plugged_echo.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)


def test_outputs_are_deleted_also_where_the_machine_gives_no_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bench.start("give", "value")
    bench.end(run)
    outputs = bench.executors.outputs
    assert outputs is not None
    folder = outputs.path(run, 1).parent
    folder.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    bench.executors.forget([run])
    assert not folder.exists()


@pytest.mark.parametrize("executor", list(Executor))
def test_where_the_machine_gives_no_thread_nothing_is_left_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, executor: Executor
) -> None:
    call = Call.command("true") if executor is Executor.COMMAND else Call("os:getpid")
    named = None if executor is Executor.COMMAND else executor
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    gc.collect()  # what other tests left to it is not to go meanwhile
    before = descriptors()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            bench.start(call, executor=named)
    assert descriptors() <= before


@pytest.mark.usefixtures("plugged")
def test_a_plug_in_executes_what_names_it(bench: Bench) -> None:
    assert values.executor("echo") == "echo"
    run = bench.start("give", "value", executor="echo")
    assert bench.end(run).outcome is Outcome.SUCCEEDED
    assert bench.printed(run) == "from afar"


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("name", "message"), [("broken", "not today"), ("missing", "its plug-in is not installed")]
)
def test_a_plug_in_that_cannot_be_had_fails_its_attempts_alone(
    bench: Bench, name: str, message: str
) -> None:
    error = bench.end(bench.start("give", "value", executor=name)).error
    assert error is not None
    assert message in error.message
    assert bench.end(bench.start("give", "value")).outcome is Outcome.SUCCEEDED


@pytest.mark.usefixtures("plugged")
def test_a_plug_in_that_fails_to_interrupt_or_to_close_is_not_in_the_way_of_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.end(bench.start("give", "value", executor="stubborn"))
    run = bench.command("sleep", "60")
    bench.executors.interrupt(run, 2)
    assert bench.end(run).outcome is not Outcome.SUCCEEDED
    left = bench.command("sleep", "60")
    bench.executors.close()
    assert bench.end(left).outcome is not Outcome.SUCCEEDED
    assert f"executor stubborn cannot interrupt run {run}" in caplog.text
    assert "executor stubborn cannot be closed" in caplog.text


@pytest.mark.usefixtures("plugged")
def test_a_plug_in_is_asked_for_what_it_honours_and_no_more(tmp_path: Path) -> None:
    jobs = "".join(
        f'[jobs.{name}]\ncall = "os:getpid"\nmax_memory = "1GiB"\nexecutor = "{name}"\n'
        for name in ("careful", "echo", "gone")
    )
    (tmp_path / "jobs.toml").write_text(jobs)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "jobs.toml")
    told = {(one.key, one.line, one.column): one for one in caught.value.problems}
    assert set(told) == {("jobs.echo.max_memory", 7, 14), ("jobs.gone.executor", 12, 12)}
    refused = told["jobs.echo.max_memory", 7, 14]
    assert refused.message == 'executor "echo" does not honour it'
    assert refused.hint == 'it needs executor = "process"'
    assert "cannot be had" in told["jobs.gone.executor", 12, 12].message


def test_an_executor_that_is_not_installed_is_refused() -> None:
    with pytest.raises(ValueError, match='expected "thread"'):
        values.executor("missing")


@pytest.mark.parametrize(
    ("execution", "key"),
    [
        ({"max_memory": 1}, "max_memory"),
        ({"env": {"A": "b"}, "executor": "async"}, "env"),
        ({"cwd": "/", "executor": "thread"}, "cwd"),
        ({"nice": 1, "executor": "async"}, "nice"),
        ({"shell": True}, "shell"),
        ({"executor": "command"}, "executor"),
    ],
)
def test_a_job_is_refused_what_its_executor_cannot_honour(
    execution: dict[str, object], key: str
) -> None:
    with pytest.raises(InvalidJob) as refusal:
        Job(name=JobName("j"), call=Call("a:b"), execution=Execution(**execution))  # type: ignore[arg-type]
    assert refusal.value.key == key
    Job(name=JobName("j"), call=Call("a:b"), execution=Execution(executor="process", cwd="/"))


def test_what_blocks_the_event_loop_is_named_in_the_journal(bench: Bench, tmp_path: Path) -> None:
    release = tmp_path / "release"
    run = bench.start("ahang", str(tmp_path / "ready"), str(release), executor=Executor.ASYNC)
    readable, _, _ = select.select([bench.wakeup.fileno()], [], [], SOON)
    assert readable
    (noticed,) = bench.inbox.take()
    assert isinstance(noticed, Noticed)
    assert noticed.kind == "executor.blocked"
    assert run in str(noticed.data["task"])
    assert "in hang" in str(noticed.data["stack"])
    release.touch()
    assert bench.end(run).outcome is Outcome.SUCCEEDED


def test_a_coroutine_gets_what_threads_get(bench: Bench) -> None:
    together = [bench.start("agive", "value") for _ in range(50)]
    assert {bench.end(run).outcome for run in together} == {Outcome.SUCCEEDED}
    assert [t.name for t in threading.enumerate()].count("taskd-async") >= 1


async def leaves_a_task_that_exits() -> None:
    async def leave() -> None:
        raise SystemExit(9)

    task = asyncio.ensure_future(leave())
    await asyncio.sleep(0.01)
    assert task.done()
    task.exception()


def test_a_task_that_exits_ends_the_loop_for_nobody(bench: Bench) -> None:
    call = Call(f"{__name__}:leaves_a_task_that_exits")
    end: Callable[[], AttemptFinished] = lambda: bench.end(bench.start(call))  # noqa: E731
    for _ in range(2):
        assert end().outcome is Outcome.SUCCEEDED
