"""Requests: what a user may ask of the engine, one function each.

A function checks everything first and changes the ledger last, so that a refused request has
changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from taskd.core.deadlines import ASK, INSIST
from taskd.core.diff import Diff, diff
from taskd.core.duplicates import call_of, same_work, unique_key
from taskd.core.job import JobName, Source
from taskd.core.ledger import Ledger
from taskd.core.messages import (
    Added,
    AnyRequest,
    Booted,
    Checkpointed,
    Dismissed,
    JobRemoved,
    JobsDefined,
    JobStopped,
    Marked,
    Paused,
    Resumed,
    Retried,
    RunStopped,
    Triggered,
)
from taskd.core.overlap import make_room, met_by
from taskd.core.planning import drop_missed, first_seen, redefined, resumed, stopped
from taskd.core.receipts import recall, receipt
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.reruns import dismiss, retry
from taskd.core.run import Origin, Run, RunId, RunState, move
from taskd.core.unique import OnConflict
from taskd.core.value import replace
from taskd.core.withdrawing import keep_back
from taskd.core.within import checkpoint, mark
from taskd.errors import Conflict


def answer(
    ledger: Ledger, request: AnyRequest, now: datetime, new_id: Callable[[datetime], RunId]
) -> object:
    """Do what is asked, once for each key, and return the reply's value.

    Raises:
        UnknownTask: The job or run that it names does not exist.
        Conflict: It cannot be done as things stand.
        KeyReused: Its key belongs to another request.
    """
    match request:
        case Marked():
            return mark(ledger, request, now)
        case Checkpointed():
            checkpoint(ledger, request)
            return None
        case _:
            pass
    if request.key is None:
        return _do(ledger, request, now, new_id)
    done = ledger.known.receipt(request.key.text)
    if done is not None:
        return recall(ledger, request, done)
    reply = _do(ledger, request, now, new_id)
    ledger.put_receipt(receipt(request.key, reply, now))
    return reply


def _do(
    ledger: Ledger, request: AnyRequest, now: datetime, new_id: Callable[[datetime], RunId]
) -> object:
    match request:
        case JobsDefined():
            return define(ledger, request, now)
        case Added():
            return add(ledger, request, now)
        case JobRemoved():
            return remove(ledger, request, now)
        case JobStopped():
            return stop_job(ledger, request, now)
        case RunStopped():
            return stop_run(ledger, request, now)
        case Paused():
            return pause(ledger, request)
        case Resumed():
            return resume(ledger, request, now)
        case Triggered():
            return trigger(ledger, request, now, new_id)
        case Booted():
            return boot(ledger, request, now, new_id)
        case Retried():
            return retry(ledger, request, now, new_id)
        case Dismissed():
            return dismiss(ledger, request, now)
        case _:
            raise TypeError(f"{type(request).__name__} is not asked for")


def define(ledger: Ledger, request: JobsDefined, now: datetime) -> Diff:
    """Make the jobs of one source exactly those of the request."""
    for job in request.jobs:
        known = ledger.jobs.get(job.name)
        if known is not None and known.job.source is not request.source:
            raise Conflict(
                f"job {job.name} was added by {known.job.source.value}; "
                f"rename it here, or: taskd remove {job.name}"
            )
    old = {
        name: record.job
        for name, record in ledger.jobs.items()
        if record.job.source is request.source
    }
    wanted = {job.name: job for job in request.jobs}
    difference = diff(old, request.jobs)
    for name in difference.removed:
        _forget(ledger, name, now, request.actor)
    for name in difference.changed:
        record = ledger.jobs[name]
        if record.job.timing != wanted[name].timing:
            is_paused = record.state is JobState.PAUSED
            reason = SkipReason.PAUSED if is_paused else SkipReason.MISFIRE
            _skip_missed(ledger, record, now, request.actor, reason)
        live = ledger.count_live(name)
        changed = redefined(ledger.jobs[name], wanted[name], now, live=live)
        ledger.put_job(changed, request.actor)
    for name in difference.added:
        ledger.put_job(first_seen(wanted[name], now), request.actor)
    return difference


def add(ledger: Ledger, request: Added, now: datetime) -> tuple[JobRecord, ...]:
    """Add new jobs and one-time tasks."""
    for job in request.jobs:
        known = ledger.jobs.get(job.name)
        if known is not None:
            where = "jobs.toml" if known.job.source is Source.FILE else "an earlier add"
            raise Conflict(f"there is a job {job.name} already, from {where}")
    for job in request.jobs:
        ledger.put_job(first_seen(job, now), request.actor)
    for task in request.tasks:
        if task.id in ledger.runs:
            continue  # asked again, since nobody knows whether the first commit was done
        is_due = task.due_at <= now
        run = Run(
            id=task.id,
            job=None,
            origin=Origin.SCHEDULE,
            state=RunState.QUEUED if is_due else RunState.PENDING,
            scheduled_at=task.due_at,
            due_at=task.due_at,
            queued_at=now if is_due else None,
            priority=task.priority,
            call=task.call,
            failure=task.failure,
        )
        ledger.put_run(run, request.actor)
    return tuple(ledger.jobs[job.name] for job in request.jobs)


def remove(ledger: Ledger, request: JobRemoved, now: datetime) -> tuple[Run, ...]:
    """Forget an added job and cancel its waiting runs; a running one finishes."""
    record = ledger.job(request.job)
    if record.job.source is Source.FILE:
        raise Conflict(f"job {request.job} is defined in jobs.toml; remove it there")
    return _forget(ledger, request.job, now, request.actor)


def stop_job(
    ledger: Ledger, request: JobStopped, now: datetime
) -> tuple[JobRecord, tuple[Run, ...]]:
    """End a job's schedule and its runs: waiting ones at once, running ones when they heed it."""
    record = ledger.job(request.job)
    live = sorted(ledger.live.get(request.job, ()))
    _skip_missed(ledger, record, now, request.actor, SkipReason.STOPPED)
    ledger.put_job(stopped(ledger.jobs[request.job]), request.actor, request.reason)
    reason = request.reason or "its job was stopped"
    runs = tuple(_end(ledger, ledger.run(run), now, reason, request) for run in live)
    return ledger.jobs[request.job], runs


def stop_run(ledger: Ledger, request: RunStopped, now: datetime) -> Run:
    """End one run: a waiting one is cancelled, a running one is asked to end."""
    run = ledger.run(request.run)
    if run.state.is_final:
        raise Conflict(f"run {run.id} is {run.state} already", run=run.id)
    return _end(ledger, run, now, request.reason or "stopped", request)


def pause(ledger: Ledger, request: Paused) -> tuple[JobRecord, ...]:
    """Hold jobs: their cursor stands still until they are resumed."""
    names = _names(ledger, request.jobs, JobState.ACTIVE)
    records = [ledger.job(name) for name in names]
    for record in records:
        if record.state not in (JobState.ACTIVE, JobState.PAUSED):
            raise Conflict(
                f"job {record.job.name} is {record.state.value}; there is nothing to hold"
            )
    for record in records:
        held = replace(
            record,
            state=JobState.PAUSED,
            pause_reason=request.reason,
            paused_until=request.until,
        )
        ledger.put_job(held, request.actor)
    return tuple(ledger.jobs[name] for name in names)


def resume(ledger: Ledger, request: Resumed, now: datetime) -> tuple[JobRecord, ...]:
    """Release paused jobs, revive stopped ones; one that is active stays as it is.

    The failures of before are forgiven: else the next one would pause the job again.
    """
    names = _names(ledger, request.jobs, JobState.PAUSED)
    records = [ledger.job(name) for name in names]
    for record in records:
        if record.state is JobState.FINISHED:
            raise Conflict(
                f"job {record.job.name} is finished: its schedule has no more occurrences"
            )
        if not record.job.enabled:
            raise Conflict(
                f"job {record.job.name} has enabled = false; change that where it is defined"
            )
    for record in records:
        if record.state is not JobState.ACTIVE:
            forgiven = replace(record, failures_in_row=0)
            release(ledger, forgiven, now, request.actor, request.reason)
    return tuple(ledger.jobs[name] for name in names)


def release(ledger: Ledger, record: JobRecord, now: datetime, actor: str, reason: str = "") -> None:
    """Make a paused or stopped job active again."""
    active, skips = resumed(record, now, live=ledger.count_live(record.job.name))
    ledger.put_job(active, actor, reason)
    for skip in skips:
        ledger.put_skip(skip, actor)


def trigger(
    ledger: Ledger, request: Triggered, now: datetime, new_id: Callable[[datetime], RunId]
) -> Run:
    """Queue one run of a job now; it obeys overlap like a due one."""
    job = ledger.job(request.job).job
    if job.call.is_command and (request.args is not None or request.kwargs is not None):
        raise Conflict(f"{job.name} is a command, which takes no arguments from a trigger")
    call = call_of(job, request)
    same = same_work(ledger, job, call, now)
    if same is not None and job.unique and job.unique.on_conflict is OnConflict.ERROR:
        raise Conflict(f"run {same.id} of job {job.name} is the same work", run=same.id)
    if same is not None:
        return same
    if (met := met_by(ledger, job)) is not None:
        raise Conflict(f"job {job.name} has a run under way: {met}", run=met)
    run = Run(
        id=new_id(now),
        job=job.name,
        origin=Origin.TRIGGER,
        state=RunState.QUEUED,
        scheduled_at=now,
        due_at=now,
        queued_at=now,
        priority=job.priority,
        call=call,
        unique_key=unique_key(job, call),
    )
    make_room(ledger, job, now, request.actor)
    ledger.put_run(run, request.actor)
    return run


def boot(
    ledger: Ledger, request: Booted, now: datetime, new_id: Callable[[datetime], RunId]
) -> tuple[Run, ...]:
    """Queue a run of each active job that is to run at boot; one that is busy overlaps itself."""
    runs = []
    for name, record in sorted(ledger.jobs.items()):
        if not record.job.boot or not record.job.enabled or record.state is not JobState.ACTIVE:
            continue
        if met_by(ledger, record.job) is not None:
            ledger.put_skip(Skip(name, now, now, 1, SkipReason.OVERLAP, now), request.actor)
            continue
        if same_work(ledger, record.job, None, now) is not None:
            ledger.put_skip(Skip(name, now, now, 1, SkipReason.UNIQUE, now), request.actor)
            continue
        make_room(ledger, record.job, now, request.actor)
        run = Run(
            id=new_id(now),
            job=name,
            origin=Origin.BOOT,
            state=RunState.QUEUED,
            scheduled_at=now,
            due_at=now,
            queued_at=now,
            priority=record.job.priority,
            unique_key=unique_key(record.job, None),
        )
        ledger.put_run(run, request.actor)
        runs.append(run)
    return tuple(runs)


def _names(
    ledger: Ledger, jobs: tuple[JobName, ...] | None, state: JobState
) -> tuple[JobName, ...]:
    if jobs is not None:
        return jobs
    # One that is not enabled is never due: there is nothing to hold, and it could not be resumed.
    return tuple(
        sorted(
            name
            for name, record in ledger.jobs.items()
            if record.state is state and record.job.enabled
        )
    )


def _end(
    ledger: Ledger, run: Run, now: datetime, reason: str, request: JobStopped | RunStopped
) -> Run:
    """Cancel a waiting run; mark a running one as stopping and interrupt it."""
    if run.id in ledger.ahead:
        run = keep_back(ledger, run)
    if run.state is RunState.RUNNING:
        ended = replace(run, stopping=True, reason=reason)
        ledger.interrupt(ended, now, INSIST if request.force else ASK)
    else:
        ended = move(run, RunState.CANCELLED, now, reason=reason)
    ledger.put_run(ended, request.actor)
    return ended


def _forget(ledger: Ledger, name: JobName, now: datetime, actor: str) -> tuple[Run, ...]:
    """Drop a job, cancel its waiting runs and return them; a running one finishes."""
    _skip_missed(ledger, ledger.jobs[name], now, actor, SkipReason.STOPPED)
    waiting = sorted(
        run for run in ledger.live.get(name, ()) if ledger.run(run).state is not RunState.RUNNING
    )
    reason = "its job was removed"
    for run in waiting:
        ledger.put_run(move(ledger.run(run), RunState.CANCELLED, now, reason=reason), actor)
    ledger.drop_job(name, actor)
    return tuple(ledger.run(run) for run in waiting)


def _skip_missed(
    ledger: Ledger, record: JobRecord, now: datetime, actor: str, reason: SkipReason
) -> None:
    """Decide what the schedule left undecided, before the cursor moves away from it."""
    for skip in drop_missed(record, now, reason):
        ledger.put_skip(skip, actor)
