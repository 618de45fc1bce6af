"""Occurrences: the due instants of a job, which are those of its schedule within its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from taskd.core.job import Job
from taskd.core.run import MICROSECOND
from taskd.core.schedule import Every, Missed, Mode, Schedule
from taskd.core.value import replace


@dataclass(frozen=True, slots=True)
class Piece:
    """`count` occurrences in a row, `first_at` to `last_at`, alike in that `calendar` has them."""

    first_at: datetime
    last_at: datetime
    count: int
    calendar: str | None


def first_due(job: Job, now: datetime) -> datetime | None:
    """The first occurrence of a job first seen at `now`; one that is past is late, not gone."""
    schedule, start_at = job.schedule, job.bounds.start_at
    if schedule is None or not job.enabled:
        return None
    due_at = schedule.first(now if start_at is None else max(now, start_at))
    if start_at is not None and due_at is not None and due_at < start_at:
        due_at = schedule.after(start_at - MICROSECOND, start_at)
    return None if due_at is None or job.bounds.is_over(due_at) else due_at


def due_after(job: Job, instant: datetime, anchor_at: datetime) -> datetime | None:
    """The first occurrence strictly after `instant`; for a fixed delay, the end of a run."""
    schedule, start_at = job.schedule, job.bounds.start_at
    if schedule is None or not job.enabled:
        return None
    due_at = schedule.after(instant, anchor_at)
    if start_at is not None and due_at is not None and due_at < start_at:
        is_delay = is_fixed_delay(schedule)
        due_at = start_at if is_delay else schedule.after(start_at - MICROSECOND, anchor_at)
    return None if due_at is None or job.bounds.is_over(due_at) else due_at


def missed(job: Job, first: datetime, until: datetime, anchor_at: datetime) -> Missed:
    """The occurrences in [first, until], where `first` is itself one of them."""
    schedule, end_at = job.schedule, job.bounds.end_at
    assert schedule is not None
    if end_at is not None:
        until = min(until, end_at - MICROSECOND)
    found = schedule.missed(first, until, anchor_at)
    is_over = found.next is None or job.bounds.is_over(found.next)
    return replace(found, next=None) if is_over else found


def pieces(job: Job, first: datetime, until: datetime, anchor_at: datetime) -> Iterator[Piece]:
    """The occurrences in [first, until] in order, a piece for each stretch of days alike.

    `first` is itself an occurrence, and `until` not before it. The cost is that of the days.
    """
    at: datetime | None = first
    before: Piece | None = None
    while at is not None and at <= until:
        name, end = job.exclude.stretch(at) if job.exclude else (None, until + MICROSECOND)
        found = missed(job, at, min(until, end - MICROSECOND), anchor_at)
        piece = Piece(at, found.last, found.count, name)
        if before is not None and before.calendar == name:
            piece = replace(piece, first_at=before.first_at, count=before.count + piece.count)
        elif before is not None:
            yield before
        before = piece
        at = None if job.schedule and is_fixed_delay(job.schedule) else found.next
    if before is not None:
        yield before


def is_fixed_delay(schedule: Schedule) -> bool:
    """Whether the schedule counts its interval from the end of each run."""
    return isinstance(schedule, Every) and schedule.mode is Mode.FIXED_DELAY


def is_elapsed(schedule: Schedule | None) -> bool:
    """Whether the schedule goes by elapsed time, rather than name instants of the wall clock."""
    return isinstance(schedule, Every) and not schedule.align
