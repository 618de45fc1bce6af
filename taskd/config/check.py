"""Check: all that can be known to be wrong with a jobs.toml before it runs, code included."""

from __future__ import annotations

from pathlib import Path

from taskd.config.load import Configuration, in_order, survey
from taskd.config.positions import dotted
from taskd.config.probe import Fault, probe
from taskd.errors import ConfigError, Problem


def check(path: Path) -> Configuration:
    """Load jobs.toml at `path` and look at the callables of its jobs, in a process of their own.

    Raises:
        ConfigError: with the problems of the files and those of the code (`Problem.code`).
    """
    configuration, problems = survey(path)
    problems += check_code(configuration)
    if problems:
        raise ConfigError(sorted(problems, key=in_order))
    return configuration


def check_code(configuration: Configuration) -> tuple[Problem, ...]:
    """The problems of the code that `configuration` names; `Problem.key` is ``jobs.NAME.KEY``.

    Blocks until every module was imported, up to 5 s for each that hangs.
    """
    return tuple(problem_of(configuration, fault) for fault in faults_of(configuration))


def faults_of(configuration: Configuration) -> list[Fault]:
    """The faults behind the problems of `check_code`, with the name of the job of each."""
    path = configuration.settings.python_path
    return probe(configuration.jobs, path, categories=configuration.categories)


def problem_of(configuration: Configuration, fault: Fault) -> Problem:
    """A fault of the code, placed in the file."""
    if fault.job:
        place = configuration.place(fault.job, fault.key)
        key = f"{dotted(('jobs', fault.job))}.{fault.key}"
    else:
        place = configuration.place_of_category(fault.key)
        key = dotted(("categories", fault.key))
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        key=key,
        message=fault.message,
        hint=fault.hint,
        source=place.source,
        code=True,
    )
