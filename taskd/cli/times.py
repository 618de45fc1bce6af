"""Instants and durations in words for people: local time with its zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskd.clock import SystemClock


@cache
def clock() -> SystemClock:
    """The machine's clock, opened by the first verb that asks the time."""
    from taskd.clock import SystemClock

    return SystemClock()


def local(instant: str | None, zone: tzinfo | None = None) -> str:
    """An RFC 3339 instant as ``2026-12-24 18:00:00 CET``, in `zone` or else the system's.

    Empty for None.
    """
    if instant is None:
        return ""
    return f"{_local(instant, zone):%Y-%m-%d %H:%M:%S %Z}"


def time_of_day(instant: str) -> str:
    """An RFC 3339 instant of today as ``18:00:00``; empty for one of any other day."""
    then, now = _local(instant), clock().now().astimezone()
    return f"{then:%H:%M:%S}" if then.date() == now.date() else ""


def relative(instant: str | None) -> str:
    """How far an RFC 3339 instant is from now: ``in 2h``, ``3m ago``, ``now``; empty for None."""
    if instant is None:
        return ""
    distance = -since(instant)
    if -1 < distance < 1:
        return "now"
    return f"in {rough(distance)}" if distance > 0 else f"{rough(-distance)} ago"


def since(instant: str) -> float:
    """The seconds since an RFC 3339 instant; negative before it."""
    return (clock().now() - datetime.fromisoformat(instant)).total_seconds()


def when(instant: str | None) -> str:
    """An RFC 3339 instant both ways: ``2026-12-24 18:00:00 CET (in 2h)``; empty for None."""
    return f"{local(instant)} ({relative(instant)})" if instant else ""


def moment(instant: str) -> str:
    """An RFC 3339 instant in a sentence: ``in 40s``, ``today 18:00 CET``, ``2026-12-24 ...``."""
    then, now = _local(instant), clock().now().astimezone()
    if abs(then - now) < timedelta(minutes=1):
        return relative(instant)
    return f"{_day(then.date(), now.date())} {then:%H:%M} {then:%Z}"


def next_run(reply: Mapping[str, Any]) -> str:
    """The next run of a job that was added or resumed, to end a sentence; empty for none."""
    due_at = reply.get("next_due_at")
    return f", next run {moment(due_at)}" if due_at else ""


def going(seconds: float) -> str:
    """A duration that goes on, in whole seconds: ``3s``, ``3m12s``, ``2h05m``."""
    return f"{int(seconds)}s" if seconds < 60 else took(int(seconds))


def took(seconds: float | None) -> str:
    """A duration: ``35ms``, ``1.2s``, ``3m12s``, ``2h05m``; empty for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"


def rough(seconds: float) -> str:
    """A duration in its largest unit: ``9s``, ``3m``, ``47h``, ``12d``."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 3600:
        return f"{seconds / 60:.0f}m"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f}h"
    return f"{seconds / 86400:.0f}d"


def _local(instant: str, zone: tzinfo | None = None) -> datetime:
    then = datetime.fromisoformat(instant)
    try:
        return then.astimezone(zone)
    except OverflowError:  # the first or last day that a datetime can hold
        return then


def _day(then: date, today: date) -> str:
    names = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    return names.get((then - today).days, then.isoformat())
