"""Backlog: the place of every live run: due later, waiting for a slot, or executing.

The runs of jobs are few and all here. Tasks of the library may be a million: of those only the head
of each ordered set is here, the rest sleeps in the store.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable
from math import inf

from taskd.core.job import JobName
from taskd.core.messages import Page
from taskd.core.run import Run, RunId, RunState, microseconds
from taskd.core.window import Entry, Window

DUE_LATER = (RunState.PENDING, RunState.RETRYING)


class Line:
    """The runs of one job: how many execute, which wait, and the first of them that may start."""

    __slots__ = ("offered", "running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: list[Entry] = []
        self.offered: list[Entry] = []

    def drop(self, entry: Entry) -> None:
        """Forget a run that waited, if it did."""
        at = bisect_left(self.waiting, entry)
        if at < len(self.waiting) and self.waiting[at] == entry:
            del self.waiting[at]
            if entry in self.offered:
                self.offered.remove(entry)


class Backlog:
    """Knows which run is due next and which starts next; `limit` gives a job's instances.

    Of the `running` the `abandoned` ones have no slot any more, and still count to their jobs.
    A run of a job that has all its instances waits in the job's own line and holds up nobody else.
    A *suspect*, a run that was there when the process died, starts only while no other suspect
    executes: the one that takes the process down must not drag the others along to DEAD.
    """

    def __init__(self, window: int, limit: Callable[[JobName], float]) -> None:
        self._limit = limit
        self.pending = Window(window)
        self.queued = Window(window)
        self.running: set[RunId] = set()
        self.abandoned: set[RunId] = set()
        self._due_jobs = Window(inf)
        self._ready = Window(inf)
        self._suspects = Window(inf)
        self._lines: defaultdict[JobName, Line] = defaultdict(Line)
        self._windows: dict[RunId, Window] = {}
        self._jobs_of: dict[RunId, JobName | None] = {}
        self._running_suspects: set[RunId] = set()

    def place(self, run: Run) -> list[RunId]:
        """Put a run where its state belongs; return the tasks that now sleep in the store."""
        self._leave(run)
        asleep = [] if run.state.is_final else self._enter(run)
        if run.job is not None and run.job in self._lines:
            self._balance(run.job, self._lines[run.job])
        return asleep

    def postpone(self, run: Run) -> None:
        """Let a QUEUED run of a job wait until it is due, to be placed then."""
        assert run.job is not None
        self._leave(run)
        self._offer(self._due_jobs, microseconds(run.due_at), run.id)
        self._balance(run.job, self._lines[run.job])

    def refill(self, pending: Page | None, queued: Page | None) -> None:
        """Take the lowest tasks of the store into the windows."""
        if pending is not None:
            due = ((microseconds(run.due_at), run.id) for run in pending.runs)
            self.pending.refill(due, complete=pending.complete)
            self._windows |= {run.id: self.pending for run in pending.runs}
        if queued is not None:
            ranked = ((run.rank, run.id) for run in queued.runs)
            self.queued.refill(ranked, complete=queued.complete)
            self._windows |= {run.id: self.queued for run in queued.runs}

    def next_due(self) -> Entry | None:
        """Return the run that is to be queued next; its key is the instant in microseconds."""
        return min(filter(None, (self.pending.head(), self._due_jobs.head())), default=None)

    def best(self) -> RunId | None:
        """Return the run that starts next, whether there is a slot or not."""
        heads = (self.queued.head(), self._ready.head(), self._suspect())
        best = min(filter(None, heads), default=None)
        return None if best is None else best.run

    # -- places ----------------------------------------------------------------------------------

    def _enter(self, run: Run) -> list[RunId]:
        if run.state is RunState.RUNNING:
            self._run(run)
            return []
        if run.state is RunState.QUEUED:
            return self._queue(run)
        window = self.pending if run.job is None else self._due_jobs
        return self._offer(window, microseconds(run.due_at), run.id)

    def _run(self, run: Run) -> None:
        self.running.add(run.id)
        if run.abandoned:
            self.abandoned.add(run.id)
        elif run.crashes:
            self._running_suspects.add(run.id)
        if run.job is not None:
            self._lines[run.job].running += 1

    def _queue(self, run: Run) -> list[RunId]:
        if run.crashes:
            self._jobs_of[run.id] = run.job
            return self._offer(self._suspects, run.rank, run.id)
        if run.job is None:
            return self._offer(self.queued, run.rank, run.id)
        if self._limit(run.job) == inf:
            return self._offer(self._ready, run.rank, run.id)
        insort(self._lines[run.job].waiting, Entry(run.rank, run.id))
        return []

    def _balance(self, job: JobName, line: Line) -> None:
        """Offer as many runs of a job as it has free instances, the first of its line."""
        if line.waiting or line.offered:
            free = max(0, self._limit(job) - line.running)
            wanted = line.waiting if free >= len(line.waiting) else line.waiting[: int(free)]
            if wanted != line.offered:
                for entry in set(line.offered).difference(wanted):
                    self._withdraw(entry.run)
                for entry in set(wanted).difference(line.offered):
                    self._offer(self._ready, *entry)
                line.offered = list(wanted)
        elif not line.running:
            del self._lines[job]

    def _offer(self, window: Window, key: int, run: RunId) -> list[RunId]:
        fallen = window.offer(key, run)
        self._windows[run] = window
        for other in fallen:
            del self._windows[other]
        return fallen

    def _withdraw(self, run: RunId) -> None:
        window = self._windows.pop(run, None)
        if window is not None:
            window.discard(run)

    def _leave(self, run: Run) -> None:
        was_running = run.id in self.running
        if was_running:
            self.running.discard(run.id)
            self.abandoned.discard(run.id)
            self._running_suspects.discard(run.id)
        else:
            self._withdraw(run.id)
        if run.crashes:
            self._jobs_of.pop(run.id, None)
        line = self._lines.get(run.job) if run.job is not None else None
        if line is None:
            return
        if was_running:
            line.running -= 1
        elif line.waiting:
            line.drop(Entry(run.rank, run.id))

    def _suspect(self) -> Entry | None:
        if self._running_suspects:
            return None
        for entry in self._suspects:
            job = self._jobs_of[entry.run]
            line = self._lines.get(job) if job is not None else None
            if job is None or line is None or line.running < self._limit(job):
                return entry
        return None
