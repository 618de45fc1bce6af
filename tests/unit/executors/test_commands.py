"""Commands: a program has the surroundings and limits that its job says, and tells how it ended."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.core.run import Outcome
from tests.unit.executors.bench import Bench, python

MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


def test_environment_and_directory_are_as_asked_and_stdin_is_empty(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "yes")
    code = "import os, sys; print([sys.stdin.read(), os.getcwd(), *map(os.getenv, sys.argv[1:])])"
    names = ("GREETING", "INHERITED", "TASKD_RUN", "TASKD_JOB", "TASKD_ATTEMPT", "TASKD_FENCE")
    asked = {"GREETING": "hello"}
    run = bench.command(*python(code), *names, env=asked, cwd=str(tmp_path))
    assert bench.end(run).outcome is Outcome.SUCCEEDED
    expected = ["", str(tmp_path), "hello", "yes", run, "job", "1", "7"]
    assert bench.printed(run) == f"{expected}\n"
    assert "GREETING" not in os.environ


def test_a_word_is_an_argument_as_it_is_without_a_shell(bench: Bench) -> None:
    run = bench.command("echo", "$HOME", "*", "a b", ";", "false")
    assert bench.end(run).outcome is Outcome.SUCCEEDED
    assert bench.printed(run) == "$HOME * a b ; false\n"
    run = bench.command("echo $((6 * 7)) | cat", shell=True)
    bench.end(run)
    assert bench.printed(run) == "42\n"


def test_cpu_time_over_the_limit_ends_the_program(bench: Bench) -> None:
    end = bench.end(bench.command(*python("while True: pass"), max_cpu_time=timedelta(seconds=1)))
    assert end.error is not None
    assert end.error.message == "killed by SIGXCPU"
    assert end.usage.signal == "SIGXCPU"
    assert end.usage.cpu_time is not None
    # For the limit the kernel counts ticks, for the usage nanoseconds: when busy they differ.
    assert timedelta(seconds=0.4) < end.usage.cpu_time < timedelta(seconds=5)


def test_a_program_is_as_nice_as_asked_within_its_session_and_among_others(bench: Bench) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    code = "import os; print(os.getpriority(os.PRIO_PROCESS, 0)); print(open(A).read())"
    autogroup = Path("/proc/self/autogroup")
    run = bench.command(*python(f"A = {str(autogroup)!r}; " + code), nice=7)
    bench.end(run)
    niceness, *session = bench.printed(run).splitlines()
    assert int(niceness) == min(own + 7, 19)
    if autogroup.exists():
        assert session[0].endswith(f" nice {niceness}")


def test_memory_over_the_limit_is_not_given(bench: Bench) -> None:
    code = "x = bytearray(600 * 2**20)"
    run = bench.command(*python(code), max_memory=256 * MIB)
    end = bench.end(run)
    assert end.error is not None
    assert end.error.message == "exit status 1"
    assert "MemoryError" in bench.printed(run)
    assert bench.end(bench.command(*python(code))).outcome is Outcome.SUCCEEDED


def test_what_a_program_used_and_how_it_ended_is_known(bench: Bench) -> None:
    # More than this process had itself, below which nothing is known: see `_peak`.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 100 * MIB
    end = bench.end(bench.command(*python(f"x = b'x' * {size}; raise SystemExit(7)")))
    assert (end.usage.exit_status, end.usage.signal) == (7, None)
    assert end.usage.peak_memory is not None
    assert size < end.usage.peak_memory < size + 100 * MIB
    end = bench.end(bench.command("kill -USR1 $$", shell=True))
    assert (end.usage.exit_status, end.usage.signal) == (None, "SIGUSR1")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/no/such/program"], "No such file or directory: '/no/such/program'"),
        (["no-such-program"], "No such file or directory: 'no-such-program'"),
        (["/etc"], "Permission denied: '/etc'"),
    ],
)
def test_what_cannot_be_run_is_told(bench: Bench, argv: list[str], said: str) -> None:
    end = bench.end(bench.command(*argv))
    assert end.error is not None
    assert end.error.type == "taskd.errors.ProcessDied"
    assert end.error.message == f"cannot run it: {said}"


def test_a_directory_that_is_missing_is_told(bench: Bench, tmp_path: Path) -> None:
    end = bench.end(bench.command(sys.executable, cwd=str(tmp_path / "missing")))
    assert end.error is not None
    where = str(tmp_path / "missing")
    assert end.error.message == f"cannot run it: No such file or directory: {where!r}"
