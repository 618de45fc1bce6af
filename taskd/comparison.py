"""Comparison: what another file would make of the jobs there are, as JSON for `taskd diff`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from taskd.core.cron import Cron
from taskd.core.diff import diff
from taskd.core.duration import format_duration
from taskd.core.forecast import Forecast, compare, forecast
from taskd.core.job import Job, JobName, Source
from taskd.core.planning import first_seen, redefined
from taskd.core.record import JobRecord
from taskd.core.shifts import mark
from taskd.views import Document, job_state, policies_view, rfc3339, schedule_words, timing_view

MOST_LISTED: Final = 1000  # due instants of a job before and after that are held together


def comparison(
    records: Iterable[JobRecord],
    jobs: Iterable[Job],
    *,
    now: datetime,
    until: datetime,
    zone: tzinfo,
    live: Callable[[JobName], int],
    listed: int = MOST_LISTED,
) -> Document:
    """Return what `jobs`, as those of the file, would change if they were loaded at `now`.

    `records` are the jobs there are; those that were added stay as they are. Runs are compared up
    to `until`; those of one date are compared on the clocks of the job, or else of `zone`. `live`
    tells how many runs of a job have not ended. Of a job that comes or goes the first `listed` runs
    are told.
    """
    known = {record.job.name: record for record in records if record.job.source is Source.FILE}
    wanted = {job.name: job for job in jobs}
    difference = diff({name: record.job for name, record in known.items()}, wanted.values())

    def compared(name: JobName) -> Document:
        old, job = known.get(name), wanted.get(name)
        new = None
        if old is not None and job is not None:
            new = redefined(old, job, now, live=live(name))
        elif job is not None:
            new = first_seen(job, now)
        most = MOST_LISTED if old and new else listed
        before, after = (forecast(each, now, until, most) for each in (old, new))
        return _job(old, new, before, after, zone)

    return {
        "from": rfc3339(now),
        "until": rfc3339(until),
        "added": [compared(name) for name in difference.added],
        "changed": [compared(name) for name in difference.changed],
        "removed": [compared(name) for name in difference.removed],
        "unchanged": list(difference.unchanged),
    }


def _job(
    old: JobRecord | None,
    new: JobRecord | None,
    before: Forecast,
    after: Forecast,
    zone: tzinfo,
) -> Document:
    stands = new or old
    assert stands is not None
    return {
        "name": stands.job.name,
        "state": job_state(stands),
        "schedule": schedule_words(stands.job),
        "keys": _keys(old.job, new.job) if old and new else {},
        "runs": _runs(old, new, before, after, _zone_of(stands.job, zone)),
    }


def _runs(
    old: JobRecord | None,
    new: JobRecord | None,
    before: Forecast,
    after: Forecast,
    zone: tzinfo,
) -> Document:
    shift = compare(before, after, zone)

    def told(record: JobRecord | None, at: datetime) -> Document:
        note = mark(record.job.schedule, at) if record else ""
        return {"due_at": rfc3339(at), "note": note or None}

    return {
        "before": before.count,
        "after": after.count,
        "compared_until": rfc3339(shift.until),
        "gone": [told(old, at) for at in shift.gone],
        "new": [told(new, at) for at in shift.new],
        "moved": [{"before": told(old, a), "after": told(new, b)} for a, b in shift.moved],
    }


def _zone_of(job: Job, zone: tzinfo) -> tzinfo:
    return ZoneInfo(job.schedule.timezone) if isinstance(job.schedule, Cron) else zone


def _keys(old: Job, new: Job) -> dict[str, dict[str, object]]:
    """What differs, by the keys of jobs.toml."""
    before, after = _words(old), _words(new)
    keys = {
        key: {"before": before.get(key), "after": after.get(key)}
        for key in before | after
        if before.get(key) != after.get(key)
    }
    if not keys and old.exclude != new.exclude:
        names = before["exclude"]
        keys["exclude"] = {"before": names, "after": f"{names}, with other days"}
    return keys


def _words(job: Job) -> dict[str, object]:
    """A definition by the keys of jobs.toml, a text for each that says something."""
    call, execution = job.call, job.execution
    what: dict[str, object] = {
        "command": shlex.join(map(str, call.args)) if call.is_command else None,
        "call": None if call.is_command else call.target,
        "args": None if call.is_command else list(call.args),
        "kwargs": dict(call.kwargs),
        "schedule": schedule_words(job),
        "timezone": job.schedule.timezone if isinstance(job.schedule, Cron) else None,
        "description": job.description,
        "tags": list(job.tags),
        "enabled": job.enabled,
        "priority": job.priority,
        "carry": job.carry,
        "overlap": job.overlap.value,
        "max_instances": job.max_instances,
        "pause_after_failures": job.pause_after_failures,
        "timeout": job.timeout and format_duration(job.timeout),
        "kill_grace": format_duration(job.kill_grace),
        "executor": execution.executor,
        "shell": execution.shell,
        "env": dict(execution.env),
        "cwd": execution.cwd,
        "nice": execution.nice,
        "max_memory": execution.max_memory,
        "max_cpu_time": execution.max_cpu_time and format_duration(execution.max_cpu_time),
        "capture_output": execution.capture_output,
        "output_limit": execution.output_limit,
        **timing_view(job),
        **policies_view(job),
    }
    if job.unique is not None:
        unique = job.unique
        period = unique.period and format_duration(unique.period)
        what["unique"] = {"key": unique.key, "scope": unique.scope.value, "period": period}
        what["unique.on_conflict"] = unique.on_conflict.value
    return {key: text for key, value in _flat(what) if (text := _text(value)) is not None}


def _flat(table: Mapping[str, object], above: str = "") -> Iterable[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and key not in ("kwargs", "env"):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _text(value: object) -> str | None:
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
