"""Random histories: commits that a scheduler might make, told as a list of small steps."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import strategies as st

from taskd.core.job import JobName
from taskd.core.messages import AttemptFinished
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.retry import DEFAULT_FAILURE
from taskd.core.run import Outcome, Result, Run, RunError, RunId, RunState, start
from taskd.core.settling import settle
from taskd.core.turn import Changes, JobChange, RunChange
from tests.stores.records import NOW, a_job, a_run, an_id

HOUR = timedelta(hours=1)
NAMES = [JobName("a"), JobName("b"), JobName("c")]
OUTCOMES = list(Outcome)

words = st.sampled_from(["define", "remove", "pause", "queue", "start", "settle", "skip", "wait"])
steps = st.tuples(words, st.sampled_from(NAMES), st.integers(0, 9))
Step = tuple[str, JobName, int]


def keep(job: str | None) -> tuple[timedelta, timedelta]:
    """How long the runs of these histories are kept: job c's for ever."""
    return (timedelta.max, timedelta.max) if job == "c" else (2 * HOUR, 5 * HOUR)


@dataclass
class History:
    """What the scheduler knows; `turn` makes the changes of one commit."""

    now: timedelta = timedelta()
    jobs: dict[JobName, JobRecord] = field(default_factory=dict)
    runs: dict[RunId, Run] = field(default_factory=dict)

    def turn(self, steps: Iterable[Step], event: int) -> Changes:
        """Return the changes of a commit that the journal tells from `event` on."""
        changes = Changes(NOW + self.now)
        for word, name, number in steps:
            getattr(self, word)(changes, name, number)
        for change in changes.jobs.values():
            if change.after is None:
                assert change.before is not None
                self.jobs.pop(change.before.job.name)
            else:
                self.jobs[change.after.job.name] = change.after
        for moved in changes.runs.values():
            self.runs[moved.after.id] = replace(moved.after, event=event)
        return changes

    def wait(self, changes: Changes, name: JobName, number: int) -> None:
        self.now += (number - 1) * HOUR / 4  # a clock may be set back

    def define(self, changes: Changes, name: JobName, number: int) -> None:
        before = self.jobs.get(name)
        if before is None:
            changes.jobs.setdefault(name, JobChange(None, a_job(name), "t"))
        elif name not in changes.jobs:
            job = replace(before.job, priority=number)
            self._move(changes, name, job=job)

    def remove(self, changes: Changes, name: JobName, number: int) -> None:
        if name in self.jobs and name not in changes.jobs:
            changes.jobs[name] = JobChange(self.jobs[name], None, "t")

    def pause(self, changes: Changes, name: JobName, number: int) -> None:
        state = JobState.PAUSED if number % 2 else JobState.ACTIVE
        self._move(changes, name, state=state, pause_reason="why" if number % 2 else "")

    def queue(self, changes: Changes, name: JobName, number: int) -> None:
        for n in range(number):
            run = a_run(name if n % 3 else None, id=an_id(changes.at), scheduled_at=changes.at)
            changes.runs[run.id] = RunChange(None, run, "t")

    def start(self, changes: Changes, name: JobName, number: int) -> None:
        for run in self._those(RunState.QUEUED, changes, number):
            running = start(run, changes.at, node="n", pid=number)
            changes.runs[run.id] = RunChange(run, running, "t")

    def settle(self, changes: Changes, name: JobName, number: int) -> None:
        outcome = OUTCOMES[number % len(OUTCOMES)]
        result = Result("" if number % 2 else "[1]", is_repr=bool(number % 2))
        error = RunError("E", "m") if number % 3 else None
        for run in self._those(RunState.RUNNING, changes, number):
            ended = AttemptFinished(run.id, run.attempt, changes.at, outcome, result, error)
            settled, attempt = settle(run, ended, DEFAULT_FAILURE, lambda: 0.5)
            changes.runs[run.id] = RunChange(run, settled, "t")
            changes.attempts += [attempt] if attempt else []
            if run.job is not None:
                self._move(changes, run.job, last_run=run.id, next_due_at=None)

    def skip(self, changes: Changes, name: JobName, number: int) -> None:
        first = NOW + timedelta(hours=number % 2)
        skip = Skip(name, first, first, 1, SkipReason.OVERLAP, changes.at)
        changes.skips[name, first] = skip
        self._move(changes, name, counts={"SKIPPED": number})

    def _those(self, state: RunState, changes: Changes, number: int) -> list[Run]:
        there = [r for r in self.runs.values() if r.state is state and r.id not in changes.runs]
        return there[:number]

    def _move(self, changes: Changes, name: JobName, **more: object) -> None:
        known = changes.jobs.get(name)
        before = known.before if known else self.jobs.get(name)
        after = known.after if known else before
        if before is None or after is None:
            return
        after = replace(after, **{**more, "version": before.version + 1})  # type: ignore[arg-type]
        changes.jobs[name] = JobChange(before, after, "t")
