"""The IANA time zone that this system is set to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from taskd.core.zones import zone
from taskd.errors import InvalidJob


def system_zone(environ: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """The name of the system's IANA zone, such as ``Europe/Berlin``; ``UTC`` where it has none.

    The first that names a zone counts: ``$TZ`` (empty: UTC, as in tzset(3)), ``/etc/timezone``,
    the target of ``/etc/localtime``. A POSIX rule in ``$TZ`` (``CET-1CEST``) names no zone.
    """
    return next((name for name in _candidates(environ, etc) if _is_zone(name)), "UTC")


def _candidates(environ: Mapping[str, str], etc: Path) -> Iterator[str]:
    if "TZ" in environ:
        yield _below_zoneinfo(environ["TZ"].removeprefix(":")) or "UTC"
    with suppress(OSError, UnicodeDecodeError):  # most systems have /etc/localtime alone
        yield (etc / "timezone").read_text("utf-8").strip()
    yield _below_zoneinfo(os.path.realpath(etc / "localtime"))


def _below_zoneinfo(name: str) -> str:
    """`name` without the path of the zone database; its ``posix`` and ``right`` are copies."""
    _, found, below = name.rpartition("zoneinfo/")
    return below.removeprefix("posix/").removeprefix("right/") if found else name


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except InvalidJob:
        return False
    return True
