"""Diff: what a new set of jobs adds, changes, removes and leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskd.core.job import Job, JobName


@dataclass(frozen=True, slots=True)
class Diff:
    """Names of jobs, each sorted."""

    added: tuple[JobName, ...]
    changed: tuple[JobName, ...]
    removed: tuple[JobName, ...]
    unchanged: tuple[JobName, ...]


def diff(old: Mapping[JobName, Job], new: Iterable[Job]) -> Diff:
    """Compare the jobs there are with the jobs there shall be; equal definitions are unchanged."""
    wanted = {job.name: job for job in new}
    both = old.keys() & wanted.keys()
    return Diff(
        added=tuple(sorted(wanted.keys() - old.keys())),
        changed=tuple(sorted(name for name in both if old[name] != wanted[name])),
        removed=tuple(sorted(old.keys() - wanted.keys())),
        unchanged=tuple(sorted(name for name in both if old[name] == wanted[name])),
    )
