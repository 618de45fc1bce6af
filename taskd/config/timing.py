"""Timing: the keys of a job that say when it is due, and what becomes of it late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from taskd.config import values
from taskd.config.keys import CRON_KEYS, INTERVAL_KEYS, SCHEDULE_KEYS, SCHEDULES, TRIGGERS
from taskd.config.kinds import DURATION, EVENTS, GRACE, MOMENT, MOMENTS, TEXTS, ZONE, word
from taskd.config.shape import Flaw, nearest, shown
from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from taskd.core.job import Job
from taskd.core.late import FORGIVING, Catchup, Late
from taskd.core.occurrences import due_after
from taskd.core.run import MICROSECOND
from taskd.core.schedule import At, Every, Mode, Schedule

DAYS_OF_A_WEEK: Final = 7


class Timing(TypedDict, total=False):
    """The fields of `Job` that these keys make."""

    schedule: Schedule | None
    boot: bool
    bounds: Bounds
    exclude: Exclude | None
    jitter: timedelta
    late: Late


class TimingKeys(BaseModel):
    """The values of these keys; what they mean together is judged below."""

    model_config = ConfigDict(strict=True)

    every: Annotated[timedelta | None, DURATION] = None
    cron: Annotated[tuple[str, ...] | None, TEXTS] = None
    at: Annotated[tuple[datetime, ...] | None, MOMENTS] = None
    on: Annotated[tuple[str, ...], EVENTS] = ()
    jitter: Annotated[timedelta, DURATION] = timedelta()
    start_at: Annotated[datetime | None, MOMENT] = None
    end_at: Annotated[datetime | None, MOMENT] = None
    max_runs: Annotated[int | None, Field(ge=1)] = None
    exclude: Annotated[tuple[str, ...], TEXTS] = ()
    misfire_grace_time: Annotated[timedelta | None, GRACE] = None
    catchup: Annotated[Catchup, word(Catchup)] = Catchup.LATEST
    catchup_limit: Annotated[int, Field(ge=1)] = FORGIVING.limit
    mode: Annotated[Mode, word(Mode)] = Mode.FIXED_RATE
    align: bool = False
    dst_gap: Annotated[DstGap | None, word(DstGap)] = None
    dst_overlap: Annotated[DstOverlap | None, word(DstOverlap)] = None
    day_match: Annotated[DayMatch, word(DayMatch)] = DayMatch.OR
    timezone: Annotated[str | None, ZONE] = None


def trigger_flaws(entry: Mapping[str, object]) -> list[Flaw]:
    """What is wrong with which keys of an entry are together."""
    triggers = [key for key in entry if key in TRIGGERS]
    flaws = [
        Flaw((key,), f"a job has one trigger, and this one has {triggers[0]} too", at_key=True)
        for key in triggers[1:]
    ]
    for trigger, keys, kind in (
        ("every", INTERVAL_KEYS, "an interval"),
        ("cron", CRON_KEYS, "a cron expression"),
    ):
        if trigger not in triggers:
            flaws += [
                Flaw((key,), f"only {kind} has it", f"it needs {trigger}", at_key=True)
                for key in keys
                if key in entry
            ]
    if entry.get("on") == []:
        flaws.append(Flaw(("on",), "there is no event", "write at least one"))
    if not entry.keys() & set(SCHEDULES):
        flaws += [
            Flaw((key,), "only a schedule has it", "it needs every, cron or at", at_key=True)
            for key in SCHEDULE_KEYS
            if key in entry
        ]
    return flaws


def exclude_flaws(shape: TimingKeys, calendars: Mapping[str, Calendar]) -> list[Flaw]:
    """The calendars of `exclude` that are not there."""
    flaws = []
    for index, name in enumerate(shape.exclude):
        if name not in calendars:
            hint = nearest(name, calendars) or f"define it under [calendars.{name}]"
            flaws.append(Flaw(("exclude", index), f"there is no calendar {shown(name)}", hint))
    excluded = [calendars[name].weekdays for name in shape.exclude if name in calendars]
    if len(set().union(*excluded)) == DAYS_OF_A_WEEK:
        flaws.append(Flaw(("exclude",), "every day is excluded, so that nothing would ever run"))
    return flaws


def local_time_flaws(entry: Mapping[str, object], timezone: str) -> list[Flaw]:
    """The local times of an `entry` that the clocks skip or show twice, and what is made of them.

    They are sound, and yet seldom what was meant. `timezone` is the zone of an entry without one.
    """
    name = str(entry.get("timezone") or timezone)
    flaws = []
    for key in ("at", "start_at", "end_at"):
        value = entry.get(key)
        several = value if isinstance(value, list) else [value]
        for index, one in enumerate(several):
            path = (key, index) if isinstance(value, list) else (key,)
            moment = values.moment(one) if one is not None else None
            if moment is not None and (words := values.odd_local_time(moment, name)):
                hint = "write the offset that is meant, such as +01:00"
                flaws.append(Flaw(path, words, hint))
    return flaws


def never_due(job: Job) -> list[Flaw]:
    """A window without an occurrence is a mistake, as an expression is that never fires."""
    start_at, end_at = job.bounds.start_at, job.bounds.end_at
    if start_at is None or end_at is None or job.schedule is None or not job.enabled:
        return []
    if due_after(job, start_at - MICROSECOND, start_at) is not None:
        return []
    return [Flaw(("end_at",), "nothing is due between start_at and end_at")]


def timing_of(
    name: str, keys: TimingKeys, default_timezone: str, calendars: Mapping[str, Calendar]
) -> Timing:
    """What `keys` say of when the job called `name` is due.

    Raises:
        InvalidJob: they cannot be.
    """
    timezone = keys.timezone or default_timezone
    start_at, end_at = (
        None if moment is None else values.instant(moment, timezone, key)
        for key, moment in (("start_at", keys.start_at), ("end_at", keys.end_at))
    )
    excluded = tuple(calendars[one] for one in keys.exclude)
    is_rebooted = any(_is_reboot(text) for text in keys.cron or ())
    return Timing(
        schedule=_schedule(name, keys, timezone),
        boot=bool(keys.on) or is_rebooted,
        bounds=Bounds(start_at, end_at, keys.max_runs),
        exclude=Exclude(excluded, timezone) if excluded else None,
        jitter=keys.jitter,
        late=Late(keys.misfire_grace_time, keys.catchup, keys.catchup_limit),
    )


def _is_reboot(expression: str) -> bool:
    return expression.strip().lower() == "@reboot"


def _schedule(name: str, keys: TimingKeys, timezone: str) -> Schedule | None:
    if keys.every is not None:
        return Every(keys.every, keys.mode, keys.align)
    if keys.cron is not None:
        match = keys.day_match
        lines = tuple(text for text in keys.cron if not _is_reboot(text))
        if not lines and keys.cron:
            return None
        return Cron(lines, timezone, name, keys.dst_gap, keys.dst_overlap, match)
    if keys.at is not None:
        return At(tuple(values.instant(moment, timezone) for moment in keys.at))
    return None
