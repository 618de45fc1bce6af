"""Forecast: which occurrences of a job are to run, as things stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice

from taskd.core.duration import LONGEST as CENTURY
from taskd.core.occurrences import due_after, is_fixed_delay, pieces
from taskd.core.planning import plan
from taskd.core.record import JobRecord, JobState
from taskd.core.run import MICROSECOND
from taskd.core.value import replace


@dataclass(frozen=True, slots=True)
class Forecast:
    """The due instants that run up to an instant: `count` of them, of which the first are listed.

    `runs` are those up to `until`; a late one, which is due already, is among them. Of a fixed
    delay only the next is known, for the others wait for the end of a run.
    """

    count: int
    runs: tuple[datetime, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Shift:
    """How one forecast differs from another: the due instants that are `gone`, `new`, or `moved`.

    Those that moved are pairs of before and after. All of them lie at or before `until`.
    """

    gone: tuple[datetime, ...]
    new: tuple[datetime, ...]
    moved: tuple[tuple[datetime, datetime], ...]
    until: datetime


def upcoming(record: JobRecord, n: int) -> list[datetime]:
    """Return the next `n` due instants that run as things stand; fewer where it has fewer."""
    return list(islice(_runs(record), n))


def forecast(record: JobRecord | None, now: datetime, until: datetime, most: int) -> Forecast:
    """Return what runs up to `until` of a job, if there is one.

    Of those after `now` at most `most` are listed. What nobody decided up to `now` is decided as
    taskd would that starts then.
    """
    if record is None or record.job.schedule is None or record.state is not JobState.ACTIVE:
        return Forecast(0, (), until)
    late: tuple[datetime, ...] = ()
    if record.next_due_at is not None and record.next_due_at <= now:
        planned = plan(record, now, live=0)
        late, made = planned.runs, record.scheduled_runs + len(planned.runs)
        record = replace(record, next_due_at=planned.next_due_at, scheduled_runs=made)
    coming = tuple(islice(_runs(record, until), most))
    if len(coming) < most:
        return Forecast(len(late) + len(coming), late + coming, until)
    return Forecast(len(late) + _count(record, until), late + coming, coming[-1])


def compare(before: Forecast, after: Forecast, zone: tzinfo) -> Shift:
    """Return how `after` differs from `before`, as far as both are listed.

    What is gone and what is new on one date of `zone` are one run that moved, where they are as
    many. So are all of them, where that holds on no date.
    """
    until = min(before.until, after.until)
    old, new = ({at for at in each.runs if at <= until} for each in (before, after))
    gone, come = sorted(old - new), sorted(new - old)
    moved = list(_moved_on_dates(gone, come, zone))
    if not moved and len(gone) == len(come):
        moved = list(zip(gone, come, strict=True))
    left, arrived = ({pair[side] for pair in moved} for side in (0, 1))
    return Shift(
        tuple(at for at in gone if at not in left),
        tuple(at for at in come if at not in arrived),
        tuple(moved),
        until,
    )


def _moved_on_dates(
    gone: Sequence[datetime], come: Sequence[datetime], zone: tzinfo
) -> Iterator[tuple[datetime, datetime]]:
    def on(day: object, among: Sequence[datetime]) -> list[datetime]:
        return [at for at in among if at.astimezone(zone).date() == day]

    for day in sorted({at.astimezone(zone).date() for at in gone}):
        old, new = on(day, gone), on(day, come)
        if len(old) == len(new):
            yield from zip(old, new, strict=True)


def _runs(record: JobRecord, until: datetime | None = None) -> Iterator[datetime]:
    """Yield the due instants that run, to the end of the schedule or up to `until`."""
    job, schedule, due_at = record.job, record.job.schedule, record.next_due_at
    if schedule is None or record.state is not JobState.ACTIVE:
        return
    most, made = job.bounds.max_runs, record.scheduled_runs
    last = record.created_at + CENTURY if until is None else until
    while due_at is not None and (most is None or made < most):
        if until is not None and due_at > until:
            return
        name, end = job.exclude.stretch(due_at) if job.exclude else (None, due_at)
        if name is None:
            yield due_at
            made, end = made + 1, due_at + MICROSECOND
        # Of a fixed-delay job only the next instant is known: the others wait for the end of a run.
        if is_fixed_delay(schedule):
            return
        due_at = due_after(job, end - MICROSECOND, record.anchor_at)
        if name is not None and due_at is not None and due_at > last:
            return


def _count(record: JobRecord, until: datetime) -> int:
    """How many due instants run up to `until`, however many they are: it costs a step a day."""
    job, first = record.job, record.next_due_at
    assert first is not None
    found = pieces(job, first, until, record.anchor_at)
    count = sum(piece.count for piece in found if piece.calendar is None)
    most = job.bounds.max_runs
    return count if most is None else min(count, most - record.scheduled_runs)
