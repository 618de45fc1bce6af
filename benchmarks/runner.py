"""The runner: gives each case to its contestants, in turn, and gathers what they answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Size
from benchmarks.contestants import BY_NAME, Contestant
from benchmarks.contract import Figures, Unable
from benchmarks.environments import NoEnvironment, interpreter, version
from benchmarks.processes import cpu_s, wakeups
from benchmarks.readings import Reading, Run
from benchmarks.services import NoService, Service

ROOT = Path(__file__).parents[1]
SETTLED_S = 5.0  # after which an idle contestant is looked at


class Broken(Exception):
    """An adapter answered with a traceback, or not at all."""


class Adapter:
    """A running adapter, in its own process group."""

    def __init__(self, contestant: Contestant, python: str, home: Path, setting: str) -> None:
        command = [python, "-m", "benchmarks.adapters", contestant.adapter, str(home), setting]
        self._said = (home / "adapter.log").open("a+")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=ROOT,
            env=_environ(),
            start_new_session=True,
        )

    def ask(self, measure: str, **asked: Any) -> Figures:
        """Have something measured. Raises Unable, Broken."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"measure": measure, "with": asked}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._said.seek(0)
            raise Broken(f"the adapter ended: {self._said.read()[-1000:]}")
        answer = json.loads(line)
        if "unable" in answer:
            raise Unable(answer["unable"])
        if "broken" in answer:
            raise Broken(answer["broken"])
        figures: Figures = answer["figures"]
        return figures

    def kill(self) -> None:
        """Kill it and all that it started, as a crash does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            with suppress(BrokenPipeError):
                stream.close() if stream else None


class Runner:
    """Runs cases; the readings are in `run`. `services` are the servers for those who need one."""

    def __init__(self, run: Run, services: dict[str, Service | NoService]) -> None:
        self.run = run
        self._services = services

    def case(self, case: Case, size: Size) -> None:
        """Measure a case for all its contestants."""
        contestants = [BY_NAME[name] for name in case.contestants]
        readings = {one.name: self._reading(case, one, size) for one in contestants}
        for repetition in range(size.repetitions):
            ready = [one for one in contestants if not readings[one.name].reason]
            # The other way round every other time: whoever is later in a run has no advantage.
            ready = ready if repetition % 2 == 0 else ready[::-1]
            match case.way:
                case "idle":
                    self._look_at_idle(ready, readings)
                case "crash":
                    self._crash(ready, readings)
                case _:
                    for one in ready:
                        self._measure(case, one, readings[one.name])
        self.run.take(case.name, readings.values())

    def _reading(self, case: Case, contestant: Contestant, size: Size) -> Reading:
        asked = dict(size.asked)
        if case.way == "alternate" and "for_s" in asked and "interval_s" not in asked:
            asked["count"] = max(100, int(contestant.pace * asked.pop("for_s")) // 100 * 100)
        return Reading(case.name, contestant.name, asked, is_quick=size is case.quick)

    def _measure(self, case: Case, contestant: Contestant, reading: Reading) -> None:
        with self._noted(reading), self._started(contestant) as adapter:
            reading.figures.append(adapter.ask(case.measure, **reading.asked))

    # -- all in one go ---------------------------------------------------------------------------

    def _look_at_idle(
        self, contestants: Sequence[Contestant], readings: dict[str, Reading]
    ) -> None:
        """Have all of them idle side by side, and count what each does meanwhile."""
        with ExitStack() as running:
            idle: dict[str, int] = {}
            for one in contestants:
                reading = readings[one.name]
                with self._noted(reading):
                    adapter = running.enter_context(self._started(one))
                    idle[one.name] = int(adapter.ask("idle", jobs=reading.asked["jobs"])["pid"])
            time.sleep(SETTLED_S)
            before = {name: (wakeups(pid), cpu_s(pid)) for name, pid in idle.items()}
            time.sleep(max(readings[name].asked["for_s"] for name in idle))
            for name, pid in idle.items():
                woken, used = before[name]
                figures = {"wakeups": wakeups(pid) - woken, "cpu_s": cpu_s(pid) - used}
                readings[name].figures.append(figures)

    def _crash(self, contestants: Sequence[Contestant], readings: dict[str, Reading]) -> None:
        """Kill and restart one after another, then wait for all of them to recover."""
        with ExitStack() as running:
            again: dict[str, tuple[Adapter, Figures]] = {}
            for one in contestants:
                reading = readings[one.name]
                with self._noted(reading):
                    place = running.enter_context(self._place(one))
                    killed = Adapter(one, *place)
                    try:
                        killed.ask("begin", count=reading.asked["count"])
                    finally:
                        killed.kill()
                    adapter = Adapter(one, *place)
                    running.callback(adapter.kill)
                    again[one.name] = (
                        adapter,
                        adapter.ask("recover", count=reading.asked["count"]),
                    )
            for name, (adapter, ready) in again.items():
                with self._noted(readings[name]):
                    patience = readings[name].asked["patience_s"]
                    end = adapter.ask("recovered", patience_s=patience)
                    readings[name].figures.append(ready | end)

    # -- where contestants live ------------------------------------------------------------------

    @contextmanager
    def _noted(self, reading: Reading) -> Iterator[None]:
        """Keep the reason in the reading, where a contestant does not run."""
        try:
            yield
        except (Unable, Broken, NoEnvironment, NoService) as reason:
            reading.reason = str(reason)
            reading.figures.clear()

    @contextmanager
    def _started(self, contestant: Contestant) -> Iterator[Adapter]:
        with self._place(contestant) as place:
            adapter = Adapter(contestant, *place)
            try:
                yield adapter
            finally:
                adapter.kill()

    @contextmanager
    def _place(self, contestant: Contestant) -> Iterator[tuple[str, Path, str]]:
        """Give a contestant its interpreter, an empty home, and its setting."""
        setting = contestant.setting
        if contestant.service:
            service = self._services[contestant.service]
            if isinstance(service, NoService):
                raise service
            setting = service.fresh()
            self.run.machine[contestant.service] = service.version
        python = interpreter(contestant.packages)
        if contestant.packages:
            package = contestant.packages[0].partition(">")[0].partition("[")[0]
            if package not in self.run.machine:
                self.run.machine[package] = version(python, package)
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as home:
            yield python, Path(home), setting


def _environ() -> dict[str, str]:
    """This process's environment, but with bytecode kept, as pip keeps it of what it installs."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
