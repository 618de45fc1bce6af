"""The code: what `taskd check` finds in the file and in the callables that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from taskd.config.check import check
from taskd.config.load import Configuration
from taskd.doctor.finding import Finding, ok, problem, warning
from taskd.errors import ConfigError


def read(path: Path) -> tuple[Configuration | None, list[Finding]]:
    """The configuration at `path`, where it is sound, and what there is to say of it."""
    try:
        configuration = check(path)
    except ConfigError as error:
        return None, [
            problem("jobs", str(each), each.hint or f"see: taskd check {path}")
            for each in error.problems
        ]
    jobs = len(configuration.jobs)
    counted = "1 job imports" if jobs == 1 else f"{jobs} jobs import"
    return configuration, [ok("jobs", f"{path}: {counted}"), *_warned(configuration)]


def _warned(configuration: Configuration) -> Iterator[Finding]:
    for each in configuration.warnings:
        yield warning("jobs", str(each), each.hint)
