"""Decisions: what the journal tells of one job, turn by turn, and what it would be decided again.

A commit leaves its events in a fixed order of kinds, all at one instant; so turns are told apart.
Of a journal that was cut, what came before the job's row was told anew is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from taskd.core.record import JobRecord, SkipReason
from taskd.core.replaying import (
    Decision,
    Ended,
    Made,
    RecordedTurn,
    Verdict,
    Withdrawn,
    decide_again,
)
from taskd.core.run import FINAL, Origin, RunId, RunState
from taskd.stores.chain import CUT
from taskd.stores.events import Event
from taskd.stores.history import History
from taskd.stores.reading import STEPPED
from taskd.stores.rows import JOB_COLUMNS, instant, job_record

PAGE: Final = 1000  # events: a few milliseconds of reading
LIVE: Final = tuple(state for state in RunState if state not in FINAL)


def replay_job(history: History, job: str, *, until: int | None = None) -> Iterator[Decision]:
    """Yield each recorded decision about `job`, in order, with what would be decided today.

    `until` is the sequence of the last event to look at, None for all. A job that never was yields
    nothing. Where both differ, the replay goes on from what was recorded.
    """
    live = frozenset(_live_before(history, job))
    return replay(job, _events(history, job, until), live)


def replay(
    job: str, events: Iterable[Event], live: frozenset[RunId] = frozenset()
) -> Iterator[Decision]:
    """Yield the decisions about `job` among `events`, which may be of other jobs, too.

    `live` are the runs of it that had begun before these events, and had not ended.
    """
    fold = _Fold(job, live)
    for turn in _turns(events, job):
        recorded = fold.turn(turn)
        if recorded is None:
            continue
        decision = decide_again(recorded)
        if decision.recorded or decision.again or not decision.agrees:
            yield decision


def _events(history: History, job: str, until: int | None) -> Iterator[Event]:
    def is_wanted(event: Event) -> bool:
        return until is None or event.seq <= until

    return takewhile(is_wanted, _pages(lambda after: history.events_about(job, after, PAGE)))


def _pages(read: Callable[[int], list[Event]]) -> Iterator[Event]:
    after = 0
    while page := read(after):
        yield from page
        after = page[-1].seq


def _live_before(history: History, job: str) -> Iterator[RunId]:
    """Yield the runs that were live where the journal begins."""
    told: set[str] = set()
    for event in _pages(lambda after: history.events(after, PAGE, job=job)):
        if event.run is None or event.run in told:
            continue
        told.add(event.run)
        moved = event.data.get("run", {})
        if "id" not in moved and "dismissed_at" not in moved:
            yield RunId(event.run)
    if told or history.job(job) is not None:
        first = history.events(0, 1)
        if first and first[0].seq > 1:
            for run in history.runs(job=job, states=LIVE, limit=PAGE):
                if run.id not in told:
                    yield run.id


# -- turns ---------------------------------------------------------------------------------------


def _turns(events: Iterable[Event], job: str) -> Iterator[list[Event]]:
    """Yield the events of each turn.

    A commit writes them in the order of `_place`, and tells each run and the job's row once.
    """
    turn: list[Event] = []
    subjects: set[object] = set()
    for event in events:
        if event.job != job and event.kind not in (STEPPED, CUT):
            continue
        told = {part for part in ("job",) if part in event.data} | ({event.run} - {None})
        goes_on = turn and event.at == turn[0].at and 0 < _place(turn[-1]) <= _place(event)
        if not goes_on or told & subjects:
            if turn:
                yield turn
            turn, subjects = [], set()
        turn.append(event)
        subjects |= told
    if turn:
        yield turn


def _place(event: Event) -> int:
    match event.kind.partition("."):
        case ("job", _, "advanced"):
            return 5
        case ("job", _, _):
            return 1
        case ("run", _, _):
            return 2
        case ("occurrence", _, _):
            return 3
        case ("journal", _, _):
            return 0
        case _:
            return 4


# -- how the job stood ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What the events of a turn tell."""

    happened: list[Made | Ended]
    withdrawn: list[Withdrawn]
    steps: list[timedelta]
    skips: list[Verdict]
    runs: list[Verdict]


class _Fold:
    """The job's row, its live runs and its rows of skips, after each turn."""

    def __init__(self, job: str, live: frozenset[RunId]) -> None:
        self._job = job
        self._live = set(live)
        self._row: dict[str, Any] | None = None
        self._record: JobRecord | None = None
        self._counts: dict[int, int] = {}
        self._taken: set[datetime] = set()
        self._run_now: list[datetime] = []
        self._is_cut = False

    def turn(self, events: list[Event]) -> RecordedTurn | None:
        """Go on by a turn and return it; None where it is not about the job, or not known of."""
        if events[0].kind == CUT:
            self._learn(events[0])
            return None
        before, live = self._record, frozenset(self._live)
        self._taken.update(self._run_now)
        self._run_now.clear()
        found = _Found([], [], [], [], [])
        for event in events:
            self._take(event, before, found)
        after = self._record = None if self._row is None else job_record(self._row)
        is_about = any(event.job == self._job for event in events)
        if not is_about or (before is None and not any(e.kind == "job.added" for e in events)):
            return None
        return RecordedTurn(
            seq=events[0].seq,
            at=events[0].at,
            before=before,
            after=after,
            live=live,
            happened=tuple(found.happened),
            withdrawn=next(iter(found.withdrawn), None),
            steps=tuple(found.steps),
            verdicts=(*found.skips, *found.runs),
            taken=self._taken,
        )

    def _take(self, event: Event, before: JobRecord | None, found: _Found) -> None:
        if event.kind == STEPPED:
            found.steps.append(timedelta(seconds=event.data["by_s"]))
        elif event.kind == "job.removed":
            self._row = None
        elif event.kind == "run.withdrawn" and event.run is not None:
            due_at = instant(event.data["withdrawn"]["scheduled_at"])
            self._live.discard(RunId(event.run))
            self._taken.discard(due_at)
            found.withdrawn.append(Withdrawn(RunId(event.run), due_at))
        if event.run is not None and "run" in event.data:
            self._run(RunId(event.run), event.data["run"], found)
        if "skip" in event.data:
            found.skips.append(self._skip(event.data["skip"], before))
        if "job" in event.data:
            self._moved(event.data["job"])

    def _run(self, run: RunId, moved: Mapping[str, Any], found: _Found) -> None:
        is_new = "id" in moved
        if is_new and moved["origin"] == Origin.SCHEDULE:
            due_at = instant(moved["scheduled_at"])
            found.runs.append(Verdict(due_at, due_at, 1, None))
            self._run_now.append(due_at)
        elif is_new:
            found.happened.append(Made(run))
        if is_new:
            self._live.add(run)
        if moved.get("state") in FINAL and run in self._live:
            self._live.discard(run)
            found.happened.append(Ended(run, instant(moved["finished_at"])))

    def _skip(self, skip: Mapping[str, Any], before: JobRecord | None) -> Verdict:
        first, count = skip["first_at"], skip["count"]
        known = self._counts.get(first)
        self._counts[first] = count
        reason, last_at = SkipReason(skip["reason"]), instant(skip["last_at"])
        if known is not None:
            return Verdict(None, last_at, count - known, reason)
        cursor = before.next_due_at if before else None
        if cursor is not None and instant(first) < cursor and self._is_cut:
            return Verdict(None, last_at, None, reason)
        return Verdict(instant(first), last_at, count, reason)

    def _moved(self, columns: Mapping[str, Any]) -> None:
        if "name" in columns:
            self._row = dict.fromkeys(JOB_COLUMNS) | dict(columns)
        elif self._row is not None:
            self._row |= columns

    def _learn(self, cut: Event) -> None:
        """Take over rows that a cut tells anew, where they are not known."""
        rows, self._is_cut = cut.data["rows"], True
        for row in rows.get("jobs", ()):
            if row["name"] == self._job and self._row is None:
                self._row = dict.fromkeys(JOB_COLUMNS) | row
                self._record = job_record(self._row)
        for row in rows.get("runs", ()):
            if row.get("job") == self._job and row["origin"] == Origin.SCHEDULE:
                self._taken.add(instant(row["scheduled_at"]))
        for row in rows.get("skips", ()):
            if row["job"] == self._job:
                self._counts.setdefault(row["first_at"], row["count"])
