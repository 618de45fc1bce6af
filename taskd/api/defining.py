"""The requests that change jobs."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, Field

from taskd.api.asking import (
    Ask,
    Body,
    Host,
    ReasonBody,
    StopBody,
    do,
    invalid,
    moment,
    outcome,
    parse,
)
from taskd.api.reading import job as job_now
from taskd.config.entry import InvalidEntry, job_from_entry
from taskd.config.probe import probe
from taskd.config.shape import Flaw
from taskd.config.values import json_value
from taskd.core.job import Job, JobName, Source
from taskd.core.messages import Added, JobRemoved, JobStopped, Paused, Resumed, Triggered
from taskd.core.record import JobRecord
from taskd.core.run import Run
from taskd.errors import TaskdError
from taskd.views import Document, job_state, job_view, rfc3339, run_view

MOST_TRIGGERED: Final = 1000
"""Runs that one request asks for: a commit of more would hold up those that are due."""


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


def trigger(host: Host, ask: Ask) -> object:
    """Run a job once, now."""
    body = parse(_TriggerBody, ask.body)
    return {"run": run_view(cast("Run", do(host, ask, _triggered(JobName(ask.name), body))))}


def trigger_many(host: Host, ask: Ask) -> object:
    """Run jobs once, now, in one commit: each is taken or refused by itself, in its own place."""
    body = parse(_TriggersBody, ask.body)
    requests = [
        replace(
            _triggered(JobName(one.job), one), actor=ask.actor, key=ask.key and ask.key.part(number)
        )
        for number, one in enumerate(body.runs)
    ]
    answers = host.scheduler.inbox.ask_all(requests)
    return {"runs": [_run_or_refusal(host, answer) for answer in answers]}


def _triggered(job: JobName, body: _TriggerBody) -> Triggered:
    return Triggered(job, None if body.args is None else tuple(body.args), body.kwargs)


def _run_or_refusal(host: Host, answer: Future[object]) -> Document | TaskdError:
    try:
        return run_view(cast("Run", outcome(host, answer)))
    except TaskdError as refusal:
        return refusal


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


class _TriggerBody(Body):
    args: list[Annotated[Any, AfterValidator(json_value)]] | None = None
    kwargs: dict[str, Annotated[Any, AfterValidator(json_value)]] | None = None


class _NamedTriggerBody(_TriggerBody):
    job: str


class _TriggersBody(Body):
    runs: Annotated[list[_NamedTriggerBody], Field(min_length=1, max_length=MOST_TRIGGERED)]
