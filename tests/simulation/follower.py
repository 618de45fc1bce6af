"""A follower: one job's due instants, in order, and what became of each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from taskd.core.ahead import AHEAD
from taskd.core.job import Job
from taskd.core.record import JobRecord, JobState, SkipReason
from taskd.core.run import Run
from taskd.core.schedule import At, Every, Mode
from tests.simulation.dues import next_due
from tests.simulation.policies import Decision, fired, is_excluded, released

MICROSECOND: Final = timedelta(microseconds=1)
ZERO: Final = timedelta(0)


class Segment(NamedTuple):
    """One decision: `times` due instants, `first` to `last`; a run when there is no reason.

    `goes_on` says that it lengthens an earlier row: then the first due instant lies after `first`.
    """

    first: datetime
    last: datetime
    times: int
    reason: SkipReason | None
    goes_on: bool = False


class Follower:
    """Expects the decisions of a job in the order of its due instants, without gap or repeat.

    `cursor` is the first due instant that is undecided. A name that was defined before, or a grid
    that is new, may under a clock that has been set back meet instants up to `blurred` that are
    decided already: what it decides up to there is not counted.
    """

    def __init__(self, record: JobRecord, at: datetime, blurred: datetime | None) -> None:
        self._record = record
        self._blurred = blurred
        self._decided_until: datetime | None = None
        self._made = 0
        self._taken: list[Decision] = []
        self.cursor = self._first(record.job, at)
        self.problems: list[str] = []

    @property
    def wakes_at(self) -> datetime | None:
        match self._record.state:
            case JobState.ACTIVE:
                return None if self.cursor is None else self.cursor + self._record.delay
            case JobState.PAUSED:
                return self._record.paused_until
            case _:
                return None

    @property
    def has_grid(self) -> bool:
        """Whether it waits for an instant of an interval that goes by elapsed time.

        One that has not begun waits for its `start_at`, on the wall clock.
        """
        has_begun = self.cursor != self._record.job.bounds.start_at
        return self._is_elapsed and self.cursor is not None and has_begun

    def is_stranded(self, now: datetime) -> bool:
        """Whether it waits for longer than its interval."""
        schedule, cursor = self._record.job.schedule, self.cursor
        if not self.has_grid or cursor is None or not isinstance(schedule, Every):
            return False
        # Each step of the clock moves a grid by a microsecond more.
        start_at = max(now, self._record.job.bounds.start_at or now)
        return cursor > start_at + schedule.interval + AHEAD + 1000 * MICROSECOND

    def gives_back(self, due_at: datetime) -> None:
        """Expect that the latest decision was none: its run was withdrawn before its instant."""
        self._made -= 1
        self.cursor = due_at
        if self._decided_until is not None:
            self._decided_until = min(self._decided_until, due_at - MICROSECOND)

    def owes(self, at: datetime) -> bool:
        """Whether a due instant up to `at` is undecided."""
        return self.cursor is not None and self.cursor <= at

    def grid_moves(
        self, before: JobRecord, after: JobRecord, at: datetime, set_by: timedelta
    ) -> None:
        """An interval's grid moves with the wall clock, or back to now after a restart."""
        job, by = before.job, after.anchor_at - before.anchor_at
        if after.state is JobState.STOPPED is not before.state and set_by == timedelta(0):
            return  # its grid begins anew where it stopped
        if not (by or set_by) or _timing(job) != _timing(after.job) or not self.has_grid:
            return
        assert isinstance(job.schedule, Every)
        assert self.cursor is not None
        is_stranded = self.cursor > at + job.schedule.interval
        is_rescue = is_stranded and self.cursor + by == at + job.schedule.interval + MICROSECOND
        if by != set_by + MICROSECOND and not is_rescue:
            self._problem(f"its grid moved by {by} when the clock was set by {set_by}")
        start_at = job.bounds.start_at
        self.cursor += by
        while start_at is not None and self.cursor < start_at:
            self.cursor += job.schedule.interval
        if job.bounds.is_over(self.cursor):
            self.cursor = None
        self._record = after

    def runs_end(self, ended: Sequence[Run], at: datetime) -> None:
        """A fixed delay counts from the end of the run, as the clock stands now."""
        schedule = self._record.job.schedule
        waits = self.cursor is None and self._record.state is not JobState.STOPPED
        if ended and waits and self._record.job.enabled and _is_fixed_delay(self._record.job):
            assert isinstance(schedule, Every)
            finished_at = ended[-1].finished_at
            assert finished_at is not None
            if not self._record.job.bounds.is_spent(self._made):
                self.cursor = self._after(min(finished_at, at))

    def takes(self, segment: Segment, at: datetime, *, busy: bool) -> None:
        """Expect that a decision is about the next due instants, and about no others.

        `busy` says that a run was live: for its end a fixed delay waits.
        """
        job, cursor = self._record.job, self.cursor
        if not self._is_elapsed:
            self._decided_until = max(segment.last, self._decided_until or segment.last)
        self._made += segment.reason is None
        if self._blurred is not None and segment.first <= self._blurred:
            self.cursor = None if _is_fixed_delay(job) else self._after(segment.last)
            return
        dues = list[datetime]()
        while self.cursor is not None and self.cursor <= segment.last:
            dues.append(self.cursor)
            self._taken.append((self.cursor, segment.reason))
            if not _is_fixed_delay(job):
                self.cursor = self._after(self.cursor)
            else:  # one that is skipped has no end to count from
                self.cursor = None if busy or segment.reason is None else self._after(at)
                break
        begins = dues and (
            dues[0] >= segment.first if segment.goes_on else dues[0] == segment.first
        )
        if not begins or dues[-1] != segment.last or len(dues) != segment.times:
            self._problem(
                f"{segment} was decided where {cursor} was next and {len(dues)} were due"
                f" until {dues[-1:]}"
            )
        is_ahead = segment.reason is None and segment.last <= at + AHEAD
        if segment.last > at and not is_ahead:
            self._problem(f"{segment.last} was decided at {at}, before its time")
        for due in dues:
            if (segment.reason is SkipReason.CALENDAR) != is_excluded(job, due):
                self._problem(f"{due} of {segment} and the calendar do not agree")
        if job.bounds.is_spent(self._made):
            self.cursor = None

    def policy(
        self,
        decided: Sequence[Segment],
        before: JobRecord | None,
        after: JobRecord,
        at: datetime,
        live: int,
    ) -> None:
        """What was due became what the policies say, given how many runs are live after it."""
        taken, self._taken = self._taken, []
        runs = sum(reason is None for _, reason in taken)
        is_blurred = self._blurred is not None and any(s.first <= self._blurred for s in decided)
        if before is None or is_blurred or not taken or not _same(before, after):
            return
        if after.state not in (JobState.ACTIVE, JobState.FINISHED):
            return
        # What was held, stopped and revived within one turn is told by more than one rule.
        expect = {JobState.ACTIVE: fired, JobState.PAUSED: released}.get(before.state)
        if expect is None or {SkipReason.STOPPED} & {reason for _, reason in taken}:
            return
        dues = [due for due, _ in taken]
        made = self._made - runs
        delay = before.delay if before.next_due_at == dues[0] else timedelta(0)
        wanted = expect(after.job, dues, at, live=live - runs, made=made, delay=delay)
        if taken != wanted:
            self._problem(f"{taken} at {at} with {live - runs} live runs, {wanted} was due")
        if before.state is JobState.ACTIVE and at < dues[0] + delay - (
            AHEAD if taken[-1:] == [(dues[0], None)] and not delay else ZERO
        ):
            self._problem(f"{dues[0]} was decided at {at}, before its jitter of {delay}")

    def becomes(self, after: JobRecord, at: datetime, latest: datetime | None, live: int) -> None:
        """Expect the record to stand where the due instants do."""
        before, self._record = self._record, after
        if _timing(before.job) != _timing(after.job):
            if self.owes(at):
                self._problem("it was redefined with debts")
            if before.job.schedule != after.job.schedule:
                self._made = 0
            if self._is_elapsed:
                # A new grid may meet decided instants where the clock was set back: to the very
                # microsecond, which only a simulated clock does.
                self._blurred = latest
            self.cursor = self._redefined(after, at, live)
        if after.state is JobState.STOPPED:
            self.cursor = None
        elif before.state is JobState.STOPPED and after.job.schedule and after.job.enabled:
            self.cursor = self._undecided(at)
        if self.cursor is not None and self._blurred is not None and self.cursor <= self._blurred:
            self.cursor = after.next_due_at
        if after.next_due_at != self.cursor:
            self._problem(f"its cursor is {after.next_due_at} and {self.cursor} is due next")
        is_timed = after.job.enabled and after.job.schedule is not None
        is_over = is_timed and self.cursor is None and not live
        if is_over and after.state is JobState.ACTIVE:
            self._problem("it is active and has no more")
        if after.state is JobState.FINISHED and self.cursor is not None:
            self._problem("it is finished and has more")
        self._delay_is_lawful(before, after)

    def _delay_is_lawful(self, before: JobRecord, after: JobRecord) -> None:
        """Jitter is drawn once for each occurrence, and ends before the next one."""
        due_at, delay = after.next_due_at, after.delay
        if (before.next_due_at, before.job.jitter) == (due_at, after.job.jitter):
            if before.delay != delay:
                self._problem(f"the jitter of {due_at} was drawn again")
            return
        following = None if due_at is None else self._after(due_at)
        room = after.job.jitter
        if due_at is not None and following is not None:
            room = min(room, following - due_at)
        if not timedelta(0) <= delay <= max(room - MICROSECOND, timedelta(0)):
            self._problem(f"a jitter of {delay} at {due_at}")

    def _redefined(self, after: JobRecord, at: datetime, live: int) -> datetime | None:
        if not after.job.enabled or after.job.schedule is None:
            return None
        if _is_fixed_delay(after.job) and live:
            return None
        return self._undecided(at)

    def _undecided(self, at: datetime) -> datetime | None:
        if self._record.job.bounds.is_spent(self._made):
            return None
        until = None if self._is_elapsed else self._decided_until
        return self._after(at if until is None else max(at, until))

    @property
    def _is_elapsed(self) -> bool:
        schedule = self._record.job.schedule
        return isinstance(schedule, Every) and not schedule.align

    def _first(self, job: Job, at: datetime) -> datetime | None:
        start_at = job.bounds.start_at or at
        match job.schedule:
            case None:
                return None
            case _ if not job.enabled:
                return None
            case At(instants=instants):
                since = job.bounds.start_at
                return self._within(
                    min((i for i in instants if not since or i >= since), default=None)
                )
            case Every(align=False):
                return self._within(max(at, start_at))
            case schedule:
                return self._within(next_due(schedule, max(at, start_at) - MICROSECOND, at))

    def _after(self, instant: datetime) -> datetime | None:
        schedule, start_at = self._record.job.schedule, self._record.job.bounds.start_at
        assert schedule is not None
        if isinstance(schedule, Every) and schedule.mode is Mode.FIXED_DELAY:
            due_at = instant + schedule.interval
            return self._within(due_at if start_at is None else max(due_at, start_at))
        if start_at is not None:
            instant = max(instant, start_at - MICROSECOND)
        return self._within(next_due(schedule, instant, self._record.anchor_at))

    def _within(self, due_at: datetime | None) -> datetime | None:
        end_at = self._record.job.bounds.end_at
        return None if due_at is None or (end_at is not None and due_at >= end_at) else due_at

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self._record.job.name}: {text}")


def _timing(job: Job) -> tuple[object, ...]:
    return job.schedule, job.enabled, job.bounds


def _same(before: JobRecord, after: JobRecord) -> bool:
    return _timing(before.job) == _timing(after.job)


def _is_fixed_delay(job: Job) -> bool:
    return isinstance(job.schedule, Every) and job.schedule.mode is Mode.FIXED_DELAY
