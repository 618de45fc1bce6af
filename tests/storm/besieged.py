"""Besieged: a real daemon that is killed and restarted, its callers, and its day of judgement."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from taskd.core.job import Job
from taskd.errors import TaskdError
from tests.daemon.live import PATIENCE_S, Live
from tests.storm.checker import Verdict, check
from tests.storm.lives import LIVE, Place, intervals
from tests.storm.nursery import ROOT
from tests.storm.work import microseconds, note_death

BEAT_S = 0.01


class Besieged:
    """A daemon in the folder of `live`, whose jobs are those of `tests.storm.work`."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.place = Place(Path(live.folder))
        self._jobs: Sequence[Job] = ()
        self._added = 0

    def define(self, jobs: Sequence[Job], **settings: str) -> None:
        """Write jobs.toml."""
        self._jobs = jobs
        every = intervals(jobs)
        text = "[daemon]\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items())
        for one in jobs:
            text += f'[jobs.{one.name}]\ncall = "{one.call.target}"\nargs = {list(one.call.args)}\n'
            if one.name in every:
                text += f'every = "{every[one.name] // 1000}ms"\n'
        self.live.write(text)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.live.start(PYTHONPATH=str(ROOT))

    def start_to_die(self, **environ: str) -> None:
        """Start it and wait for nothing: it may not live to say that it is ready."""
        self.live.process = self.live.spawn(
            subprocess.DEVNULL, **(environ | {"PYTHONPATH": str(ROOT)})
        )
        self.live.reader = None

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal to a daemon that lives; return its status once it is dead."""
        assert self.live.process is not None
        assert self.live.process.poll() is None
        self.live.send(number)
        return self.await_death()

    def await_death(self) -> int:
        """Return its status once it is dead."""
        assert self.live.process is not None
        status = self.live.process.wait(PATIENCE_S)
        note_death(self.place.log, self.live.process.pid)
        if self.live.reader is not None:
            self.live.reader.join(PATIENCE_S)
        return status

    @contextmanager
    def callers(self) -> Iterator[None]:
        """Trigger, stop and add from several threads, and note what was answered."""
        end = threading.Event()

        def repeat(ask: Callable[[], object]) -> None:
            while not end.wait(BEAT_S):
                with suppress(TaskdError):  # a conflict, no daemon, or no answer
                    ask()

        asks = (lambda: self.trigger("echo"), self.trigger_and_stop, self.add)
        threads = [threading.Thread(target=repeat, args=[ask]) for ask in asks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            end.set()
            for thread in threads:
                thread.join()

    def trigger(self, name: str) -> str:
        """Trigger a job, and note it."""
        self.place.requests.asked("trigger", job=name)
        run = str(self.live.client.trigger(name)["id"])
        self.place.requests.done("trigger", job=name, run=run)
        return run

    def trigger_and_stop(self) -> None:
        """Trigger the job that heeds a stop, stop its run, and note both."""
        run = self.trigger("heed")
        self.place.requests.asked("stop", run=run)
        self.live.client.stop_run(run)
        self.place.requests.done("stop", run=run)

    def add(self) -> None:
        """Add a job of long interval, and note it."""
        self._added += 1
        name = f"added-{self._added}"
        call = {"call": "tests.storm.work:tick", "args": [str(self.place.log)]}
        self.place.requests.asked("add", job=name)
        self.live.client.add({"name": name, **call, "every": "1h"})
        self.place.requests.done("add", job=name)

    def settle(self, heartbeat: str) -> Verdict:
        """Restart it, see that it works, bring it to rest, end it, and judge what it left."""
        began = microseconds()
        self.start()
        self.live.until(lambda: self._has_run_since(heartbeat, began))
        self.live.client.pause_all()
        self.live.until(lambda: not self.live.client.runs(state=",".join(LIVE)))
        assert self.kill(signal.SIGTERM) == 0
        return self.verdict(decided_until=began)

    def verdict(self, *, decided_until: int = 0) -> Verdict:
        """Judge what it left."""
        return check(
            self.place.store,
            self.place.log,
            self.place.requests.path,
            every=intervals(self._jobs),
            decided_until=decided_until,
        )

    def _has_run_since(self, job: str, began: int) -> bool:
        run = self.live.job(job)["last_run"]
        since = datetime.fromtimestamp(began / 1e6, UTC)
        return run is not None and datetime.fromisoformat(run["scheduled_at"]) > since
