"""Settling: what the end of an attempt makes of its run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from taskd.core.duration import format_duration
from taskd.core.messages import AttemptFinished
from taskd.core.retry import FailurePolicy, OnCrash
from taskd.core.run import (
    UNKNOWN_USAGE,
    Attempt,
    Outcome,
    Run,
    RunError,
    RunState,
    move,
    succeed,
)
from taskd.core.value import replace

CUT_SHORT: Final = "it was cut short by a shutdown, and may not be attempted twice"
TIMED_OUT_CLASSES: Final = ("taskd.errors.TimedOut", "TimeoutError", "Exception")
DIED: Final = "its process died, and it may not be attempted twice"


def settle(
    run: Run, ended: AttemptFinished, policy: FailurePolicy, draw: Callable[[], float]
) -> tuple[Run, Attempt | None]:
    """Return `run` as the end of its current attempt leaves it, and that attempt's record.

    A success has none that its run tells all of: see `Attempt`.

    A run that was asked to stop is CANCELLED by whatever ends it badly. `draw` gives chance in
    [0, 1), for the jitter of a retry.
    """
    assert run.started_at is not None
    at = max(ended.at, run.started_at)  # a stepped clock must not make a negative duration
    outcome = _outcome(run, ended)
    if outcome is Outcome.SUCCEEDED and ended.usage is UNKNOWN_USAGE:
        return succeed(run, at, ended.result), None
    if outcome in (Outcome.TIMED_OUT, Outcome.ABANDONED):
        ended = replace(ended, error=_too_long(ended.error), classes=TIMED_OUT_CLASSES)
    attempt = _attempt(run, ended, outcome, at)
    match outcome:
        case Outcome.SUCCEEDED:
            return succeed(run, at, ended.result), attempt
        case Outcome.CANCELLED:
            reason = ended.reason or run.reason
            return replace(
                move(run, RunState.CANCELLED, at, reason=reason), error=ended.error
            ), attempt
        case Outcome.FAILED | Outcome.TIMED_OUT | Outcome.ABANDONED:
            return _failed(run, ended, policy, at, draw), attempt
        case Outcome.LOST:
            return _lost(replace(run, crashes=run.crashes + 1), policy, at), attempt
        case Outcome.RELEASED:
            return _released(run, ended, policy, at), attempt


def _attempt(run: Run, ended: AttemptFinished, outcome: Outcome, at: datetime) -> Attempt:
    assert run.started_at is not None
    return Attempt(
        run=run.id,
        number=run.attempt,
        outcome=outcome,
        started_at=run.started_at,
        finished_at=at,
        node=run.node,
        pid=run.pid,
        fence=run.fence,
        error=ended.error,
        usage=ended.usage,
    )


def _outcome(run: Run, ended: AttemptFinished) -> Outcome:
    """Return how an attempt counts; what comes after its time was over is no success any more."""
    if ended.outcome in (Outcome.LOST, Outcome.RELEASED):
        return ended.outcome
    if run.abandoned:
        return Outcome.ABANDONED
    if run.timed_out:
        return Outcome.TIMED_OUT
    if run.stopping and ended.outcome is Outcome.FAILED:
        return Outcome.CANCELLED
    return ended.outcome


def _too_long(error: RunError | None) -> RunError:
    """Return the error of an attempt whose time was over, with the place where that found it."""
    message = "it took longer than its timeout"
    return RunError("taskd.errors.TimedOut", message, traceback=error.traceback if error else "")


def _failed(
    run: Run,
    ended: AttemptFinished,
    policy: FailurePolicy,
    at: datetime,
    draw: Callable[[], float],
) -> Run:
    """Return a run after an attempt that failed: retried, given up, or never to be retried."""
    if run.stopping:
        cancelled = move(run, RunState.CANCELLED, at, reason=run.reason)
        return replace(cancelled, error=ended.error)
    retry = policy.retry
    run = replace(run, failures=run.failures + 1, error=ended.error)
    if not ended.wants_retry:
        if retry.max_attempts == 1:
            return move(run, RunState.FAILED, at)
        if not retry.covers(ended.words):
            return move(run, RunState.FAILED, at, reason="its retry policy gives up on this error")
    if run.failures >= retry.max_attempts:
        attempts = "1 attempt" if run.failures == 1 else f"{run.failures} attempts"
        return move(run, RunState.DEAD, at, reason=f"{attempts} failed, and no more are allowed")
    after = ended.retry_after
    due_at = at + (retry.delay(run.failures, draw()) if after is None else after)
    began_at = run.first_started_at or at
    if retry.max_elapsed is not None and due_at - began_at > retry.max_elapsed:
        longest = format_duration(retry.max_elapsed)
        return move(run, RunState.DEAD, at, reason=f"retry.max_elapsed, {longest}, is used up")
    return replace(move(run, RunState.RETRYING, at), due_at=due_at)


def _lost(run: Run, policy: FailurePolicy, at: datetime) -> Run:
    if run.stopping:
        return move(run, RunState.CANCELLED, at, reason=run.reason)
    if policy.on_crash is OnCrash.FAIL:
        return move(run, RunState.FAILED, at, reason=DIED)
    if run.crashes >= policy.max_crashes:
        times = "once" if run.crashes == 1 else f"{run.crashes} times"
        return move(run, RunState.DEAD, at, reason=f"its process died {times}")
    return move(run, RunState.QUEUED, at)


def _released(run: Run, ended: AttemptFinished, policy: FailurePolicy, at: datetime) -> Run:
    if run.stopping:
        return move(run, RunState.CANCELLED, at, reason=run.reason)
    if policy.on_crash is OnCrash.FAIL and ended.has_begun:
        return move(run, RunState.FAILED, at, reason=CUT_SHORT)
    return move(run, RunState.QUEUED, at)
