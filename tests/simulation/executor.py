"""A scripted executor: each attempt plays a part that was written for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from taskd.core.messages import AttemptFinished, Checkpointed, Marked
from taskd.core.run import MICROSECOND, Outcome, Result, RunError, RunId
from taskd.core.turn import Start
from taskd.crashpoints import crash_point
from taskd.inbox import Inbox

if TYPE_CHECKING:
    from tests.simulation.world import World

STALE: Final = Result('"stale"')
"""What an end that comes too late brings: nothing may ever hold it."""
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """What an attempt does: how long it takes, how it ends, what it asks for half-way.

    `heeds` is the stage of an interruption that ends it early.
    """

    lasts: timedelta
    outcome: Outcome = Outcome.SUCCEEDED
    classes: tuple[str, ...] = ()
    wants_retry: bool = False
    retry_after: timedelta | None = None
    marks: tuple[str, ...] = ()
    checkpoint: str | None = None
    result: str | None = None
    heeds: int = 1
    repeats_itself: bool = False


Script: TypeAlias = Callable[[Random, Start, timedelta], Part]
"""Writes the part of an attempt, given the longest time that it may take."""


def by_chance(random: Random, start: Start, longest: timedelta) -> Part:
    """Mostly short and well, sometimes badly; some stops are unheeded."""
    lasts = longest * random.random() ** 4 // MICROSECOND * MICROSECOND
    outcomes = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED)
    outcome = random.choices(outcomes, (12, 6, 1))[0]
    classes = random.choice((("ValueError",), ("ConnectionError", "OSError")))
    wants_retry = random.random() < 0.15
    return Part(
        lasts,
        outcome,
        classes=classes if outcome is Outcome.FAILED else (),
        wants_retry=wants_retry and outcome is Outcome.FAILED,
        retry_after=random.choice((None, timedelta(0), longest / 4)) if wants_retry else None,
        marks=tuple(random.choices(("a", "b", "c"), k=random.choice((0, 0, 0, 2)))),
        checkpoint=random.choice((None, None, None, f'"{start.run.attempt}"')),
        heeds=random.choices((1, 2, 9), (7, 2, 1))[0],
        repeats_itself=random.random() < 0.2,
    )


class ScriptedExecutor:
    """Plays the parts that the world's script writes, until it is closed."""

    leaked = 0

    def __init__(self, world: World, inbox: Inbox) -> None:
        self._world = world
        self._inbox = inbox
        self._parts: dict[RunId, Part] = {}
        self.running: dict[RunId, int] = {}
        self._is_closed = False

    def start(self, start: Start) -> None:
        crash_point("start.before")
        run = start.run
        part = self._world.script(self._world.random, start, self._world.longest)
        self._world.witness.started(run, self.running, part)
        self.running[run.id], self._parts[run.id] = run.attempt, part
        if part.marks or part.checkpoint is not None:
            scope = run.job or run.id
            self._world.after(part.lasts / 2, lambda: self._ask(run.id, run.attempt, scope, part))
        self._end_after(part.lasts, run.id, run.attempt, part)
        crash_point("start.after")

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        crash_point("interrupt.before")
        if run in self.running and self._parts[run].heeds <= stage:
            soon = self._parts[run].lasts / 1000  # most often before it is given up
            self._end_after(soon, run, self.running[run], Part(soon, Outcome.CANCELLED))
        crash_point("interrupt.after")

    def forget(self, runs: Sequence[RunId]) -> None:
        pass

    def stopping(self) -> None:
        pass

    def close(self) -> None:
        self._is_closed = True

    def _is_under_way(self, run: RunId, attempt: int) -> bool:
        return not self._is_closed and self.running.get(run) == attempt

    def _ask(self, run: RunId, attempt: int, scope: str, part: Part) -> None:
        if not self._is_under_way(run, attempt):
            return
        for mark in part.marks:
            answer = self._world.ask(Marked(run=run, attempt=attempt, scope=scope, mark=mark))
            answer.add_done_callback(self._world.witness.once.mark_answered(scope, mark))
        if part.checkpoint is not None:
            self._world.ask(Checkpointed(run=run, attempt=attempt, data=part.checkpoint))

    def _end_after(self, delay: timedelta, run: RunId, attempt: int, part: Part) -> None:
        self._world.after(delay, lambda: self._end(run, attempt, part))

    def _end(self, run: RunId, attempt: int, part: Part) -> None:
        if not self._is_under_way(run, attempt):
            return
        del self.running[run]
        self._world.witness.attempts.ends(run, attempt, part)
        crash_point("report.before")
        if part.repeats_itself:  # the end of the attempt before, and later its own again
            self._report_stale(run, attempt - 1)
            self._world.after(HOUR, lambda: self._report_stale(run, attempt))
        is_failure = part.outcome is Outcome.FAILED
        error = RunError(part.classes[0], "scripted") if is_failure else None
        self._inbox.post(
            AttemptFinished(
                run,
                attempt,
                self._world.clock.now(),
                part.outcome,
                result=None if part.result is None else Result(part.result),
                error=error,
                classes=part.classes,
                wants_retry=part.wants_retry,
                retry_after=part.retry_after,
            )
        )
        crash_point("report.after")

    def _report_stale(self, run: RunId, attempt: int) -> None:
        now = self._world.clock.now()
        self._inbox.post(AttemptFinished(run, attempt, now, Outcome.SUCCEEDED, result=STALE))
