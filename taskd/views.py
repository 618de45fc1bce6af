"""Views: jobs and runs as the JSON documents that users see, the same in the API and the CLI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from math import inf

from taskd.core.cron import Cron
from taskd.core.diff import Diff
from taskd.core.duration import format_duration
from taskd.core.job import Job
from taskd.core.reasons import Reason
from taskd.core.record import JobRecord, JobState
from taskd.core.run import Attempt, Run, RunError, RunState
from taskd.executors.pool import Live
from taskd.stores.events import Event

Document = dict[str, object]


@lru_cache(maxsize=256)  # the runs of a turn share their instants: half the cost of their views
def rfc3339(instant: datetime | None) -> str | None:
    """Return an instant as RFC 3339 text in UTC."""
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def job_view(
    record: JobRecord,
    *,
    last_run: Run | None,
    live: Sequence[Document],
    problem: str | None = None,
) -> Document:
    """Return a job. `live` is what runs of it; `problem` says why its runs will fail."""
    job = record.job
    return {
        "name": job.name,
        "source": job.source.value,
        "call": job.call.target,
        "description": job.description,
        "tags": list(job.tags),
        "schedule": schedule_words(job),
        "timezone": job.schedule.timezone if isinstance(job.schedule, Cron) else None,
        "priority": job.priority,
        "enabled": job.enabled,
        "overlap": job.overlap.value,
        "max_instances": None if job.instances == inf else int(job.instances),
        "state": job_state(record),
        "paused": record.state is JobState.PAUSED,
        "pause_reason": record.pause_reason,
        "paused_until": rfc3339(record.paused_until),
        "next_due_at": rfc3339(record.next_due_at),
        "running": len(live),
        "live": list(live),
        "last_run": None if last_run is None else last_run_view(last_run),
        "counts": dict(record.counts),
        "failures_in_row": record.failures_in_row,
        "policies": policies_view(job),
        "problem": problem,
        **timing_view(job),
    }


def schedule_words(job: Job) -> str | None:
    """Return when a job runs, in the words of jobs.toml; None where only a trigger runs it."""
    if job.schedule is None:
        return "on boot" if job.boot else None
    return f"{job.schedule} | @reboot" if job.boot else str(job.schedule)


def timing_view(job: Job) -> Document:
    """Return the policies that settle when a job is due, and what becomes of it late."""
    cron = job.schedule if isinstance(job.schedule, Cron) else None
    late, bounds = job.late, job.bounds
    return {
        "dst_gap": cron and cron.dst_gap and cron.dst_gap.value,
        "dst_overlap": cron and cron.dst_overlap and cron.dst_overlap.value,
        "day_match": cron and cron.day_match.value,
        "jitter": format_duration(job.jitter) if job.jitter else None,
        "start_at": rfc3339(bounds.start_at),
        "end_at": rfc3339(bounds.end_at),
        "max_runs": bounds.max_runs,
        "exclude": [calendar.name for calendar in job.exclude.calendars] if job.exclude else [],
        "misfire_grace_time": "inf" if late.grace is None else format_duration(late.grace),
        "catchup": late.catchup.value,
        "catchup_limit": late.limit,
    }


def reason_view(reason: Reason) -> Document:
    """Return what was decided for one occurrence, and why."""
    skip = reason.skip
    return {
        "due_at": rfc3339(reason.due_at),
        "decision": reason.decision,
        "causes": list(reason.causes),
        "run": None if reason.run is None else run_view(reason.run),
        "skip": None
        if skip is None
        else {
            "reason": skip.reason.value,
            "first_at": rfc3339(skip.first_at),
            "last_at": rfc3339(skip.last_at),
            "count": skip.count,
            "decided_at": rfc3339(skip.decided_at),
        },
    }


def policies_view(job: Job) -> Document:
    """Return the policies of a job by the keys of jobs.toml, defaults too."""
    failure, retry, kept = job.failure, job.failure.retry, job.retention
    elapsed = retry.max_elapsed
    return {
        "retry": {
            "max_attempts": retry.max_attempts,
            "backoff": retry.backoff.value,
            "initial": format_duration(retry.initial),
            "max_delay": format_duration(retry.max_delay),
            "jitter": retry.jitter.value,
            "max_elapsed": None if elapsed is None else format_duration(elapsed),
            "retry_on": list(retry.retry_on),
            "give_up_on": list(retry.give_up_on),
        },
        "on_crash": failure.on_crash.value,
        "max_crashes": failure.max_crashes,
        "pause_after_failures": job.pause_after_failures,
        "retention": {
            "success": format_duration(kept.success),
            "failed": format_duration(kept.failed),
        },
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


def run_view(run: Run, attempts: Iterable[Attempt] = (), live: Live | None = None) -> Document:
    """Return a run in full, with its attempts; `live` tells of the one under way."""
    listed = [attempt_view(attempt) for attempt in attempts]
    if run.state is RunState.RUNNING:
        listed.append(_under_way(run, live))
    return {
        "id": run.id,
        "job": run.job,
        "origin": run.origin.value,
        "state": run.state.value,
        "stopping": run.stopping,
        "timed_out": run.timed_out,
        "abandoned": run.abandoned,
        "reason": run.reason or None,
        "scheduled_at": rfc3339(run.scheduled_at),
        "queued_at": rfc3339(run.queued_at),
        "first_started_at": rfc3339(run.first_started_at),
        "started_at": rfc3339(run.started_at),
        "next_attempt_at": rfc3339(run.due_at) if run.state is RunState.RETRYING else None,
        "finished_at": rfc3339(run.finished_at),
        "dismissed_at": rfc3339(run.dismissed_at),
        "duration_s": duration_s(run),
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "failures": run.failures,
        "crashes": run.crashes,
        "fence": run.fence,
        "priority": run.priority,
        "result": _result(run),
        "result_repr": run.result is not None and run.result.is_repr,
        "error": error_view(run.error),
        "progress": progress_view(live),
        "node": run.node or None,
        "retry_of": run.retry_of,
        "attempts": listed,
    }


def live_view(run: Run, live: Live | None, now: datetime) -> Document:
    """Return an attempt under way; what only its executor knows is None once it has ended."""
    started = run.started_at or now
    return {
        "run": run.id,
        "job": run.job,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "executor": live and live.executor,
        "pid": live and live.pid,
        "started_at": rfc3339(run.started_at),
        "elapsed_s": max(0.0, (now - started).total_seconds()),
        "stopping": run.stopping,
        "timed_out": run.timed_out,
        "abandoned": run.abandoned,
        "blocks": live is not None and live.blocks,
        "progress": progress_view(live),
    }


def progress_view(live: Live | None) -> Document | None:
    """Return how far an attempt under way has come, None where it has not told."""
    if live is None or live.progress is None:
        return None
    progress = live.progress
    return {
        "done": progress.done,
        "total": progress.total,
        "note": progress.note,
        "eta_s": progress.eta_s,
    }


def _under_way(run: Run, live: Live | None) -> Document:
    return {
        "number": run.attempt,
        "outcome": None,
        "started_at": rfc3339(run.started_at),
        "finished_at": None,
        "node": run.node,
        "pid": run.pid if live is None else live.pid,
        "executor": live and live.executor,
        "fence": run.fence,
        "error": None,
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
        "fence": attempt.fence,
        "error": error_view(attempt.error),
        "peak_memory": usage.peak_memory,
        "cpu_s": None if usage.cpu_time is None else usage.cpu_time.total_seconds(),
        "exit_status": usage.exit_status,
        "signal": usage.signal,
    }


def error_view(error: RunError | None) -> Document | None:
    """Return an error; `category` is None where its class is of none."""
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "traceback": error.traceback,
        "category": error.category,
    }


def event_view(event: Event) -> Document:
    """Return an event of the journal."""
    return {
        "seq": event.seq,
        "at": rfc3339(event.at),
        "actor": event.actor,
        "kind": event.kind,
        "job": event.job,
        "run": event.run,
        "data": dict(event.data),
    }


def diff_view(difference: Diff) -> Document:
    """Return what a reload did, by name."""
    return {
        "added": list(difference.added),
        "changed": list(difference.changed),
        "removed": list(difference.removed),
        "unchanged": list(difference.unchanged),
    }


def _result(run: Run) -> object:
    if run.result is None:
        return None
    return run.result.text if run.result.is_repr else json.loads(run.result.text)
