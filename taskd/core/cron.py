"""Cron: due instants from cron expressions, in a time zone, by the rules of Debian's cron(8).

An expression whose minute or hour field begins with ``*`` is a *wildcard* one and follows real
time. Every other is *fixed-time*: what the clock skips is made up for once, right after the gap,
and what it repeats runs at the first pass. `DstGap` and `DstOverlap` replace these rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from taskd.core.dialect import Fields
from taskd.core.expression import Expression, count, expression, read
from taskd.core.schedule import Missed
from taskd.core.zones import Span, spans, to_instant, to_seconds, zone
from taskd.errors import InvalidJob

# A forward jump that long corrects the clock or the zone's day, and nothing is made up: cron(8).
CORRECTION: Final = 3 * 3600
HORIZON: Final = timedelta(days=50 * 366)
# From where an expression must fire within the horizon; the calendar repeats, so any instant does.
REFERENCE: Final = datetime(2026, 1, 1, tzinfo=UTC)


class DstGap(StrEnum):
    """What becomes of local times that the clock skips: once after the gap, or nothing."""

    NEXT = "next"
    SKIP = "skip"


class DstOverlap(StrEnum):
    """At which pass a local time runs that the clock shows twice."""

    FIRST = "first"
    LAST = "last"
    BOTH = "both"


class DayMatch(StrEnum):
    """Where both day fields are restricted: does one of them have to match, or each?"""

    OR = "or"
    AND = "and"


@dataclass(frozen=True, slots=True)
class Hidden:
    """The `count` local seconds of a schedule that a gap hides, `first` to `last`.

    The gap ends when the clock shows `opens`.
    """

    first: int
    last: int
    count: int
    opens: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """A due instant at a local second that the clock shows twice: at which pass it is.

    `is_alone` says that nothing is due at the other pass.
    """

    local: int
    is_first: bool
    is_alone: bool


class Rules(NamedTuple):
    """What a zone and its changes of the clock make of a time on the wall."""

    timezone: str
    dst_gap: DstGap | None
    dst_overlap: DstOverlap | None

    def following(self, lines: Sequence[Expression], since: int) -> int | None:
        """The first due instant of any of `lines` after `since`; None within the horizon."""
        limit = since + HORIZON // timedelta(seconds=1)
        for span in spans(self.timezone, since, limit):
            due = min(self._first_in(span, line, since) for line in lines)
            if due < span.end:
                return due
        return None

    def _first_in(self, span: Span, line: Expression, since: int) -> int:
        """The first due instant of `line` in `span` after `since`; its end if there is none."""
        if span.start > since and self.is_made_up(span, line):
            return span.start
        opens, closes = self.shown(span, line)
        local = line.next(max(opens, since + 1 + span.offset))
        return local - span.offset if local < closes else span.end

    def shown(self, span: Span, line: Expression) -> tuple[int, int]:
        """From which local second of `span` on, and up to which one, `line` runs."""
        overlap = self.overlap_of(line)
        opens = max(span.opens, span.seen) if overlap is DstOverlap.FIRST else span.opens
        return opens, span.again if overlap is DstOverlap.LAST else span.closes

    def overlap_of(self, line: Expression) -> DstOverlap:
        """At which pass `line` runs."""
        if self.dst_overlap is not None:
            return self.dst_overlap
        return DstOverlap.BOTH if line.fields.wildcard else DstOverlap.FIRST

    def is_made_up(self, span: Span, line: Expression) -> bool:
        """Whether `span` begins by making up for a time of `line` that the gap before it hid."""
        gap = span.opens - span.seen
        if not 0 < gap < CORRECTION:
            return False
        is_next = self.dst_gap is DstGap.NEXT if self.dst_gap else not line.fields.wildcard
        return is_next and line.next(span.seen) < span.opens


@lru_cache(maxsize=1024)  # of many jobs, read at once, most are due by the same few expressions
def _following(lines: tuple[Fields, ...], rules: Rules, since: int) -> int | None:
    return rules.following([expression(fields) for fields in lines], since)


@dataclass(frozen=True, slots=True)
class Cron:
    """Due whenever one of `expressions` matches the wall clock of `timezone` (an IANA name).

    `seed`, the job's name, settles the fields written ``H``. `dst_gap` and `dst_overlap` hold for
    every expression where they are set; where None, cron's rule does. Two are equal if these and
    `day_match` are. One instance belongs to one thread, for it remembers where it last looked.

    Raises:
        InvalidJob: an expression cannot be read or does not fire within 50 years, or there is no
            such zone.
    """

    expressions: tuple[str, ...]
    timezone: str
    seed: str
    dst_gap: DstGap | None = None
    dst_overlap: DstOverlap | None = None
    day_match: DayMatch = DayMatch.OR
    lines: tuple[Expression, ...] = field(init=False, repr=False, compare=False)
    _rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.expressions:
            raise InvalidJob("cron", "there is no expression", "write at least one")
        zone(self.timezone)
        either = self.day_match is DayMatch.OR
        lines = tuple(read(text, self.seed, either=either) for text in self.expressions)
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "_rules", Rules(self.timezone, self.dst_gap, self.dst_overlap))
        for line in lines:
            if _following((line.fields,), self._rules, to_seconds(REFERENCE)) is None:
                raise InvalidJob("cron", f"{line.text!r} does not fire within the next 50 years")

    def first(self, now: datetime) -> datetime | None:
        """The first due instant not before `now`; None where the horizon of 50 years has none."""
        since = to_seconds(now - timedelta(microseconds=1))
        due = _following(tuple(line.fields for line in self.lines), self._rules, since)
        return None if due is None else to_instant(due)

    def after(self, instant: datetime, anchor_at: datetime) -> datetime | None:  # noqa: ARG002
        """The first due instant strictly after `instant`; None if none is within 50 years."""
        due = self._rules.following(self.lines, to_seconds(instant))
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

    def made_up(self, due_at: datetime) -> Hidden | None:
        """The local times that were skipped and for which the due instant `due_at` makes up."""
        span = self._span(due_at)
        if span.start != to_seconds(due_at):
            return None
        return self._hidden(
            span, [line for line in self.lines if self._rules.is_made_up(span, line)]
        )

    def lost(self, after: datetime, until: datetime) -> Iterator[tuple[int, Hidden]]:
        """The instants in (after, until] that end a gap, and what it hides for good."""
        begin, end = to_seconds(after), to_seconds(until)
        for span in spans(self.timezone, begin, end):
            if not begin < span.start <= end or span.seen >= span.opens:
                continue
            silent = [line for line in self.lines if not self._rules.is_made_up(span, line)]
            if (hidden := self._hidden(span, silent)) is not None:
                yield span.start, hidden

    def repeated(self, due_at: datetime) -> Repeated | None:
        """At which pass the due instant `due_at` is; None where its local time comes once."""
        span = self._span(due_at)
        local = to_seconds(due_at) + span.offset
        if span.seen <= local < span.again:
            return None
        matching = [line for line in self.lines if line.next(local) == local]
        rules = {self._rules.overlap_of(line) for line in matching}
        return Repeated(local, local >= span.seen, DstOverlap.BOTH not in rules and len(rules) == 1)

    def __str__(self) -> str:
        return f"cron {' | '.join(self.expressions)}"

    def _span(self, instant: datetime) -> Span:
        seconds = to_seconds(instant)
        return next(spans(self.timezone, seconds, seconds))

    def _hidden(self, span: Span, lines: Sequence[Expression]) -> Hidden | None:
        """What the gap before `span` hides of `lines`."""
        total, last = count(lines, span.seen, span.opens)
        first = min((line.next(span.seen) for line in lines), default=span.opens)
        return Hidden(first, last, total, span.opens) if total else None

    def _count(self, span: Span, begin: int, end: int) -> tuple[int, int]:
        """How many due instants there are in [begin, end), which lies in `span`; the last one."""
        total, last = 0, begin
        at_gap = begin == span.start and any(
            self._rules.is_made_up(span, line) for line in self.lines
        )
        if at_gap and all(line.next(span.opens) != span.opens for line in self.lines):
            total = 1
        # While local times repeat, or are to be repeated, some lines may be silent.
        opens, closes = begin + span.offset, end + span.offset
        cuts = sorted({opens, closes, *(c for c in (span.seen, span.again) if opens < c < closes)})
        for start, stop in pairwise(cuts):
            lines = [line for line in self.lines if self._runs_within(span, line, start, stop)]
            found, latest = count(lines, start, stop)
            if found:
                total, last = total + found, latest - span.offset
        return total, last

    def _runs_within(self, span: Span, line: Expression, start: int, stop: int) -> bool:
        opens, closes = self._rules.shown(span, line)
        return opens <= start and stop <= closes
