"""A driver for engines: a clock moved by hand, and tables that are the fold of all turns."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from taskd.core.engine import Engine
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import (
    AnyRequest,
    AttemptFinished,
    Input,
    JobsDefined,
    Page,
    Restored,
    Ticket,
)
from taskd.core.record import JobRecord, Skip
from taskd.core.run import Attempt, Outcome, Result, Run, RunId, RunState
from taskd.core.schedule import Schedule
from taskd.core.turn import Turn

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
JOB = JobName("job")


def a_job(
    name: str = JOB,
    schedule: Schedule | None = None,
    *,
    source: Source = Source.FILE,
    enabled: bool = True,
    carry: bool = False,
) -> Job:
    return Job(
        name=JobName(name),
        call=Call("any:thing", (1,)),
        schedule=schedule,
        source=source,
        enabled=enabled,
        carry=carry,
    )


class Driver:
    def __init__(self, *jobs: Job, workers: int = 2, ahead: bool = False) -> None:
        self.now = NOON
        self.drawn = 0.0
        self.jobs: dict[JobName, JobRecord] = {}
        self.runs: dict[RunId, Run] = {}
        self.attempts: list[Attempt] = []
        self.skips: dict[tuple[JobName, datetime], Skip] = {}
        self.last: Turn
        self._workers = workers
        self._ahead = ahead
        self._ids = count(1)
        self.restart(define=jobs)

    def restart(
        self,
        *inputs: Input,
        define: Iterable[Job] = (),
        alive: Iterable[Run] = (),
        ahead: Iterable[Run] = (),
        same_process: bool = False,
    ) -> Turn:
        self.engine = Engine(
            node="here",
            pid=1,
            workers=self._workers,
            new_id=lambda now: RunId(f"run-{next(self._ids)}"),
            draw=lambda: self.drawn,
            ahead=self._ahead,
        )
        live = [run for run in self.runs.values() if not run.state.is_final]
        asleep = [run for run in live if run.job is None]
        queued = [r for r in asleep if r.state is RunState.QUEUED and not r.crashes]
        pending = [r for r in asleep if r.state in (RunState.PENDING, RunState.RETRYING)]
        restored = Restored(
            jobs=tuple(self.jobs.values()),
            live=tuple(r for r in live if r.job or r.crashes or r.state is RunState.RUNNING),
            queued=Page(tuple(queued), complete=True),
            pending=Page(tuple(pending), complete=True),
            alive=frozenset((run.id, run.attempt) for run in alive),
            ahead=frozenset(run.id for run in ahead),
            restart=not same_process,
        )
        defined = [JobsDefined(jobs=tuple(define), source=Source.FILE)] if define else []
        return self.turn(restored, *defined, *inputs)

    def turn(self, *inputs: Input, after: timedelta = timedelta(0)) -> Turn:
        self.now += after
        self.last = turn = self.engine.turn(inputs, self.now)
        for name, job in turn.changes.jobs.items():
            assert self.jobs.pop(name, None) == job.before
            if job.after is not None:
                self.jobs[name] = job.after
        for withdrawn in turn.changes.withdrawn.values():
            assert self.runs.pop(withdrawn.id) == withdrawn
        for run in turn.changes.runs.values():
            assert self.runs.get(run.after.id) == run.before
            self.runs[run.after.id] = run.after
        self.attempts += turn.changes.attempts
        self.skips |= turn.changes.skips
        return turn

    def ask(self, request: AnyRequest) -> object:
        """The reply's value; raises what the request is refused with."""
        (reply,) = self.turn(request).replies
        assert reply.ticket == Ticket(0)
        if reply.error is not None:
            raise reply.error
        return reply.value

    def define(self, *jobs: Job) -> object:
        return self.ask(JobsDefined(jobs=jobs, source=Source.FILE))

    def finish(
        self,
        run: Run | None = None,
        outcome: Outcome = Outcome.SUCCEEDED,
        *,
        result: str = "null",
        after: timedelta = timedelta(0),
    ) -> Run:
        """End the attempt of the run, or of the only one that is running."""
        if run is None:
            (run,) = self.running
        self.now += after
        ended = AttemptFinished(run.id, run.attempt, self.now, outcome, Result(result))
        self.turn(ended)
        return self.runs[run.id]

    @property
    def running(self) -> list[Run]:
        return [run for run in self.runs.values() if run.state is RunState.RUNNING]

    @property
    def job(self) -> JobRecord:
        return self.jobs[JOB]

    @property
    def skipped(self) -> list[tuple[datetime, datetime, int, str]]:
        return [(s.first_at, s.last_at, s.count, s.reason.value) for s in self.skips.values()]

    def state(self, run: RunId) -> RunState:
        return self.runs[run].state
