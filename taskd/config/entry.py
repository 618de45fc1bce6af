"""Entry: one job as jobs.toml or the API writes it, to a Job, or to everything wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Final, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from taskd.config.failure import retention_from_table, retry_from_table, retry_word_flaws
from taskd.config.keys import (
    CALL_KEYS,
    CRON_KEYS,
    EXECUTION_KEYS,
    INTERVAL_KEYS,
    NESTED_KEYS,
    SCHEDULE_KEYS,
    SCHEDULES,
    SYNONYMS,
    TRIGGERS,
    job_key_flaws,
)
from taskd.config.kinds import (
    ARGV,
    DURATION,
    EXECUTOR,
    JSON,
    KEYWORD_ARGUMENT,
    PRIORITY,
    SIZE,
    TARGET,
    TEXT,
    word,
)
from taskd.config.shape import Flaw, parse
from taskd.config.tables import NESTED_TABLES, RetryTable, flaw_of, read_table
from taskd.config.timing import (
    Timing,
    TimingKeys,
    exclude_flaws,
    never_due,
    timing_of,
    trigger_flaws,
)
from taskd.config.uniqueness import unique_from_table
from taskd.core.calendars import Calendar
from taskd.core.execution import NICEST, OUTPUT_LIMIT, Execution, Executor
from taskd.core.job import KILL_GRACE, Call, Job, JobName, Overlap, Source
from taskd.core.retention import Retention
from taskd.core.retry import DEFAULT_FAILURE, MOST_CRASHES, FailurePolicy, OnCrash
from taskd.core.unique import Unique
from taskd.errors import InvalidJob, TaskdError
from taskd.executors.niceness import check_nice
from taskd.executors.plugins import honours

TIMED_BY: Final = {*TRIGGERS, *INTERVAL_KEYS, *CRON_KEYS, *SCHEDULE_KEYS, "timezone"}
"""The keys that the schedule is made of."""


class InvalidEntry(TaskdError):
    """A job entry that was refused; `problems` are all of them, each with key, message, hint."""

    def __init__(self, name: str, problems: Sequence[Flaw]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{name}.{flaw.key}: {flaw.message}" for flaw in problems))


def job_from_entry(
    name: str,
    entry: Mapping[str, object],
    *,
    source: Source,
    timezone: str,
    calendars: Mapping[str, Calendar] = MappingProxyType({}),
    categories: Collection[str] = (),
) -> Job:
    """The job called `name` that `entry`, a table with the keys of jobs.toml, defines.

    `timezone` is the zone of a job that names none, `calendars` are those that it may exclude,
    `categories` are those of failures. `at` may be an RFC 3339 text, for JSON has no datetimes; a
    local one is on the clocks of the job's zone.

    Raises:
        InvalidEntry: with every problem of the entry.
    """
    shape, flaws = parse(JobEntry, entry)
    flaws += [*job_key_flaws(entry), *_call_flaws(entry), *trigger_flaws(entry)]
    flaws += exclude_flaws(shape, calendars)
    policies, more = _policies(shape, categories)
    flaws += more
    job = _job(name, shape, entry, flaws, source, timezone, calendars, policies)
    if job is not None and not flaws:
        flaws += never_due(job)
    if job is None or flaws:
        raise InvalidEntry(name, flaws)
    return job


def _job(
    name: str,
    shape: JobEntry,
    entry: Mapping[str, object],
    flaws: list[Flaw],
    source: Source,
    timezone: str,
    calendars: Mapping[str, Calendar],
    policies: _Policies,
) -> Job | None:
    """The job as far as it can be made; what is wrong with its values is added to `flaws`.

    The core refuses one thing at a time. What it refused has its default from then on, so that the
    rest is judged too.
    """
    timing: Timing = {}
    while True:
        wrong = {str(flaw.path[0]) for flaw in flaws}
        try:
            if not wrong & TIMED_BY:
                timing = timing_of(name, shape, timezone, calendars)
            return _made(name, shape, entry, wrong, source, timing, policies)
        except InvalidJob as refusal:
            flaw = flaw_of(refusal)
        flaws.append(flaw)
        key = str(flaw.path[0])
        if key == "name":
            name = "unnamed"
        elif key in JobEntry.model_fields and key not in wrong:
            default = JobEntry.model_fields[key].get_default(call_default_factory=True)
            shape = shape.model_copy(update={key: default})
        else:
            return None


def _made(
    name: str,
    shape: JobEntry,
    entry: Mapping[str, object],
    wrong: set[str],
    source: Source,
    timing: Timing,
    policies: _Policies,
) -> Job:
    """The job. Raises InvalidJob."""
    return Job(
        name=JobName(name),
        call=_call(shape, entry, wrong),
        **timing,
        **policies,
        source=source,
        description=shape.description,
        tags=tuple(shape.tags),
        enabled=shape.enabled,
        priority=shape.priority,
        carry=shape.carry and not wrong & {"args", "carry"},
        overlap=shape.overlap,
        max_instances=shape.max_instances,
        execution=_execution(shape, wrong),
        timeout=shape.timeout,
        kill_grace=shape.kill_grace,
    )


def default_flaws(defaults: Mapping[str, object], categories: Collection[str] = ()) -> list[Flaw]:
    """What is wrong with [defaults], whichever job inherits it."""
    _, flaws = parse(JobEntry, defaults)
    own = [
        Flaw((key,), "every job has its own", "write it under [jobs.NAME]", at_key=True)
        for key in ("call", "command", *TRIGGERS)
        if key in defaults
    ]
    nested: list[Flaw] = []
    for key, model in NESTED_TABLES.items():
        if isinstance(table := defaults.get(key), dict):
            values, wrong = read_table(model, key, table)
            words = retry_word_flaws(values, categories) if isinstance(values, RetryTable) else []
            nested += [*wrong, *words]
    return [*job_key_flaws(defaults), *own, *flaws, *nested]


def inherit(defaults: Mapping[str, object], entry: Mapping[str, object]) -> dict[str, object]:
    """`entry` over the `defaults`, key by key; what only some jobs can have reaches only those."""
    unused = {
        *(() if "every" in entry else INTERVAL_KEYS),
        *(() if "cron" in entry else CRON_KEYS),
        *(() if entry.keys() & set(SCHEDULES) else SCHEDULE_KEYS),
        # Those of callables mean nothing to a command, nor a shell to them.
        *(("executor", "args", "kwargs", "carry") if "command" in entry else ("shell",)),
    }
    inherited = {key: value for key, value in defaults.items() if key not in unused}
    whole = inherited | dict(entry)
    for key in NESTED_KEYS:
        default, own = inherited.get(key), entry.get(key)
        if isinstance(default, Mapping) and isinstance(own, Mapping):
            whole[key] = {**default, **own}
    return whole


def _call(shape: JobEntry, entry: Mapping[str, object], wrong: set[str]) -> Call:
    if "command" not in entry:
        return Call(shape.call, tuple(shape.args), shape.kwargs)
    line = entry["command"]
    if "command" in wrong or not shape.command:
        return Call.command("missing")
    if shape.shell and not isinstance(line, str):
        raise InvalidJob("shell", "a shell takes a line", 'write command = "one | two"')
    return (
        Call.command(line)
        if shape.shell and isinstance(line, str)
        else Call.command(*shape.command)
    )


def _execution(shape: JobEntry, wrong: set[str]) -> Execution:
    # With one of them wrong there is more than one way to mean the others.
    if wrong & {*EXECUTION_KEYS, "call", "command"}:
        return Execution()
    execution = Execution(
        executor=shape.executor,
        shell=shape.shell,
        env=shape.env,
        cwd=shape.cwd,
        nice=shape.nice,
        max_memory=shape.max_memory,
        max_cpu_time=shape.max_cpu_time,
        capture_output=shape.capture_output,
        output_limit=shape.output_limit,
    )
    check_nice(execution.nice)
    if execution.executor is not None and execution.executor not in list(Executor):
        _check_plugged(execution, execution.executor)
    return execution


def _check_plugged(execution: Execution, name: str) -> None:
    try:
        honoured = honours(name)
    except TaskdError as error:
        raise InvalidJob("executor", str(error)) from None
    execution.refuse_all_but(honoured, f'executor "{name}" does not honour it')


def _call_flaws(entry: Mapping[str, object]) -> list[Flaw]:
    if "command" in entry:
        return [
            Flaw((key,), "only a callable has it", "this job has a command", at_key=True)
            for key in CALL_KEYS
            if key in entry
        ]
    meant = {"call", "command"} & {SYNONYMS.get(key, key) for key in entry}
    hint = 'write call = "package.module:function"'
    return [] if meant else [Flaw(("call",), "a job needs something to call", hint, at_key=True)]


class _Policies(TypedDict):
    """The fields of `Job` that come from tables of their own, and what goes with them."""

    failure: FailurePolicy
    retention: Retention
    pause_after_failures: int | None
    unique: Unique | None


def _policies(shape: JobEntry, categories: Collection[str]) -> tuple[_Policies, list[Flaw]]:
    """What follows a failure, how long runs are kept, which are the same, and what is wrong."""
    retry, flaws = retry_from_table(shape.retry, categories)
    kept, more = retention_from_table(shape.retention)
    unique, wrong = unique_from_table(shape.unique)
    policies = _Policies(
        failure=FailurePolicy(retry=retry, on_crash=shape.on_crash, max_crashes=shape.max_crashes),
        retention=kept,
        pause_after_failures=shape.pause_after_failures,
        unique=unique,
    )
    return policies, [*flaws, *more, *wrong]


class JobEntry(TimingKeys, BaseModel):
    """The values of the keys of a job; what they mean together is judged above."""

    model_config = ConfigDict(strict=True)

    # Stands for a call that is missing or wrong; a job that has it never leaves this file.
    call: Annotated[str, TARGET] = "local:missing"
    args: list[Annotated[object, JSON]] = Field(default_factory=list)
    kwargs: dict[str, Annotated[object, KEYWORD_ARGUMENT]] = Field(default_factory=dict)
    description: Annotated[str, TEXT] = ""
    tags: list[Annotated[str, TEXT]] = Field(default_factory=list)
    enabled: bool = True
    priority: Annotated[int, PRIORITY] = 0
    carry: bool = False
    overlap: Annotated[Overlap, word(Overlap)] = Overlap.SKIP
    max_instances: Annotated[int | None, Field(ge=1)] = None
    unique: dict[str, object] | None = None
    retry: dict[str, object] = Field(default_factory=dict)
    on_crash: Annotated[OnCrash, word(OnCrash)] = OnCrash.RETRY
    max_crashes: Annotated[int, Field(ge=1, le=MOST_CRASHES)] = DEFAULT_FAILURE.max_crashes
    pause_after_failures: Annotated[int | None, Field(ge=1)] = None
    retention: dict[str, object] = Field(default_factory=dict)
    command: Annotated[tuple[str, ...], ARGV] = ()
    executor: Annotated[str | None, EXECUTOR] = None
    shell: bool = False
    env: dict[str, Annotated[str, TEXT]] = Field(default_factory=dict)
    cwd: Annotated[str | None, TEXT] = None
    nice: Annotated[int, Field(ge=-NICEST - 1, le=NICEST)] = 0
    max_memory: Annotated[int | None, SIZE] = None
    max_cpu_time: Annotated[timedelta | None, DURATION] = None
    capture_output: bool = True
    output_limit: Annotated[int, SIZE] = OUTPUT_LIMIT
    timeout: Annotated[timedelta | None, DURATION] = None
    kill_grace: Annotated[timedelta, DURATION] = KILL_GRACE
