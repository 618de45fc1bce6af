"""Ledger: what the engine holds in memory, and what the turn under way changes of it.

Memory holds every job, the runs that execute, the live runs of jobs, and the head of the two
ordered sets of waiting runs. Everything else sleeps in the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from taskd.core.ahead import LEAD
from taskd.core.backlog import Backlog
from taskd.core.deadlines import GIVE_UP, Deadlines
from taskd.core.job import KILL_GRACE, JobName
from taskd.core.known import Known
from taskd.core.messages import Page, Receipt
from taskd.core.occurrences import due_after, is_elapsed
from taskd.core.planning import after_run, concluded
from taskd.core.record import JobRecord, JobState, Skip
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.run import MICROSECOND, Origin, Run, RunId, RunState
from taskd.core.turn import Changes, Interrupt, JobChange, Mark, RunChange, Turn
from taskd.core.value import replace
from taskd.core.wakes import Wakes
from taskd.core.zones import EPOCH
from taskd.errors import UnknownTask

BAD_ENDS = (RunState.FAILED, RunState.DEAD)


class Ledger:
    """Jobs, live runs and their places; `put_*` change them and write that into the turn.

    `draw` gives a number in [0, 1), for jitter. `ahead` are the runs that are RUNNING or
    QUEUED and whose instant has not come.
    """

    def __init__(self, *, window: int, draw: Callable[[], float]) -> None:
        self._draw = draw
        self.jobs: dict[JobName, JobRecord] = {}
        self.runs: dict[RunId, Run] = {}
        self.live: defaultdict[JobName, set[RunId]] = defaultdict(set)
        self.backlog = Backlog(window, self._instances_of)
        self.deadlines = Deadlines()
        self.wakes = Wakes(self.jobs)
        self.ahead: set[RunId] = set()
        self.known = Known()
        self.unique_in_periods: set[JobName] = set()
        self._open_skips: dict[JobName, Skip] = {}

    def begin(self, now: datetime, event: int = 1) -> Turn:
        """Open a turn: from here on every change is written into it, to be told from `event` on."""
        self.turn = Turn(Changes(now))
        self._event = event
        self.known.forget()
        return self.turn

    # -- reading ---------------------------------------------------------------------------------

    def job(self, name: JobName) -> JobRecord:
        """Return the record of a job. Raises UnknownTask."""
        try:
            return self.jobs[name]
        except KeyError:
            raise UnknownTask(name, kind="job") from None

    def run(self, run: RunId) -> Run:
        """Return a run in memory, found for this turn, or ended in it. Raises UnknownTask."""
        held = self.runs.get(run) or self.known.runs.get(run)
        if held is None:
            raise UnknownTask(run, kind="run")
        return held

    def count_live(self, name: JobName) -> int:
        """How many runs of the job have not ended."""
        return len(self.live.get(name, ()))

    def due_jobs(self, now: datetime) -> Iterator[JobRecord]:
        """Yield the jobs that want attention by `now`, soonest first, until none is left."""
        while (wake := self.wakes.first()) is not None and wake[0] <= now:
            yield self.jobs[wake[1]]

    def next_wakeup(self, looked_until: datetime | None = None) -> datetime | None:
        """When the next job or waiting run is due, or is to be looked at.

        That is `LEAD` before it is due, unless it was `looked_until` then; None: no more than that.
        """
        wake = self.wakes.first()
        due = self.backlog.next_due()
        instants = [EPOCH + due.key * MICROSECOND] if due else []
        if wake:
            instants.append(wake[0])
        if looked_until is not None:
            instants = [at if at <= looked_until else at - LEAD for at in instants]
        if deadline := self.deadlines.first():
            instants.append(deadline.at)
        return min(instants, default=None)

    def failure_policy_of(self, run: Run) -> FailurePolicy:
        """What follows a failure of `run`."""
        record = self.jobs.get(run.job) if run.job else None
        return record.job.failure if record else run.failure or DEFAULT_FAILURE

    def grace_of(self, run: Run) -> timedelta:
        """How long an attempt of `run` is given between the stages of an interruption."""
        record = self.jobs.get(run.job) if run.job else None
        return record.job.kill_grace if record else KILL_GRACE

    # -- what the store holds: no change ---------------------------------------------------------

    def hold_job(self, record: JobRecord) -> None:
        """Keep a job's record in memory."""
        before = self.jobs.get(record.job.name)
        self.jobs[record.job.name] = record
        is_periodic = record.job.unique is not None and record.job.unique.period is not None
        change = self.unique_in_periods.add if is_periodic else self.unique_in_periods.discard
        change(record.job.name)
        if before is not None and before.job.instances != record.job.instances:
            for run in self.live.get(record.job.name, ()):
                self.backlog.place(self.runs[run])
        wakes_at = record.wakes_at
        if wakes_at is not None and (before is None or before.wakes_at != wakes_at):
            self.wakes.put(wakes_at, record.job.name)

    def hold_run(self, run: Run) -> None:
        """Keep a live run in memory; drop one that ended, and tasks that go to sleep."""
        self.runs[run.id] = run
        if run.unique_key is not None:
            self.known.hold_unique(run, run.unique_key)
        asleep = self.backlog.place(run)
        if run.job is not None:
            self._place_live(run, run.job)
        if run.state.is_final:
            del self.runs[run.id]
        for other in asleep:
            del self.runs[other]

    def refill(self, pending: Page | None, queued: Page | None) -> None:
        """Take the lowest waiting tasks of the store into memory."""
        for page in (pending, queued):
            for run in page.runs if page else ():
                self.runs.setdefault(run.id, run)
        self.backlog.refill(pending, queued)

    def _instances_of(self, job: JobName) -> float:
        record = self.jobs.get(job)
        return record.job.instances if record else 1

    def _place_live(self, run: Run, job: JobName) -> None:
        if not run.state.is_final:
            self.live[job].add(run.id)
            return
        live = self.live[job]
        live.discard(run.id)
        if not live:
            del self.live[job]

    # -- changes ---------------------------------------------------------------------------------

    def put_run(self, run: Run, actor: str = "taskd") -> None:
        """Write a run's new state; when that ends it, its job's counters and cursor follow."""
        changes = self.turn.changes.runs
        known = changes.get(run.id)
        before = known.before if known else self.runs.get(run.id) or self.known.runs.get(run.id)
        run = replace(run, event=self._event)
        changes[run.id] = RunChange(before, run, _who(known, actor))
        self.known.runs[run.id] = run
        self.hold_run(run)
        if run.job is None:
            return
        if before is None and run.origin is Origin.SCHEDULE:
            self._open_skips.pop(run.job, None)
        latest = known.after if known else before
        had_ended = latest is not None and latest.state.is_final  # it only leaves the dead letters
        if run.state.is_final and not had_ended and run.job in self.jobs:
            self.put_job(self._with_end(self.jobs[run.job], run), actor)

    def withdraw_run(self, run: Run) -> None:
        """Write that a run never was: its start was committed ahead, and is taken back."""
        self.turn.changes.withdrawn[run.id] = run
        self.hold_run(replace(run, state=RunState.CANCELLED))  # which has a place nowhere

    def interrupt(self, run: Run, now: datetime, stage: int) -> None:
        """Interrupt the attempt under way, and plan the next stage where that is not done yet."""
        self.turn.interrupts.append(Interrupt(run.id, stage))
        if stage == GIVE_UP:
            self.deadlines.drop(run.id)
        elif stage >= self.deadlines.stage(run.id) and not run.abandoned:
            self.deadlines.put(run, now + self.grace_of(run), stage + 1)

    def put_job(self, record: JobRecord, actor: str = "taskd", reason: str = "") -> None:
        """Write a job's new record; the journal tells the `reason`."""
        name = record.job.name
        changes = self.turn.changes.jobs
        known = changes.get(name)
        before = known.before if known else self.jobs.get(name)
        if before is not None and before.anchor_at != record.anchor_at:
            self._open_skips.pop(name, None)  # a row of skips is about one grid, one schedule
        record = self._with_delay(
            self.jobs.get(name), concluded(record, live=self.count_live(name))
        )
        version = before.version + 1 if before else 1
        if record.version != version:
            record = replace(record, version=version)
        reason = reason or (known.reason if known else "")
        changes[name] = JobChange(before, record, _who(known, actor), reason)
        self.hold_job(record)

    def drop_job(self, name: JobName, actor: str) -> None:
        """Forget a job's definition; its runs stay."""
        known = self.turn.changes.jobs.get(name)
        before = known.before if known else self.jobs[name]
        self.turn.changes.jobs[name] = JobChange(before, None, actor)
        self._open_skips.pop(name, None)
        del self.jobs[name]
        self.unique_in_periods.discard(name)

    def put_skip(self, skip: Skip, actor: str = "taskd") -> None:
        """Write the decision that occurrences are skipped; runs of equal skips become one row."""
        opened = self._open_skips.get(skip.job)
        row = skip
        if opened is not None and opened.reason is skip.reason:
            row = replace(
                opened,
                last_at=skip.last_at,
                count=opened.count + skip.count,
                decided_at=skip.decided_at,
            )
        self._open_skips[skip.job] = row
        self.turn.changes.skips[row.job, row.first_at] = row
        record = decided(self.jobs[skip.job], skip.last_at)
        counts = _plus(record, RunState.SKIPPED, skip.count)
        self.put_job(replace(record, counts=counts), actor)

    def put_mark(self, mark: Mark) -> None:
        """Write that a mark was made."""
        self.turn.changes.marks[mark.scope, mark.key] = mark
        self.known.add_mark(mark)

    def put_receipt(self, receipt: Receipt) -> None:
        """Write what was done for a key."""
        self.turn.changes.receipts[receipt.key.text] = receipt
        self.known.add_receipt(receipt)

    def _with_delay(self, before: JobRecord | None, record: JobRecord) -> JobRecord:
        """Draw the jitter of an occurrence when the cursor comes to stand on it.

        A run is queued before the next occurrence, so that none is overtaken, or missed for it.
        """
        due_at, jitter = record.next_due_at, record.job.jitter
        if not jitter and not record.delay:
            return record
        if before and (before.next_due_at, before.job.jitter) == (due_at, jitter):
            return record
        if due_at is None or due_at <= self.turn.changes.at:
            return replace(record, delay=timedelta(0))
        following = due_after(record.job, due_at, record.anchor_at)
        room = jitter if following is None else min(jitter, following - due_at)
        most = room // MICROSECOND
        # A product of floats may round up to the next occurrence itself.
        drawn = min(int(most * self._draw()), most - 1)
        return replace(record, delay=max(drawn, 0) * MICROSECOND)

    def _with_end(self, record: JobRecord, run: Run) -> JobRecord:
        """Return the record of `run`'s job as the end of that run leaves it."""
        assert run.finished_at is not None
        carried = record.carried
        if record.job.carry and run.result is not None and not run.result.is_repr:
            carried = run.result.text
        counted = replace(
            record, counts=_plus(record, run.state, 1), last_run=run.id, carried=carried
        )
        counted = _judged(counted, run)
        if self.count_live(record.job.name):
            return counted
        # An attempt that began before the clock was set back ends, on paper, when it began.
        return after_run(counted, min(run.finished_at, self.turn.changes.at))


def _judged(record: JobRecord, run: Run) -> JobRecord:
    """Count the failures in a row, and pause the job when it has had enough of them."""
    if run.state is RunState.SUCCEEDED and record.failures_in_row:
        return replace(record, failures_in_row=0)
    if run.state not in BAD_ENDS:
        return record
    failures, limit = record.failures_in_row + 1, record.job.pause_after_failures
    record = replace(record, failures_in_row=failures)
    if limit is None or failures < limit or record.state is not JobState.ACTIVE:
        return record
    reason = f"{failures} runs in a row failed" if failures > 1 else "a run failed"
    return replace(record, state=JobState.PAUSED, pause_reason=reason, paused_until=None)


def decided(record: JobRecord, until: datetime) -> JobRecord:
    """Return `record`, which remembers what must not be decided again if the clock is set back."""
    if is_elapsed(record.job.schedule):
        return record  # its grid moves with the clock, off every instant it had
    known = record.decided_until
    return replace(record, decided_until=until if known is None else max(known, until))


def _plus(record: JobRecord, state: RunState, count: int) -> dict[str, int]:
    return {**record.counts, state.value: record.counts.get(state.value, 0) + count}


def _who(known: RunChange | JobChange | None, actor: str) -> str:
    """Return whose change it is: what follows from a request in its turn is the asker's."""
    return known.actor if known is not None and actor == "taskd" else actor
