"""Reasons: what was decided for an occurrence, and why, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from taskd.core.cron import Cron
from taskd.core.duration import format_duration
from taskd.core.occurrences import due_after, missed
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND, Run, RunState
from taskd.core.shifts import mark, silences

SOON: Final = timedelta(days=400)  # how far back what the clocks skipped is looked for


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of the occurrence at `due_at`.

    `decision` is ``run``, ``skipped``, ``undecided`` (it is due, or is to come) or ``none``
    (nothing is due then). `run` is its run; `skip` the row that covers it; `causes` are sentences.
    """

    due_at: datetime | None
    decision: str
    causes: tuple[str, ...]
    run: Run | None = None
    skip: Skip | None = None


def reason_at(
    record: JobRecord, at: datetime, now: datetime, runs: Sequence[Run], skips: Sequence[Skip]
) -> Reason:
    """What was decided for the occurrence at `at`, or else for the latest one before it.

    `runs` and `skips` are those of the job around `at`, in any order.
    """
    if at > now:
        return _to_come(record, at, now)
    ran = [run for run in runs if run.scheduled_at <= at]
    latest = max(ran, key=lambda run: run.scheduled_at, default=None)
    covering = [skip for skip in skips if skip.first_at <= at]
    row = max(covering, key=lambda skip: skip.last_at, default=None)
    if row is not None and (latest is None or min(row.last_at, at) > latest.scheduled_at):
        return _skipped(record, row, at, now, runs)
    if latest is not None:
        return _ran(record, latest, at, now)
    if record.next_due_at is not None and record.next_due_at <= at:
        return _to_come(record, record.next_due_at, now)
    first = f"the job was defined {_said(record, record.created_at)}"
    return Reason(None, "none", (f"nothing was due up to {_said(record, at)}", first))


def reason_next(record: JobRecord, now: datetime) -> Reason:
    """What is to become of the next occurrence."""
    if record.next_due_at is None:
        return Reason(None, "none", tuple(_standing(record)) or ("nothing is due",))
    return _to_come(record, record.next_due_at, now)


def _ran(record: JobRecord, run: Run, at: datetime, now: datetime) -> Reason:
    due_at = run.scheduled_at
    causes = [f"run {run.id} is {run.state}" + (f": {run.reason}" if run.reason else "")]
    if run.started_at is not None and run.started_at - due_at >= timedelta(seconds=1):
        causes.append(f"it started {_length(run.started_at - due_at)} after its due instant")
    if run.state is RunState.QUEUED:
        causes.append("it waits for a free slot, or for another run of its job to end")
    causes += [*_nearest(record, due_at, at, now), *_clocks(record, due_at)]
    return Reason(due_at, "run", tuple(causes), run=run)


def _skipped(
    record: JobRecord, row: Skip, at: datetime, now: datetime, runs: Iterable[Run]
) -> Reason:
    due_at = _latest_in(record, row, at)
    causes = [_why_skipped(record, row, due_at, runs)]
    if row.count > 1:
        span = f"{_said(record, row.first_at)} to {_said(record, row.last_at)}"
        causes.append(f"one decision for {row.count} occurrences, {span}")
    causes += [*_nearest(record, due_at, at, now), *_clocks(record, due_at)]
    return Reason(due_at, "skipped", tuple(causes), skip=row)


def _why_skipped(record: JobRecord, row: Skip, due_at: datetime, runs: Iterable[Run]) -> str:
    late = record.job.late
    match row.reason:
        case SkipReason.OVERLAP:
            live = (
                run
                for run in runs
                if run.queued_at is not None
                and run.queued_at <= row.decided_at
                and (run.finished_at is None or run.finished_at >= due_at)
            )
            met = next((f": {run.id}" for run in live), "")
            return f"another run of the job was under way{met}"
        case SkipReason.MISFIRE:
            if late.grace is not None:
                limit = f"runs may be {_length(late.grace)} late (misfire_grace_time)"
            else:
                limit = f'of what is missed catchup = "{late.catchup}" runs '
                limit += {"latest": "the latest", "all": f"{late.limit} at most"}.get(
                    late.catchup.value, "nothing"
                )
            late_by = _length(row.decided_at - due_at)
            return f"it was missed: taskd came to it {late_by} late; {limit}"
        case SkipReason.PAUSED:
            return "the job was paused"
        case SkipReason.STOPPED:
            return "the job was stopped or removed"
        case SkipReason.UNIQUE:
            return "another run stood for the same work (unique)"
        case SkipReason.CALENDAR:
            exclude = record.job.exclude
            name = exclude.calendar_at(due_at) if exclude is not None else None
            return f"its day is in the calendar {name}" if name else "its day was excluded"


def _to_come(record: JobRecord, at: datetime, now: datetime) -> Reason:
    """The first occurrence at or after `at`, which nobody has decided."""
    job, due_at = record.job, record.next_due_at
    if due_at is not None and due_at < at:
        due_at = due_after(job, at - MICROSECOND, record.anchor_at)
    if due_at is None:
        return Reason(None, "none", tuple(_standing(record)) or ("nothing is due then",))
    causes = _standing(record)
    if due_at > now:
        causes.append(f"due in {_length(due_at - now)}")
    else:
        causes.append(f"due since {_length(now - due_at)}, and not decided yet")
    if record.delay and due_at == record.next_due_at:
        causes.append(f"its run is queued {_length(record.delay)} later (jitter)")
    name = job.exclude.calendar_at(due_at) if job.exclude is not None else None
    if name is not None:
        causes.append(f"it will be skipped: its day is in the calendar {name}")
    return Reason(due_at, "undecided", (*causes, *_clocks(record, due_at)))


def _standing(record: JobRecord) -> list[str]:
    """What keeps the job from running at all."""
    match record.state:
        case JobState.PAUSED:
            until = f" until {_said(record, record.paused_until)}" if record.paused_until else ""
            why = f": {record.pause_reason}" if record.pause_reason else ""
            return [f"the job is paused{until}{why}"]
        case JobState.STOPPED:
            return ["the job is stopped; taskd resume revives it"]
        case JobState.FINISHED:
            return ["the job is finished: its schedule has no more occurrences"]
        case JobState.ACTIVE:
            pass
    if not record.job.enabled:
        return ["the job has enabled = false"]
    if record.job.schedule is None:
        at_boot = ", and when the daemon starts" if record.job.boot else ""
        return [f"the job has no schedule: it runs when it is triggered{at_boot}"]
    if record.next_due_at is None:
        return ["the next one counts from the end of the run under way"]
    return []


def _latest_in(record: JobRecord, row: Skip, at: datetime) -> datetime:
    """The latest occurrence of the row that is not after `at`, as far as it can be known."""
    if row.last_at <= at or row.count == 1:
        return min(row.last_at, max(row.first_at, at)) if row.count > 1 else row.first_at
    # A grid that moved since, or another schedule, does not name the row's instants any more.
    after_first = due_after(record.job, row.first_at - MICROSECOND, record.anchor_at)
    if record.job.schedule is None or after_first != row.first_at:
        return row.first_at
    return missed(record.job, row.first_at, at, record.anchor_at).last


def _nearest(record: JobRecord, due_at: datetime, at: datetime, now: datetime) -> list[str]:
    """Where `at` is no occurrence: between which ones it lies. Nobody asks that of `now`."""
    if at in (due_at, now):
        return []
    following = due_after(record.job, at - MICROSECOND, record.anchor_at)
    if record.next_due_at is None and (following is None or following > now):
        following = None  # its schedule is over, or waits for the end of a run
    after = f", the next is {_said(record, following)}" if following is not None else ""
    latest = f"the latest before it is {_said(record, due_at)}{after}"
    causes = [f"{_said(record, at)} is no occurrence: {latest}"]
    schedule = record.job.schedule
    if isinstance(schedule, Cron) and at - due_at <= SOON:
        hidden = silences(schedule, due_at, at)
        causes += [f"on the clocks of {schedule.timezone} {words}" for _, words in hidden]
    return causes


def _clocks(record: JobRecord, due_at: datetime) -> list[str]:
    """What daylight saving did around a cron occurrence."""
    schedule = record.job.schedule
    if not isinstance(schedule, Cron):
        return []
    words = mark(schedule, due_at)
    return [f"on the clocks of {schedule.timezone} {words}"] if words else []


def _length(time: timedelta) -> str:
    """A duration without more detail than people want."""
    unit = timedelta(seconds=1) if time >= timedelta(seconds=10) else timedelta(milliseconds=1)
    return format_duration(max(time // unit * unit, timedelta(milliseconds=1)))


def _said(record: JobRecord, at: datetime | None) -> str:
    """An instant on the clocks of the job, where it has any; else in UTC."""
    if at is None:
        return ""
    schedule = record.job.schedule
    local = at.astimezone(ZoneInfo(schedule.timezone) if isinstance(schedule, Cron) else UTC)
    seconds = f"{local:%S.%f}"[:-3] if local.microsecond else f"{local:%S}"
    return f"{local:%Y-%m-%d %H:%M}:{seconds} {local:%Z}"
