"""The requests that read: what is, what comes, what was."""

from __future__ import annotations

import difflib
import heapq
from itertools import chain, islice
from typing import Annotated

from pydantic import Field

from taskd.api.asking import Ask, Body, Host, invalid, moment, parse, record_of
from taskd.core.ahead import as_of, is_ahead
from taskd.core.forecast import upcoming
from taskd.core.job import JobName
from taskd.core.reasons import reason_at, reason_next
from taskd.core.record import JobRecord
from taskd.core.run import Run, RunState
from taskd.core.shifts import mark
from taskd.errors import StoreUnavailable, UnknownTask
from taskd.stores.history import History
from taskd.views import Document, job_view, live_view, reason_view, rfc3339, run_view


def ping(host: Host, ask: Ask) -> object:  # noqa: ARG001 (all requests have one shape)
    """Say that the daemon is there."""
    described = host.describe()
    return {"version": described["version"], "pid": described["pid"]}


def status(host: Host, ask: Ask) -> object:
    """Return the daemon and all of its jobs."""
    daemon = host.describe()
    try:
        return {"daemon": daemon, "jobs": jobs(host, ask)}
    except StoreUnavailable as error:
        return {
            "daemon": {**daemon, "store_error": daemon["store_error"] or str(error)},
            "jobs": [],
        }


def jobs(host: Host, ask: Ask) -> list[Document]:  # noqa: ARG001
    """Return all jobs, by name."""

    def read(history: History) -> list[Document]:
        records = history.jobs()
        last_runs = history.runs_by_id(r.last_run for r in records if r.last_run is not None)
        live = live_by_job(host, history)
        return [
            job_view(
                record,
                last_run=last_runs.get(record.last_run) if record.last_run else None,
                live=live.get(record.job.name, []),
                problem=host.problem_of(record.job),
            )
            for record in records
        ]

    return host.scheduler.read(read)


def names(host: Host, ask: Ask) -> Document:  # noqa: ARG001
    """Return the names of all jobs, for completion."""
    return {"jobs": host.scheduler.read(lambda history: history.job_names())}


def job(host: Host, ask: Ask) -> Document:
    """Return one job."""

    def read(history: History) -> Document:
        record = record_of(history, ask.name)
        live = live_by_job(host, history).get(record.job.name, [])
        last_run = history.run(record.last_run) if record.last_run else None
        problem = host.problem_of(record.job)
        return job_view(record, last_run=last_run, live=live, problem=problem)

    return host.scheduler.read(read)


def ps(host: Host, ask: Ask) -> object:  # noqa: ARG001
    """Return what runs, the longest first."""
    by_job = host.scheduler.read(lambda history: live_by_job(host, history))
    return sorted(chain(*by_job.values()), key=lambda live: str(live["started_at"]))


def live_by_job(host: Host, history: History) -> dict[JobName | None, list[Document]]:
    """Return what runs, by job; tasks of the library have none."""
    executor, now = host.scheduler.executor, host.scheduler.clock.now()
    found: dict[JobName | None, list[Document]] = {}
    for run in history.running():
        if is_ahead(run, now):
            continue
        found.setdefault(run.job, []).append(live_view(run, executor.live(run.id), now))
    return found


def runs(host: Host, ask: Ask) -> object:
    """Return runs, newest first."""
    query = parse(_RunsQuery, ask.query)
    words = [word for word in query.state.upper().split(",") if word]
    for word in words:
        if word not in RunState.__members__:
            raise invalid("state", f"{word} is no state of a run", _nearest_state(word))
    states = [RunState(word) for word in words]
    now = host.scheduler.clock.now()

    def read(history: History) -> list[Document]:
        if query.job is not None and not history.has_runs_of(query.job):
            record_of(history, query.job)
        found = history.runs(
            job=query.job,
            states=states,
            since=moment("since", query.since, now, back=True),
            limit=query.limit,
        )
        live = host.scheduler.executor.live
        shown = (as_of(run, now) for run in found)
        return [
            run_view(run, history.attempts(run.id), live(run.id))
            for run in shown
            if not states or run.state in states
        ]

    return host.scheduler.read(read)


def _nearest_state(word: str) -> str:
    near = difflib.get_close_matches(word, [*RunState], n=1)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(RunState)}"


def dead(host: Host, ask: Ask) -> object:
    """Return the runs of the dead-letter queue, newest first."""
    query = parse(_DeadQuery, ask.query)
    since = moment("since", query.since, host.scheduler.clock.now(), back=True)

    def read(history: History) -> list[Document]:
        if query.job is not None and not history.has_runs_of(query.job):
            record_of(history, query.job)
        found = (run for run in history.dead(job=query.job, since=since) if is_of(run, query.error))
        return [run_view(run, history.attempts(run.id)) for run in islice(found, query.limit)]

    return host.scheduler.read(read)


def is_of(run: Run, error: str | None) -> bool:
    """Whether a run ended with an error of that class, by its whole name or the last part of it.

    The category will do as well.
    """
    if error is None or run.error is None:
        return error is None
    return error in (run.error.type, run.error.type.rpartition(".")[2], run.error.category)


def run(host: Host, ask: Ask) -> Document:
    """Return one run with its attempts."""

    def read(history: History) -> Document:
        found = history.run(ask.name)
        if found is None:
            raise UnknownTask(ask.name, kind="run")
        live = host.scheduler.executor.live(found.id)
        shown = as_of(found, host.scheduler.clock.now())
        return run_view(shown, history.attempts(found.id), live)

    return host.scheduler.read(read)


def wait_s(ask: Ask) -> float:
    """Return for how many seconds a wait for the end of a run is asked."""
    return parse(_WaitQuery, ask.query).timeout


def next_due(host: Host, ask: Ask) -> object:
    """Return what comes, soonest first."""
    query = parse(_NextQuery, ask.query)

    def read(history: History) -> list[JobRecord]:
        return [record_of(history, query.job)] if query.job is not None else history.jobs()

    records = host.scheduler.read(read)
    schedules = {record.job.name: record.job.schedule for record in records}
    each = (
        [(due_at, record.job.name) for due_at in upcoming(record, query.n)] for record in records
    )
    soonest = islice(heapq.merge(*each), query.n)
    return [
        {
            "job": name,
            "due_at": rfc3339(due_at),
            "note": mark(schedules[name], due_at) or None,
        }
        for due_at, name in soonest
    ]


def why(host: Host, ask: Ask) -> object:
    """Return what was decided for the occurrence at an instant; without one, the last and next."""
    query = parse(_WhyQuery, ask.query)
    now = host.scheduler.clock.now()
    at = moment("at", query.at, now, back=True)

    def read(history: History) -> Document:
        record = record_of(history, ask.name)
        runs, skips = history.around(record.job.name, now if at is None else at)
        reasons = [reason_at(record, now if at is None else at, now, runs, skips)]
        if at is None:
            reasons.append(reason_next(record, now))
        return {"job": ask.name, "reasons": [reason_view(reason) for reason in reasons]}

    return host.scheduler.read(read)


class _WhyQuery(Body):
    at: str | None = None


class _RunsQuery(Body):
    job: str | None = None
    state: str = ""
    since: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 50


class _WaitQuery(Body):
    timeout: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0


class _NextQuery(Body):
    job: str | None = None
    n: Annotated[int, Field(ge=1, le=1000)] = 10


class _DeadQuery(Body):
    job: str | None = None
    error: str | None = None
    since: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
