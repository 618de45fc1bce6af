"""Exposure: which of the files that taskd obeys anybody on this machine may write to.

Who may write to jobs.toml, or to where its modules are, may run anything as the daemon's user.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from taskd.core.job import Job


def exposed_files(files: Iterable[Path]) -> Iterator[Path]:
    """What of `files`, and of the directories above them, everybody may change or replace.

    A sticky directory such as /tmp is none of them: what it holds, its owner alone may replace.
    """
    for path in _once(files):
        yield from (place for place in (path, *path.parents) if _mode(place) & stat.S_IWOTH)


def shared_places(places: Iterable[Path]) -> Iterator[Path]:
    """Which of these directories, where modules are searched, everybody may put new files into."""
    for place in _once(places):
        if _mode(place) & stat.S_ISVTX:
            yield place


def module_files(jobs: Sequence[Job], places: Sequence[Path]) -> list[Path]:
    """The files and packages below `places` that the calls of `jobs` are imported from."""
    found: dict[Path, None] = {}
    for module in sorted(
        {job.call.target.partition(":")[0] for job in jobs if not job.call.is_command}
    ):
        for place in places:
            package = place.joinpath(*module.split("."))
            above = [*reversed(package.parents[: module.count(".")]), package]
            names = [path for step in above for path in (step, step.with_name(f"{step.name}.py"))]
            names += [step / "__init__.py" for step in above]
            found |= dict.fromkeys(path for path in names if path.exists())
    return list(found)


def _once(paths: Iterable[Path]) -> Iterator[Path]:
    yield from dict.fromkeys(path.resolve() for path in paths)


def _mode(path: Path) -> int:
    """S_IWOTH if everybody may write, S_ISVTX instead if they may but add to a directory, or 0."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return 0  # what is not there, or not to be seen, is read by nobody
    if not mode & stat.S_IWOTH:
        return 0
    return stat.S_ISVTX if stat.S_ISDIR(mode) and mode & stat.S_ISVTX else stat.S_IWOTH
