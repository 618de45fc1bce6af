"""Cron: due instants from cron expressions, in a time zone, by the rules of Debian's cron(8).

An expression whose minute or hour field begins with ``*`` is a *wildcard* one and follows real
time. Every other is *fixed-time*: what the clock skips is made up for once, right after the gap,
and what it repeats runs at the first pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from taskd.core.expression import Expression, count, read
from taskd.core.schedule import Missed
from taskd.core.zones import Span, spans, to_instant, to_seconds, zone
from taskd.errors import InvalidJob

# A forward jump that long corrects the clock or the zone's day, and nothing is made up: cron(8).
CORRECTION: Final = 3 * 3600
HORIZON: Final = timedelta(days=50 * 366)
# From where an expression must fire within the horizon; the calendar repeats, so any instant does.
REFERENCE: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due whenever one of `expressions` matches the wall clock of `timezone` (an IANA name).

    `seed`, the job's name, settles the fields written ``H``. Two are equal if these three are.
    One instance belongs to one thread, for it remembers where it last looked.

    Raises:
        InvalidJob: an expression cannot be read or does not fire within 50 years, or there is no
            such zone.
    """

    expressions: tuple[str, ...]
    timezone: str
    seed: str
    lines: tuple[Expression, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.expressions:
            raise InvalidJob("cron", "there is no expression", "write at least one")
        zone(self.timezone)
        lines = tuple(read(text, self.seed) for text in self.expressions)
        object.__setattr__(self, "lines", lines)
        for line in lines:
            if self._following((line,), to_seconds(REFERENCE)) is None:
                raise InvalidJob("cron", f"{line.text!r} does not fire within the next 50 years")

    def first(self, now: datetime) -> datetime | None:
        """The first due instant not before `now`; None where the horizon of 50 years has none."""
        return self.after(now - timedelta(microseconds=1), now)

    def after(self, instant: datetime, anchor_at: datetime) -> datetime | None:  # noqa: ARG002
        """The first due instant strictly after `instant`; None if none is within 50 years."""
        due = self._following(self.lines, to_seconds(instant))
        if due is None:
            return None
        following = to_instant(due)
        if following <= instant:
            raise AssertionError(f"{self} went from {instant} back to {following}")
        return following

    def missed(self, first: datetime, until: datetime, anchor_at: datetime) -> Missed:
        """The due instants in [first, until], counted by the day rather than one by one."""
        begin, end = to_seconds(first), to_seconds(until) + 1
        total, last = 0, begin
        for span in spans(self.timezone, begin, end - 1):
            found, latest = self._count(span, max(begin, span.start), min(end, span.end))
            if found:
                total, last = total + found, latest
        return Missed(total, to_instant(last), self.after(to_instant(last), anchor_at))

    def __str__(self) -> str:
        return f"cron {' | '.join(self.expressions)}"

    def _following(self, lines: tuple[Expression, ...], since: int) -> int | None:
        limit = since + HORIZON // timedelta(seconds=1)
        for span in spans(self.timezone, since, limit):
            due = min(_first_in(span, line, since) for line in lines)
            if due < span.end:
                return due
        return None

    def _count(self, span: Span, begin: int, end: int) -> tuple[int, int]:
        """How many due instants there are in [begin, end), which lies in `span`; the last one."""
        total, last = 0, begin
        at_gap = begin == span.start and any(_is_made_up(span, line) for line in self.lines)
        if at_gap and all(line.next(span.opens) != span.opens for line in self.lines):
            total = 1
        # While local times repeat only wildcards run; from `fresh` on all do.
        fresh = min(max(begin, span.seen - span.offset), end)
        wildcards = [line for line in self.lines if line.fields.wildcard]
        for lines, start, stop in ((wildcards, begin, fresh), (self.lines, fresh, end)):
            found, latest = count(lines, start + span.offset, stop + span.offset)
            if found:
                total, last = total + found, latest - span.offset
        return total, last


def _first_in(span: Span, line: Expression, since: int) -> int:
    """The first due instant of `line` in `span` after `since`; past its end if there is none."""
    if span.start > since and _is_made_up(span, line):
        return span.start
    opens = span.opens if line.fields.wildcard else max(span.opens, span.seen)
    return line.next(max(opens, since + 1 + span.offset)) - span.offset


def _is_made_up(span: Span, line: Expression) -> bool:
    """Whether `span` begins by making up for a time of `line` that the gap before it hid."""
    gap = span.opens - span.seen
    return not line.fields.wildcard and 0 < gap < CORRECTION and line.next(span.seen) < span.opens
