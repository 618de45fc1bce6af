"""JobRecord: how a job stands. Its definition, its schedule's cursor, its counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from taskd.core.job import Job, JobName
from taskd.core.run import RunId
from taskd.core.value import value


class JobState(StrEnum):
    """Whether a job's schedule goes on: stopped by somebody, or finished because it has no more."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"


class SkipReason(StrEnum):
    """Why an occurrence never became a run."""

    MISFIRE = "misfire"
    OVERLAP = "overlap"
    PAUSED = "paused"
    STOPPED = "stopped"
    UNIQUE = "unique"
    CALENDAR = "calendar"


@value(kw_only=True)
class JobRecord:
    """A job as the store knows it. All instants are aware UTC.

    `next_due_at` is the cursor: the first occurrence that is not yet decided; None when there is
    none, or when a fixed-delay job waits for its run to end. An interval's grid starts at
    `anchor_at`. `counts` are the runs and skips by final state since the job was first defined.
    `failures_in_row` are the latest runs that ended FAILED or DEAD, since one that succeeded.
    `delay` is the part of its jitter that was drawn for the cursor. `scheduled_runs` are the runs
    that the present schedule made. Of a schedule that names instants of the wall clock, nothing up
    to `decided_until` is decided again, however the clock is set.
    `carried` is the JSON of the last succeeded result of a job with `carry`. `version` grows by one
    with every commit that changes the row.
    """

    job: Job
    state: JobState
    created_at: datetime
    anchor_at: datetime
    next_due_at: datetime | None
    pause_reason: str = ""
    paused_until: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    last_run: RunId | None = None
    failures_in_row: int = 0
    carried: str | None = None
    delay: timedelta = timedelta(0)
    decided_until: datetime | None = None
    scheduled_runs: int = 0
    version: int = 0

    @property
    def wakes_at(self) -> datetime | None:
        """When this job next wants attention: its run is to be queued, or its pause ends."""
        if self.state is JobState.ACTIVE:
            return self.next_due_at + self.delay if self.next_due_at else None
        if self.state is JobState.PAUSED:
            return self.paused_until
        return None


@value()
class Skip:
    """One decision for `count` occurrences, `first_at` to `last_at`, that never became runs."""

    job: JobName
    first_at: datetime
    last_at: datetime
    count: int
    reason: SkipReason
    decided_at: datetime
