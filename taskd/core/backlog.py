"""Backlog: the place of every live run: due later, waiting for a slot, or executing.

The runs of jobs are few and all here. Tasks of the library may be a million: of those only the head
of each ordered set is here, the rest sleeps in the store.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable
from math import inf

from taskd.core.job import JobName
from taskd.core.messages import Page
from taskd.core.run import Run, RunId, RunState, microseconds
from taskd.core.window import Entry, Window

DUE_LATER = (RunState.PENDING, RunState.RETRYING)


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
        self._lines: defaultdict[JobName, list[Entry]] = defaultdict(list)
        self._offered: defaultdict[JobName, set[Entry]] = defaultdict(set)
        self._instances: Counter[JobName] = Counter()
        self._windows: dict[RunId, Window] = {}
        self._jobs_of: dict[RunId, JobName | None] = {}
        self._running_suspects: set[RunId] = set()

    def place(self, run: Run) -> list[RunId]:
        """Put a run where its state belongs; return the tasks that now sleep in the store."""
        self._remove(run)
        if run.state.is_final:
            return []
        if run.state is RunState.RUNNING:
            self._run(run)
            return []
        if run.state is RunState.QUEUED:
            return self._queue(run)
        window = self.pending if run.job is None else self._due_jobs
        return self._offer(window, microseconds(run.due_at), run.id)

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

    def rebalance(self, job: JobName) -> None:
        """Offer as many runs of a job as it has free instances, the first of its line."""
        line = self._lines.get(job, [])
        free = max(0, self._limit(job) - self._instances[job])
        wanted = set(line if free >= len(line) else line[: int(free)])
        offered = self._offered.pop(job, set[Entry]())
        for entry in offered - wanted:
            self._withdraw(entry.run)
        for entry in wanted - offered:
            self._offer(self._ready, *entry)
        if wanted:
            self._offered[job] = wanted

    # -- places ----------------------------------------------------------------------------------

    def _run(self, run: Run) -> None:
        self.running.add(run.id)
        if run.abandoned:
            self.abandoned.add(run.id)
        if run.crashes and not run.abandoned:
            self._running_suspects.add(run.id)
        if run.job is not None:
            self._instances[run.job] += 1
            self.rebalance(run.job)

    def _queue(self, run: Run) -> list[RunId]:
        if run.crashes:
            self._jobs_of[run.id] = run.job
            return self._offer(self._suspects, run.rank, run.id)
        if run.job is None:
            return self._offer(self.queued, run.rank, run.id)
        if self._limit(run.job) == inf:
            return self._offer(self._ready, run.rank, run.id)
        insort(self._lines[run.job], Entry(run.rank, run.id))
        self.rebalance(run.job)
        return []

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

    def _remove(self, run: Run) -> None:
        was_running = run.id in self.running
        if was_running:
            self.running.discard(run.id)
            self.abandoned.discard(run.id)
            self._running_suspects.discard(run.id)
        else:
            self._withdraw(run.id)
        if run.crashes:
            self._jobs_of.pop(run.id, None)
        if run.job is None:
            return
        line, entry = self._lines.get(run.job, []), Entry(run.rank, run.id)
        self._offered.get(run.job, set()).discard(entry)
        at = bisect_left(line, entry)
        if was_running:
            self._instances[run.job] -= 1
        elif at < len(line) and line[at] == entry:
            del line[at]
        else:
            return
        self.rebalance(run.job)
        if not line:
            self._lines.pop(run.job, None)
        if not self._instances[run.job]:
            del self._instances[run.job]

    def _suspect(self) -> Entry | None:
        if self._running_suspects:
            return None
        for entry in self._suspects:
            job = self._jobs_of[entry.run]
            if job is None or self._instances[job] < self._limit(job):
                return entry
        return None
