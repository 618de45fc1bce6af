"""Export: jobs as jobs.toml writes them, whatever they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel

from taskd.config.calendars import CalendarTable
from taskd.config.entry import JobEntry
from taskd.config.tables import NESTED_TABLES
from taskd.core.calendars import Calendar
from taskd.core.cron import Cron
from taskd.core.job import Job
from taskd.core.schedule import At, Every
from taskd.errors import InvalidJob

Table: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Exported:
    """A jobs.toml in JSON values: instants and dates are texts, as the loader takes them too.

    `left_out` says of each job that TOML cannot hold why.
    """

    daemon: Table = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    calendars: dict[str, Table] = field(default_factory=dict)
    jobs: dict[str, Table] = field(default_factory=dict)
    left_out: dict[str, InvalidJob] = field(default_factory=dict)


def export(
    jobs: Iterable[Job],
    categories: Mapping[str, Sequence[str]],
    python_path: Sequence[Path],
) -> Exported:
    """`jobs`, and what they need of the file that they are loaded with.

    Two calendars of one name that have different days get a number: a job that was added keeps the
    days it was added with.
    """
    found = Exported()
    named: dict[str, Calendar] = {}
    for job in jobs:
        try:
            entry = entry_of(job)
        except InvalidJob as refusal:
            found.left_out[job.name] = refusal
            continue
        if job.exclude is not None:
            entry["exclude"] = [_place(named, each) for each in job.exclude.calendars]
        found.jobs[job.name] = entry
    found.calendars = {name: _calendar(calendar) for name, calendar in named.items()}
    if found.jobs:
        found.daemon = {"python_path": [str(place) for place in python_path]}
        found.categories = {name: list(classes) for name, classes in categories.items()}
    return found


def entry_of(job: Job) -> Table:
    """The table [jobs.NAME] that defines `job`; what is at its default is left out.

    Raises:
        InvalidJob: TOML, or this file, has no way to say it.
    """
    for place, value in (("args", list(job.call.args)), ("kwargs", dict(job.call.kwargs))):
        _refuse_null(place, value)
    execution = job.execution
    shape = JobEntry.model_construct(
        **_call(job),
        **_timing(job),
        description=job.description,
        tags=list(job.tags),
        enabled=job.enabled,
        priority=job.priority,
        carry=job.carry,
        overlap=job.overlap,
        max_instances=job.max_instances,
        on_crash=job.failure.on_crash,
        max_crashes=job.failure.max_crashes,
        pause_after_failures=job.pause_after_failures,
        executor=execution.executor,
        shell=execution.shell,
        env=dict(execution.env),
        cwd=execution.cwd,
        nice=execution.nice,
        max_memory=execution.max_memory,
        max_cpu_time=execution.max_cpu_time,
        capture_output=execution.capture_output,
        output_limit=execution.output_limit,
        timeout=job.timeout,
        kill_grace=job.kill_grace,
    )
    entry: Table = shape.model_dump(exclude_defaults=True)
    entry |= {key: table for key in ("retry", "retention") if (table := _nested(key, job))}
    if job.unique is not None:
        entry["unique"] = _nested("unique", job)
    return entry


def _call(job: Job) -> Table:
    call = job.call
    if call.is_local:
        raise InvalidJob("call", "names an object of the process that made it", "use a module's")
    if not call.is_command:
        return {"call": call.target, "args": list(call.args), "kwargs": dict(call.kwargs)}
    words = tuple(map(str, call.args))
    return {"command": words[0] if job.execution.shell else words}


def _timing(job: Job) -> Table:
    """The keys that say when it is due."""
    bounds, late = job.bounds, job.late
    keys: Table = {
        "jitter": job.jitter,
        "start_at": bounds.start_at,
        "end_at": bounds.end_at,
        "max_runs": bounds.max_runs,
        "exclude": tuple(each.name for each in job.exclude.calendars) if job.exclude else (),
        "misfire_grace_time": late.grace,
        "catchup": late.catchup,
        "catchup_limit": late.limit,
    }
    if job.exclude is not None:
        keys["timezone"] = job.exclude.timezone
    match job.schedule:
        case Every(interval, mode, align):
            keys |= {"every": interval, "mode": mode, "align": align}
        case Cron() as cron:
            keys |= {
                "cron": (*cron.expressions, *(["@reboot"] if job.boot else [])),
                "timezone": cron.timezone,
                "dst_gap": cron.dst_gap,
                "dst_overlap": cron.dst_overlap,
                "day_match": cron.day_match,
            }
        case At(instants):
            keys["at"] = instants
        case _ if job.boot:
            return {"on": ("boot",)}
        case _:
            return {}
    if job.boot and "cron" not in keys:
        raise InvalidJob("on", "a job of the file has one trigger, and this one has two")
    return keys


def _nested(key: str, job: Job) -> Table:
    values: Mapping[str, object] = {
        "retry": job.failure.retry,
        "retention": job.retention,
        "unique": job.unique,
    }
    model: type[BaseModel] = NESTED_TABLES[key]
    names = model.model_fields
    shape = model.model_construct(**{name: getattr(values[key], name) for name in names})
    return shape.model_dump(exclude_defaults=True)


def _calendar(calendar: Calendar) -> Table:
    shape = CalendarTable.model_construct(
        dates=list(calendar.dates), weekdays=list(calendar.weekdays)
    )
    # One without any days is a calendar, too, where it says so.
    return shape.model_dump(exclude_defaults=True) or {"dates": []}


def _place(named: dict[str, Calendar], calendar: Calendar) -> str:
    """The name that `calendar` has in the file, where others may have taken its own."""
    name, count = calendar.name, 1
    while not _is_same(named.setdefault(name, calendar), calendar):
        count += 1
        name = f"{calendar.name}-{count}"
    return name


def _is_same(one: Calendar, other: Calendar) -> bool:
    return (one.dates, one.weekdays) == (other.dates, other.weekdays)


def _refuse_null(place: str, value: object) -> None:
    match value:
        case None:
            raise InvalidJob(place, "is null, which TOML does not have", "leave it out")
        case list():
            for index, item in enumerate(value):
                _refuse_null(f"{place}[{index}]", item)
        case dict():
            for key, item in value.items():
                _refuse_null(f"{place}.{key}", item)
        case _:
            pass
