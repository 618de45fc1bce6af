"""Planning: what becomes of the occurrences that are due, and where a schedule stands next.

The policies are the defaults of jobs.toml: ``catchup = "latest"`` (of what was missed, the latest
occurrence runs and the others are skipped), ``misfire_grace_time = "inf"`` and ``overlap = "skip"``
with one instance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from taskd.core.job import Job
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND
from taskd.core.schedule import Every, Missed, Mode, Schedule


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision for all due occurrences of a job: one runs, or none, the rest is skipped."""

    run_at: datetime | None
    skip: Skip | None
    next_due_at: datetime | None


def plan(record: JobRecord, now: datetime, *, busy: bool) -> Plan:
    """Decide every occurrence from the record's cursor to `now`; the cursor must be due.

    `busy` says that a run of the job is live, so that all of them are skipped as overlap.
    """
    schedule, first_at = record.job.schedule, record.next_due_at
    assert schedule is not None
    assert first_at is not None
    missed = schedule.missed(first_at, now, record.anchor_at)
    # A fixed-delay job's next occurrence counts from the end of the live run: see `after_run`.
    next_due_at = None if is_fixed_delay(schedule) else missed.next
    if busy:
        skip = Skip(record.job.name, first_at, missed.last, missed.count, SkipReason.OVERLAP, now)
        return Plan(None, skip, next_due_at)
    return Plan(missed.last, _all_before(record, missed, now, SkipReason.MISFIRE), next_due_at)


def _all_before(
    record: JobRecord, missed: Missed, now: datetime, reason: SkipReason
) -> Skip | None:
    """Skip what was missed save its latest occurrence, which is to run."""
    schedule, first_at = record.job.schedule, record.next_due_at
    if missed.count == 1 or schedule is None or first_at is None:
        return None
    rest = schedule.missed(first_at, missed.last - MICROSECOND, record.anchor_at)
    return Skip(record.job.name, first_at, rest.last, rest.count, reason, now)


def resumed(record: JobRecord, now: datetime) -> tuple[JobRecord, Skip | None]:
    """Return `record` active again, and the decision for what fell into its pause or stop.

    After a pause the latest missed occurrence is still to run, as after any outage. A stopped job
    had no schedule meanwhile: it goes on with the first occurrence after `now`.
    """
    active = replace(record, state=JobState.ACTIVE, pause_reason="", paused_until=None)
    schedule, first_at = record.job.schedule, record.next_due_at
    if schedule is None or not record.job.enabled:
        return active, None
    if record.state is JobState.STOPPED:
        return replace(active, next_due_at=schedule.after(now, record.anchor_at)), None
    if first_at is None or first_at > now:
        return active, None
    missed = schedule.missed(first_at, now, record.anchor_at)
    skip = _all_before(record, missed, now, SkipReason.PAUSED)
    return replace(active, next_due_at=missed.last), skip


def drop_missed(record: JobRecord, now: datetime, reason: SkipReason) -> Skip | None:
    """Skip every occurrence from the record's cursor to `now`; None when there is none."""
    schedule, first_at = record.job.schedule, record.next_due_at
    if schedule is None or first_at is None or first_at > now:
        return None
    missed = schedule.missed(first_at, now, record.anchor_at)
    return Skip(record.job.name, first_at, missed.last, missed.count, reason, now)


def first_seen(job: Job, now: datetime) -> JobRecord:
    """Return the record of a job that is new at `now`: the only kind that may fire at once."""
    return JobRecord(
        job=job,
        state=JobState.ACTIVE,
        created_at=now,
        anchor_at=now,
        next_due_at=job.schedule.first(now) if job.schedule and job.enabled else None,
    )


def redefined(record: JobRecord, job: Job, now: datetime, *, busy: bool) -> JobRecord:
    """Return `record` with its definition replaced.

    An unchanged schedule keeps its cursor. A changed one never fires at once: an interval starts
    its grid at `now` plus the interval. A stopped or paused job stays so; `busy` says that a run
    of it is live, whose end a fixed delay waits for.
    """
    old = record.job
    if (old.schedule, old.enabled) == (job.schedule, job.enabled):
        return replace(record, job=job)
    is_due = job.enabled and record.state is not JobState.STOPPED
    if job.schedule is None or not is_due or (busy and is_fixed_delay(job.schedule)):
        due_at = None
    else:
        due_at = job.schedule.after(now, now)
    state = JobState.ACTIVE if record.state is JobState.FINISHED else record.state
    return replace(record, job=job, state=state, anchor_at=now, next_due_at=due_at)


def after_run(record: JobRecord, ended_at: datetime) -> JobRecord:
    """Return `record` once no run of it is live any more: a fixed-delay job waits from here."""
    schedule = record.job.schedule
    if schedule is None or not record.job.enabled or record.next_due_at is not None:
        return record
    if record.state is JobState.STOPPED or not is_fixed_delay(schedule):
        return record
    return replace(record, next_due_at=schedule.after(ended_at, record.anchor_at))


def concluded(record: JobRecord, *, busy: bool) -> JobRecord:
    """Return `record`, FINISHED if its schedule has no more occurrences and no run is live."""
    is_scheduled = record.job.schedule is not None and record.job.enabled
    goes_on = record.next_due_at is not None or busy
    if record.state is not JobState.ACTIVE or not is_scheduled or goes_on:
        return record
    return replace(record, state=JobState.FINISHED)


def stepped(record: JobRecord, by: timedelta) -> JobRecord:
    """Return `record` after the wall clock was set forward by `by` (back, where negative).

    Intervals go on by elapsed time, so their grid moves with the clock; cron expressions, instants
    and aligned intervals name wall-clock times and stay where they are.
    """
    schedule = record.job.schedule
    if not isinstance(schedule, Every) or schedule.align:
        return record
    # The odd microsecond keeps the moved grid off the instants of the old one: a clock set back by
    # a multiple of the interval must not decide an occurrence twice.
    by += MICROSECOND
    due_at = record.next_due_at + by if record.next_due_at else None
    return replace(record, anchor_at=record.anchor_at + by, next_due_at=due_at)


def rescued(record: JobRecord, now: datetime) -> JobRecord:
    """Return `record` as a restart finds it: no interval waits for longer than it is.

    One that does was written before the clock was set back, while nobody looked.
    """
    schedule, due_at = record.job.schedule, record.next_due_at
    if not isinstance(schedule, Every) or due_at is None or due_at <= now + schedule.interval:
        return record
    return stepped(record, now + schedule.interval - due_at)


def is_fixed_delay(schedule: Schedule) -> bool:
    """Whether the schedule counts its interval from the end of each run."""
    return isinstance(schedule, Every) and schedule.mode is Mode.FIXED_DELAY
