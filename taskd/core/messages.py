"""The few words in which the core is told of the world: what the store holds, what has happened,
and what somebody asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType, TypeAlias

from taskd.core.job import Call, Job, JobName, Source, check_priority
from taskd.core.record import JobRecord
from taskd.core.retry import FailurePolicy
from taskd.core.run import UNKNOWN_USAGE, Outcome, Result, Run, RunError, RunId, Usage
from taskd.core.value import replace, value

Ticket = NewType("Ticket", int)
"""Names the one who waits for a reply; 0 when nobody does."""

# -- inputs: what the world tells ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """The lowest of the tasks that are PENDING or QUEUED; `complete` when there are no others."""

    runs: tuple[Run, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What the store holds, given to a new engine before anything else.

    `live` are the RUNNING runs, all live ones of jobs and all that lost an attempt. `fence` is at
    least that of every attempt that ever started. `alive` are the attempts that this process still
    executes; after a `restart` there are none, and those found RUNNING are LOST. `ahead` are the
    runs whose start waits for its instant.
    """

    jobs: tuple[JobRecord, ...]
    live: tuple[Run, ...]
    pending: Page
    queued: Page
    fence: int = 0
    alive: frozenset[tuple[RunId, int]] = frozenset()
    ahead: frozenset[RunId] = frozenset()
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
class Wanted:
    """What the inputs of a turn name and only the store knows."""

    runs: tuple[RunId, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    receipts: tuple[str, ...] = ()
    unique_keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.runs or self.marks or self.receipts or self.unique_keys)


@dataclass(frozen=True, slots=True)
class Found:
    """The store's answer to what a turn wanted; comes before the inputs that want it.

    `latest` are the latest runs of the unique keys.
    """

    runs: tuple[Run, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    receipts: tuple[Receipt, ...] = ()
    latest: tuple[Run, ...] = ()


@value()
class AttemptFinished:
    """An executor's report: attempt `attempt` of `run` ended at `at`.

    `classes` are the names of the exception's class and of those it inherits from. With
    `wants_retry` the callable itself asks for another attempt, `retry_after` from now where given.
    `has_begun` is false for an attempt that never reached its callable.
    """

    run: RunId
    attempt: int
    at: datetime
    outcome: Outcome
    result: Result | None = None
    error: RunError | None = None
    reason: str = ""
    classes: tuple[str, ...] = ()
    wants_retry: bool = False
    retry_after: timedelta | None = None
    has_begun: bool = True
    usage: Usage = UNKNOWN_USAGE

    @property
    def words(self) -> frozenset[str]:
        """What a retry policy may call this failure: its classes and its category."""
        category = self.error.category if self.error else None
        return frozenset(self.classes if category is None else (*self.classes, category))


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt whose start was committed ahead was handed to its executor, at `at`."""

    run: RunId
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set forward by `by` (back, where negative)."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class StoreHealed:
    """The store can be written again, after `error` kept it from that since `since`."""

    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that the journal is to tell as `kind`; `data` are JSON values."""

    kind: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Draining:
    """Shutdown has begun: nothing new starts, requests are refused."""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The grace is over: what still runs is RELEASED."""


@dataclass(frozen=True, slots=True)
class Key:
    """The Idempotency-Key of a request; `fingerprint` tells one request from another."""

    text: str
    fingerprint: str

    def part(self, number: int) -> Key:
        """Return the key of one part of the request; no request comes with such a one itself."""
        return replace(self, text=f"{self.text}\N{INFORMATION SEPARATOR ONE}{number}")


@value(kw_only=True)
class Request:
    """Something asked for by `actor`, who waits for the reply under `ticket`.

    With a `key` it is done once: asked again, it is answered with what it did then, as that stands
    now.
    """

    ticket: Ticket = Ticket(0)
    actor: str = "taskd"
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request with a key has done: the jobs and the runs that its reply named."""

    key: Key
    at: datetime
    jobs: tuple[JobName, ...] = ()
    runs: tuple[RunId, ...] = ()


@value()
class JobsDefined(Request):
    """The whole set of jobs of one source: what is not in it any more is removed. Reply: Diff."""

    jobs: tuple[Job, ...]
    source: Source


@value()
class Task:
    """A task of the library: `call` is called once, at `due_at`."""

    id: RunId
    call: Call
    due_at: datetime
    priority: int = 0
    failure: FailurePolicy | None = None

    def __post_init__(self) -> None:
        check_priority(self.priority)


@value()
class Added(Request):
    """New jobs and one-time tasks, all or none. Reply: the records of the jobs."""

    jobs: tuple[Job, ...] = ()
    tasks: tuple[Task, ...] = ()


@value()
class JobRemoved(Request):
    """Forget an added job; its history stays. Reply: the runs cancelled with it."""

    job: JobName


@value()
class JobStopped(Request):
    """End a job's schedule and its runs. Reply: (record, runs as they stand).

    With `force` those that execute are not asked first.
    """

    job: JobName
    reason: str = ""
    force: bool = False


@value()
class RunStopped(Request):
    """End one run, with `force` without asking it first. Reply: the run as it stands."""

    run: RunId
    reason: str = ""
    force: bool = False


@value()
class Paused(Request):
    """Hold jobs, every one when `jobs` is None, until `until`. Reply: their records."""

    jobs: tuple[JobName, ...] | None
    reason: str = ""
    until: datetime | None = None


@value()
class Resumed(Request):
    """Release paused jobs and revive stopped ones; None: all paused ones. Reply: their records."""

    jobs: tuple[JobName, ...] | None
    reason: str = ""


@value()
class Triggered(Request):
    """One run of a job now, with arguments of its own where given. Reply: the run."""

    job: JobName
    args: tuple[object, ...] | None = None
    kwargs: Mapping[str, object] | None = None


@value()
class Retried(Request):
    """Do final runs again, each as a new run. Reply: the new runs.

    With `dead_only` those that are not in the dead-letter queue any more are passed over.
    """

    runs: tuple[RunId, ...]
    dead_only: bool = False


@value()
class Dismissed(Request):
    """Let DEAD runs leave the dead-letter queue. Reply: the runs."""

    runs: tuple[RunId, ...]


@value()
class Marked(Request):
    """An attempt under way asks if it is the first to name `mark`. Reply: whether it is."""

    run: RunId
    attempt: int
    scope: str
    mark: str


@value()
class Checkpointed(Request):
    """An attempt under way leaves JSON for the next one. Reply: None."""

    run: RunId
    attempt: int
    data: str


@value()
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
    | Retried
    | Dismissed
    | Marked
    | Checkpointed
    | Booted
)
Input: TypeAlias = (
    Restored
    | Refilled
    | Refused
    | Found
    | AttemptFinished
    | Begun
    | ClockStepped
    | StoreHealed
    | Noticed
    | Draining
    | HandedBack
    | AnyRequest
)
