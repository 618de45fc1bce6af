"""The requests that change runs: stop one, do final ones again, let go of dead ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Final, cast

from pydantic import Field, StrictBool

from taskd.api.asking import Ask, Body, Host, StopBody, do, invalid, moment, parse, record_of
from taskd.api.reading import is_of
from taskd.api.reading import run as run_now
from taskd.core.duration import parse_duration
from taskd.core.messages import Dismissed, Retried, RunStopped
from taskd.core.run import Run, RunId
from taskd.errors import InvalidJob
from taskd.stores.history import History
from taskd.views import run_view

MOST_RETRIED: Final = 1000
"""Runs that one request does again: a commit of more would hold up those that are due."""


def stop_run(host: Host, ask: Ask) -> object:
    """End one run, and return it in the state really reached."""
    body = parse(StopBody, ask.body)
    do(host, ask, RunStopped(RunId(ask.name), body.reason, body.force))
    return run_now(host, ask)


def retry(host: Host, ask: Ask) -> object:
    """Do final runs again as new ones: those that are named, or those of the dead-letter queue."""
    body = parse(_RetryBody, ask.body)
    if (body.runs is None) != body.dead:
        raise invalid("runs", "name runs, or say dead: one of them")
    if not body.dead and _filters(body):
        raise invalid(_filters(body)[0], "it chooses among the dead: say dead, too")
    chosen = _dead(host, body) if body.dead else [RunId(run) for run in body.runs or ()]
    if body.dry_run:
        return {"dry_run": True, "runs": _views(host, chosen), "more": _is_full(body, chosen)}
    reply = do(host, ask, Retried(tuple(chosen), dead_only=body.dead))
    again = cast("tuple[Run, ...]", reply)
    more = _is_full(body, chosen)
    return {"dry_run": False, "runs": [run_view(run) for run in again], "more": more}


def dismiss(host: Host, ask: Ask) -> object:
    """Let dead runs leave the dead-letter queue."""
    body = parse(_DismissBody, ask.body)
    reply = do(host, ask, Dismissed(tuple(RunId(run) for run in body.runs)))
    return {"runs": [run.id for run in cast("tuple[Run, ...]", reply)]}


def _filters(body: _RetryBody) -> list[str]:
    names = ("job", "error", "older_than", "since")
    return [name for name in names if getattr(body, name) is not None]


def _is_full(body: _RetryBody, chosen: list[RunId]) -> bool:
    return body.dead and len(chosen) == MOST_RETRIED


def _dead(host: Host, body: _RetryBody) -> list[RunId]:
    """Return the dead runs that the filters choose, oldest first."""
    now = host.scheduler.clock.now()
    since, until = moment("since", body.since, now, back=True), _before(body, now)

    def read(history: History) -> Iterator[Run]:
        if body.job is not None and not history.has_runs_of(body.job):
            record_of(history, body.job)
        # One whose job was removed cannot run again, and is not to keep the others from it.
        jobs = {None, *history.job_names()}
        found = history.dead(job=body.job, since=since, until=until, oldest_first=True)
        chosen = (run for run in found if run.job in jobs and is_of(run, body.error))
        return islice(chosen, MOST_RETRIED)

    return host.scheduler.read(lambda history: [run.id for run in read(history)])


def _before(body: _RetryBody, now: datetime) -> datetime | None:
    if body.older_than is None:
        return None
    try:
        return now - parse_duration(body.older_than)
    except InvalidJob as error:
        raise invalid("older_than", error.message, error.hint) from None
    except OverflowError:
        raise invalid("older_than", f"{body.older_than} ago there was no time") from None


def _views(host: Host, runs: list[RunId]) -> list[object]:
    found = host.scheduler.read(lambda history: history.runs_by_id(runs))
    return [run_view(found[run]) for run in runs if run in found]


class _RetryBody(Body):
    runs: Annotated[list[str], Field(min_length=1, max_length=MOST_RETRIED)] | None = None
    dead: StrictBool = False
    job: str | None = None
    error: str | None = None
    older_than: str | None = None
    since: str | None = None
    dry_run: StrictBool = False


class _DismissBody(Body):
    runs: Annotated[list[str], Field(min_length=1, max_length=MOST_RETRIED)]
