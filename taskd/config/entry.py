"""Entry: one job as jobs.toml or the API writes it, to a Job, or to everything wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from taskd.config import values
from taskd.config.keys import CRON_KEYS, INTERVAL_KEYS, SYNONYMS, TRIGGERS, job_key_flaws
from taskd.config.shape import Flaw, choice, parse, shown
from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from taskd.core.job import Call, Executor, Job, JobName, Source
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
    flaws += [*job_key_flaws(entry), *_missing_call(entry), *_trigger_flaws(entry)]
    wrong = {flaw.path[0] for flaw in flaws}
    schedule = None
    try:
        if not wrong & {*TRIGGERS, *INTERVAL_KEYS, *CRON_KEYS, "timezone"}:
            schedule = _schedule(name, shape, timezone)
    except InvalidJob as refusal:
        flaws.append(Flaw((refusal.key,), refusal.message, refusal.hint))
    try:
        job = Job(
            name=JobName(name),
            call=Call(shape.call, tuple(shape.args), shape.kwargs),
            schedule=schedule,
            source=source,
            description=shape.description,
            tags=tuple(shape.tags),
            enabled=shape.enabled,
            priority=shape.priority,
            carry=shape.carry and not wrong & {"args", "carry"},
            executor=shape.executor,
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
        for key in ("call", *TRIGGERS)
        if key in defaults
    ]
    return [*job_key_flaws(defaults), *own, *flaws]


def inherit(defaults: Mapping[str, object], entry: Mapping[str, object]) -> dict[str, object]:
    """`entry` over the `defaults`; those of a kind of trigger reach only the jobs that have it."""
    unused = {
        *(() if "every" in entry else INTERVAL_KEYS),
        *(() if "cron" in entry else CRON_KEYS),
    }
    inherited = {key: value for key, value in defaults.items() if key not in unused}
    return inherited | dict(entry)


def _target(value: object) -> str:
    call = Call(values.text(value))
    if call.is_local:
        raise ValueError(f"{shown(value)} is the name of an object in a process, not of a module")
    return call.target


def _missing_call(entry: Mapping[str, object]) -> list[Flaw]:
    meant = {"call", "command"} & {SYNONYMS.get(key, key) for key in entry}
    hint = 'write call = "package.module:function"'
    return [] if meant else [Flaw(("call",), "a job needs something to call", hint, at_key=True)]


def _trigger_flaws(entry: Mapping[str, object]) -> list[Flaw]:
    triggers = [key for key in entry if key in TRIGGERS]
    flaws = [
        Flaw((key,), f"a job has one trigger, and this one has {triggers[0]} too", at_key=True)
        for key in triggers[1:]
    ]
    for trigger, keys, kind in (
        ("every", INTERVAL_KEYS, "an interval"),
        ("cron", CRON_KEYS, "a cron expression"),
    ):
        if trigger not in triggers:
            flaws += [
                Flaw((key,), f"only {kind} has it", f"it needs {trigger}", at_key=True)
                for key in keys
                if key in entry
            ]
    return flaws


def _schedule(name: str, shape: _JobEntry, default_timezone: str) -> Schedule | None:
    timezone = shape.timezone or default_timezone
    if shape.every is not None:
        return Every(shape.every, shape.mode, shape.align)
    if shape.cron is not None:
        match = shape.day_match
        return Cron(shape.cron, timezone, name, shape.dst_gap, shape.dst_overlap, match)
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
    dst_gap: Annotated[DstGap | None, PlainValidator(lambda value: choice(DstGap, value))] = None
    dst_overlap: Annotated[
        DstOverlap | None, PlainValidator(lambda value: choice(DstOverlap, value))
    ] = None
    day_match: Annotated[DayMatch, PlainValidator(lambda value: choice(DayMatch, value))] = (
        DayMatch.OR
    )
    timezone: Annotated[str | None, PlainValidator(values.zone_name)] = None
    priority: Annotated[int, PlainValidator(values.priority)] = 0
    carry: bool = False
    executor: Annotated[Executor, PlainValidator(values.executor)] = Executor.THREAD
