"""Reloading: what a new reading of jobs.toml must not bring, its own problems apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taskd.config.check import check_code
from taskd.config.load import Configuration
from taskd.core.diff import diff
from taskd.core.job import Job, Source
from taskd.core.record import JobRecord
from taskd.errors import ConfigError, Problem
from taskd.executors.loaded_code import LoadedCode


def refuse_taken_names(configuration: Configuration, records: Iterable[JobRecord]) -> None:
    """Refuse jobs that bear the name of one that was added. Raises ConfigError."""
    added = {record.job.name for record in records if record.job.source is not Source.FILE}
    _refuse(
        configuration,
        {
            job.name: f"there is a job {job.name} already, from taskd add; "
            f"rename this one, or: taskd remove {job.name}"
            for job in configuration.jobs
            if job.name in added
        },
    )


def refuse_emptied(old: Configuration, new: Configuration) -> None:
    """Refuse a file that lost all of its jobs: it may be half written. Raises ConfigError."""
    if old.jobs and not new.jobs:
        message = "there are no jobs any more; if that is meant: taskd reload"
        raise ConfigError([Problem(str(new.path), 0, 0, "jobs", message)])


def refuse_bad_code(
    configuration: Configuration, records: Iterable[JobRecord], code: LoadedCode
) -> None:
    """Refuse callables that do not import, and changed modules that a changed job needs.

    Raises:
        ConfigError: with all of them.
    """
    problems = check_code(configuration)
    if problems:
        raise ConfigError(problems)
    known = {r.job.name: r.job for r in records if r.job.source is Source.FILE}
    difference = diff(known, configuration.jobs)
    touched = {*difference.added, *difference.changed}
    _refuse(
        configuration,
        {
            job.name: message
            for job in configuration.jobs
            if job.name in touched and (message := old_code(job, code))
        },
    )


def old_code(job: Job, code: LoadedCode) -> str | None:
    """Return what to say of a job whose module's file changed since it was loaded, else None."""
    changed = code.changed(job.call)
    return f"{changed.name} changed since it was loaded; restart taskd" if changed else None


def _refuse(configuration: Configuration, faults: Mapping[str, str]) -> None:
    problems = []
    for name, message in faults.items():
        file, line, column, source = configuration.place(name, "call")
        key = f"jobs.{name}.call"
        problems.append(Problem(file, line, column, key, message, source=source, code=True))
    if problems:
        raise ConfigError(problems)
