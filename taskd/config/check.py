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
    """The problems of the callables of `configuration`; `Problem.key` is ``jobs.NAME.KEY``.

    Blocks until every module was imported, up to 5 s for each that hangs.
    """
    faults = probe(configuration.jobs, configuration.settings.python_path)
    return tuple(_problem(configuration, fault) for fault in faults)


def _problem(configuration: Configuration, fault: Fault) -> Problem:
    place = configuration.place(fault.job, fault.key)
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        key=dotted(("jobs", fault.job, fault.key)),
        message=fault.message,
        hint=fault.hint,
        source=place.source,
        code=True,
    )
