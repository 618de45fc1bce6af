"""Documents of the API as tables and cards for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from taskd.cli.progress import doing, progress_words
from taskd.cli.render import counted, put, put_card, put_table, size, talk
from taskd.cli.table import Column
from taskd.cli.times import local, relative, rough, since, took, when
from taskd.cli.waiting import duration_of
from taskd.client import Document
from taskd.terminal import harmless

JOBS = (
    Column("JOB", flexible=True),
    Column("STATE", state=True),
    Column("SCHEDULE", flexible=True),
    Column("NEXT"),
    Column("LAST", state=True),
    Column("ENDED"),
    Column("RUNNING", wide=1),
    Column("SOURCE", wide=3),
    Column("CALL", wide=2, flexible=True),
)
_RUNS = (
    Column("RUN"),
    Column("JOB", flexible=True),
    Column("STATE", state=True),
    Column("DUE"),
    Column("TOOK"),
    Column("ORIGIN", wide=2),
    Column("SCHEDULED", wide=3),
    Column("WHAT", wide=1, flexible=True, cut=True),
)
_UPCOMING = (
    Column("JOB", flexible=True),
    Column("DUE"),
    Column("IN"),
    Column("CLOCKS", flexible=True),
)
_ATTEMPTS = (
    Column("ATTEMPT"),
    Column("OUTCOME", state=True),
    Column("STARTED"),
    Column("TOOK"),
    Column("ERROR", flexible=True),
    Column("USED", wide=1),
    Column("NODE", wide=2),
    Column("PID", wide=1),
)

_POLICIES: dict[str, object] = {
    "dst_gap": None,
    "dst_overlap": None,
    "day_match": "or",
    "jitter": None,
    "start_at": None,
    "end_at": None,
    "max_runs": None,
    "exclude": [],
    "misfire_grace_time": "inf",
    "catchup": "latest",
    "catchup_limit": 1000,
}
_DECISIONS = {
    "run": "ran",
    "skipped": "skipped",
    "undecided": "not decided yet",
    "none": "nothing is due",
}


def put_jobs(document: Document) -> None:
    """The daemon in a line, then its jobs, then what is wrong with any of them."""
    daemon, jobs = document["daemon"], document["jobs"]
    put(harmless(daemon_line(daemon, jobs)))
    if jobs:
        put_table(JOBS, [job_row(job) for job in jobs])
    for job in jobs:
        if job.get("problem"):
            talk(f"{job['name']}: {job['problem']}")


def daemon_line(daemon: Document, jobs: Sequence[Document]) -> str:
    """The daemon in a line: its file, its process, how many jobs there are and runs under way."""
    running = sum(job["running"] for job in jobs)
    return (
        f"taskd {daemon['version']}, pid {daemon['pid']}, up {rough(since(daemon['started_at']))}, "
        f"{counted(len(jobs), 'job')}, {running} running, on {daemon['config']}"
    )


def job_row(job: Document) -> tuple[str, ...]:
    """A job as a row of the table of jobs."""
    last = job.get("last_run") or {}
    return (
        job["name"],
        job["state"],
        _text(job["schedule"]),
        relative(job["next_due_at"]) if job["state"] == "active" else "",
        last.get("state", ""),
        relative(last.get("finished_at")),
        _text(job["running"]),
        job["source"],
        job["call"],
    )


def put_job(job: Document) -> None:
    """One job, a line for each thing known of it."""
    last = job.get("last_run")
    put_card(
        [
            ("job", job["name"]),
            ("state", job["state"]),
            ("enabled", "" if job.get("enabled", True) else "false"),
            ("problem", _text(job.get("problem"))),
            ("reason", _text(job.get("pause_reason"))),
            ("until", when(job.get("paused_until"))),
            ("description", _text(job.get("description"))),
            ("tags", ", ".join(job.get("tags") or ())),
            ("call", job["call"]),
            ("schedule", _text(job["schedule"])),
            ("timezone", _text(job["timezone"])),
            *((key.replace("_", " "), _policy(job, key)) for key in _POLICIES),
            ("source", job["source"]),
            ("next", when(job["next_due_at"]) if job["state"] == "active" else ""),
            ("running", _text(job["running"])),
            *(("", _live(live)) for live in job.get("live") or ()),
            ("retries", _retries(job)),
            ("in a row", _in_a_row(job)),
            ("last run", _last_run(last) if last else ""),
            ("counts", ", ".join(f"{state} {count}" for state, count in job["counts"].items())),
        ]
    )


def put_runs(runs: Sequence[Document]) -> None:
    """Runs as a table, in the order given.

    Beside the id, which is to be copied, 80 cells have no room for an error: it is told below.
    """
    if runs:
        put_table(_RUNS, [_run_row(run) for run in runs], [_fault(run) for run in runs])
    else:
        talk("no runs")


def put_run(run: Document) -> None:
    """One run in full, its attempts below."""
    put_card(
        [
            ("run", run["id"]),
            ("job", run["job"] or "(a task)"),
            ("state", run["state"]),
            ("reason", _text(run.get("reason"))),
            ("origin", run["origin"]),
            ("retry of", _text(run.get("retry_of"))),
            ("scheduled", when(run["scheduled_at"])),
            ("queued", local(run["queued_at"])),
            ("started", local(run.get("first_started_at") or run["started_at"])),
            ("finished", when(run["finished_at"])),
            ("took", took(duration_of(run))),
            ("attempt", _attempt(run)),
            ("executor", _executor(run)),
            ("progress", progress_words(run.get("progress"))),
            ("next", _next_attempt(run)),
            ("dismissed", when(run.get("dismissed_at"))),
            ("used", _used(run)),
            ("node", _text(run.get("node"))),
            ("result", _value(run["result"]) if run["state"] == "SUCCEEDED" else ""),
            ("error", _error(run.get("error"))),
            ("category", _text((run.get("error") or {}).get("category"))),
        ]
    )
    if attempts := run.get("attempts"):
        put("")
        put_table(_ATTEMPTS, [_attempt_row(attempt) for attempt in attempts])


def put_upcoming(dues: Sequence[Document]) -> None:
    """What is due, soonest first."""
    if dues:
        rows = [
            (due["job"], local(due["due_at"]), relative(due["due_at"]), due.get("note") or "")
            for due in dues
        ]
        # Mostly the clocks do nothing: then nothing is said of them.
        has_notes = any(note for *_, note in rows)
        put_table(_UPCOMING if has_notes else _UPCOMING[:3], [row[: 3 + has_notes] for row in rows])
    else:
        talk("nothing is due")


def put_reasons(reasons: Sequence[Document]) -> None:
    """What was decided for occurrences, each with its causes below."""
    for reason in reasons:
        skip = reason.get("skip")
        decision = f"skipped, {skip['reason']}" if skip else _DECISIONS[reason["decision"]]
        put(f"{when(reason['due_at'])}  {decision}" if reason["due_at"] else decision)
        for cause in reason["causes"]:
            put(f"  {cause}")


def _policy(job: Document, key: str) -> str:
    """A policy of a job; empty where it is the default."""
    value = job.get(key)
    if value is None or value == _POLICIES[key]:
        return ""
    return ", ".join(value) if isinstance(value, list) else str(value)


def _retries(job: Document) -> str:
    policies = job.get("policies") or {}
    retry = policies.get("retry") or {}
    if retry.get("max_attempts", 1) == 1:
        return ""
    words = f"{retry['max_attempts']} attempts, {retry['backoff']} from {retry['initial']}"
    return f"{words} to {retry['max_delay']}, jitter {retry['jitter']}"


def _in_a_row(job: Document) -> str:
    failures = job.get("failures_in_row") or 0
    if not failures:
        return ""
    limit = (job.get("policies") or {}).get("pause_after_failures")
    return f"{counted(failures, 'failure')}" + (f", paused after {limit}" if limit else "")


def _attempt(run: Document) -> str:
    """The latest attempt; those lost with their process are not of the number there may be."""
    attempt, most = run["attempt"], run["max_attempts"]
    if not attempt:
        return ""
    lost = run.get("crashes") or 0
    if attempt <= most and not lost:
        return f"{attempt} of {most}"
    told = f"{attempt}; {run.get('failures', 0)} of {most} failed"
    return told + (f", {lost} lost" if lost else "")


def _next_attempt(run: Document) -> str:
    due_at = run.get("next_attempt_at")
    if not due_at:
        return ""
    return f"{when(due_at)}, attempt {run['failures'] + 1} of {run['max_attempts']}"


def _run_row(run: Document) -> tuple[str, ...]:
    return (
        run["id"],
        run["job"] or "(a task)",
        run["state"],
        relative(run["scheduled_at"]),
        took(duration_of(run)),
        run["origin"],
        local(run["scheduled_at"]),
        _value(run["result"]) if run["state"] == "SUCCEEDED" else _fault(run),
    )


def _fault(run: Document) -> str:
    """Why a run did not succeed: of one that somebody ended, the reason that was given."""
    error, reason = _error(run.get("error")), _text(run.get("reason"))
    if run["state"] == "SUCCEEDED":
        return ""
    return reason or error if run["state"] == "CANCELLED" else error or reason


def _attempt_row(attempt: Document) -> tuple[str, ...]:
    return (
        _text(attempt["number"]),
        _text(attempt["outcome"]),
        local(attempt["started_at"]),
        took(duration_of(attempt)),
        _error(attempt.get("error")),
        usage(attempt),
        _text(attempt.get("node")),
        _text(attempt.get("pid")),
    )


def _live(live: Document) -> str:
    """An attempt under way, among what is known of its job."""
    words = f"{live['run']} for {took(live['elapsed_s'])}"
    return f"{words}: {told}" if (told := doing(live)) else words


def _executor(run: Document) -> str:
    """What executes the attempt under way, and in which process."""
    attempts = run.get("attempts")
    live = attempts[-1] if attempts else {}
    return f"{live['executor']}, pid {live['pid']}" if live.get("executor") else ""


def _used(run: Document) -> str:
    """What the latest attempt that has ended used of the machine."""
    ended = [attempt for attempt in run.get("attempts") or () if attempt.get("outcome")]
    return usage(ended[-1]) if ended else ""


def usage(attempt: Document) -> str:
    """Memory at its peak and CPU time: ``34.2 MiB, 1.2s of CPU``; empty where neither is known."""
    memory, cpu_s = attempt.get("peak_memory"), attempt.get("cpu_s")
    told = [] if memory is None else [size(memory)]
    return ", ".join([*told, f"{took(cpu_s)} of CPU"] if cpu_s is not None else told)


def _last_run(last: Document) -> str:
    words = [last["id"], last["state"], relative(last.get("finished_at"))]
    lasted = took(last.get("duration_s"))
    return " ".join(filter(None, words)) + (f", took {lasted}" if lasted else "")


def _error(error: Document | None) -> str:
    return f"{error['type']}: {error['message']}" if error else ""


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
