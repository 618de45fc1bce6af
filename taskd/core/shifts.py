"""Shifts: what a change of the clocks does to the due instants of a schedule, in a few words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from taskd.core.cron import Cron, Hidden
from taskd.core.schedule import Schedule
from taskd.core.zones import DAY, to_instant


def mark(schedule: Schedule | None, due_at: datetime) -> str:
    """What the clocks do at `due_at`, such as ``02:30 is skipped: runs 03:00``; mostly nothing."""
    if not isinstance(schedule, Cron):
        return ""
    words = []
    if (hidden := schedule.made_up(due_at)) is not None:
        runs = "runs" if hidden.count == 1 else "run once,"
        is_dated = hidden.first // DAY != hidden.opens // DAY
        words.append(f"{_skipped(hidden, is_dated=is_dated)}: {runs} {_clock(hidden.opens)}")
    if (twice := schedule.repeated(due_at)) is not None:
        which = "first" if twice.is_first else "second"
        only = " only" if twice.is_alone else ""
        words.append(f"{_clock(twice.local)} comes twice: {which} pass{only}")
    return "; ".join(words)


def silences(
    schedule: Schedule | None, after: datetime, until: datetime
) -> Iterator[tuple[datetime, str]]:
    """Yield when in (after, until] the clocks skip what is then not made up for, and the words."""
    if isinstance(schedule, Cron):
        for start, hidden in schedule.lost(after, until):
            yield to_instant(start), f"{_skipped(hidden, is_dated=True)}: nothing runs"


def _skipped(hidden: Hidden, *, is_dated: bool) -> str:
    first, last = hidden.first, hidden.last
    day = f" on {to_instant(first).date()}" if is_dated else ""
    if hidden.count == 1:
        return f"{_clock(first)}{day} is skipped"
    link = "and" if hidden.count == 2 else "to"
    return f"{_clock(first)} {link} {_clock(last)}{day} are skipped"


def _clock(local: int) -> str:
    shown = to_instant(local)
    return f"{shown:%H:%M:%S}" if shown.second else f"{shown:%H:%M}"
