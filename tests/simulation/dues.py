"""Due instants worked out naively, from the words of the specification: nothing of taskd's sums.

Cron is read in two forms only: ``M H * * *`` (fixed-time, once a day) and ``M */N * * *``
(wildcard, real time).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from taskd.core.cron import Cron
from taskd.core.schedule import At, Every, Schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CORRECTION = timedelta(hours=3)


def next_due(schedule: Schedule, after: datetime, anchor_at: datetime) -> datetime | None:
    """The first due instant strictly after `after`, of everything but a fixed delay."""
    match schedule:
        case Every():
            origin = EPOCH if schedule.align else anchor_at
            steps = (after - origin) // schedule.interval + 1
            return origin + (steps if schedule.align else max(steps, 0)) * schedule.interval
        case At():
            return min((at for at in schedule.instants if at > after), default=None)
        case Cron():
            return _next_cron(schedule.expressions[0], schedule.timezone, after)
        case _:
            raise AssertionError(schedule)


def daily(at: time, zone: ZoneInfo, day: date) -> datetime | None:
    """When a fixed-time job of `at` runs on the local date `day`; None when it has none."""
    local = datetime.combine(day, at)
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    if late.astimezone(zone).replace(tzinfo=None) == local:
        return min(early, late)  # it exists; of two passes the first counts
    # In a gap: fold 0 reads it with the offset before the gap, fold 1 with the one after it.
    if late - early >= CORRECTION:
        return None
    return change_between(zone, early, late)


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first whole second from which the offset of `high` holds."""
    second, after = timedelta(seconds=1), high.astimezone(zone).utcoffset()
    while high - low > second:
        middle = low + (high - low) // 2 // second * second
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=100_000)
def _next_cron(expression: str, timezone: str, after: datetime) -> datetime:
    minute, hour, *_ = expression.split()
    zone = ZoneInfo(timezone)
    if hour.startswith("*/"):
        hours = range(0, 24, int(hour.removeprefix("*/")))
        return next(
            at
            for at in _minutes(after)
            if (local := at.astimezone(zone)).minute == int(minute) and local.hour in hours
        )
    day = after.astimezone(zone).date() - DAY
    dues = (daily(time(int(hour), int(minute)), zone, day + n * DAY) for n in count())
    return next(due for due in dues if due is not None and due > after)


def _minutes(after: datetime) -> Iterator[datetime]:
    first = EPOCH + ((after - EPOCH) // MINUTE + 1) * MINUTE
    return (first + n * MINUTE for n in count())
