"""Engine: one turn after another, told the time and what happened, it answers with what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from taskd.core.execution import DEFAULT_EXECUTION
from taskd.core.firing import fire, pass_over
from taskd.core.job import JobName
from taskd.core.ledger import Ledger
from taskd.core.lookups import wanted
from taskd.core.messages import (
    AnyRequest,
    AttemptFinished,
    Checkpointed,
    ClockStepped,
    Draining,
    Found,
    HandedBack,
    Input,
    Marked,
    Noticed,
    Refilled,
    Refused,
    Restored,
    StoreHealed,
    Wanted,
)
from taskd.core.planning import rescued, stepped
from taskd.core.record import JobRecord, JobState
from taskd.core.requests import answer, release
from taskd.core.retention import DEFAULT_RETENTION
from taskd.core.retry import DEFAULT_FAILURE, FailurePolicy
from taskd.core.run import (
    Outcome,
    Run,
    RunId,
    RunState,
    microseconds,
    move,
    start,
)
from taskd.core.settling import settle
from taskd.core.timeouts import interrupt_late, limit_time
from taskd.core.turn import Note, Reply, Start, Turn
from taskd.errors import Stopped, TaskdError


class Engine:
    """The pure scheduler. One thread, the loop, calls it.

    `workers` is the number of slots. `new_id` makes a run id, given the instant; `draw` gives
    chance in [0, 1). `node` and `pid` are recorded with each attempt. `window` is how many waiting
    tasks of each kind memory holds. After a commit that failed or was refused the engine is thrown
    away: see `Restored`.
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
        self._draw = draw
        self._fence = 0
        self._ledger = Ledger(window=max(window, 4 * workers), draw=draw)
        self._draining = False

    def turn(self, inputs: Sequence[Input], now: datetime, event: int = 1) -> Turn:
        """Take what happened, decide everything that is due at `now`, and say what to do.

        The journal is to tell its changes from the `event`-th on.
        """
        turn = self._ledger.begin(now, event)
        for item in inputs:
            self._take(item, now)
        interrupt_late(self._ledger, now)
        if not self._draining:
            self._fire_due_jobs(now)
            self._queue_due_runs(now)
            self._claim(now)
        return turn

    def next_wakeup(self) -> datetime | None:
        """When the next turn is due by the clock; None when only a message can bring one."""
        if not self._draining:
            return self._ledger.next_wakeup()
        deadline = self._ledger.deadlines.first()
        return deadline.at if deadline else None

    def hunger(self) -> tuple[bool, bool]:
        """Whether the window of pending, and of queued tasks, wants a refill from the store now."""
        if self._draining:
            return False, False
        pending, queued = self._ledger.backlog.pending, self._ledger.backlog.queued
        wants_pending = pending.has_more and pending.head() is None
        wants_queued = queued.has_more and queued.head() is None and self._has_free_slot
        return wants_pending, wants_queued

    def wants(self, inputs: Sequence[Input], now: datetime) -> Wanted:
        """What a turn with `inputs` has to know and only the store knows."""
        return wanted(self._ledger, inputs, now)

    def kept_for(self, job: str | None) -> tuple[timedelta, timedelta]:
        """How long finished runs of a job, or of tasks, are kept: see `Retention`."""
        record = self._ledger.jobs.get(JobName(job)) if job else None
        kept = record.job.retention if record else DEFAULT_RETENTION
        return kept.success, kept.failed

    @property
    def running(self) -> frozenset[RunId]:
        """The runs that occupy a slot."""
        return frozenset(self._ledger.backlog.running - self._ledger.backlog.abandoned)

    @property
    def abandoned(self) -> frozenset[RunId]:
        """The runs whose attempt was given up and has not ended."""
        return frozenset(self._ledger.backlog.abandoned)

    @property
    def _has_free_slot(self) -> bool:
        backlog = self._ledger.backlog
        return len(backlog.running) - len(backlog.abandoned) < self._workers

    def _take(self, item: Input, now: datetime) -> None:
        match item:
            case Restored():
                self._restore(item, now)
            case Refilled():
                self._ledger.refill(item.pending, item.queued)
            case Found():
                self._ledger.known.learn(item)
            case AttemptFinished():
                self._finish(item)
            case ClockStepped():
                self._step_clock(item)
            case StoreHealed():
                note = Note("store.healed", {"error": item.error, "since": item.since.isoformat()})
                self._ledger.turn.changes.notes.append(note)
            case Noticed():
                self._ledger.turn.changes.notes.append(Note(item.kind, item.data))
            case Refused():
                pass_over(self._ledger, item.occurrences, now, self._new_id)
            case Draining():
                self._draining = True
            case HandedBack():
                self._hand_back(now)
            case _:
                self._answer(item, now)

    def _answer(self, request: AnyRequest, now: datetime) -> None:
        try:
            if self._draining and not isinstance(request, Marked | Checkpointed):
                raise Stopped("taskd is shutting down")
            reply = Reply(request.ticket, answer(self._ledger, request, now, self._new_id))
        except TaskdError as refused:
            reply = Reply(request.ticket, error=refused)
        self._ledger.turn.replies.append(reply)

    def _restore(self, restored: Restored, now: datetime) -> None:
        """Take over what the store holds; decide first about attempts that nobody executes."""
        ledger = self._ledger
        self._fence = max(self._fence, restored.fence)
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
                ended = AttemptFinished(run.id, run.attempt, now, outcome, has_begun=False)
                self._settle(run, ended)
            elif run.state is RunState.RUNNING and not run.abandoned:
                limit_time(ledger, run, now)

    def _finish(self, ended: AttemptFinished) -> None:
        run = self._ledger.runs.get(ended.run)
        if run is None or run.state is not RunState.RUNNING or run.attempt != ended.attempt:
            return  # it was handed back meanwhile: a late end changes nothing
        self._settle(run, ended)

    def _settle(self, run: Run, ended: AttemptFinished) -> None:
        self._ledger.deadlines.drop(run.id)
        settled, attempt = settle(run, ended, self._failure_policy(run), self._draw)
        if attempt is not None:
            self._ledger.turn.changes.attempts.append(attempt)
        self._ledger.put_run(settled)

    def _failure_policy(self, run: Run) -> FailurePolicy:
        record = self._ledger.jobs.get(run.job) if run.job else None
        return record.job.failure if record else run.failure or DEFAULT_FAILURE

    def _hand_back(self, now: datetime) -> None:
        for name in sorted(self._ledger.backlog.running):
            run = self._ledger.runs[name]
            outcome = Outcome.ABANDONED if run.abandoned else Outcome.RELEASED
            self._settle(run, AttemptFinished(name, run.attempt, now, outcome))

    def _step_clock(self, step: ClockStepped) -> None:
        note = Note("clock.stepped", {"by_s": step.by.total_seconds()})
        self._ledger.turn.changes.notes.append(note)
        self._ledger.deadlines.shift(step.by)
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
                fire(self._ledger, record, now, self._new_id)

    def _queue_due_runs(self, now: datetime) -> None:
        backlog = self._ledger.backlog
        while (due := backlog.next_due()) is not None and due.key <= microseconds(now):
            self._ledger.put_run(move(self._ledger.runs[due.run], RunState.QUEUED, now))

    def _claim(self, now: datetime) -> None:
        """Start the best of what waits in each free slot."""
        ledger = self._ledger
        while self._has_free_slot and (best := ledger.backlog.best()) is not None:
            run = ledger.runs[best]
            record = ledger.jobs.get(run.job) if run.job else None
            call = run.call or (record.job.call if record else None)
            if call is None:
                ledger.put_run(move(run, RunState.CANCELLED, now, reason="its job was removed"))
                continue
            self._fence += 1
            started = start(
                run,
                now,
                node=self._node,
                pid=self._pid,
                fence=self._fence,
                max_attempts=self._failure_policy(run).retry.max_attempts,
            )
            ledger.put_run(started)
            limit_time(ledger, started, now)
            carry = record is not None and record.job.carry
            carried = record.carried if record and carry else None
            execution = record.job.execution if record else DEFAULT_EXECUTION
            ledger.turn.starts.append(Start(started, call, carry, carried, execution))
