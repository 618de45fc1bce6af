"""Engine: one turn after another, told the time and what happened, it answers with what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from taskd.core.job import Job, JobName
from taskd.core.late import Catchup
from taskd.core.ledger import Ledger, decided
from taskd.core.messages import (
    AnyRequest,
    AttemptFinished,
    ClockStepped,
    Draining,
    Found,
    HandedBack,
    Input,
    Refilled,
    Refused,
    Reply,
    Restored,
    RunStopped,
    Start,
    Turn,
)
from taskd.core.occurrences import due_after
from taskd.core.planning import drop_missed, plan, rescued, stepped
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.requests import answer, release
from taskd.core.run import (
    MICROSECOND,
    Origin,
    Outcome,
    Run,
    RunId,
    RunState,
    microseconds,
    move,
    settle,
    start,
)
from taskd.errors import Stopped, TaskdError


class Engine:
    """The pure scheduler. One thread, the loop, calls it.

    `workers` is the number of slots. `new_id` makes a run id, given the instant. `draw` gives a
    number in [0, 1), for jitter. `node` and `pid` are recorded with each attempt. `window` is how
    many waiting runs of each kind memory holds. After a commit that failed or was refused the
    engine is thrown away: see `Restored`.
    """

    def __init__(
        self,
        *,
        node: str,
        pid: int,
        workers: int,
        new_id: Callable[[datetime], RunId],
        draw: Callable[[], float],
        window: int = 1000,
    ) -> None:
        self._node = node
        self._pid = pid
        self._workers = workers
        self._new_id = new_id
        self._ledger = Ledger(window=max(window, 4 * workers), draw=draw)
        self._draining = False

    def turn(self, inputs: Sequence[Input], now: datetime) -> Turn:
        """Take what happened, decide everything that is due at `now`, and say what to do."""
        turn = self._ledger.begin(now)
        for item in inputs:
            self._take(item, now)
        if not self._draining:
            self._fire_due_jobs(now)
            self._queue_due_runs(now)
            self._claim(now)
        return turn

    def next_wakeup(self) -> datetime | None:
        """When the next turn is due by the clock; None when only a message can bring one."""
        return None if self._draining else self._ledger.next_wakeup()

    def hunger(self) -> tuple[bool, bool]:
        """Whether the window of pending, and of queued runs, wants a refill from the store now."""
        if self._draining:
            return False, False
        pending, queued = self._ledger.pending, self._ledger.queued
        wants_pending = pending.has_more and pending.head() is None
        # Suspects may be left that cannot start now, while others wait in the store that could.
        wants_queued = queued.has_more and self._has_free_slot and self._best() is None
        return wants_pending, wants_queued

    def absent(self, inputs: Sequence[Input]) -> tuple[RunId, ...]:
        """The runs that requests among `inputs` name and that only the store knows."""
        named = (item.run for item in inputs if isinstance(item, RunStopped))
        return tuple(run for run in named if run not in self._ledger.runs)

    @property
    def running(self) -> frozenset[RunId]:
        """The runs that occupy a slot."""
        return frozenset(self._ledger.running)

    @property
    def _has_free_slot(self) -> bool:
        return len(self._ledger.running) < self._workers

    def _take(self, item: Input, now: datetime) -> None:
        match item:
            case Restored():
                self._restore(item, now)
            case Refilled():
                self._ledger.refill(item.pending, item.queued)
            case Found():
                self._ledger.find(item.runs)
            case AttemptFinished():
                self._finish(item)
            case ClockStepped():
                self._step_clock(item)
            case Refused():
                self._pass_over(item, now)
            case Draining():
                self._draining = True
            case HandedBack():
                self._hand_back(now)
            case _:
                self._answer(item, now)

    def _answer(self, request: AnyRequest, now: datetime) -> None:
        try:
            if self._draining:
                raise Stopped("taskd is shutting down")
            reply = Reply(request.ticket, answer(self._ledger, request, now, self._new_id))
        except TaskdError as refused:
            reply = Reply(request.ticket, error=refused)
        self._ledger.turn.replies.append(reply)

    def _restore(self, restored: Restored, now: datetime) -> None:
        """Take over what the store holds; decide first about attempts that nobody executes."""
        ledger = self._ledger
        for record in restored.jobs:
            ledger.hold_job(record)
            if restored.restart:
                self._replace(record, rescued(record, now))
        ledger.refill(restored.pending, restored.queued)
        for run in restored.live:
            ledger.hold_run(run)
        # In the same process a run that the executor does not have was committed and never started.
        outcome = Outcome.LOST if restored.restart else Outcome.RELEASED
        for run in restored.live:
            if run.state is RunState.RUNNING and (run.id, run.attempt) not in restored.alive:
                self._settle(run, outcome, now)

    def _finish(self, finished: AttemptFinished) -> None:
        run = self._ledger.runs.get(finished.run)
        if run is None or run.state is not RunState.RUNNING or run.attempt != finished.attempt:
            return  # it was handed back meanwhile: a late end changes nothing
        outcome, reason = finished.outcome, finished.reason
        if run.stopping and outcome is Outcome.FAILED:
            outcome, reason = Outcome.CANCELLED, run.reason
        settled, attempt = settle(
            run,
            outcome,
            finished.at,
            result=finished.result,
            error=finished.error,
            reason=reason,
        )
        self._ledger.turn.changes.attempts.append(attempt)
        self._ledger.put_run(settled)

    def _settle(self, run: Run, outcome: Outcome, now: datetime) -> None:
        settled, attempt = settle(run, outcome, now)
        self._ledger.turn.changes.attempts.append(attempt)
        self._ledger.put_run(settled)

    def _hand_back(self, now: datetime) -> None:
        for run in sorted(self._ledger.running):
            self._settle(self._ledger.runs[run], Outcome.RELEASED, now)

    def _pass_over(self, refused: Refused, now: datetime) -> None:
        """Move cursors past occurrences that the store says are decided."""
        for name, due_at in refused.occurrences:
            record = self._ledger.jobs.get(JobName(name))
            if record is None or record.job.schedule is None or record.next_due_at is None:
                continue
            self._decide_before(record, due_at, now)
            passed = decided(self._ledger.jobs[record.job.name], due_at)
            next_due_at = due_after(record.job, due_at, record.anchor_at)
            self._ledger.put_job(replace(passed, next_due_at=next_due_at))

    def _decide_before(self, record: JobRecord, due_at: datetime, now: datetime) -> None:
        """Decide what is due before an occurrence that is decided, as if that were due too."""
        if record.next_due_at is None or record.next_due_at >= due_at:
            return
        if record.job.late.catchup is Catchup.ALL:
            self._fire(record, now, until=due_at - MICROSECOND)
            return
        for skip in drop_missed(record, due_at - MICROSECOND, SkipReason.MISFIRE):
            self._ledger.put_skip(replace(skip, decided_at=now))

    def _step_clock(self, step: ClockStepped) -> None:
        for record in list(self._ledger.jobs.values()):
            self._replace(record, stepped(record, step.by))

    def _replace(self, record: JobRecord, moved: JobRecord) -> None:
        if moved is not record:
            self._ledger.put_job(moved)

    def _fire_due_jobs(self, now: datetime) -> None:
        for record in self._ledger.due_jobs(now):
            if record.state is JobState.PAUSED:
                release(self._ledger, record, now, "taskd")
            else:
                self._fire(record, now)

    def _fire(self, record: JobRecord, now: datetime, *, until: datetime | None = None) -> None:
        """Decide the occurrences of a job up to `until`, by default up to `now`."""
        job, ledger = record.job, self._ledger
        planned = plan(record, now, busy=ledger.is_busy(job.name), until=until)
        for decision in planned.decisions:
            if isinstance(decision, Skip):
                ledger.put_skip(decision)
            else:
                ledger.put_run(self._occurrence(job, decision, now))
        after = ledger.jobs[job.name]
        for run_at in planned.runs[-1:]:
            after = decided(after, run_at)
        made = after.scheduled_runs + len(planned.runs)
        ledger.put_job(replace(after, next_due_at=planned.next_due_at, scheduled_runs=made))

    def _occurrence(self, job: Job, due_at: datetime, now: datetime) -> Run:
        return Run(
            id=self._new_id(now),
            job=job.name,
            origin=Origin.SCHEDULE,
            state=RunState.QUEUED,
            scheduled_at=due_at,
            due_at=due_at,
            queued_at=now,
            priority=job.priority,
        )

    def _queue_due_runs(self, now: datetime) -> None:
        due = microseconds(now)
        while (head := self._ledger.pending.head()) is not None and head.key <= due:
            self._ledger.put_run(move(self._ledger.runs[head.run], RunState.QUEUED, now))

    def _claim(self, now: datetime) -> None:
        """Start the best of what waits in each free slot."""
        ledger = self._ledger
        while self._has_free_slot and (run := self._best()) is not None:
            record = ledger.jobs.get(run.job) if run.job else None
            call = run.call or (record.job.call if record else None)
            if call is None:
                ledger.put_run(move(run, RunState.CANCELLED, now, reason="its job was removed"))
                continue
            started = start(run, now, node=self._node, pid=self._pid)
            ledger.put_run(started)
            carry = record is not None and record.job.carry
            carried = record.carried if record and carry else None
            ledger.turn.starts.append(Start(started, call, carry, carried))

    def _best(self) -> Run | None:
        """Return the waiting run that goes next.

        Runs that were there when the process died are started one at a time: the one that takes it
        down each time must not drag the others along to DEAD.
        """
        runs, running = self._ledger.runs, self._ledger.running
        for entry in self._ledger.queued:
            run = runs[entry.run]
            if self._is_held_back(run):
                continue
            if not run.crashes or not any(runs[other].crashes for other in running):
                return run
        return None

    def _is_held_back(self, run: Run) -> bool:
        """Whether another run of its job is under way: what a job caught up goes one by one."""
        live = self._ledger.live.get(run.job) if run.job else None
        return live is not None and not live.isdisjoint(self._ledger.running)
