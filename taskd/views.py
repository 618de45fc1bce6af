"""Views: jobs and runs as the JSON documents that users see, the same in the API and the CLI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from taskd.core.cron import Cron
from taskd.core.diff import Diff
from taskd.core.planning import is_fixed_delay
from taskd.core.record import JobRecord, JobState
from taskd.core.run import Attempt, Run, RunError, RunState

Document = dict[str, object]

MAX_ATTEMPTS = 1  # retries are not in this version


def rfc3339(instant: datetime | None) -> str | None:
    """Return an instant as RFC 3339 text in UTC."""
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def job_view(
    record: JobRecord,
    *,
    last_run: Run | None,
    running: int,
    problem: str | None = None,
) -> Document:
    """Return a job. `problem` says why its runs will fail as things stand."""
    job = record.job
    return {
        "name": job.name,
        "source": job.source.value,
        "call": job.call.target,
        "description": job.description,
        "tags": list(job.tags),
        "schedule": None if job.schedule is None else str(job.schedule),
        "timezone": job.schedule.timezone if isinstance(job.schedule, Cron) else None,
        "priority": job.priority,
        "enabled": job.enabled,
        "state": job_state(record),
        "paused": record.state is JobState.PAUSED,
        "pause_reason": record.pause_reason,
        "paused_until": rfc3339(record.paused_until),
        "next_due_at": rfc3339(record.next_due_at),
        "running": running,
        "last_run": None if last_run is None else last_run_view(last_run),
        "counts": dict(record.counts),
        "problem": problem,
    }


def job_state(record: JobRecord) -> str:
    """Return active, paused, stopped or finished; a job that is not enabled counts as stopped."""
    if record.state is JobState.ACTIVE and not record.job.enabled:
        return JobState.STOPPED.value
    return record.state.value


def last_run_view(run: Run) -> Document:
    """Return the few facts about a job's latest finished run."""
    return {
        "id": run.id,
        "state": run.state.value,
        "scheduled_at": rfc3339(run.scheduled_at),
        "started_at": rfc3339(run.started_at),
        "finished_at": rfc3339(run.finished_at),
        "duration_s": duration_s(run),
    }


def duration_s(run: Run) -> float | None:
    """Return how long the latest attempt took, in seconds; None unless it started and ended."""
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def run_view(run: Run, attempts: Iterable[Attempt] = ()) -> Document:
    """Return a run in full, with its ended attempts and the one under way."""
    listed = [attempt_view(attempt) for attempt in attempts]
    if run.state is RunState.RUNNING:
        listed.append(
            {
                "number": run.attempt,
                "outcome": None,
                "started_at": rfc3339(run.started_at),
                "finished_at": None,
                "node": run.node,
                "pid": run.pid,
                "error": None,
            }
        )
    return {
        "id": run.id,
        "job": run.job,
        "origin": run.origin.value,
        "state": run.state.value,
        "stopping": run.stopping,
        "reason": run.reason or None,
        "scheduled_at": rfc3339(run.scheduled_at),
        "queued_at": rfc3339(run.queued_at),
        "started_at": rfc3339(run.started_at),
        "finished_at": rfc3339(run.finished_at),
        "duration_s": duration_s(run),
        "attempt": run.attempt,
        "max_attempts": MAX_ATTEMPTS,
        "priority": run.priority,
        "result": _result(run),
        "result_repr": run.result is not None and run.result.is_repr,
        "error": error_view(run.error),
        "node": run.node or None,
        "retry_of": None,
        "attempts": listed,
    }


def attempt_view(attempt: Attempt) -> Document:
    """Return an ended attempt."""
    usage = attempt.usage
    return {
        "number": attempt.number,
        "outcome": attempt.outcome.value,
        "started_at": rfc3339(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at),
        "node": attempt.node,
        "pid": attempt.pid,
        "error": error_view(attempt.error),
        "peak_memory": usage.peak_memory,
        "cpu_s": None if usage.cpu_time is None else usage.cpu_time.total_seconds(),
        "exit_status": usage.exit_status,
        "signal": usage.signal,
    }


def error_view(error: RunError | None) -> Document | None:
    """Return an error; failure categories are not in this version."""
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "traceback": error.traceback,
        "category": None,
    }


def diff_view(difference: Diff) -> Document:
    """Return what a reload did, by name."""
    return {
        "added": list(difference.added),
        "changed": list(difference.changed),
        "removed": list(difference.removed),
        "unchanged": list(difference.unchanged),
    }


def upcoming(record: JobRecord, n: int) -> list[datetime]:
    """Return the next `n` due instants of a job as things stand; fewer where it has fewer."""
    schedule, due_at = record.job.schedule, record.next_due_at
    instants: list[datetime] = []
    if schedule is None or record.state is not JobState.ACTIVE:
        return instants
    while due_at is not None and len(instants) < n:
        instants.append(due_at)
        # Of a fixed-delay job only the next instant is known: the others wait for the end of a run.
        known = not is_fixed_delay(schedule)
        due_at = schedule.after(due_at, record.anchor_at) if known else None
    return instants


def _result(run: Run) -> object:
    if run.result is None:
        return None
    return run.result.text if run.result.is_repr else json.loads(run.result.text)
