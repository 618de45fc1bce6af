"""The API: one function for each request, for the socket, the command line and the web alike."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from taskd.bodies import (
    NextQuery,
    PauseBody,
    RunsQuery,
    ShutdownBody,
    StopBody,
    TriggerBody,
    WaitQuery,
    WhyQuery,
)
from taskd.config.entry import InvalidEntry, job_from_entry
from taskd.config.probe import probe
from taskd.config.shape import Flaw
from taskd.core.calendars import Calendar
from taskd.core.diff import Diff
from taskd.core.duration import parse_duration
from taskd.core.job import Job, JobName, Source
from taskd.core.messages import (
    Added,
    AnyRequest,
    JobRemoved,
    JobStopped,
    Paused,
    Resumed,
    RunStopped,
    Triggered,
)
from taskd.core.reasons import reason_at, reason_next
from taskd.core.record import JobRecord
from taskd.core.run import Run, RunId, RunState
from taskd.errors import UnknownTask
from taskd.scheduler import Scheduler
from taskd.stores.history import History
from taskd.views import (
    Document,
    diff_view,
    job_state,
    job_view,
    reason_view,
    rfc3339,
    run_view,
    upcoming,
)

M = TypeVar("M", bound=BaseModel)


class Host(Protocol):
    """What the API needs of the daemon around the scheduler."""

    scheduler: Scheduler

    @property
    def timezone(self) -> str:
        """The zone of jobs that name none."""
        ...

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars that jobs may exclude."""
        ...

    @property
    def python_path(self) -> tuple[Path, ...]:
        """Where callables are looked for first."""
        ...

    def describe(self) -> Document:
        """Return the `daemon` part of the status."""
        ...

    def problem_of(self, job: Job) -> str | None:
        """Return why the runs of a job will fail as things stand, or None."""
        ...

    def reload(self) -> Future[Diff]:
        """Have jobs.toml read again. The future raises ConfigError, Stopped, StoreUnavailable."""
        ...

    def shut_down(self, *, now: bool) -> None:
        """Begin to shut down."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the name or id in its path, its query, its body, and who asks."""

    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)
    actor: str = "api"


# -- reading ------------------------------------------------------------------------------------


def ping(host: Host, ask: Ask) -> object:  # noqa: ARG001 (all requests have one shape)
    """Say that the daemon is there."""
    described = host.describe()
    return {"version": described["version"], "pid": described["pid"]}


def status(host: Host, ask: Ask) -> object:  # noqa: ARG001
    """Return the daemon and all of its jobs."""

    def read(history: History) -> list[Document]:
        records = history.jobs()
        last_runs = history.runs_by_id(r.last_run for r in records if r.last_run is not None)
        running = [run.job for run in history.running()]
        return [
            job_view(
                record,
                last_run=last_runs.get(record.last_run) if record.last_run else None,
                running=running.count(record.job.name),
                problem=host.problem_of(record.job),
            )
            for record in records
        ]

    return {"daemon": host.describe(), "jobs": host.scheduler.read(read)}


def job(host: Host, ask: Ask) -> Document:
    """Return one job."""

    def read(history: History) -> Document:
        record = _record(history, ask.name)
        running = sum(run.job == record.job.name for run in history.running())
        last_run = history.run(record.last_run) if record.last_run else None
        problem = host.problem_of(record.job)
        return job_view(record, last_run=last_run, running=running, problem=problem)

    return host.scheduler.read(read)


def runs(host: Host, ask: Ask) -> object:
    """Return runs, newest first."""
    query = _parse(RunsQuery, ask.query)
    try:
        states = [RunState(word) for word in query.state.upper().split(",") if word]
    except ValueError as error:
        raise _invalid("state", str(error), ", ".join(RunState)) from None

    def read(history: History) -> list[Document]:
        if query.job is not None and not history.has_runs_of(query.job):
            _record(history, query.job)
        found = history.runs(
            job=query.job,
            states=states,
            since=_moment("since", query.since, host.scheduler.clock.now(), back=True),
            limit=query.limit,
        )
        return [run_view(run, history.attempts(run.id)) for run in found]

    return host.scheduler.read(read)


def run(host: Host, ask: Ask) -> Document:
    """Return one run with its attempts."""

    def read(history: History) -> Document:
        found = history.run(ask.name)
        if found is None:
            raise UnknownTask(ask.name, kind="run")
        return run_view(found, history.attempts(found.id))

    return host.scheduler.read(read)


def wait_s(ask: Ask) -> float:
    """Return for how many seconds a wait for the end of a run is asked."""
    return _parse(WaitQuery, ask.query).timeout


def next_due(host: Host, ask: Ask) -> object:
    """Return what comes, soonest first."""
    query = _parse(NextQuery, ask.query)

    def read(history: History) -> list[JobRecord]:
        return [_record(history, query.job)] if query.job is not None else history.jobs()

    records = host.scheduler.read(read)
    each = (
        [(due_at, record.job.name) for due_at in upcoming(record, query.n)] for record in records
    )
    soonest = islice(heapq.merge(*each), query.n)
    return [{"job": name, "due_at": rfc3339(due_at)} for due_at, name in soonest]


def why(host: Host, ask: Ask) -> object:
    """Return what was decided for the occurrence at an instant; without one, the last and next."""
    query = _parse(WhyQuery, ask.query)
    now = host.scheduler.clock.now()
    at = _moment("at", query.at, now, back=True)

    def read(history: History) -> Document:
        record = _record(history, ask.name)
        runs, skips = history.around(record.job.name, now if at is None else at)
        reasons = [reason_at(record, now if at is None else at, now, runs, skips)]
        if at is None:
            reasons.append(reason_next(record, now))
        return {"job": ask.name, "reasons": [reason_view(reason) for reason in reasons]}

    return host.scheduler.read(read)


# -- jobs ---------------------------------------------------------------------------------------


def add(host: Host, ask: Ask) -> object:
    """Add a job; it is kept in the store until it is removed."""
    entry = dict(ask.body)
    name = entry.pop("name", None)
    if not isinstance(name, str):
        raise _invalid("name", "a job needs a name, as text")
    if entry.pop("now", False):
        entry["at"] = rfc3339(host.scheduler.clock.now())
    job = job_from_entry(
        name, entry, source=Source.CLI, timezone=host.timezone, calendars=host.calendars
    )
    faults = probe([job], host.python_path)
    if faults:
        flaws = [Flaw((fault.key,), fault.message, fault.hint) for fault in faults]
        raise InvalidEntry(name, flaws)
    stale = host.problem_of(job)
    if stale is not None:
        raise _invalid("call", stale)
    (record,) = cast("tuple[JobRecord]", _do(host, Added(jobs=(job,), actor=ask.actor)))
    view = job_view(record, last_run=None, running=0)
    return {"job": view, "next_due_at": view["next_due_at"]}


def remove(host: Host, ask: Ask) -> object:
    """Forget an added job; its history stays."""
    cancelled = _do(host, JobRemoved(_named(host, ask), actor=ask.actor))
    return {"job": ask.name, "cancelled": list(cast("tuple[RunId, ...]", cancelled))}


def stop_job(host: Host, ask: Ask) -> object:
    """End a job's schedule and its runs."""
    body = _parse(StopBody, ask.body)
    request = JobStopped(_named(host, ask), body.reason, actor=ask.actor)
    record, ended = cast("tuple[JobRecord, tuple[Run, ...]]", _do(host, request))
    return {
        "job": record.job.name,
        "state": job_state(record),
        "runs": [
            {"id": run.id, "state": run.state.value, "stopping": run.stopping} for run in ended
        ],
    }


def pause_job(host: Host, ask: Ask) -> object:
    """Hold a job."""
    _do(host, _pause(host, ask, (_named(host, ask),)))
    return job(host, ask)


def resume_job(host: Host, ask: Ask) -> object:
    """Release a paused job, or revive a stopped one."""
    _do(host, Resumed((_named(host, ask),), actor=ask.actor))
    return job(host, ask)


def pause_all(host: Host, ask: Ask) -> object:
    """Hold every active job."""
    return {"jobs": _names(_do(host, _pause(host, ask, None)))}


def resume_all(host: Host, ask: Ask) -> object:
    """Release every paused job."""
    return {"jobs": _names(_do(host, Resumed(None, actor=ask.actor)))}


def trigger(host: Host, ask: Ask) -> object:
    """Run a job once, now."""
    body = _parse(TriggerBody, ask.body)
    request = Triggered(
        _named(host, ask),
        None if body.args is None else tuple(body.args),
        body.kwargs,
        actor=ask.actor,
    )
    return {"run": run_view(cast("Run", _do(host, request)))}


# -- runs and the daemon ------------------------------------------------------------------------


def stop_run(host: Host, ask: Ask) -> object:
    """End one run, and return it in the state really reached."""
    body = _parse(StopBody, ask.body)
    _do(host, RunStopped(RunId(ask.name), body.reason, actor=ask.actor))
    return run(host, ask)


def reload(host: Host, ask: Ask) -> object:  # noqa: ARG001
    """Read jobs.toml again, all of it or nothing."""
    return diff_view(host.reload().result())


def shutdown(host: Host, ask: Ask) -> object:
    """Begin to shut down."""
    body = _parse(ShutdownBody, ask.body)
    host.shut_down(now=body.now)
    return {"stopping": True}


# -- bodies and queries -------------------------------------------------------------------------


def _parse(model: type[M], values: Mapping[str, object]) -> M:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        flaws = [
            Flaw(tuple(problem["loc"]) or ("body",), problem["msg"]) for problem in error.errors()
        ]
        raise InvalidEntry("request", flaws) from None


def _invalid(key: str, message: str, hint: str = "") -> InvalidEntry:
    return InvalidEntry("request", [Flaw((key,), message, hint)])


def _moment(key: str, text: str | None, now: datetime, *, back: bool = False) -> datetime | None:
    """Read an RFC 3339 instant, or a duration counted from `now`."""
    if text is None:
        return None
    try:
        distance = parse_duration(text)
    except ValueError:
        pass
    else:
        return now - distance if back else now + distance
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(
            key,
            f"{text!r} is neither an instant nor a duration",
            'write "2026-12-24T18:00Z" or "2h"',
        ) from None


def _pause(host: Host, ask: Ask, jobs: tuple[JobName, ...] | None) -> Paused:
    body = _parse(PauseBody, ask.body)
    now = host.scheduler.clock.now()
    until = _moment("until", body.until, now)
    if until is not None and until <= now:
        raise _invalid("until", f"{body.until} is past")
    return Paused(jobs, body.reason, until, actor=ask.actor)


def _do(host: Host, request: AnyRequest) -> object:
    return host.scheduler.inbox.ask(request).result()


def _names(records: object) -> list[str]:
    return [record.job.name for record in cast("tuple[JobRecord, ...]", records)]


def _named(host: Host, ask: Ask) -> JobName:
    """Return the job's name, once it is known to exist, so that a wrong one gets the nearest."""
    return host.scheduler.read(lambda history: _record(history, ask.name)).job.name


def _record(history: History, name: str) -> JobRecord:
    record = history.job(name)
    if record is None:
        nearest = difflib.get_close_matches(name, history.job_names(), n=1)
        raise UnknownTask(name, kind="job", nearest=nearest[0] if nearest else "")
    return record
