"""Turn: what the core asks of a world that can fail.

A turn answers with changes to commit and, for after that commit, runs to start, runs to interrupt
and replies to give. Nothing of that may happen before the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from taskd.core.execution import DEFAULT_EXECUTION, Execution
from taskd.core.job import Call, JobName
from taskd.core.messages import Receipt, Ticket
from taskd.core.record import JobRecord, Skip
from taskd.core.run import Attempt, Run, RunId
from taskd.core.value import value
from taskd.errors import TaskdError


@value()
class RunChange:
    """A run's row before this turn (None: it is new) and after it."""

    before: Run | None
    after: Run
    actor: str


@value()
class JobChange:
    """A job's row before this turn (None: new) and after it (None: removed).

    `reason` is what the actor gave as one, where the row does not hold it.
    """

    before: JobRecord | None
    after: JobRecord | None
    actor: str
    reason: str = ""


@value()
class Mark:
    """A key that `run` was the first to name in `scope`: see `current_run.once`."""

    scope: str
    key: str
    run: RunId
    at: datetime


@value()
class Note:
    """Something that the journal is to tell and no table holds; `data` are JSON values."""

    kind: str
    data: Mapping[str, object]


@dataclass(slots=True)
class Changes:
    """Everything that one turn writes, in one transaction: the rows, and the journal of them.

    `attempts` are those that ended and that are kept beside their runs.
    `withdrawn` are runs whose start was committed ahead and is taken back: their rows go, before
    any other is written, and the occurrences are to be decided again.
    """

    at: datetime
    withdrawn: dict[RunId, Run] = field(default_factory=dict)
    runs: dict[RunId, RunChange] = field(default_factory=dict)
    jobs: dict[JobName, JobChange] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    skips: dict[tuple[JobName, datetime], Skip] = field(default_factory=dict)
    marks: dict[tuple[str, str], Mark] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def __bool__(self) -> bool:
        decided = self.runs or self.jobs or self.attempts or self.skips or self.withdrawn
        return bool(decided or self.marks or self.receipts or self.notes)


@value()
class Start:
    """Hand an attempt to the executor.

    With `carry` the last succeeded result replaces the first argument: `carried`, as JSON, where
    there was one; a scheduler in memory keeps the object itself. It is committed ahead of `at`,
    where that is given: not an instant before may it begin.
    """

    run: Run
    call: Call
    at: datetime | None = None
    carry: bool = False
    carried: str | None = None
    execution: Execution = DEFAULT_EXECUTION


@value()
class Interrupt:
    """Interrupt a running attempt: ask it to end (stage 1), insist (2), or give it up (3)."""

    run: RunId
    stage: int = 1


@value()
class Reply:
    """The answer to a request: a value of the kind that its docstring names, or an error."""

    ticket: Ticket
    value: object = None
    error: TaskdError | None = None


@dataclass(slots=True)
class Turn:
    """What one turn decided: commit `changes` first, then do the rest in this order.

    `taken_back` are runs whose start was committed ahead: from now on they must not begin, whatever
    becomes of the commit.
    """

    changes: Changes
    taken_back: list[RunId] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    interrupts: list[Interrupt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
