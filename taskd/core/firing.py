"""Firing: the occurrences of jobs that are due become runs, or skips with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from taskd.core.duplicates import same_work, unique_key
from taskd.core.job import Job, JobName
from taskd.core.late import Catchup
from taskd.core.ledger import Ledger, decided
from taskd.core.occurrences import due_after
from taskd.core.overlap import make_room
from taskd.core.planning import Plan, drop_missed, plan
from taskd.core.record import JobRecord, Skip, SkipReason
from taskd.core.run import MICROSECOND, Origin, Run, RunId, RunState
from taskd.core.value import replace

NewId = Callable[[datetime], RunId]


def fire(
    ledger: Ledger,
    record: JobRecord,
    now: datetime,
    new_id: NewId,
    *,
    until: datetime | None = None,
) -> None:
    """Decide the occurrences of a job up to `until`, by default up to `now`."""
    live = ledger.count_live(record.job.name)
    carry_out(ledger, record.job, plan(record, now, live=live, until=until), now, new_id)


def carry_out(ledger: Ledger, job: Job, planned: Plan, now: datetime, new_id: NewId) -> None:
    """Make the runs and skips of a plan, and move the job's cursor past them."""
    if planned.runs:
        make_room(ledger, job, now)
    made = ledger.jobs[job.name].scheduled_runs
    for decision in planned.decisions:
        if isinstance(decision, Skip):
            ledger.put_skip(decision)
        elif same_work(ledger, job, None, now) is not None:
            skip = Skip(job.name, decision, decision, 1, SkipReason.UNIQUE, now)
            ledger.put_skip(skip)
        else:
            ledger.put_run(_occurrence(job, decision, now, new_id))
            made += 1
    after = ledger.jobs[job.name]
    for run_at in planned.runs[-1:]:
        after = decided(after, run_at)
    ledger.put_job(replace(after, next_due_at=planned.next_due_at, scheduled_runs=made))


def pass_over(
    ledger: Ledger, occurrences: Iterable[tuple[str, datetime]], now: datetime, new_id: NewId
) -> None:
    """Move cursors past occurrences that the store says are decided."""
    for name, due_at in occurrences:
        record = ledger.jobs.get(JobName(name))
        if record is None or record.job.schedule is None or record.next_due_at is None:
            continue
        _decide_before(ledger, record, due_at, now, new_id)
        passed = decided(ledger.jobs[record.job.name], due_at)
        next_due_at = due_after(record.job, due_at, record.anchor_at)
        ledger.put_job(replace(passed, next_due_at=next_due_at))


def _decide_before(
    ledger: Ledger, record: JobRecord, due_at: datetime, now: datetime, new_id: NewId
) -> None:
    """Decide what is due before an occurrence that is decided, as if that were due too."""
    if record.next_due_at is None or record.next_due_at >= due_at:
        return
    if record.job.late.catchup is Catchup.ALL:
        fire(ledger, record, now, new_id, until=due_at - MICROSECOND)
        return
    for skip in drop_missed(record, due_at - MICROSECOND, SkipReason.MISFIRE):
        ledger.put_skip(replace(skip, decided_at=now))


def _occurrence(job: Job, due_at: datetime, now: datetime, new_id: NewId) -> Run:
    return Run(
        id=new_id(now),
        job=job.name,
        origin=Origin.SCHEDULE,
        state=RunState.QUEUED,
        scheduled_at=due_at,
        due_at=due_at,
        queued_at=now,
        priority=job.priority,
        unique_key=unique_key(job, None),
    )
