"""Entry: one job as jobs.toml or the API writes it, to a Job, or to everything wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from taskd.config import values
from taskd.config.keys import EXECUTION_KEYS, INTERVAL_KEYS, SYNONYMS, TRIGGERS, job_key_flaws
from taskd.config.shape import Flaw, choice, parse, shown
from taskd.core.cron import Cron
from taskd.core.execution import OUTPUT_LIMIT, Execution
from taskd.core.job import KILL_GRACE, Call, Job, JobName, Source
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.errors import InvalidJob, TaskdError


class InvalidEntry(TaskdError):
    """A job entry that was refused; `problems` are all of them, each with key, message, hint."""

    def __init__(self, name: str, problems: Sequence[Flaw]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{name}.{flaw.key}: {flaw.message}" for flaw in problems))


def job_from_entry(name: str, entry: Mapping[str, object], *, source: Source, timezone: str) -> Job:
    """The job called `name` that `entry`, a table with the keys of jobs.toml, defines.

    `timezone` is the zone of a job that names none. `at` may be an RFC 3339 text, for JSON has no
    datetimes; a local one is on the clocks of the job's zone.

    Raises:
        InvalidEntry: with every problem of the entry.
    """
    shape, flaws = parse(_JobEntry, entry)
    flaws += [*job_key_flaws(entry), *_call_flaws(entry), *_trigger_flaws(entry)]
    wrong = {flaw.path[0] for flaw in flaws}
    schedule = None
    try:
        if not wrong & {*TRIGGERS, *INTERVAL_KEYS, "timezone"}:
            schedule = _schedule(name, shape, timezone)
    except InvalidJob as refusal:
        flaws.append(Flaw((refusal.key,), refusal.message, refusal.hint))
    try:
        job = Job(
            name=JobName(name),
            call=_call(shape, entry, wrong),
            schedule=schedule,
            source=source,
            description=shape.description,
            tags=tuple(shape.tags),
            enabled=shape.enabled,
            priority=shape.priority,
            carry=shape.carry and not wrong & {"args", "carry"},
            execution=_execution(shape, wrong),
            timeout=shape.timeout,
            kill_grace=shape.kill_grace,
        )
    except InvalidJob as refusal:
        flaws.append(Flaw((refusal.key,), refusal.message, refusal.hint))
    if flaws:
        raise InvalidEntry(name, flaws)
    return job


def default_flaws(defaults: Mapping[str, object]) -> list[Flaw]:
    """What is wrong with [defaults], whichever job inherits it."""
    _, flaws = parse(_JobEntry, defaults)
    own = [
        Flaw((key,), "every job has its own", "write it under [jobs.NAME]", at_key=True)
        for key in ("call", "command", *TRIGGERS)
        if key in defaults
    ]
    return [*job_key_flaws(defaults), *own, *flaws]


def inherit(defaults: Mapping[str, object], entry: Mapping[str, object]) -> dict[str, object]:
    """`entry` over the `defaults`; what only some jobs can have reaches only those."""
    unused: tuple[str, ...] = () if "every" in entry else INTERVAL_KEYS
    # Those of callables mean nothing to a command, nor a shell to them.
    unused += ("executor", "args", "kwargs", "carry") if "command" in entry else ("shell",)
    inherited = {key: value for key, value in defaults.items() if key not in unused}
    return inherited | dict(entry)


def _target(value: object) -> str:
    call = Call(values.text(value))
    if call.is_local:
        raise ValueError(f"{shown(value)} is the name of an object in a process, not of a module")
    return call.target


def _call(shape: _JobEntry, entry: Mapping[str, object], wrong: set[str | int]) -> Call:
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


def _execution(shape: _JobEntry, wrong: set[str | int]) -> Execution:
    # With one of them wrong there is more than one way to mean the others.
    if wrong & {*EXECUTION_KEYS, "call", "command"}:
        return Execution()
    return Execution(
        executor=shape.executor,
        shell=shape.shell,
        env=shape.env,
        cwd=shape.cwd,
        max_memory=shape.max_memory,
        max_cpu_time=shape.max_cpu_time,
        capture_output=shape.capture_output,
        output_limit=shape.output_limit,
    )


def _call_flaws(entry: Mapping[str, object]) -> list[Flaw]:
    if "command" in entry:
        return [
            Flaw((key,), "only a callable has it", "this job has a command", at_key=True)
            for key in ("call", "args", "kwargs", "carry")
            if key in entry
        ]
    meant = {"call", "command"} & {SYNONYMS.get(key, key) for key in entry}
    hint = 'write call = "package.module:function"'
    return [] if meant else [Flaw(("call",), "a job needs something to call", hint, at_key=True)]


def _trigger_flaws(entry: Mapping[str, object]) -> list[Flaw]:
    triggers = [key for key in entry if key in TRIGGERS]
    flaws = [
        Flaw((key,), f"a job has one trigger, and this one has {triggers[0]} too", at_key=True)
        for key in triggers[1:]
    ]
    if "every" not in triggers:
        flaws += [
            Flaw((key,), "only an interval has it", "it needs every", at_key=True)
            for key in INTERVAL_KEYS
            if key in entry
        ]
    return flaws


def _schedule(name: str, shape: _JobEntry, default_timezone: str) -> Schedule | None:
    timezone = shape.timezone or default_timezone
    if shape.every is not None:
        return Every(shape.every, shape.mode, shape.align)
    if shape.cron is not None:
        return Cron(shape.cron, timezone, name)
    if shape.at is not None:
        return At(tuple(values.instant(moment, timezone) for moment in shape.at))
    return None


class _JobEntry(BaseModel):
    """The values of the keys; what they mean together is judged above."""

    model_config = ConfigDict(strict=True)

    # Stands for a call that is missing or wrong; a job that has it never leaves this file.
    call: Annotated[str, PlainValidator(_target)] = "local:missing"
    args: list[Annotated[object, PlainValidator(values.json_value)]] = []
    kwargs: dict[str, Annotated[object, PlainValidator(values.keyword_argument)]] = {}
    description: Annotated[str, PlainValidator(values.text)] = ""
    tags: list[Annotated[str, PlainValidator(values.text)]] = []
    enabled: bool = True
    every: Annotated[timedelta | None, PlainValidator(values.duration)] = None
    cron: Annotated[tuple[str, ...] | None, PlainValidator(values.one_or_more(values.text))] = None
    at: Annotated[
        tuple[datetime, ...] | None, PlainValidator(values.one_or_more(values.moment))
    ] = None
    mode: Annotated[Mode, PlainValidator(lambda value: choice(Mode, value))] = Mode.FIXED_RATE
    align: bool = False
    timezone: Annotated[str | None, PlainValidator(values.zone_name)] = None
    priority: Annotated[int, PlainValidator(values.priority)] = 0
    carry: bool = False
    command: Annotated[tuple[str, ...], PlainValidator(values.argv)] = ()
    executor: Annotated[str | None, PlainValidator(values.executor)] = None
    shell: bool = False
    env: dict[str, Annotated[str, PlainValidator(values.text)]] = {}
    cwd: Annotated[str | None, PlainValidator(values.text)] = None
    max_memory: Annotated[int | None, PlainValidator(values.size)] = None
    max_cpu_time: Annotated[timedelta | None, PlainValidator(values.duration)] = None
    capture_output: bool = True
    output_limit: Annotated[int, PlainValidator(values.size)] = OUTPUT_LIMIT
    timeout: Annotated[timedelta | None, PlainValidator(values.duration)] = None
    kill_grace: Annotated[timedelta, PlainValidator(values.duration)] = KILL_GRACE
