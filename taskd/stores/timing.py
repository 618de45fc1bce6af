"""Timing: when a job is due and what becomes of it late, as JSON values and back.

What is at its default is left out, so that a definition that was kept by an earlier version reads
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, TypedDict

from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from taskd.core.job import Job
from taskd.core.late import FORGIVING, Catchup, Late
from taskd.core.run import MICROSECOND, microseconds
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.core.zones import EPOCH

Values = dict[str, object]


class Timing(TypedDict):
    """The fields of `Job` that this file reads."""

    schedule: Schedule | None
    boot: bool
    bounds: Bounds
    exclude: Exclude | None
    jitter: timedelta
    late: Late


def timing_values(job: Job) -> Values:
    """Return when `job` is due, and by which policies, as JSON values."""
    bounds, late = job.bounds, job.late
    values = {
        "schedule": None if job.schedule is None else _schedule(job.schedule),
        "boot": job.boot or None,
        "start_at": None if bounds.start_at is None else microseconds(bounds.start_at),
        "end_at": None if bounds.end_at is None else microseconds(bounds.end_at),
        "max_runs": bounds.max_runs,
        "exclude": None if job.exclude is None else _exclude(job.exclude),
        "jitter": job.jitter // MICROSECOND or None,
        "misfire_grace_time": None if late.grace is None else late.grace // MICROSECOND,
        "catchup": None if late.catchup is Catchup.LATEST else late.catchup.value,
        "catchup_limit": None if late.limit == FORGIVING.limit else late.limit,
    }
    return {key: value for key, value in values.items() if value is not None}


def timing_from(values: Mapping[str, Any]) -> Timing:
    """Return the fields of `Job` that `values` hold."""
    schedule, exclude = values.get("schedule"), values.get("exclude")
    start_at, end_at = values.get("start_at"), values.get("end_at")
    grace = values.get("misfire_grace_time")
    return Timing(
        schedule=None if schedule is None else _schedule_from(schedule),
        boot=values.get("boot", False),
        bounds=Bounds(
            None if start_at is None else EPOCH + start_at * MICROSECOND,
            None if end_at is None else EPOCH + end_at * MICROSECOND,
            values.get("max_runs"),
        ),
        exclude=None if exclude is None else _exclude_from(exclude),
        jitter=values.get("jitter", 0) * MICROSECOND,
        late=Late(
            None if grace is None else grace * MICROSECOND,
            Catchup(values.get("catchup", Catchup.LATEST)),
            values.get("catchup_limit", FORGIVING.limit),
        ),
    )


def _exclude(exclude: Exclude) -> Values:
    calendars = [
        {
            "name": calendar.name,
            "dates": [day.isoformat() for day in calendar.dates],
            "weekdays": list(calendar.weekdays),
        }
        for calendar in exclude.calendars
    ]
    return {"timezone": exclude.timezone, "calendars": calendars}


def _exclude_from(values: Mapping[str, Any]) -> Exclude:
    calendars = tuple(
        Calendar(
            each["name"], tuple(map(date.fromisoformat, each["dates"])), tuple(each["weekdays"])
        )
        for each in values["calendars"]
    )
    return Exclude(calendars, values["timezone"])


def _schedule(schedule: Schedule) -> Values:
    match schedule:
        case Every():
            every: Values = {"every": schedule.interval // MICROSECOND}
            return every | {"mode": schedule.mode.value, "align": schedule.align}
        case Cron():
            cron: Values = {"cron": list(schedule.expressions)}
            cron |= {"timezone": schedule.timezone, "seed": schedule.seed}
            rules = {
                "dst_gap": schedule.dst_gap,
                "dst_overlap": schedule.dst_overlap,
                "day_match": None if schedule.day_match is DayMatch.OR else schedule.day_match,
            }
            return cron | {key: rule.value for key, rule in rules.items() if rule is not None}
        case At():
            return {"at": [microseconds(at) for at in schedule.instants]}
        case _:
            raise TypeError(f"cannot store a schedule of type {type(schedule).__name__}")


def _schedule_from(values: Mapping[str, Any]) -> Schedule:
    if "every" in values:
        interval = values["every"] * MICROSECOND
        return Every(interval, Mode(values["mode"]), values["align"])
    if "at" in values:
        return At(tuple(EPOCH + at * MICROSECOND for at in values["at"]))
    gap, overlap = values.get("dst_gap"), values.get("dst_overlap")
    return Cron(
        tuple(values["cron"]),
        values["timezone"],
        values["seed"],
        None if gap is None else DstGap(gap),
        None if overlap is None else DstOverlap(overlap),
        DayMatch(values.get("day_match", DayMatch.OR)),
    )
