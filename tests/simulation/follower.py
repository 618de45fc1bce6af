"""A follower: one job's due instants, in order, and what became of each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from taskd.core.job import Job
from taskd.core.record import JobRecord, JobState, SkipReason
from taskd.core.run import Run
from taskd.core.schedule import At, Every, Mode
from tests.simulation.dues import next_due

MICROSECOND: Final = timedelta(microseconds=1)


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

    `cursor` is the first due instant that is undecided. A name that was defined before, under a
    clock that has since been set back, may meet instants up to `blurred` that are decided already:
    what it decides up to there is not counted.
    """

    def __init__(self, record: JobRecord, at: datetime, blurred: datetime | None) -> None:
        self._record = record
        self._blurred = blurred
        self.cursor = self._first(record.job, at)
        self.problems: list[str] = []

    @property
    def wakes_at(self) -> datetime | None:
        match self._record.state:
            case JobState.ACTIVE:
                return self.cursor
            case JobState.PAUSED:
                return self._record.paused_until
            case _:
                return None

    @property
    def has_grid(self) -> bool:
        """Whether it waits for an instant of an interval that goes by elapsed time."""
        schedule = self._record.job.schedule
        return isinstance(schedule, Every) and not schedule.align and self.cursor is not None

    def is_stranded(self, now: datetime) -> bool:
        """Whether it waits for longer than its interval."""
        schedule, cursor = self._record.job.schedule, self.cursor
        if not self.has_grid or cursor is None or not isinstance(schedule, Every):
            return False
        # Each step of the clock moves a grid by a microsecond more.
        return cursor > now + schedule.interval + 1000 * MICROSECOND

    def owes(self, at: datetime) -> bool:
        """Whether a due instant up to `at` is undecided."""
        return self.cursor is not None and self.cursor <= at

    def grid_moves(
        self, before: JobRecord, after: JobRecord, at: datetime, set_by: timedelta
    ) -> None:
        """An interval's grid moves with the wall clock, or back to now after a restart."""
        job, by = before.job, after.anchor_at - before.anchor_at
        if not (by or set_by) or _timing(job) != _timing(after.job) or not self.has_grid:
            return
        assert isinstance(job.schedule, Every)
        assert self.cursor is not None
        is_stranded = self.cursor > at + job.schedule.interval
        is_rescue = is_stranded and self.cursor + by == at + job.schedule.interval + MICROSECOND
        if by != set_by + MICROSECOND and not is_rescue:
            self._problem(f"its grid moved by {by} when the clock was set by {set_by}")
        self.cursor += by
        self._record = after

    def runs_end(self, ended: Sequence[Run], at: datetime) -> None:
        """A fixed delay counts from the end of the run, as the clock stands now."""
        schedule = self._record.job.schedule
        waits = self.cursor is None and self._record.state is not JobState.STOPPED
        if ended and waits and self._record.job.enabled and _is_fixed_delay(self._record.job):
            assert isinstance(schedule, Every)
            finished_at = ended[-1].finished_at
            assert finished_at is not None
            self.cursor = min(finished_at, at) + schedule.interval

    def takes(self, segment: Segment, at: datetime) -> None:
        """Expect that a decision is about the next due instants, and about no others."""
        job, cursor = self._record.job, self.cursor
        if self._blurred is not None and segment.first <= self._blurred:
            self.cursor = None if _is_fixed_delay(job) else self._after(segment.last)
            return
        dues = list[datetime]()
        while self.cursor is not None and self.cursor <= segment.last:
            dues.append(self.cursor)
            self.cursor = None if _is_fixed_delay(job) else self._after(self.cursor)
        begins = dues and (
            dues[0] >= segment.first if segment.goes_on else dues[0] == segment.first
        )
        if not begins or dues[-1] != segment.last or len(dues) != segment.times:
            self._problem(f"{segment} was decided where {cursor} was next and {len(dues)} were due")
        if segment.last > at:
            self._problem(f"{segment.last} was decided at {at}, before its time")

    def policy(
        self, decided: Sequence[Segment], before: JobRecord | None, after: JobRecord, live: int
    ) -> None:
        """Of what was due the latest runs, unless a run is live: then all of it is overlap."""
        runs = [segment for segment in decided if segment.reason is None]
        is_overlap = any(segment.reason is SkipReason.OVERLAP for segment in decided)
        if runs and (len(runs) > 1 or decided[-1] != runs[0] or live != 1):
            self._problem(f"{decided} ran with {live} live runs")
        if is_overlap and (runs or not live):
            self._problem(f"{decided} overlaps nothing")
        went_on = before is not None and before.state is JobState.ACTIVE is after.state
        if decided and not runs and not live and went_on and before and _same(before, after):
            self._problem(f"{decided} was skipped without a cause")

    def becomes(self, after: JobRecord, at: datetime, latest: datetime | None, live: int) -> None:
        """Expect the record to stand where the due instants do."""
        before, self._record = self._record, after
        if _timing(before.job) != _timing(after.job):
            if self.owes(at):
                self._problem("it was redefined with debts")
            self._blurred = latest
            self.cursor = self._redefined(after, at, live)
        if after.state is JobState.STOPPED:
            self.cursor = None
        elif before.state is JobState.STOPPED and after.job.schedule and after.job.enabled:
            self._blurred = latest
            self.cursor = self._after(at)
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

    def _redefined(self, after: JobRecord, at: datetime, live: int) -> datetime | None:
        if not after.job.enabled or after.job.schedule is None:
            return None
        if _is_fixed_delay(after.job) and live:
            return None
        return self._after(at)

    def _first(self, job: Job, at: datetime) -> datetime | None:
        match job.schedule:
            case None:
                return None
            case _ if not job.enabled:
                return None
            case At(instants=instants):
                return min(instants)
            case Every(align=False):
                return at
            case schedule:
                return next_due(schedule, at - MICROSECOND, at)

    def _after(self, instant: datetime) -> datetime | None:
        schedule = self._record.job.schedule
        assert schedule is not None
        if isinstance(schedule, Every) and schedule.mode is Mode.FIXED_DELAY:
            return instant + schedule.interval
        return next_due(schedule, instant, self._record.anchor_at)

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self._record.job.name}: {text}")


def _timing(job: Job) -> tuple[object, bool]:
    return job.schedule, job.enabled


def _same(before: JobRecord, after: JobRecord) -> bool:
    return _timing(before.job) == _timing(after.job)


def _is_fixed_delay(job: Job) -> bool:
    return isinstance(job.schedule, Every) and job.schedule.mode is Mode.FIXED_DELAY
