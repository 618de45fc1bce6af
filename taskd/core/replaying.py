"""Replaying: would a job's occurrences be decided again as the journal says that they were?

A recorded turn tells how the job stood before it, what happened in it, and what was decided. It
does not tell in which order a turn's inputs came: a decision agrees if any order explains it.

Two things are not decided again, but believed: that an occurrence was the same work as another run
(`SkipReason.UNIQUE`), for what stood for it may be long forgotten; and that a job which is to run
at boot was met then by a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice, permutations
from typing import Final

from taskd.core.ahead import AHEAD
from taskd.core.late import Catchup
from taskd.core.ledger import decided
from taskd.core.occurrences import due_after
from taskd.core.planning import (
    Plan,
    after_run,
    drop_missed,
    first_seen,
    plan,
    redefined,
    rescued,
    resumed,
    stepped,
    stopped,
    unfired,
)
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND, RunId
from taskd.core.value import replace

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
    BOOTED = "booted"


@dataclass(frozen=True, slots=True)
class Made:
    """A run that somebody asked for."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that came to its end."""

    run: RunId
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A run that was committed ahead of its instant, and was taken back: it never was."""

    run: RunId
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTurn:
    """What the journal tells of one job in one turn; `seq` is that of the turn's first event.

    `before` is None for a job that was new, `after` for one that was removed. `live` are its runs
    that had not ended before. `withdrawn` is the one of them that goes, which is the first to
    happen. `steps` are the steps of the wall clock. `taken` are the occurrences
    that have a run already, from before the clock was set back: the store refuses them.
    """

    seq: int
    at: datetime
    before: JobRecord | None
    after: JobRecord | None
    live: frozenset[RunId]
    happened: tuple[Made | Ended, ...] = ()
    withdrawn: Withdrawn | None = None
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
    things = (*turn.happened, *asked_of(turn.before, after), *_met_at_boot(turn))
    recorded = _joined(turn.verdicts)
    first: Decision | None = None
    is_gap = _is_gap(turn)
    for order in islice(permutations(things), ORDERS):
        # A process that shuts down takes turns in which nothing is fired.
        for fires in (True, False):
            course = _Course(turn)
            course.take(order)
            if fires:
                course.fire()
                course.fire_ahead()
            due_at = course.record.next_due_at if after is not None and course.record else None
            recorded_due_at = after.next_due_at if after is not None else None
            again = course.verdicts()
            decision = Decision(turn.seq, turn.at, recorded, again, recorded_due_at, due_at, is_gap)
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
    if before.job.timing != after.job.timing:
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


def _met_at_boot(turn: RecordedTurn) -> Iterator[Asked]:
    stands = turn.before or turn.after
    if stands is not None and stands.job.boot and _reason_at_boot(turn) is not None:
        yield Asked.BOOTED


def _reason_at_boot(turn: RecordedTurn) -> SkipReason | None:
    """Why a run at boot was skipped: that instant is the turn's own."""
    reasons = (SkipReason.OVERLAP, SkipReason.UNIQUE)
    met = (v.reason for v in turn.verdicts if v.last_at == turn.at and v.reason in reasons)
    return next(met, None)


def _joined(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return them in the order of what they are about; skips in a row for one reason are one.

    The journal tells skips before runs, and begins a row of them anew for more than one cause.
    """
    joined: list[Verdict] = []
    for verdict in sorted(verdicts, key=lambda verdict: (verdict.last_at, verdict.reason or "")):
        last = joined[-1] if joined else None
        if last is not None and last.reason is verdict.reason is not None:
            counts = (last.count, verdict.count)
            count = None if None in counts else sum(filter(None, counts))
            verdict = replace(verdict, first_at=last.first_at, count=count)
            joined.pop()
        joined.append(verdict)
    return tuple(joined)


class _Course:
    """One way that a turn may have taken."""

    def __init__(self, turn: RecordedTurn) -> None:
        self._turn = turn
        self._live = set(turn.live)
        self._fired = 0
        self._decided: list[Verdict] = []
        self.record = before = turn.before
        if before is None:
            self.record = first_seen(turn.after.job, turn.at) if turn.after else None
            return
        if turn.withdrawn is not None:
            self._live.discard(turn.withdrawn.run)
            before = self._put(unfired(before, turn.withdrawn.due_at))
        for by in turn.steps:
            before = self._put(stepped(before, by))
        after = turn.after
        is_moved = after is not None and after.anchor_at != before.anchor_at
        if is_moved and after is not None and before.job.timing == after.job.timing:
            self._put(rescued(before, turn.at))

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
        if self.record is None or self._turn.after is None:
            return
        if self.record.state is JobState.PAUSED and _is_due(self.record, self._turn.at):
            self._ask(Asked.RESUMED)
        while self.record.state is JobState.ACTIVE and _is_due(self.record, self._turn.at):
            planned = self._plan(self.record, self._turn.at)
            taken = [at for at in planned.runs if at in self._turn.taken]
            if not taken:
                self._fire(self.record, planned)
                return
            self._pass_over(self.record, taken[0])

    def fire_ahead(self) -> None:
        """Decide what was decided ahead of its instant, as if that had come."""
        latest = self._turn.at + AHEAD
        instants = (verdict.last_at for verdict in self._turn.verdicts if verdict.reason is None)
        for due_at in (at for at in instants if self._turn.at < at <= latest):
            record, live = self.record, len(self._live) + self._fired
            is_free = not live and due_at not in self._turn.taken
            if record is None or record.wakes_at != due_at or not is_free:
                continue
            if record.state is JobState.ACTIVE:
                self._fire(record, plan(record, due_at, live=0, until=due_at))

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what was decided."""
        return _joined(self._decided)

    def _plan(self, record: JobRecord, until: datetime) -> Plan:
        live = len(self._live) + self._fired
        return plan(record, self._turn.at, live=live, until=until)

    def _fire(self, record: JobRecord, planned: Plan) -> None:
        made = 0
        for decision in planned.decisions:
            if isinstance(decision, Skip):
                self._skip(decision)
            elif self._is_same_work(decision):
                self._decided.append(Verdict(decision, decision, 1, SkipReason.UNIQUE))
            else:
                self._decided.append(Verdict(decision, decision, 1, None))
                made += 1
        self._fired += made
        record = self.record or record
        for run_at in planned.runs[-1:]:
            record = decided(record, run_at)
        made += record.scheduled_runs
        self._put(replace(record, next_due_at=planned.next_due_at, scheduled_runs=made))

    def _pass_over(self, record: JobRecord, due_at: datetime) -> None:
        """Move past an occurrence that has a run, as the store says: what is before it is due."""
        before = due_at - MICROSECOND
        if record.next_due_at is not None and record.next_due_at < due_at:
            if record.job.late.catchup is Catchup.ALL:
                self._fire(record, self._plan(record, before))
            else:
                self._skip(*drop_missed(record, before, SkipReason.MISFIRE))
        passed = decided(self.record or record, due_at)
        self._put(replace(passed, next_due_at=due_after(record.job, due_at, record.anchor_at)))

    def _is_same_work(self, due_at: datetime) -> bool:
        return any(
            verdict.reason is SkipReason.UNIQUE
            and (verdict.first_at is None or verdict.first_at <= due_at)
            and due_at <= verdict.last_at
            for verdict in self._turn.verdicts
        )

    def _end(self, ended: Ended) -> None:
        self._live.discard(ended.run)
        if self.record is not None and not self._live:
            self._put(after_run(self.record, min(ended.at, self._turn.at)))

    def _ask(self, asked: Asked) -> None:
        record, now, after = self.record, self._turn.at, self._turn.after
        if record is None:
            return
        match asked:
            case Asked.PAUSED:
                self._put(replace(record, state=JobState.PAUSED, paused_until=None))
            case Asked.RESUMED:
                active, skips = resumed(record, now, live=len(self._live))
                self._put(active)
                self._skip(*skips)
            case Asked.REMOVED:
                self._skip(*drop_missed(record, now, SkipReason.STOPPED))
            case Asked.STOPPED:
                self._skip(*drop_missed(record, now, SkipReason.STOPPED))
                self._put(stopped(self.record or record))
            case Asked.REDEFINED:
                is_paused = record.state is JobState.PAUSED
                reason = SkipReason.PAUSED if is_paused else SkipReason.MISFIRE
                self._skip(*drop_missed(record, now, reason))
                assert after is not None
                anew = redefined(self.record or record, after.job, now, live=len(self._live))
                self._put(anew)
            case Asked.BOOTED:
                met = _reason_at_boot(self._turn)
                if met is not None:
                    self._skip(Skip(record.job.name, now, now, 1, met, now))

    def _skip(self, *skips: Skip) -> None:
        for skip in skips:
            self._decided.append(Verdict(skip.first_at, skip.last_at, skip.count, skip.reason))
            if self.record is not None:
                self._put(decided(self.record, skip.last_at))

    def _put(self, record: JobRecord) -> JobRecord:
        """Take a new record; a cursor that moved has no jitter, which only one to come may have."""
        before = self.record
        if before and (before.next_due_at, before.job.jitter) != (
            record.next_due_at,
            record.job.jitter,
        ):
            record = replace(record, delay=timedelta(0))
        self.record = record
        return record


def _is_due(record: JobRecord, now: datetime) -> bool:
    return record.wakes_at is not None and record.wakes_at <= now
