"""Definitions: what a job is, as JSON values for the store, and back."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

from taskd.core.job import KILL_GRACE, Call, Executor, Job, JobName, Overlap, Source
from taskd.core.retention import DEFAULT_RETENTION, Retention
from taskd.core.retry import (
    DEFAULT_FAILURE,
    Backoff,
    FailurePolicy,
    Jitter,
    OnCrash,
    RetryPolicy,
)
from taskd.core.run import MICROSECOND
from taskd.core.unique import OnConflict, Scope, Unique
from taskd.stores.timing import timing_from, timing_values


def definition(job: Job) -> dict[str, object]:
    """Return a job's definition as JSON values; what is at its default is left out."""
    values: dict[str, object] = {"call": call_values(job.call), **timing_values(job)}
    optional = {
        "description": (job.description, ""),
        "tags": (list(job.tags), []),
        "enabled": (job.enabled, True),
        "priority": (job.priority, 0),
        "carry": (job.carry, False),
        "overlap": (job.overlap.value, Overlap.SKIP.value),
        "max_instances": (job.max_instances, None),
        "executor": (job.executor.value, Executor.THREAD.value),
    }
    values |= {key: value for key, (value, default) in optional.items() if value != default}
    if job.unique is not None:
        values["unique"] = _unique(job.unique)
    if job.timeout is not None:
        values["timeout"] = job.timeout // MICROSECOND
    if job.kill_grace != KILL_GRACE:
        values["kill_grace"] = job.kill_grace // MICROSECOND
    if job.failure != DEFAULT_FAILURE:
        values["failure"] = failure_values(job.failure)
    if job.pause_after_failures is not None:
        values["pause_after_failures"] = job.pause_after_failures
    if job.retention != DEFAULT_RETENTION:
        kept = (job.retention.success, job.retention.failed)
        values["retention"] = [time // MICROSECOND for time in kept]
    return values


def job_from(name: JobName, source: Source, values: dict[str, Any]) -> Job:
    """Return the job that stored values define."""
    return Job(
        name=name,
        source=source,
        call=call_from(values["call"]),
        **timing_from(values),
        description=values.get("description", ""),
        tags=tuple(values.get("tags", ())),
        enabled=values.get("enabled", True),
        priority=values.get("priority", 0),
        carry=values.get("carry", False),
        overlap=Overlap(values.get("overlap", Overlap.SKIP.value)),
        max_instances=values.get("max_instances"),
        executor=Executor(values.get("executor", Executor.THREAD.value)),
        unique=_unique_from(values["unique"]) if "unique" in values else None,
        timeout=values["timeout"] * MICROSECOND if "timeout" in values else None,
        kill_grace=(values["kill_grace"] * MICROSECOND if "kill_grace" in values else KILL_GRACE),
        failure=failure_from(values["failure"]) if "failure" in values else DEFAULT_FAILURE,
        pause_after_failures=values.get("pause_after_failures"),
        retention=(
            Retention(*(time * MICROSECOND for time in values["retention"]))
            if "retention" in values
            else DEFAULT_RETENTION
        ),
    )


def call_values(call: Call) -> dict[str, object]:
    """Return what to call as JSON values."""
    return {"target": call.target, "args": list(call.args), "kwargs": dict(call.kwargs)}


def call_from(values: dict[str, Any]) -> Call:
    """Return what stored values say is to be called."""
    return Call(values["target"], tuple(values["args"]), values["kwargs"])


def failure_values(policy: FailurePolicy) -> dict[str, object]:
    """Return a failure policy as JSON values; what is at its default is left out."""
    retry: dict[str, object] = {}
    for item in fields(RetryPolicy):
        value = getattr(policy.retry, item.name)
        if value != getattr(DEFAULT_FAILURE.retry, item.name):
            retry[item.name] = value // MICROSECOND if isinstance(value, timedelta) else value
    return {"retry": retry, "on_crash": policy.on_crash.value, "max_crashes": policy.max_crashes}


def failure_from(values: dict[str, Any]) -> FailurePolicy:
    """Return the failure policy that stored values define."""
    retry = dict(values["retry"])
    for name in ("initial", "max_delay", "max_elapsed"):
        if retry.get(name) is not None:
            retry[name] = timedelta(microseconds=retry[name])
    for name, kind in (("backoff", Backoff), ("jitter", Jitter)):
        if name in retry:
            retry[name] = kind(retry[name])
    for name in ("retry_on", "give_up_on"):
        if name in retry:
            retry[name] = tuple(retry[name])
    return FailurePolicy(
        retry=RetryPolicy(**retry),
        on_crash=OnCrash(values["on_crash"]),
        max_crashes=values["max_crashes"],
    )


def _unique(unique: Unique) -> dict[str, object]:
    return {
        "key": unique.key,
        "scope": unique.scope.value,
        "period": None if unique.period is None else unique.period // MICROSECOND,
        "on_conflict": unique.on_conflict.value,
    }


def _unique_from(values: dict[str, Any]) -> Unique:
    return Unique(
        key=values["key"],
        scope=Scope(values["scope"]),
        period=None if values["period"] is None else values["period"] * MICROSECOND,
        on_conflict=OnConflict(values["on_conflict"]),
    )
