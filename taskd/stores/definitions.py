"""Definitions: what a job is, as JSON values for the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from taskd.core.execution import DEFAULT_EXECUTION, Execution
from taskd.core.job import KILL_GRACE, Call, Job, JobName, Overlap, Source
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
        "execution": (_execution(job.execution), {}),
        "timeout": (_stored(job.timeout), None),
        "kill_grace": (_stored(job.kill_grace), _stored(KILL_GRACE)),
    }
    values |= {key: value for key, (value, default) in optional.items() if value != default}
    if job.unique is not None:
        values["unique"] = _unique(job.unique)
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
        unique=_unique_from(values["unique"]) if "unique" in values else None,
        execution=_execution_from(values.get("execution", {})),
        timeout=_duration(values.get("timeout")),
        kill_grace=_duration(values.get("kill_grace", _stored(KILL_GRACE))) or timedelta(0),
        failure=failure_from(values["failure"]) if "failure" in values else DEFAULT_FAILURE,
        pause_after_failures=values.get("pause_after_failures"),
        retention=(
            Retention(*(time * MICROSECOND for time in values["retention"]))
            if "retention" in values
            else DEFAULT_RETENTION
        ),
    )


def _execution(execution: Execution) -> dict[str, object]:
    """Return how a job is executed as JSON values; what is at its default is left out."""
    values: dict[str, object] = {}
    for item in fields(Execution):
        value = getattr(execution, item.name)
        if value != getattr(DEFAULT_EXECUTION, item.name):
            is_time = isinstance(value, timedelta)
            values[item.name] = value // MICROSECOND if is_time else _plain(value)
    return values


def _execution_from(values: Mapping[str, Any]) -> Execution:
    return Execution(**{**values, "max_cpu_time": _duration(values.get("max_cpu_time"))})


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _stored(time: timedelta | None) -> int | None:
    return None if time is None else time // MICROSECOND


def _duration(stored: int | None) -> timedelta | None:
    return None if stored is None else stored * MICROSECOND


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
