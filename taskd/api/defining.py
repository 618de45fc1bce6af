"""The requests that change jobs."""

from __future__ import annotations

from typing import cast

from taskd.api.asking import (
    Ask,
    Host,
    ReasonBody,
    StopBody,
    do,
    invalid,
    moment,
    parse,
)
from taskd.api.reading import job as job_now
from taskd.config.entry import InvalidEntry, job_from_entry
from taskd.config.probe import probe
from taskd.config.shape import Flaw
from taskd.core.job import Job, JobName, Source
from taskd.core.messages import Added, JobRemoved, JobStopped, Paused, Resumed
from taskd.core.record import JobRecord
from taskd.core.run import Run
from taskd.views import job_state, job_view, rfc3339


def add(host: Host, ask: Ask) -> object:
    """Add a job; it is kept in the store until it is removed."""
    entry = dict(ask.body)
    name = entry.pop("name", None)
    if not isinstance(name, str):
        raise invalid("name", "a job needs a name, as text")
    if entry.pop("now", False):
        entry["at"] = rfc3339(host.scheduler.clock.now())
    job = job_from_entry(
        name,
        entry,
        source=Source.CLI,
        timezone=host.timezone,
        calendars=host.calendars,
        categories=host.categories,
    )
    if not ask.is_repeat:
        _check_code(host, job)
    (record,) = cast("tuple[JobRecord]", do(host, ask, Added(jobs=(job,))))
    view = job_view(record, last_run=None, live=())
    return {"job": view, "next_due_at": view["next_due_at"]}


def _check_code(host: Host, job: Job) -> None:
    """Refuse what does not import, and what would run old code."""
    faults = probe([job], host.python_path)
    if faults:
        flaws = [Flaw(tuple(f.key.split(".")), f.message, f.hint) for f in faults]
        raise InvalidEntry(job.name, flaws)
    stale = host.problem_of(job)
    if stale is not None:
        raise invalid("call", stale)


def remove(host: Host, ask: Ask) -> object:
    """Forget an added job; its history stays."""
    cancelled = do(host, ask, JobRemoved(JobName(ask.name)))
    runs = cast("tuple[Run, ...]", cancelled)
    return {"job": ask.name, "cancelled": [run.id for run in runs]}


def stop_job(host: Host, ask: Ask) -> object:
    """End a job's schedule and its runs."""
    body = parse(StopBody, ask.body)
    request = JobStopped(JobName(ask.name), body.reason, body.force)
    record, ended = cast("tuple[JobRecord, tuple[Run, ...]]", do(host, ask, request))
    return {
        "job": record.job.name,
        "state": job_state(record),
        "runs": [
            {"id": run.id, "state": run.state.value, "stopping": run.stopping} for run in ended
        ],
    }


def pause_job(host: Host, ask: Ask) -> object:
    """Hold a job."""
    do(host, ask, _pause(host, ask, (JobName(ask.name),)))
    return job_now(host, ask)


def resume_job(host: Host, ask: Ask) -> object:
    """Release a paused job, or revive a stopped one."""
    do(host, ask, Resumed((JobName(ask.name),), parse(ReasonBody, ask.body).reason))
    return job_now(host, ask)


def pause_all(host: Host, ask: Ask) -> object:
    """Hold every active job."""
    return {"jobs": _names(do(host, ask, _pause(host, ask, None)))}


def resume_all(host: Host, ask: Ask) -> object:
    """Release every paused job."""
    return {"jobs": _names(do(host, ask, Resumed(None, parse(ReasonBody, ask.body).reason)))}


def _pause(host: Host, ask: Ask, jobs: tuple[JobName, ...] | None) -> Paused:
    body = parse(_PauseBody, ask.body)
    now = host.scheduler.clock.now()
    until = moment("until", body.until, now)
    if until is not None and until <= now and not ask.is_repeat:
        raise invalid("until", f"{body.until} is past")
    return Paused(jobs, body.reason, until)


def _names(records: object) -> list[str]:
    return [record.job.name for record in cast("tuple[JobRecord, ...]", records)]


class _PauseBody(ReasonBody):
    until: str | None = None
