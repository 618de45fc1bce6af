"""Planning: what becomes of the occurrences that are due, and where a schedule stands next.

Whatever kept occurrences from being decided in time, a downtime, a suspended machine, a clock that
was set or a pause, `plan` decides them by the job's `Late` policy. Its cost grows with the days
that went by and with what is to run, never with the number of occurrences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from taskd.core.job import Job
from taskd.core.late import Catchup
from taskd.core.occurrences import (
    Piece,
    due_after,
    first_due,
    is_elapsed,
    is_fixed_delay,
    missed,
    pieces,
)
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND
from taskd.core.schedule import Every, Missed
from taskd.core.value import replace


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions for all due occurrences of a job, in their order.

    An instant is that of a run. `next_due_at` is the first occurrence after them.
    """

    decisions: tuple[Skip | datetime, ...]
    next_due_at: datetime | None

    @property
    def runs(self) -> tuple[datetime, ...]:
        """The occurrences that run, oldest first."""
        return tuple(at for at in self.decisions if isinstance(at, datetime))


def plan(
    record: JobRecord,
    now: datetime,
    *,
    live: int,
    until: datetime | None = None,
) -> Plan:
    """Decide every occurrence from the record's cursor to `until`, by default to `now`.

    The cursor must not lie after `until`. `live` is how many runs of the job have not ended: where
    they leave no room for another, all of these occurrences are skipped as overlap.
    """
    until = now if until is None else until
    whole = _undecided(record, until)
    if record.job.has_room(live):
        return _by_lateness(record, whole, now, live=live, reason=SkipReason.MISFIRE)
    assert record.next_due_at is not None
    skips = _skips(record, record.next_due_at, whole.last, SkipReason.OVERLAP, now)
    return Plan(tuple(skips), _following(record, whole, is_awaited=True))


def _undecided(record: JobRecord, until: datetime) -> Missed:
    assert record.next_due_at is not None
    return missed(record.job, record.next_due_at, until, record.anchor_at)


def _following(record: JobRecord, whole: Missed, *, is_awaited: bool) -> datetime | None:
    """The first occurrence after `whole`; where a run is awaited, a fixed delay has none yet.

    It then counts from the end of that run: see `after_run`.
    """
    is_delay = record.job.schedule is not None and is_fixed_delay(record.job.schedule)
    return None if is_awaited and is_delay else whole.next


def _by_lateness(
    record: JobRecord, whole: Missed, now: datetime, *, live: int, reason: SkipReason
) -> Plan:
    """Decide the occurrences of `whole` by the late policy; the others are skipped for `reason`."""
    job, first_at, last_at = record.job, record.next_due_at, whole.last
    assert first_at is not None
    # Most often one is due and runs: then nothing needs to be looked up again.
    found = [Piece(first_at, last_at, whole.count, None)]
    if job.exclude is not None:
        found = list(pieces(job, first_at, last_at, record.anchor_at))
    runs = _to_run(record, found, now)
    following = _following(record, whole, is_awaited=bool(runs or live))
    if runs and job.bounds.is_spent(record.scheduled_runs + len(runs)):
        last_at, following = runs[-1], None
    return Plan(tuple(_decisions(record, runs, last_at, reason, now)), following)


def _to_run(record: JobRecord, found: Sequence[Piece], now: datetime) -> list[datetime]:
    """Which of the occurrences that were found run, by the late policy."""
    job, oldest, late = record.job, found[0].first_at, record.job.late
    if late.tolerance is not None and oldest + record.delay < now - late.tolerance:
        oldest = now - late.tolerance
    open_ones = [piece for piece in found if piece.calendar is None and piece.last_at >= oldest]
    if not open_ones:
        return []
    if late.catchup is not Catchup.ALL:
        return [open_ones[-1].last_at]
    limit, most = late.limit, job.bounds.max_runs
    if most is not None:
        limit = min(limit, most - record.scheduled_runs)
    return _listed(record, open_ones, oldest, limit)


def _listed(
    record: JobRecord, among: Sequence[Piece], oldest: datetime, limit: int
) -> list[datetime]:
    """The first `limit` occurrences of the pieces that are not before `oldest`."""
    runs: list[datetime] = []
    for piece in among:
        at: datetime | None = piece.first_at
        if piece.first_at < oldest:
            at = due_after(record.job, oldest - MICROSECOND, record.anchor_at)
        while at is not None and at <= piece.last_at and len(runs) < limit:
            runs.append(at)
            # Of a fixed delay there is never more than one.
            at = due_after(record.job, at, record.anchor_at) if at < piece.last_at else None
    return runs


def _decisions(
    record: JobRecord,
    runs: Sequence[datetime],
    last_at: datetime,
    reason: SkipReason,
    now: datetime,
) -> Iterator[Skip | datetime]:
    """`runs`, and before, between and after them the skips of all the others."""
    at = record.next_due_at
    for run_at in runs:
        assert at is not None
        if at < run_at:
            yield from _skips(record, at, run_at - MICROSECOND, reason, now)
        yield run_at
        at = due_after(record.job, run_at, record.anchor_at) if run_at < last_at else None
    if at is not None and at <= last_at:
        yield from _skips(record, at, last_at, reason, now)


def _skips(
    record: JobRecord, first_at: datetime, until: datetime, reason: SkipReason, now: datetime
) -> Iterator[Skip]:
    for piece in pieces(record.job, first_at, until, record.anchor_at):
        why = reason if piece.calendar is None else SkipReason.CALENDAR
        yield Skip(record.job.name, piece.first_at, piece.last_at, piece.count, why, now)


def resumed(record: JobRecord, now: datetime, *, live: int) -> tuple[JobRecord, tuple[Skip, ...]]:
    """Return `record` active again, and the skips of what fell into its pause and is not to run.

    What is to run of it is as after any outage: the cursor stands there. A stopped job had no
    schedule meanwhile: it goes on with the first occurrence after `now`, and a fixed delay with
    one after the end of the `live` runs.
    """
    active = replace(record, state=JobState.ACTIVE, pause_reason="", paused_until=None)
    first_at = record.next_due_at
    if record.job.schedule is None or not record.job.enabled:
        return active, ()
    if record.state is JobState.STOPPED:
        return _begun_anew(active, now, live), ()
    if first_at is None or first_at + record.delay > now:
        return active, ()
    whole = _undecided(record, now)
    decided = _by_lateness(record, whole, now, live=live, reason=SkipReason.PAUSED)
    skips = takewhile(lambda decision: isinstance(decision, Skip), decided.decisions)
    next_due_at = decided.runs[0] if decided.runs else decided.next_due_at
    passed = tuple(skip for skip in skips if isinstance(skip, Skip))
    return replace(active, next_due_at=next_due_at), passed


def drop_missed(record: JobRecord, now: datetime, reason: SkipReason) -> tuple[Skip, ...]:
    """Skip every occurrence from the record's cursor to `now`."""
    first_at = record.next_due_at
    if record.job.schedule is None or first_at is None or first_at > now:
        return ()
    return tuple(_skips(record, first_at, now, reason, now))


def first_seen(job: Job, now: datetime) -> JobRecord:
    """Return the record of a job that is new at `now`: the only kind that may fire at once."""
    return JobRecord(
        job=job,
        state=JobState.ACTIVE,
        created_at=now,
        anchor_at=_grid_start(job, now),
        next_due_at=first_due(job, now),
    )


def redefined(record: JobRecord, job: Job, now: datetime, *, live: int) -> JobRecord:
    """Return `record` with its definition replaced.

    An unchanged schedule keeps its cursor. A changed one never fires at once: an interval starts
    its grid at `now` plus the interval. A stopped or paused job stays so; where runs of it are
    `live`, a fixed delay waits for their end.
    """
    old = record.job
    if old.timing == job.timing:
        return replace(record, job=job)
    state = JobState.ACTIVE if record.state is JobState.FINISHED else record.state
    made = record.scheduled_runs if old.schedule == job.schedule else 0
    anew = replace(
        record,
        job=job,
        state=state,
        anchor_at=_grid_start(job, now),
        next_due_at=None,
        scheduled_runs=made,
    )
    return anew if state is JobState.STOPPED else _begun_anew(anew, now, live)


def _grid_start(job: Job, now: datetime) -> datetime:
    start_at = job.bounds.start_at
    return now if start_at is None or not is_elapsed(job.schedule) else max(now, start_at)


def _begun_anew(record: JobRecord, now: datetime, live: int) -> JobRecord:
    """Return `record` with its cursor at the first occurrence after `now` that is not decided."""
    job, decided_until = record.job, record.decided_until
    awaits = bool(live) and job.schedule is not None and is_fixed_delay(job.schedule)
    if awaits or job.bounds.is_spent(record.scheduled_runs):
        return replace(record, next_due_at=None)
    if is_elapsed(job.schedule):
        next_due_at = due_after(job, now, record.anchor_at)
        return rescued(replace(record, next_due_at=next_due_at), now)
    since = now if decided_until is None else max(now, decided_until)
    return replace(record, next_due_at=due_after(job, since, record.anchor_at))


def stopped(record: JobRecord) -> JobRecord:
    """Return `record` without a schedule under way; what it decided is not to be decided again."""
    anchor_at = record.anchor_at
    if is_elapsed(record.job.schedule) and record.next_due_at is not None:
        anchor_at = record.next_due_at  # a grid has nothing before its start
    return replace(
        record,
        state=JobState.STOPPED,
        anchor_at=anchor_at,
        next_due_at=None,
        pause_reason="",
        paused_until=None,
    )


def unfired(record: JobRecord, due_at: datetime) -> JobRecord:
    """Return `record` as it was before its run for `due_at`, the latest one decided, was made."""
    until = record.decided_until
    return replace(
        record,
        next_due_at=due_at,
        scheduled_runs=record.scheduled_runs - 1,
        decided_until=None if until is None else min(until, due_at - MICROSECOND),
    )


def after_run(record: JobRecord, ended_at: datetime) -> JobRecord:
    """Return `record` once no run of it is live any more: a fixed-delay job waits from here."""
    schedule = record.job.schedule
    if schedule is None or not record.job.enabled or record.next_due_at is not None:
        return record
    if record.state is JobState.STOPPED or not is_fixed_delay(schedule):
        return record
    if record.job.bounds.is_spent(record.scheduled_runs):
        return record
    return replace(record, next_due_at=due_after(record.job, ended_at, record.anchor_at))


def concluded(record: JobRecord, *, live: int) -> JobRecord:
    """Return `record`, FINISHED if its schedule has no more occurrences and no run is `live`."""
    is_scheduled = record.job.schedule is not None and record.job.enabled
    goes_on = record.next_due_at is not None or record.job.boot or live > 0
    if record.state is not JobState.ACTIVE or not is_scheduled or goes_on:
        return record
    return replace(record, state=JobState.FINISHED)


def stepped(record: JobRecord, by: timedelta) -> JobRecord:
    """Return `record` after the wall clock was set forward by `by` (back, where negative).

    Intervals go on by elapsed time, so their grid moves with the clock; cron expressions, instants
    and aligned intervals name wall-clock times and stay where they are, as an interval does that
    has not begun: its `start_at` is such a time.
    """
    job, due_at, schedule = record.job, record.next_due_at, record.job.schedule
    has_begun = due_at is None or due_at != job.bounds.start_at
    if not isinstance(schedule, Every) or schedule.align or not has_begun:
        return record
    # The odd microsecond keeps the moved grid off the instants of the old one: a clock set back by
    # a multiple of the interval must not decide an occurrence twice.
    by += MICROSECOND
    anchor_at, start_at = record.anchor_at + by, job.bounds.start_at
    if due_at is None:
        return replace(record, anchor_at=anchor_at)
    due_at += by
    if start_at is not None and due_at < start_at:
        due_at += -((due_at - start_at) // schedule.interval) * schedule.interval
    next_due_at = None if job.bounds.is_over(due_at) else due_at
    return replace(record, anchor_at=anchor_at, next_due_at=next_due_at)


def rescued(record: JobRecord, now: datetime) -> JobRecord:
    """Return `record` as a restart finds it: no interval waits for longer than it is.

    One that does was written before the clock was set back, while nobody looked. That one waits
    for its `start_at` is another matter.
    """
    schedule, due_at = record.job.schedule, record.next_due_at
    if not isinstance(schedule, Every) or due_at is None or due_at <= now + schedule.interval:
        return record
    start_at = record.job.bounds.start_at
    if start_at is not None and now < start_at and due_at < start_at + schedule.interval:
        return record
    return stepped(record, now + schedule.interval - due_at)
