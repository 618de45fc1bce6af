"""Lives: what the processes of the storm do, each a durable Scheduler on one store."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Self, cast

from taskd import Scheduler
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import (
    AnyRequest,
    JobsDefined,
    JobStopped,
    Paused,
    Resumed,
    RunStopped,
    Triggered,
)
from taskd.core.run import MICROSECOND, Run, RunId, RunState
from taskd.core.schedule import Every
from taskd.stores.history import History
from tests.storm.requests import Requests
from tests.storm.work import tick

PATIENCE_S = 20.0
REST_S = 5.0  # within which all that is due must come to its end
BEAT_S = 0.01
LIVE = (RunState.QUEUED, RunState.RUNNING, RunState.RETRYING)


@dataclass(frozen=True)
class Place:
    """The files of one case."""

    folder: Path

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.folder / "taskd.db"

    @property
    def log(self) -> Path:
        """The jobs' own log."""
        return self.folder / "log"

    @property
    def requests(self) -> Requests:
        """The clients' notes."""
        return Requests(self.folder / "requests")

    @property
    def said(self) -> Path:
        """What the processes printed."""
        return self.folder / "said"


def job(place: Place, name: str, function: str, *args: object, every: float | None = None) -> Job:
    """Return a job of the file that calls a function of `work`; `every` is in seconds."""
    call = Call(f"tests.storm.work:{function}", (str(place.log), *args))
    schedule = Every(timedelta(seconds=every)) if every else None
    return Job(name=JobName(name), call=call, schedule=schedule)


def intervals(jobs: Sequence[Job]) -> dict[str, int]:
    """Return the intervals of the jobs in microseconds, as the checker wants them."""
    return {
        str(job.name): job.schedule.interval // MICROSECOND
        for job in jobs
        if isinstance(job.schedule, Every)
    }


class Life:
    """A durable Scheduler that is used as a daemon would, and notes what it is asked for."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.scheduler = Scheduler(f"sqlite:///{place.store}")

    def define(self, jobs: Sequence[Job]) -> Self:
        """Make `jobs` those of the file."""
        # Asked before the start: it is decided with what the store holds, as in the daemon.
        defined = self.scheduler.inbox.ask(JobsDefined(tuple(jobs), Source.FILE))
        self.scheduler.start()
        defined.result(PATIENCE_S)
        return self

    def ask(self, request: AnyRequest) -> object:
        """Ask and wait for the answer."""
        return self.scheduler.inbox.ask(request).result(PATIENCE_S)

    def trigger(self, name: str) -> RunId:
        """Trigger a job, and note it."""
        self.place.requests.asked("trigger", job=name)
        run = cast("Run", self.ask(Triggered(JobName(name))))
        self.place.requests.done("trigger", job=name, run=run.id)
        return run.id

    def stop_run(self, run: RunId) -> None:
        """Stop a run, and note it."""
        self.place.requests.asked("stop", run=run)
        self.ask(RunStopped(run))
        self.place.requests.done("stop", run=run)

    def stop_job(self, name: str) -> None:
        """Stop a job, and note it."""
        self.place.requests.asked("stop", job=name)
        self.ask(JobStopped(JobName(name)))
        self.place.requests.done("stop", job=name)

    def add_task(self) -> None:
        """Have a task run once, at once, and note it."""
        self.place.requests.asked("task")
        run = self.scheduler.schedule_one_time(tick, datetime.now(UTC), args=[str(self.place.log)])
        self.place.requests.done("task", run=run)

    def add_job(self) -> None:
        """Add a job of long interval, and note it."""
        self.place.requests.asked("add")
        name = self.scheduler.schedule_periodic(
            tick, timedelta(hours=1), args=[str(self.place.log)]
        )
        self.place.requests.done("add", job=name)

    def end_of(self, name: str) -> Future[Run]:
        """The end of a run, or of the next run of a job."""
        return self.scheduler.inbox.watch(name)

    def live(self) -> list[Run]:
        """The runs that are due and not at their end."""

        def read(history: History) -> list[Run]:
            return history.runs(states=LIVE)

        return self.scheduler.read_in_turn(read)

    def settle(self, heartbeat: str) -> None:
        """See that new work is done, then bring everything to rest and shut down."""
        self.ask(Resumed(None))  # an earlier life may have died on its way to rest
        for _ in range(2):
            self.end_of(heartbeat).result(PATIENCE_S)
        self.ask(Paused(None))
        beat = Event()
        for _ in range(int(REST_S / BEAT_S)):
            if not self.live():
                break
            beat.wait(BEAT_S)
        self.scheduler.shutdown(grace=timedelta(seconds=1))
