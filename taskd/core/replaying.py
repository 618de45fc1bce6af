"""Replaying: would a job's occurrences be decided again as the journal says that they were?

A recorded turn tells how the job stood before it, what happened in it, and what was decided. It
does not tell in which order a turn's inputs came: a decision agrees if any order explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice, permutations
from typing import Final

from taskd.core.planning import after_run, drop_missed, first_seen, plan, redefined, rescued
from taskd.core.planning import resumed as resume
from taskd.core.planning import stepped as step
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import RunId

ORDERS: Final = 1000  # of the inputs of a turn that are tried: all orders of six


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of `count` occurrences, the latest at `last_at`: a run where `reason` is None.

    `first_at` is None where the journal lengthens an earlier row of skips, and `count` where that
    row is of a part of the journal that was cut.
    """

    first_at: datetime | None
    last_at: datetime
    count: int | None
    reason: SkipReason | None

    def agrees(self, other: Verdict) -> bool:
        """Whether both say the same, as far as they say it."""
        return (
            (self.last_at, self.reason) == (other.last_at, other.reason)
            and (None in (self.first_at, other.first_at) or self.first_at == other.first_at)
            and (None in (self.count, other.count) or self.count == other.count)
        )


class Asked(Enum):
    """What somebody, or too many failures, made of a job in a turn."""

    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"
    REDEFINED = "redefined"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Made:
    """A run that somebody asked for."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that came to its end."""

    run: RunId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTurn:
    """What the journal tells of one job in one turn; `seq` is that of the turn's first event.

    `before` is None for a job that was new, `after` for one that was removed. `live` are its runs
    that had not ended before. `steps` are the steps of the wall clock. `taken` are the occurrences
    that have a run already, from before the clock was set back: the store refuses them.
    """

    seq: int
    at: datetime
    before: JobRecord | None
    after: JobRecord | None
    live: frozenset[RunId]
    happened: tuple[Made | Ended, ...] = ()
    steps: tuple[timedelta, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    taken: Set[datetime] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one turn decided of a job's occurrences, and what would be decided today.

    `next_due_at` and `again_next_due_at` are where the schedule stood after it. `is_gap` says that
    the journal lacks a turn of the job just before: its versions do not follow each other.
    """

    seq: int
    at: datetime
    recorded: tuple[Verdict, ...]
    again: tuple[Verdict, ...]
    next_due_at: datetime | None
    again_next_due_at: datetime | None
    is_gap: bool = False

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return (
            not self.is_gap
            and len(self.recorded) == len(self.again)
            and all(map(Verdict.agrees, self.recorded, self.again))
            and self.next_due_at == self.again_next_due_at
        )


def decide_again(turn: RecordedTurn) -> Decision:
    """Decide a turn anew; where no order of its inputs explains it, by the order of the journal."""
    after = turn.after
    things = (*turn.happened, *asked_of(turn.before, after))
    first: Decision | None = None
    is_gap = _is_gap(turn)
    for order in islice(permutations(things), ORDERS):
        # A process that shuts down takes turns in which nothing is fired.
        for fires in (True, False):
            course = _Course(turn)
            course.take(order)
            if fires:
                course.fire()
            due_at = course.record.next_due_at if after is not None and course.record else None
            recorded_due_at = after.next_due_at if after is not None else None
            again = tuple(course.verdicts())
            decision = Decision(
                turn.seq, turn.at, turn.verdicts, again, recorded_due_at, due_at, is_gap
            )
            if decision.agrees:
                return decision
            first = first or decision
    assert first is not None
    return first


def asked_of(before: JobRecord | None, after: JobRecord | None) -> Iterator[Asked]:
    """Yield what must have been asked of a job that stood so before a turn, and so after it."""
    if before is None:
        return
    if after is None:
        yield Asked.REMOVED
        return
    if _timing(before) != _timing(after):
        yield Asked.REDEFINED
    was, state = before.state, after.state
    if state is JobState.STOPPED is not was:
        yield Asked.STOPPED
    elif state is JobState.PAUSED is not was:
        yield Asked.PAUSED
    elif was in (JobState.PAUSED, JobState.STOPPED) and was is not state:
        yield Asked.RESUMED


def _is_gap(turn: RecordedTurn) -> bool:
    before, after = turn.before, turn.after
    return bool(before and after and after.version not in (before.version, before.version + 1))


def _timing(record: JobRecord) -> tuple[object, bool]:
    return record.job.schedule, record.job.enabled


class _Course:
    """One way that a turn may have taken."""

    def __init__(self, turn: RecordedTurn) -> None:
        self._turn = turn
        self._live = set(turn.live)
        self._skips: list[Skip] = []
        self._run_at: datetime | None = None
        before, after = turn.before, turn.after
        self.record = before
        if before is None:
            self.record = first_seen(after.job, turn.at) if after is not None else None
            return
        for by in turn.steps:
            before = step(before, by)
        is_moved = after is not None and after.anchor_at != before.anchor_at
        if is_moved and after is not None and _timing(before) == _timing(after):
            before = rescued(before, turn.at)
        self.record = before

    def take(self, things: Iterable[Made | Ended | Asked]) -> None:
        """Take what happened, in this order."""
        for thing in things:
            match thing:
                case Made():
                    self._live.add(thing.run)
                case Ended():
                    self._end(thing)
                case Asked():
                    self._ask(thing)

    def fire(self) -> None:
        """Decide what is due."""
        record, now = self.record, self._turn.at
        if record is None or self._turn.after is None:
            return
        if record.state is JobState.PAUSED and _is_due(record.paused_until, now):
            self._ask(Asked.RESUMED)
            record = self.record
        if record is None or record.state is not JobState.ACTIVE:
            return
        if not _is_due(record.next_due_at, now):
            return
        decided = plan(record, now, busy=bool(self._live))
        self._skip(decided.skip)
        next_due_at = decided.next_due_at
        if decided.run_at is not None and decided.run_at in self._turn.taken:
            assert record.job.schedule is not None
            next_due_at = record.job.schedule.after(decided.run_at, record.anchor_at)
        else:
            self._run_at = decided.run_at
        self.record = replace(record, next_due_at=next_due_at)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield what was decided; skips for one reason that follow each other are one."""
        for skip in _joined(self._skips):
            yield Verdict(skip.first_at, skip.last_at, skip.count, skip.reason)
        if self._run_at is not None:
            yield Verdict(self._run_at, self._run_at, 1, None)

    def _end(self, ended: Ended) -> None:
        self._live.discard(ended.run)
        if self.record is not None and not self._live:
            self.record = after_run(self.record, min(ended.at, self._turn.at))

    def _ask(self, asked: Asked) -> None:
        record, now, after = self.record, self._turn.at, self._turn.after
        if record is None:
            return
        match asked:
            case Asked.PAUSED:
                self.record = replace(record, state=JobState.PAUSED, paused_until=None)
            case Asked.RESUMED:
                self.record, skip = resume(record, now)
                self._skip(skip)
            case Asked.REMOVED:
                self._skip(drop_missed(record, now, SkipReason.STOPPED))
            case Asked.STOPPED:
                self._skip(drop_missed(record, now, SkipReason.STOPPED))
                self.record = replace(record, state=JobState.STOPPED, next_due_at=None)
            case Asked.REDEFINED:
                is_paused = record.state is JobState.PAUSED
                reason = SkipReason.PAUSED if is_paused else SkipReason.MISFIRE
                self._skip(drop_missed(record, now, reason))
                assert after is not None
                self.record = redefined(record, after.job, now, busy=bool(self._live))

    def _skip(self, skip: Skip | None) -> None:
        if skip is not None:
            self._skips.append(skip)


def _joined(skips: Iterable[Skip]) -> list[Skip]:
    joined: list[Skip] = []
    for skip in skips:
        if joined and joined[-1].reason is skip.reason:
            last = joined.pop()
            skip = replace(last, last_at=skip.last_at, count=last.count + skip.count)
        joined.append(skip)
    return joined


def _is_due(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now
