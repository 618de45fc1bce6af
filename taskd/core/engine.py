"""Engine: one turn after another, told the time and what happened, it answers with what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from taskd.core.ahead import AHEAD, is_ahead, may_be_ahead
from taskd.core.claims import Claims
from taskd.core.firing import fire, pass_over
from taskd.core.job import JobName
from taskd.core.ledger import Ledger
from taskd.core.lookups import wanted
from taskd.core.messages import (
    AnyRequest,
    AttemptFinished,
    Begun,
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
from taskd.core.run import (
    Outcome,
    Run,
    RunId,
    RunState,
    microseconds,
    move,
)
from taskd.core.settling import settle
from taskd.core.timeouts import interrupt_late, limit_time
from taskd.core.turn import Note, Reply, Turn
from taskd.core.value import replace
from taskd.core.withdrawing import reconsider, take_back, take_back_all, take_back_missed
from taskd.errors import Stopped, TaskdError

TOLERABLE: Final = timedelta(milliseconds=1)
"""An attempt that begins later than this after its instant says so: it is written once more."""


class Engine:
    """The pure scheduler. One thread, the loop, calls it.

    `workers` is the number of slots. `new_id` makes a run id, given the instant; `draw` gives
    chance in [0, 1). `node` and `pid` are recorded with each attempt. `window` is how many waiting
    tasks of each kind memory holds. With `ahead` starts are committed a moment before their
    instant: see `Start`. After a commit that failed or was refused the engine is thrown away: see
    `Restored`.
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
        ahead: bool = False,
    ) -> None:
        self._new_id = new_id
        self._draw = draw
        self._ledger = Ledger(window=max(window, 4 * workers), draw=draw)
        self._claims = Claims(self._ledger, node=node, pid=pid, workers=workers, new_id=new_id)
        self._draining = False
        self._ahead = ahead
        self._looked_until: datetime | None = None

    def turn(self, inputs: Sequence[Input], now: datetime, event: int = 1) -> Turn:
        """Take what happened, decide everything that is due at `now`, and say what to do.

        The journal is to tell its changes from the `event`-th on.
        """
        turn = self._ledger.begin(now, event)
        for item in inputs:
            self._take(item, now)
        take_back_missed(self._ledger, now)
        interrupt_late(self._ledger, now)
        if not self._draining:
            self._fire_due_jobs(now)
            self._queue_due_runs(now)
            self._claims.claim(now)
        if self._ahead and not self._draining:
            self._claims.claim_ahead(now)
            self._looked_until = now + AHEAD
        return turn

    def next_wakeup(self) -> datetime | None:
        """When the next turn is due by the clock; None when only a message can bring one."""
        if not self._draining:
            return self._ledger.next_wakeup(self._looked_until)
        deadline = self._ledger.deadlines.first()
        return deadline.at if deadline else None

    def hunger(self) -> tuple[bool, bool]:
        """Whether the window of pending, and of queued tasks, wants a refill from the store now."""
        if self._draining:
            return False, False
        pending, queued = self._ledger.backlog.pending, self._ledger.backlog.queued
        wants_pending = pending.has_more and pending.head() is None
        wants_queued = queued.has_more and queued.head() is None and self._claims.free_slots > 0
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
            case Begun():
                self._begin(item, now)
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
                take_back_all(self._ledger)
                self._draining = True
            case HandedBack():
                self._hand_back(now)
            case _:
                self._answer(item, now)

    def _answer(self, request: AnyRequest, now: datetime) -> None:
        try:
            if self._draining and not isinstance(request, Marked | Checkpointed):
                raise Stopped("taskd is shutting down")
            reconsider(self._ledger, request)
            reply = Reply(request.ticket, answer(self._ledger, request, now, self._new_id))
        except TaskdError as refused:
            reply = Reply(request.ticket, error=refused)
        self._ledger.turn.replies.append(reply)

    def _restore(self, restored: Restored, now: datetime) -> None:
        """Take over what the store holds; decide first about attempts that nobody executes."""
        ledger = self._ledger
        self._claims.fence = max(self._claims.fence, restored.fence)
        for record in restored.jobs:
            ledger.hold_job(record)
        ledger.refill(restored.pending, restored.queued)
        for run in restored.live:
            ledger.hold_run(run)
        ledger.ahead |= restored.ahead
        for run in restored.live:
            if run.state is RunState.QUEUED and is_ahead(run, now):
                take_back(ledger, run)
            if run.state is not RunState.RUNNING:
                continue
            if (run.id, run.attempt) not in restored.alive:
                self._miss(run, now, restart=restored.restart)
            elif not run.abandoned:
                limit_time(ledger, run, now)
        for record in list(ledger.jobs.values()) if restored.restart else ():
            self._replace(record, rescued(record, now))

    def _miss(self, run: Run, now: datetime, *, restart: bool) -> None:
        """Settle a run that is RUNNING, and that nobody executes.

        In the same process it was committed and never started.
        """
        if is_ahead(run, now) or (not restart and run.due_at > now and may_be_ahead(run)):
            take_back(self._ledger, run)
            return
        outcome = Outcome.LOST if restart else Outcome.RELEASED
        self._settle(run, AttemptFinished(run.id, run.attempt, now, outcome, has_begun=False))

    def _begin(self, begun: Begun, now: datetime) -> None:
        """Take note that what was ahead is under way; one that began late says so."""
        ledger, run = self._ledger, self._ledger.runs.get(begun.run)
        ledger.ahead.discard(begun.run)
        if run is None or run.state is not RunState.RUNNING or run.attempt != begun.attempt:
            return
        if run.started_at is not None and begun.at - run.started_at >= TOLERABLE:
            run = replace(run, started_at=begun.at, first_started_at=begun.at)
            ledger.put_run(run)
            limit_time(ledger, run, now)

    def _finish(self, ended: AttemptFinished) -> None:
        run = self._ledger.runs.get(ended.run)
        if run is None or run.state is not RunState.RUNNING or run.attempt != ended.attempt:
            return  # it was handed back meanwhile: a late end changes nothing
        self._settle(run, ended)

    def _settle(self, run: Run, ended: AttemptFinished) -> None:
        self._ledger.deadlines.drop(run.id)
        policy = self._ledger.failure_policy_of(run)
        settled, attempt = settle(run, ended, policy, self._draw)
        if attempt is not None:
            self._ledger.turn.changes.attempts.append(attempt)
        self._ledger.put_run(settled)

    def _hand_back(self, now: datetime) -> None:
        for name in sorted(self._ledger.backlog.running):
            run = self._ledger.runs[name]
            outcome = Outcome.ABANDONED if run.abandoned else Outcome.RELEASED
            self._settle(run, AttemptFinished(name, run.attempt, now, outcome))

    def _step_clock(self, step: ClockStepped) -> None:
        note = Note("clock.stepped", {"by_s": step.by.total_seconds()})
        self._ledger.turn.changes.notes.append(note)
        take_back_all(self._ledger)
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
            run = self._ledger.runs[due.run]
            if run.state is RunState.QUEUED:  # ahead of its instant
                self._ledger.ahead.discard(run.id)
                backlog.place(run)
            else:
                self._ledger.put_run(move(run, RunState.QUEUED, now))
