"""The request for what `taskd top` shows: what runs, what comes and what went wrong."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from taskd.api.asking import Ask, Body, Host, parse
from taskd.api.reading import live_by_job
from taskd.core.record import JobRecord, JobState
from taskd.core.run import RunState
from taskd.stores.history import History
from taskd.views import Document, job_state, job_view, run_view

MOST_COUNTED: Final = 10_000
"""Queued runs that are counted: to count a million would take longer than anybody looks."""

MOST_FAILURES: Final = 20
BADLY: Final = (RunState.FAILED, RunState.DEAD)


def top(host: Host, ask: Ask) -> object:
    """Return what runs, the depth of the queue, the jobs due soonest and the latest failures."""
    n = parse(_TopQuery, ask.query).n

    def read(history: History) -> Document:
        records = history.jobs()
        shown = sorted(records, key=_soonest)[:n]
        last = history.runs_by_id(r.last_run for r in shown if r.last_run is not None)
        live = live_by_job(host, history)
        failures = history.runs(states=BADLY, limit=min(n, MOST_FAILURES))
        return {
            "daemon": host.describe(),
            "running": sorted(
                (document for of_job in live.values() for document in of_job),
                key=lambda document: str(document["started_at"]),
            ),
            "retrying": [
                run_view(run) for run in history.runs(states=[RunState.RETRYING], limit=n)
            ],
            "queued": history.depth(MOST_COUNTED),
            "jobs": dict(Counter(job_state(record) for record in records)),
            "next": [
                job_view(
                    record,
                    last_run=last.get(record.last_run) if record.last_run else None,
                    live=live.get(record.job.name, []),
                    problem=host.problem_of(record.job),
                )
                for record in shown
            ],
            "failures": [run_view(run) for run in failures if run.dismissed_at is None],
        }

    return host.scheduler.read(read)


def _soonest(record: JobRecord) -> tuple[bool, bool, datetime, str]:
    """The order of the jobs: active ones first, and those that are due, the soonest first."""
    due_at = record.next_due_at
    is_held = record.state is not JobState.ACTIVE
    return is_held, due_at is None, due_at or record.created_at, record.job.name


class _TopQuery(Body):
    n: Annotated[int, Field(ge=1, le=1000)] = 50
