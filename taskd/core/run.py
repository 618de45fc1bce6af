"""Runs and attempts: their states, and THE transition table.

PENDING ──due──▶ QUEUED ──started──▶ RUNNING ──▶ SUCCEEDED | FAILED | DEAD
   │               ▲ │                 │ │
   │               │ │                 │ └──▶ RETRYING ──due──▶ QUEUED
   ▼               └─│────released─────┘
SKIPPED ◀────────────┘        CANCELLED, from any live state

A start that was committed ahead of its instant and is taken back leads from RUNNING to PENDING.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from taskd.core.job import Call, JobName
from taskd.core.retry import FailurePolicy
from taskd.core.value import replace, value
from taskd.core.zones import EPOCH
from taskd.errors import IllegalTransition

RunId = NewType("RunId", str)

PRIORITY_WORTH: Final = timedelta(seconds=36)
"""A point of priority is worth this much waiting: a critical run (100) overtakes normal ones
(0) that have waited up to an hour longer, and nothing waits for ever."""

MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Return `instant` as whole microseconds since the Unix epoch, as the store keeps it."""
    return (instant - EPOCH) // MICROSECOND


class RunState(StrEnum):
    """Where a run stands; the names are those of the store, the API and the command line."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def is_final(self) -> bool:
        """Whether a run in this state will never move again."""
        return self in FINAL


FINAL: Final = frozenset(
    {
        RunState.SUCCEEDED,
        RunState.FAILED,
        RunState.DEAD,
        RunState.CANCELLED,
        RunState.SKIPPED,
    }
)

TRANSITIONS: Final[Mapping[RunState, frozenset[RunState]]] = {
    RunState.PENDING: frozenset({RunState.QUEUED, RunState.SKIPPED, RunState.CANCELLED}),
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.SKIPPED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {
            RunState.PENDING,
            RunState.QUEUED,
            RunState.RETRYING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.DEAD,
            RunState.CANCELLED,
        }
    ),
    RunState.RETRYING: frozenset({RunState.QUEUED, RunState.CANCELLED}),
} | {state: frozenset() for state in FINAL}


class Origin(StrEnum):
    """Why a run exists: an occurrence of its schedule, or somebody's request."""

    SCHEDULE = "schedule"
    TRIGGER = "trigger"
    RETRY = "retry"
    BOOT = "boot"


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    ABANDONED = "ABANDONED"
    RELEASED = "RELEASED"


@value()
class Result:
    """What a callable returned: JSON text, or the text of its `repr` where it is not JSON."""

    text: str
    is_repr: bool = False


@value()
class RunError:
    """What a callable raised: the class's name, the message, the formatted traceback, the repr.

    `category` is the failure category that the class belongs to, None where it has none.
    """

    type: str
    message: str
    traceback: str = ""
    text: str = ""
    category: str | None = None


@value(kw_only=True)
class Usage:
    """What an attempt used of the machine, each None where it is not known.

    `peak_memory` is in bytes, `cpu_time` counts user and system time. `exit_status` and `signal`
    (``"SIGKILL"``) are how its process ended, where that was the attempt's end.
    """

    peak_memory: int | None = None
    cpu_time: timedelta | None = None
    exit_status: int | None = None
    signal: str | None = None


UNKNOWN_USAGE: Final = Usage()


@value(kw_only=True)
class Run:
    """One accepted execution of an occurrence or of a request. All instants are aware UTC.

    `job` is None for a task of the library, which brings its own `call` and `failure` policy; a run
    of a job calls what the job says when it starts, unless it was triggered with arguments of its
    own. `due_at` is when a PENDING or RETRYING run is to be queued. `attempt` numbers the latest
    attempt, 0 before it; of the attempts that ended, `failures` failed and `crashes` were LOST.
    An attempt that is `timed_out` was asked to end; one that is `abandoned` did not, and its slot
    was given to others. `fence` grows with every attempt that starts on this store. `checkpoint` is
    JSON that the callable left for its next attempt. Runs of one `unique_key` are the same piece of
    work. `retry_of` names the run that this one does
    again. `dismissed_at` is when a DEAD run left the dead-letter queue. The journal tells its
    latest change in the commit whose first event is the `event`-th.
    """

    id: RunId
    job: JobName | None
    origin: Origin
    state: RunState
    scheduled_at: datetime
    due_at: datetime
    priority: int = 0
    call: Call | None = None
    failure: FailurePolicy | None = None
    queued_at: datetime | None = None
    first_started_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 0
    max_attempts: int = 1
    failures: int = 0
    crashes: int = 0
    fence: int = 0
    stopping: bool = False
    timed_out: bool = False
    abandoned: bool = False
    reason: str = ""
    result: Result | None = None
    error: RunError | None = None
    node: str = ""
    pid: int = 0
    checkpoint: str | None = None
    unique_key: str | None = None
    retry_of: RunId | None = None
    dismissed_at: datetime | None = None
    event: int = field(default=0, compare=False)

    @property
    def rank(self) -> int:
        """The place among waiting runs, lowest first: microseconds since the Unix epoch.

        It is the due instant less what the priority is worth, so that ageing comes for free.
        """
        return microseconds(self.scheduled_at - self.priority * PRIORITY_WORTH)


@value(kw_only=True)
class Attempt:
    """One call for a run that has ended; `number` counts from 1 without gaps.

    A success of which nothing is known but what its run tells is not kept beside it: nearly all
    attempts are such, and it would double what a run writes.
    """

    run: RunId
    number: int
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    node: str
    pid: int
    fence: int = 0
    error: RunError | None = None
    usage: Usage = UNKNOWN_USAGE


def move(run: Run, state: RunState, now: datetime, *, reason: str = "") -> Run:
    """Return `run` in `state`, stamped with the instant of the move.

    Raises:
        IllegalTransition: The table has no such edge.
    """
    _check_edge(run, state)
    if state is RunState.QUEUED:
        return replace(
            run,
            state=state,
            queued_at=now,
            started_at=None,
            stopping=False,
            timed_out=False,
            abandoned=False,
        )
    if state.is_final:
        return replace(run, state=state, finished_at=now, reason=reason)
    return replace(run, state=state)


def succeed(run: Run, now: datetime, result: Result | None) -> Run:
    """Return `run` as SUCCEEDED with what its attempt returned.

    Raises:
        IllegalTransition: It does not run.
    """
    _check_edge(run, RunState.SUCCEEDED)
    return replace(
        run, state=RunState.SUCCEEDED, finished_at=now, reason="", result=result, error=None
    )


def start(
    run: Run, now: datetime, *, node: str, pid: int, fence: int = 0, max_attempts: int = 1
) -> Run:
    """Return `run` as RUNNING its next attempt on `node` in process `pid`.

    Raises:
        IllegalTransition: It does not wait for its start.
    """
    _check_edge(run, RunState.RUNNING)
    return replace(
        run,
        state=RunState.RUNNING,
        first_started_at=run.first_started_at or now,
        started_at=now,
        attempt=run.attempt + 1,
        max_attempts=max_attempts,
        fence=fence,
        node=node,
        pid=pid,
    )


def _check_edge(run: Run, state: RunState) -> None:
    if state not in TRANSITIONS[run.state]:
        raise IllegalTransition(run.id, run.state, state)
