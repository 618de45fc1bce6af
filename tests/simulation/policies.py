"""What is to become of due instants by a job's policies: listed one by one, nothing of taskd's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from taskd.core.job import Job
from taskd.core.late import Catchup
from taskd.core.record import SkipReason

Decision = tuple[datetime, SkipReason | None]


def is_excluded(job: Job, due_at: datetime) -> bool:
    """Whether one of the job's calendars has the local date of the instant."""
    if job.exclude is None:
        return False
    day = due_at.astimezone(ZoneInfo(job.exclude.timezone)).date()
    return any(
        day in calendar.dates or day.weekday() in calendar.weekdays
        for calendar in job.exclude.calendars
    )


def fired(
    job: Job, dues: Sequence[datetime], now: datetime, *, live: int, made: int, delay: timedelta
) -> list[Decision]:
    """What becomes of all the due instants up to `now`, in their order.

    `live` runs of the job are under way, `made` runs its schedule made before; the first instant
    waits for `delay`.
    """
    open_ones = [due for due in dues if not is_excluded(job, due)]
    late, tolerance = job.late, job.late.grace
    if late.catchup is Catchup.SKIP and tolerance is None:
        tolerance = timedelta(seconds=1)
    if tolerance is not None and dues[0] + delay < now - tolerance:
        open_ones = [due for due in open_ones if due >= now - tolerance]
    runs = open_ones[-1:] if late.catchup is not Catchup.ALL else open_ones[: late.limit]
    if live:
        runs = []
    if job.bounds.max_runs is not None:
        runs = runs[: job.bounds.max_runs - made]
        if runs and made + len(runs) == job.bounds.max_runs:
            dues = [due for due in dues if due <= runs[-1]]
    skipped = SkipReason.OVERLAP if live else SkipReason.MISFIRE
    return [(due, _reason(job, due, runs, skipped)) for due in dues]


def released(
    job: Job, dues: Sequence[datetime], now: datetime, *, live: int, made: int, delay: timedelta
) -> list[Decision]:
    """What becomes of the due instants up to `now` of a job whose pause is over."""
    free = fired(job, dues, now, live=0, made=made, delay=delay)
    first = next((due for due, reason in free if reason is None), None)
    before: list[Decision] = [
        (due, SkipReason.PAUSED if reason is SkipReason.MISFIRE else reason)
        for due, reason in free
        if first is None or due < first
    ]
    if first is None:
        return before
    rest = [due for due in dues if due >= first]
    # Where the cursor moved, nothing waits for a delay any more.
    left = delay if first == dues[0] else timedelta(0)
    return before + fired(job, rest, now, live=live, made=made, delay=left)


def _reason(
    job: Job, due_at: datetime, runs: Sequence[datetime], skipped: SkipReason
) -> SkipReason | None:
    if is_excluded(job, due_at):
        return SkipReason.CALENDAR
    return None if due_at in runs else skipped
