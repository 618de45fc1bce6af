"""The machine: Python and SQLite, the clock, the zones, and how files are watched."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import sqlite3
import sys
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from taskd.clock import monotonic_usec
from taskd.config.system_zone import system_zone
from taskd.core.zones import zone
from taskd.doctor.finding import Finding, ok, problem, warning
from taskd.errors import InvalidJob

OLDEST_PYTHON: Final = (3, 11)
OLDEST_SQLITE: Final = (3, 37)  # STRICT tables
FIRST_YEAR: Final = 2025  # no clock that is set shows an earlier one
OLD_ZONES_YEARS: Final = 2
_TIME_ERROR: Final = 5  # adjtimex(2): nobody sets the clock
_TIMEX_BYTES: Final = 512  # more than struct timex of any architecture


def python() -> Iterator[Finding]:
    """Whether this Python, and the SQLite in it, are recent enough."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < OLDEST_PYTHON:
        yield problem("python", versions, "install Python 3.11 or newer, and taskd in it")
    elif sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield problem("python", versions, "use a Python whose SQLite is 3.37 or newer")
    else:
        yield ok("python", f"{versions}, {sys.executable}")


def clock(now: datetime) -> Iterator[Finding]:
    """Whether the clock is right, as far as the machine knows, and time goes forward."""
    if now.year < FIRST_YEAR:
        yield problem("clock", f"it shows {now:%Y-%m-%d}", "set it: timedatectl set-ntp true")
        return
    readings = [monotonic_usec() for _ in range(1000)]
    if readings != sorted(readings):
        fix = "report it to whoever runs the hypervisor; taskd waits by this clock"
        yield problem("clock", "CLOCK_MONOTONIC goes backwards", fix)
    if is_synchronised():
        yield ok("clock", "it is kept right by a time service")
    else:
        fix = "timedatectl set-ntp true, or install chrony"
        yield warning("clock", "no time service keeps it right, as far as the kernel knows", fix)


def is_synchronised() -> bool:
    """Whether a time service keeps the clock right, as adjtimex(2) has it."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    # Modes of 0, as the buffer has them, only ask. -1: this system tells nobody.
    return ctypes.CDLL(None).adjtimex(timex) not in (_TIME_ERROR, -1)


def zones(
    now: datetime, environ: Mapping[str, str] = os.environ, places: Sequence[str] = zoneinfo.TZPATH
) -> Iterator[Finding]:
    """Whether there are zones, how old their rules are, and which one is the system's."""
    version, origin, upgrade = _zones_of(places)
    if not version:
        fix = "apt install tzdata, or pip install tzdata"
        yield problem("zones", "there is no time zone database", fix)
        return
    year = re.match(r"\d{4}", version)
    if year and now.year - int(year[0]) >= OLD_ZONES_YEARS:
        message = f"the rules are those of {version} ({origin}); governments change them"
        yield warning("zones", message, upgrade)
    else:
        yield ok("zones", f"the rules are those of {version} ({origin})")
    name = environ.get("TZ", "").removeprefix(":")
    if name and not _is_zone(name) and "zoneinfo/" not in name:
        message = f"TZ={name} names no zone, and jobs that name none go by {system_zone()}"
        yield warning(
            "zones", message, 'set TZ, or daemon.timezone, to one such as "Europe/Berlin"'
        )
    else:
        yield ok("zones", f"jobs that name none go by {system_zone()}, unless daemon.timezone does")


def watching(folder: Path) -> Iterator[Finding]:
    """Whether the kernel would tell of changes in `folder`, or files have to be looked at."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        yield _unwatched(ctypes.get_errno(), "instance", "max_user_instances")
        return
    try:
        watch = libc.inotify_add_watch(descriptor, os.fsencode(folder), 0x100)  # IN_CREATE
        if watch < 0 and (error := ctypes.get_errno()) == errno.ENOSPC:
            yield _unwatched(error, "watch", "max_user_watches")
        else:
            yield ok("watching", "changes of jobs.toml are told by inotify")
    finally:
        os.close(descriptor)


def _unwatched(error: int, what: str, limit: str) -> Finding:
    message = f"no inotify {what} is to be had ({os.strerror(error).lower()}): changes are polled"
    return warning("watching", message, f"sysctl fs.inotify.{limit}=...: twice what it is now")


def _zones_of(places: Sequence[str]) -> tuple[str, str, str]:
    """The version of the zones in use, where they are from, and how to renew them."""
    for place in places:
        folder = Path(place)
        if not (folder / "Europe").is_dir():
            continue
        version = "an unknown version"
        with suppress(OSError), (folder / "tzdata.zi").open(encoding="utf-8") as database:
            version = database.readline().removeprefix("# version ").strip() or version
        return version, place, "apt install --only-upgrade tzdata"
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("tzdata"), "the package tzdata", "pip install --upgrade tzdata"
    return "", "", ""


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except InvalidJob:
        return False
    return True
