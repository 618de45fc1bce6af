"""Attempts, and what follows each: the sums are made anew here, from the words of the contract."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from taskd.core.job import JobName
from taskd.core.record import JobRecord, JobState
from taskd.core.retry import DEFAULT_FAILURE, Backoff, FailurePolicy, Jitter, OnCrash, RetryPolicy
from taskd.core.run import Attempt, Origin, Outcome, Run, RunId, RunState
from taskd.core.turn import Changes
from tests.simulation.executor import STALE, Part
from tests.simulation.journal import is_path
from tests.simulation.rules import Expect, Rule
from tests.successes import success_of

ZERO = timedelta(0)
BAD = (RunState.FAILED, RunState.DEAD)


class Attempts:
    """Follows every run from attempt to attempt."""

    def __init__(self, expect: Expect) -> None:
        self._expect = expect
        self._policies: dict[JobName, FailurePolicy] = {}
        self._ended: Counter[RunId] = Counter()
        self._began: dict[tuple[RunId, int], Part] = {}
        self._played: dict[tuple[RunId, int], Part] = {}
        self._fence = 0
        self._under_way: Counter[JobName] = Counter()
        self._bad: Counter[JobName] = Counter()
        self.seen: Counter[object] = Counter()

    # -- a start ---------------------------------------------------------------------------------

    def started(self, run: Run, part: Part) -> None:
        """An attempt begins, later than all others of the store."""
        self._expect(Rule.ATTEMPTS, (run.id, run.attempt) not in self._began, f"{run.id} again")
        self._expect(
            Rule.ATTEMPTS,
            run.attempt == self._ended[run.id] + 1,
            f"{run.id} starts attempt {run.attempt} after {self._ended[run.id]}",
        )
        self._began[run.id, run.attempt] = part

    def ends(self, run: RunId, attempt: int, part: Part) -> None:
        """An attempt ends by itself, or heeds an interruption."""
        self._played[run, attempt] = part

    def withdrawn(self, run: Run) -> None:
        """A run whose start was taken back never was, and nobody has begun it."""
        has_begun = (run.id, run.attempt) in self._began
        self._expect(Rule.ATTEMPTS, not has_begun, f"{run.id} has begun, and is withdrawn")
        if run.job is not None and run.state is RunState.RUNNING:
            self._under_way[run.job] -= 1

    # -- a commit --------------------------------------------------------------------------------

    def committed(self, changes: Changes, known: Mapping[RunId, Run]) -> None:
        """Each attempt that ended was under way, and its run stands as its policy says.

        `known` are the live runs as they were before.
        """
        for name, job in changes.jobs.items():
            if job.after is not None and job.before is None:
                self._bad[name] = 0
            if job.after is not None:
                self._policies[name] = job.after.job.failure
        for attempt in (*changes.attempts, *_plain_successes(changes)):
            before = known.get(attempt.run)
            is_current = (
                before is not None
                and before.state is RunState.RUNNING
                and (before.attempt, before.fence) == (attempt.number, attempt.fence)
            )
            self._expect(Rule.ATTEMPTS, is_current, f"{attempt} ends, and was not under way")
            self._ended[attempt.run] += 1
            in_order = attempt.number == self._ended[attempt.run]
            self._expect(Rule.ATTEMPTS, in_order, f"{attempt.run} has a gap at {attempt.number}")
            self.seen[attempt.outcome] += 1
            if before is not None:
                after = changes.runs[attempt.run].after
                self._follows(before, after, attempt, changes.at)
        self._starts(changes)
        for change in changes.runs.values():
            self._moves(change.before, change.after)
        for name, job in changes.jobs.items():
            if job.after is not None:
                self._is_resumed(name, job.before, job.after, changes)
                self._holds(name, job.before, job.after)
            else:
                self._policies.pop(name, None)

    def _starts(self, changes: Changes) -> None:
        starts = [
            change.after
            for change in changes.runs.values()
            if change.after.state is RunState.RUNNING
            and (change.before is None or change.before.attempt != change.after.attempt)
        ]
        for run in sorted(starts, key=lambda run: run.fence):
            self._expect(
                Rule.ATTEMPTS, run.fence > self._fence, f"{run.id} has fence {run.fence} again"
            )
            self._fence = run.fence

    def _moves(self, before: Run | None, after: Run) -> None:
        self._expect(Rule.ATTEMPTS, after.result != STALE, f"{after.id} took a stale end")
        if before is not None and before.state is RunState.RETRYING is not after.state:
            self.seen["retried"] += after.state is RunState.QUEUED or after.attempt > before.attempt
        if after.origin is Origin.RETRY and before is None:
            self.seen["again"] += 1
        if before is not None and after.dismissed_at is not before.dismissed_at:
            self.seen["dismissed"] += 1
        if after.job is None:
            return
        was = before is not None and before.state is RunState.RUNNING
        self._under_way[after.job] += (after.state is RunState.RUNNING) - was
        under_way = self._under_way[after.job]
        self._expect(Rule.OVERLAP, under_way <= 1, f"{under_way} runs of {after.job} are under way")
        if after.state in BAD and (before is None or before.state is not after.state):
            self._bad[after.job] += 1
        elif after.state is RunState.SUCCEEDED:
            self._bad[after.job] = 0

    def _is_resumed(
        self, name: JobName, before: JobRecord | None, after: JobRecord, changes: Changes
    ) -> None:
        """Whoever resumes a job forgives what failed; a run may fail in the turn of that.

        A pause that ends by itself forgives nothing.
        """
        held = (JobState.PAUSED, JobState.STOPPED)
        if before is None or before.state not in held or after.state in held:
            return
        runs = [change.after for change in changes.runs.values() if change.after.job == name]
        failed = sum(run.state in BAD for run in runs)
        if after.failures_in_row <= failed:
            self._bad[name] = after.failures_in_row

    def _holds(self, name: JobName, before: JobRecord | None, after: JobRecord) -> None:
        """A job whose runs failed in a row is paused once they are as many as it bears."""
        counted = self._bad[name]
        self._expect(
            Rule.FAILURES,
            after.failures_in_row == counted,
            f"{name} counts {after.failures_in_row} failures in a row, and had {counted}",
        )
        limit = after.job.pause_after_failures
        if before is None or limit is None or before.state is not JobState.ACTIVE:
            return
        if before.failures_in_row < counted >= limit:
            self._expect(
                Rule.FAILURES, after.state is not JobState.ACTIVE, f"{name} failed and goes on"
            )
            self.seen["paused by failures"] += after.state is JobState.PAUSED

    # -- the end of an attempt -------------------------------------------------------------------

    def _follows(self, before: Run, after: Run, attempt: Attempt, at: datetime) -> None:
        policy = self._policy(before)
        part = self._began.pop((before.id, attempt.number), None)
        played = self._played.pop((before.id, attempt.number), Part(ZERO))
        is_too_long = attempt.outcome in (Outcome.TIMED_OUT, Outcome.ABANDONED)
        is_failure = attempt.outcome is Outcome.FAILED or (is_too_long and not before.stopping)
        failures = before.failures + is_failure
        crashes = before.crashes + (attempt.outcome is Outcome.LOST)
        self._expect(
            Rule.FAILURES,
            (after.failures, after.crashes) == (failures, crashes)
            and (failures <= policy.retry.max_attempts or self._is_orphan(before))
            and (crashes <= policy.max_crashes or self._is_orphan(before)),
            f"{after.id} has {after.failures} failures and {after.crashes} crashes",
        )
        match attempt.outcome:
            case Outcome.SUCCEEDED:
                wanted = RunState.SUCCEEDED
            case Outcome.CANCELLED:
                wanted = RunState.CANCELLED
            case Outcome.LOST:
                wanted = _after_loss(policy, crashes, before.stopping)
            case Outcome.RELEASED:
                is_once = policy.on_crash is OnCrash.FAIL and part is not None
                wanted = RunState.FAILED if is_once else RunState.QUEUED
                wanted = RunState.CANCELLED if before.stopping else wanted
            case Outcome.FAILED:
                assert part is not None
                wanted = self._after_failure(policy.retry, failures, part, attempt, after)
            case Outcome.TIMED_OUT | Outcome.ABANDONED if before.stopping:
                wanted = RunState.CANCELLED
            case Outcome.TIMED_OUT | Outcome.ABANDONED:
                self._is_too_long(before, attempt)
                part = replace(played, classes=("taskd.errors.TimedOut", "TimeoutError"))
                wanted = self._after_failure(policy.retry, failures, part, attempt, after)
        is_on_its_way = not wanted.is_final and after.state is not wanted
        if wanted is RunState.RETRYING and is_on_its_way:
            self._expect(Rule.FAILURES, after.due_at <= at, f"{after.id} does not wait: {at}")
        self._expect(
            Rule.FAILURES,
            after.state is wanted or (is_on_its_way and is_path(wanted, after.state)),
            f"{after.id} is {after.state} after {attempt}, and should be {wanted}",
        )

    def _after_failure(
        self, retry: RetryPolicy, failures: int, part: Part, attempt: Attempt, after: Run
    ) -> RunState:
        is_covered = not {*part.classes} & {*retry.give_up_on}
        if retry.retry_on:
            is_covered = is_covered and bool({*part.classes} & {*retry.retry_on})
        if not part.wants_retry and (retry.max_attempts == 1 or not is_covered):
            return RunState.FAILED
        if failures >= retry.max_attempts:
            return RunState.DEAD
        low, high = _delays(retry, failures)
        if part.retry_after is not None:
            low = high = part.retry_after
        began_at = after.first_started_at
        assert began_at is not None
        if retry.max_elapsed is not None:
            if after.state is RunState.DEAD:
                is_over = attempt.finished_at + high - began_at > retry.max_elapsed
                self._expect(Rule.FAILURES, is_over, f"{after.id} had time for a retry")
                self.seen["too late"] += 1
                return RunState.DEAD
            is_in_time = after.due_at - began_at <= retry.max_elapsed
            self._expect(Rule.FAILURES, is_in_time, f"{after.id} is retried too late")
        delay = after.due_at - attempt.finished_at
        self._expect(
            Rule.FAILURES,
            low <= delay <= high,
            f"{after.id} is retried after {delay}, which is not within {low} to {high}",
        )
        return RunState.RETRYING

    def _is_too_long(self, run: Run, attempt: Attempt) -> None:
        is_flagged = (run.timed_out, run.abandoned) != (False, False)
        self._expect(Rule.ATTEMPTS, is_flagged, f"{attempt} ends, and its time was not over")

    def _policy(self, run: Run) -> FailurePolicy:
        """A run of a job that is gone has the default policy."""
        if run.job is None:
            return run.failure or DEFAULT_FAILURE
        return self._policies.get(run.job, DEFAULT_FAILURE)

    def _is_orphan(self, run: Run) -> bool:
        return run.job is not None and run.job not in self._policies


def _after_loss(policy: FailurePolicy, crashes: int, stopping: bool) -> RunState:
    if stopping:
        return RunState.CANCELLED
    if policy.on_crash is OnCrash.FAIL:
        return RunState.FAILED
    return RunState.DEAD if crashes >= policy.max_crashes else RunState.QUEUED


def _delays(retry: RetryPolicy, failures: int) -> tuple[timedelta, timedelta]:
    """Return the shortest and the longest delay after so many failures."""
    whole = retry.initial
    for _ in range(failures - 1):
        match retry.backoff:
            case Backoff.LINEAR:
                whole = min(whole + retry.initial, retry.max_delay)
            case Backoff.EXPONENTIAL:
                whole = min(whole * 2, retry.max_delay)
            case Backoff.FIXED:
                pass
    lowest = {Jitter.NONE: whole, Jitter.EQUAL: whole / 2, Jitter.FULL: ZERO}
    return lowest[retry.jitter], whole


def _plain_successes(changes: Changes) -> Iterator[Attempt]:
    kept = {attempt.run for attempt in changes.attempts}
    for run in (change.after for change in changes.runs.values()):
        if run.state is RunState.SUCCEEDED and run.id not in kept:
            yield success_of(run)
