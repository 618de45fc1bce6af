"""The few words where the core meets a world that can fail: inputs, and what one turn asks for.

A turn answers with changes to commit and, for after that commit, runs to start, runs to interrupt
and replies to give. Nothing of that may happen before the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NewType, TypeAlias

from taskd.core.job import Call, Job, JobName, Source, check_priority
from taskd.core.record import JobRecord, Skip
from taskd.core.run import Attempt, Outcome, Result, Run, RunError, RunId
from taskd.errors import TaskdError

Ticket = NewType("Ticket", int)
"""Names the one who waits for a reply; 0 when nobody does."""

# -- inputs: what the world tells ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """The lowest rows of the PENDING or QUEUED set; `complete` when the store holds no others."""

    runs: tuple[Run, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What the store holds, given to a new engine before anything else.

    `live` are the RUNNING runs and all live ones of jobs. `alive` are the attempts that this
    process still executes; after a `restart` there are none, and those found RUNNING are LOST.
    """

    jobs: tuple[JobRecord, ...]
    live: tuple[Run, ...]
    pending: Page
    queued: Page
    alive: frozenset[tuple[RunId, int]] = frozenset()
    restart: bool = True


@dataclass(frozen=True, slots=True)
class Refilled:
    """The store's answer to a window that ran empty; comes first in its turn."""

    pending: Page | None = None
    queued: Page | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A commit was refused because these occurrences are decided already."""

    occurrences: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Runs that a request of the same turn names and that were not in memory."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """An executor's report: attempt `attempt` of `run` ended at `at`."""

    run: RunId
    attempt: int
    at: datetime
    outcome: Outcome
    result: Result | None = None
    error: RunError | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set forward by `by` (back, where negative)."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class Draining:
    """Shutdown has begun: nothing new starts, requests are refused."""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The grace is over: what still runs is RELEASED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something asked for by `actor`, who waits for the reply under `ticket`."""

    ticket: Ticket = Ticket(0)
    actor: str = "taskd"


@dataclass(frozen=True, slots=True)
class JobsDefined(Request):
    """The whole set of jobs of one source: what is not in it any more is removed. Reply: Diff."""

    jobs: tuple[Job, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the library: `call` is called once, at `due_at`."""

    id: RunId
    call: Call
    due_at: datetime
    priority: int = 0

    def __post_init__(self) -> None:
        check_priority(self.priority)


@dataclass(frozen=True, slots=True)
class Added(Request):
    """New jobs and one-time tasks, all or none. Reply: the records of the jobs."""

    jobs: tuple[Job, ...] = ()
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRemoved(Request):
    """Forget an added job; its history stays. Reply: the ids of the runs cancelled with it."""

    job: JobName


@dataclass(frozen=True, slots=True)
class JobStopped(Request):
    """End a job's schedule and its runs. Reply: (record, runs as they stand)."""

    job: JobName
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunStopped(Request):
    """End one run. Reply: the run as it stands."""

    run: RunId
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Paused(Request):
    """Hold jobs, every one when `jobs` is None, until `until`. Reply: their records."""

    jobs: tuple[JobName, ...] | None
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resumed(Request):
    """Release paused jobs and revive stopped ones; None: all paused ones. Reply: their records."""

    jobs: tuple[JobName, ...] | None


@dataclass(frozen=True, slots=True)
class Triggered(Request):
    """One run of a job now, with arguments of its own where given. Reply: the run."""

    job: JobName
    args: tuple[object, ...] | None = None
    kwargs: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Booted(Request):
    """The daemon has started: what is to run then is queued. Reply: those runs."""


AnyRequest: TypeAlias = (
    JobsDefined
    | Added
    | JobRemoved
    | JobStopped
    | RunStopped
    | Paused
    | Resumed
    | Triggered
    | Booted
)
Input: TypeAlias = (
    Restored
    | Refilled
    | Refused
    | Found
    | AttemptFinished
    | ClockStepped
    | Draining
    | HandedBack
    | AnyRequest
)

# -- what a turn asks for ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run's row before this turn (None: it is new) and after it."""

    before: Run | None
    after: Run
    actor: str


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job's row before this turn (None: new) and after it (None: removed)."""

    before: JobRecord | None
    after: JobRecord | None
    actor: str


@dataclass(slots=True)
class Changes:
    """Everything that one turn writes, in one transaction: the rows, and the journal of them."""

    at: datetime
    runs: dict[RunId, RunChange] = field(default_factory=dict)
    jobs: dict[JobName, JobChange] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    skips: dict[tuple[JobName, datetime], Skip] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.runs or self.jobs or self.attempts or self.skips)


@dataclass(frozen=True, slots=True)
class Start:
    """Hand an attempt to the executor.

    With `carry` the last succeeded result replaces the first argument: `carried`, as JSON, where
    there was one; a scheduler in memory keeps the object itself.
    """

    run: Run
    call: Call
    carry: bool = False
    carried: str | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ask a running attempt to end."""

    run: RunId


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request: a value of the kind that its docstring names, or an error."""

    ticket: Ticket
    value: object = None
    error: TaskdError | None = None


@dataclass(slots=True)
class Turn:
    """What one turn decided: commit `changes` first, then do the rest in this order."""

    changes: Changes
    starts: list[Start] = field(default_factory=list)
    interrupts: list[Interrupt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
