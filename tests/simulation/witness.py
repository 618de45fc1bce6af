"""The witness: sees every commit, start and wait, and knows what each should have been."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from taskd.core.ahead import AHEAD, may_be_ahead
from taskd.core.job import JobName
from taskd.core.record import JobRecord
from taskd.core.run import Origin, Run, RunId, RunState
from taskd.core.turn import Changes, RunChange
from tests.simulation.attempts import Attempts
from tests.simulation.executor import Part
from tests.simulation.follower import MICROSECOND, Follower, Segment
from tests.simulation.journal import is_path
from tests.simulation.once import Once
from tests.simulation.rules import Rule

DUE_LATER: Final = (RunState.PENDING, RunState.RETRYING)
SAME_FILE: Final = "same file"
"""The actor of a reload that must change nothing."""


class Now(Protocol):
    def now(self) -> datetime: ...


class Witness:
    """Checks the rules as things happen; `problems` tells what broke them."""

    def __init__(self, clock: Now, workers: int) -> None:
        self._clock = clock
        self._workers = workers
        self._followers: dict[JobName, Follower] = {}
        self._runs: dict[RunId, Run] = {}
        self._ended: set[RunId] = set()
        self._ahead: set[RunId] = set()
        self._live: defaultdict[JobName, set[RunId]] = defaultdict(set)
        self._skipped: dict[tuple[JobName, datetime], tuple[datetime, int]] = {}
        self._latest: dict[JobName, datetime] = {}
        self._set_by = timedelta(0)
        self._is_draining = False
        self.problems: list[tuple[Rule, str]] = []
        self.dead: list[RunId] = []
        self.attempts = Attempts(self._expect)
        self.once = Once(self._expect)
        self.seen: Counter[object] = self.attempts.seen

    @property
    def jobs(self) -> list[JobName]:
        """The jobs there are."""
        return list(self._followers)

    @property
    def live(self) -> list[RunId]:
        """The runs that have not ended."""
        return list(self._runs)

    @property
    def ahead(self) -> list[Run]:
        """The runs that are decided, and whose instant has not come."""
        now = self._clock.now()
        runs = (self._runs[run] for run in sorted(self._ahead))
        return [run for run in runs if run.due_at > now]

    @property
    def live_runs(self) -> list[Run]:
        """What they look like."""
        return list(self._runs.values())

    def boots(self) -> None:
        """A new process: it cannot know that the clock was set before it began."""
        self._set_by = timedelta(0)
        self._is_draining = False
        self.seen["boot"] += 1

    def drains(self) -> None:
        """The process shuts down: nothing is due for it any more."""
        self._is_draining = True

    def clock_was_set(self, by: timedelta) -> None:
        """The wall clock was set, and a process that runs must notice."""
        self._set_by += by

    # -- a wait ----------------------------------------------------------------------------------

    def waits(self, until: datetime | None) -> None:
        """The loop sleeps, however the turn before went: but for some time."""
        now = self._clock.now()
        self._instants_come(now)
        self._expect(
            Rule.WAKEUPS, until is None or until > now, f"spins: waits at {now} for {until}"
        )

    def rests(self, until: datetime | None, executing: Mapping[RunId, int]) -> None:
        """The loop has nothing to do before `until`: then nothing may be due before it."""
        now = self._clock.now()
        # Here words are put together only where they are wanted: it is most of a year's time.
        for run in self._runs.values():
            if run.id in self._ahead and run.started_at and run.started_at > now:
                is_awaited = until is not None and until <= run.started_at
                self._expect(Rule.WAKEUPS, is_awaited, f"sleeps past the start of {run.id}")
            elif run.state is RunState.RUNNING and run.id not in executing:
                self._expect(Rule.HISTORIES, False, f"{run.id} is RUNNING and nobody executes it")
        if self._is_draining:
            return
        self._set_by = timedelta(0)
        for name, follower in self._followers.items():
            if follower.is_stranded(now):
                self._expect(Rule.WAKEUPS, False, f"{name} waits longer than its interval")
        for due_at, what in self._wakes():
            if due_at <= now:
                self._expect(Rule.DECIDED_ONCE, False, f"{what}, due {due_at}, is undecided: {now}")
            if until is None or until > due_at:
                self._expect(Rule.WAKEUPS, False, f"sleeps past {what} at {due_at}")
        running = [run for run in self._runs.values() if run.state is RunState.RUNNING]
        is_one_suspect = any(run.crashes for run in running)  # they go one at a time
        busy = {run.job for run in running if run.job}  # as do the runs of a job
        waiting = [
            run
            for run in self._runs.values()
            if run.state is RunState.QUEUED
            and not (run.id in self._ahead and run.due_at > now)
            and run.job not in busy
            and not (run.crashes and is_one_suspect)
        ]
        if waiting and sum(not run.abandoned for run in running) < self._workers:
            self._expect(Rule.WAKEUPS, False, f"a slot is free at {now} and {waiting} wait")

    def _wakes(self) -> Iterator[tuple[datetime, str]]:
        for name, follower in self._followers.items():
            wakes_at = follower.wakes_at
            if wakes_at is not None:
                yield wakes_at, name
        for run in self._runs.values():
            is_ahead = run.id in self._ahead and run.due_at > self._clock.now()
            if run.state in DUE_LATER or (is_ahead and run.state is RunState.QUEUED):
                yield run.due_at, run.id

    # -- a start ---------------------------------------------------------------------------------

    def started(self, run: Run, running: Iterable[RunId], part: Part) -> None:
        """An attempt begins: it is committed, never began before, and overlaps no other."""
        now = self._clock.now()
        instants = (run.started_at or now, run.due_at if run.id in self._ahead else now)
        self._expect(Rule.EARLY, now >= max(instants), f"{run.id} begins at {now}: {run.due_at}")
        self.seen["started ahead"] += run.id in self._ahead
        self._ahead.discard(run.id)
        self._expect(
            Rule.HISTORIES,
            self._runs.get(run.id) == run,
            f"{run.id} starts as it is not in the store",
        )
        self.attempts.started(run, part)
        for other in running:
            met = self._runs[other].job
            self._expect(Rule.OVERLAP, other != run.id, f"two attempts of {run.id} overlap")
            self._expect(
                Rule.OVERLAP, met is None or met != run.job, f"{run.id} overlaps {other} of {met}"
            )
        self.seen["start"] += 1

    # -- a commit --------------------------------------------------------------------------------

    def committed(self, changes: Changes) -> None:
        """A turn was written: each run moved along the table, each due instant was decided once."""
        self._instants_come(changes.at)
        for withdrawn in changes.withdrawn.values():
            self._withdrawn(withdrawn)
        self.attempts.committed(changes, self._runs)
        self.once.committed(changes)
        for run in changes.runs.values():
            self._run_moved(run, changes.at)
        for name, change in changes.jobs.items():
            self._expect(
                Rule.SAME_FILE, change.actor != SAME_FILE, f"the same file again changed job {name}"
            )
            self._follow(name, change.before, change.after, changes)
        for skip in changes.skips.values():
            self._skipped[skip.job, skip.first_at] = skip.last_at, skip.count
        for name, follower in self._followers.items():
            is_left = self._set_by and follower.has_grid and name not in changes.jobs
            self._expect(Rule.DECIDED_ONCE, not is_left, f"the grid of {name} stays behind")
        self._set_by = timedelta(0)

    def _instants_come(self, at: datetime) -> None:
        """What was queued ahead of its instant is so no more, should the clock be set back too."""
        for run in [self._runs[run] for run in self._ahead]:
            if run.state is RunState.QUEUED and run.due_at <= at:
                self._ahead.discard(run.id)

    def _run_moved(self, change: RunChange, at: datetime) -> None:
        run, known = change.after, self._runs.get(change.after.id)
        if _is_let_go(change):
            return
        self._expect(
            Rule.HISTORIES, run.id not in self._ended, f"{run.id} ended and moves to {run.state}"
        )
        self._expect(
            Rule.HISTORIES, known == change.before, f"{run.id} is not {change.before} but {known}"
        )
        is_legal = is_path(known.state if known else None, run.state)
        self._expect(
            Rule.HISTORIES, is_legal, f"{run.id} goes from {known and known.state} to {run.state}"
        )
        is_due = run.due_at <= at
        is_started = run.state is RunState.RUNNING and run.started_at == run.due_at
        is_queued = run.state is RunState.QUEUED and known is None
        is_ahead = (is_started or is_queued) and run.queued_at == run.due_at
        is_ahead = is_ahead and at < run.due_at <= at + AHEAD
        self._expect(
            Rule.EARLY,
            is_due or is_ahead or run.state in (*DUE_LATER, RunState.CANCELLED) or _is_old(change),
            f"{run.id} starts early",
        )
        if is_ahead:
            self._ahead.add(run.id)
            self.seen["ahead", run.state] += 1
        elif run.id in self._ahead and run.state is not RunState.RUNNING:
            self._ahead.discard(run.id)
            self.seen["taken back"] += 1
        self.seen[run.state] += 1
        if run.state.is_final:
            self._runs.pop(run.id, None)
            self._ended.add(run.id)
            if run.state is RunState.DEAD:
                self.dead.append(run.id)
        else:
            self._runs[run.id] = run
        if run.job is not None:
            live = self._live[run.job]
            (live.discard if run.state.is_final else live.add)(run.id)

    def _withdrawn(self, run: Run) -> None:
        """A run that was ahead never was: its occurrence is undecided again."""
        # What nobody began, in this process, may be withdrawn for a clock that was set back, too.
        was_ahead = run.id in self._ahead or may_be_ahead(run)
        is_known = self._runs.pop(run.id, None) == run and was_ahead
        self._expect(Rule.HISTORIES, is_known, f"{run.id} is withdrawn, and was not ahead")
        self._ahead.discard(run.id)
        assert run.job is not None
        self._live[run.job].discard(run.id)
        self.attempts.withdrawn(run)
        self._followers[run.job].gives_back(run.scheduled_at)
        self.seen["withdrawn"] += 1

    def _follow(
        self, name: JobName, before: JobRecord | None, after: JobRecord | None, changes: Changes
    ) -> None:
        """Hold what was decided of a job's due instants against its schedule."""
        decided = sorted(self._decisions(name, changes))
        follower = self._followers.get(name)
        if follower is None:
            if after is None:
                return
            blurred = self._latest.get(name)
            follower = self._followers[name] = Follower(after, changes.at, blurred)
        elif before is not None and after is not None:
            follower.grid_moves(before, after, changes.at, self._set_by)
            self.seen["grid moved"] += before.anchor_at != after.anchor_at
        if after is not None and self._is_freed(name, after, changes):
            ended = [c.after for c in changes.runs.values() if c.after.job == name and _ends(c)]
            follower.runs_end(ended, changes.at)
        made = sum(segment.reason is None for segment in decided)
        for segment in decided:
            follower.takes(segment, changes.at, busy=len(self._live[name]) > made)
            self._latest[name] = max(segment.last, self._latest.get(name, segment.last))
            self.seen[segment.reason or "run"] += segment.times
        if after is None:
            self._expect(
                Rule.DECIDED_ONCE, not follower.owes(changes.at), f"{name} is removed with debts"
            )
            del self._followers[name]
        else:
            follower.policy(decided, before, after, changes.at, len(self._live[name]))
            follower.becomes(after, changes.at, self._latest.get(name), len(self._live[name]))
        self.problems += [(Rule.DECIDED_ONCE, problem) for problem in follower.problems]

    def _is_freed(self, name: JobName, after: JobRecord, changes: Changes) -> bool:
        """Whether no run that was live is so any more; one that is new may have come first."""
        moved = changes.runs
        new = {run for run in self._live[name] if run in moved and moved[run].before is None}
        return self._live[name] == new and (not new or after.next_due_at is not None)

    def _decisions(self, name: JobName, changes: Changes) -> Iterator[Segment]:
        for change in changes.runs.values():
            run = change.after
            if change.before is None and run.job == name and run.origin is Origin.SCHEDULE:
                yield Segment(run.scheduled_at, run.scheduled_at, 1, None)
        for skip in changes.skips.values():
            if skip.job == name:
                known = self._skipped.get((name, skip.first_at))
                first_at = known[0] + MICROSECOND if known else skip.first_at
                count = skip.count - (known[1] if known else 0)
                yield Segment(first_at, skip.last_at, count, skip.reason, known is not None)

    def _expect(self, rule: Rule, is_so: object, otherwise: str) -> None:
        if not is_so:
            self.problems.append((rule, otherwise))


def _ends(change: RunChange) -> bool:
    was_final = change.before is not None and change.before.state.is_final
    return change.after.state.is_final and not was_final


def _is_old(change: RunChange) -> bool:
    """Whether a run was on its way before: since then the clock may have been set back."""
    return change.before is not None and change.before.state not in DUE_LATER


def _is_let_go(change: RunChange) -> bool:
    """Whether a dead letter leaves its queue: nothing else about a final run may ever change."""
    before = change.before
    if before is None or before.state is not RunState.DEAD or before.dismissed_at is not None:
        return False
    return replace(change.after, dismissed_at=None) == before
