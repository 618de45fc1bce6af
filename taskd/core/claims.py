"""Claims: which run gets a free slot, at its instant or a moment ahead of that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import takewhile
from typing import Final

from taskd.core.ahead import AHEAD
from taskd.core.execution import DEFAULT_EXECUTION
from taskd.core.firing import carry_out
from taskd.core.ledger import Ledger
from taskd.core.planning import plan
from taskd.core.record import JobRecord, JobState
from taskd.core.retry import FailurePolicy, OnCrash
from taskd.core.run import MICROSECOND, Run, RunId, RunState, microseconds, move, start
from taskd.core.timeouts import limit_time
from taskd.core.turn import Start
from taskd.core.withdrawing import make_way
from taskd.core.zones import EPOCH

MOST_QUEUED: Final = 100
"""Runs that a turn queues ahead: the time for them must not make late what is due meanwhile."""


class Claims:
    """Gives the `workers` slots to runs, and numbers the attempts.

    `node` and `pid` are recorded with each. `fence` is that of the latest attempt.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        node: str,
        pid: int,
        workers: int,
        new_id: Callable[[datetime], RunId],
    ) -> None:
        self._ledger = ledger
        self._node = node
        self._pid = pid
        self._workers = workers
        self._new_id = new_id
        self.fence = 0

    @property
    def free_slots(self) -> int:
        """How many more attempts may be under way."""
        backlog = self._ledger.backlog
        return self._workers - len(backlog.running) + len(backlog.abandoned)

    def claim(self, now: datetime) -> None:
        """Start the best of what waits in each free slot; what is ahead gives way to it."""
        ledger = self._ledger
        while (best := ledger.backlog.best()) is not None:
            if self.free_slots <= 0 and not make_way(ledger):
                return
            self._start(ledger.runs[best], now)

    def claim_ahead(self, now: datetime) -> None:
        """Decide what is due within `AHEAD` as if it were due now, where nothing can change that.

        It is started where there is a slot for it: what is due before it and cannot be decided yet
        has another, and nobody waits for one. Runs of jobs that get none are queued.
        """
        ledger = self._ledger
        free = max(self.free_slots, 0) if ledger.backlog.best() is None else 0
        for place, (at, item) in enumerate(self._next(now + AHEAD)[: free + MOST_QUEUED]):
            if isinstance(item, Run):
                if place < free:
                    self._start_task_ahead(item, at)
            elif (run := self._fire_ahead(item, at, now)) is not None:
                if place < free:
                    self._start(run, at, ahead=True)
                else:
                    ledger.ahead.add(run.id)
                    ledger.backlog.postpone(run)

    def _next(self, until: datetime) -> list[tuple[datetime, Run | JobRecord]]:
        """Return the runs and the jobs that are due by `until`, in the order of their starts."""
        ledger, latest = self._ledger, microseconds(until)
        jobs = {record.job.name: record for record in ledger.wakes.until(until)}
        found: list[tuple[datetime, Run | JobRecord]] = [
            (record.wakes_at, record) for record in jobs.values() if record.wakes_at
        ]
        due = takewhile(lambda entry: entry.key <= latest, ledger.backlog.pending)
        found += [(EPOCH + entry.key * MICROSECOND, ledger.runs[entry.run]) for entry in due]
        return sorted(found, key=_place)

    def _start_task_ahead(self, run: Run, at: datetime) -> None:
        policy = self._ledger.failure_policy_of(run)
        if run.state is RunState.PENDING and not run.crashes and _may_begin_again(policy):
            self._start(move(run, RunState.QUEUED, at), at, ahead=True)

    def _fire_ahead(self, record: JobRecord, at: datetime, now: datetime) -> Run | None:
        """Make the run of a job that is due at `at`; None where that must wait for its instant."""
        ledger, job = self._ledger, record.job
        is_plain = record.state is JobState.ACTIVE and not job.jitter and job.unique is None
        if not is_plain or ledger.count_live(job.name) or not _may_begin_again(job.failure):
            return None
        planned = plan(record, at, live=0, until=at)
        if planned.decisions != (at,):
            return None
        carry_out(ledger, job, planned, at, lambda _: self._new_id(now))
        (run,) = ledger.live[job.name]
        return ledger.runs[run]

    def _start(self, run: Run, at: datetime, *, ahead: bool = False) -> None:
        ledger = self._ledger
        record = ledger.jobs.get(run.job) if run.job else None
        call = run.call or (record.job.call if record else None)
        if call is None:
            ledger.put_run(move(run, RunState.CANCELLED, at, reason="its job was removed"))
            return
        self.fence += 1
        started = start(
            run,
            at,
            node=self._node,
            pid=self._pid,
            fence=self.fence,
            max_attempts=ledger.failure_policy_of(run).retry.max_attempts,
        )
        ledger.put_run(started)
        limit_time(ledger, started, at)
        carry = record is not None and record.job.carry
        carried = record.carried if record and carry else None
        execution = record.job.execution if record else DEFAULT_EXECUTION
        if ahead:
            ledger.ahead.add(run.id)
        ledger.turn.starts.append(
            Start(started, call, at if ahead else None, carry, carried, execution)
        )


def _may_begin_again(policy: FailurePolicy) -> bool:
    """Whether nothing is lost if the process dies ahead, when nobody can tell that from later."""
    return policy.on_crash is OnCrash.RETRY and policy.max_crashes > 1


def _place(found: tuple[datetime, Run | JobRecord]) -> tuple[datetime, int]:
    at, item = found
    return at, -(item.priority if isinstance(item, Run) else item.job.priority)
