"""The checker: holds what the store says against what the jobs and the clients saw themselves.

It knows nothing of taskd's code. It reads the SQLite file, the log of `work.py`, and what the
clients noted of their requests (`Requests`), and evaluates the interval schedules by itself: due
instants are anchor + k * interval. All instants are microseconds since the epoch.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

EVENTS = (
    "SELECT seq + key AS seq, value ->> 1 AS kind, value ->> 3 AS run "
    "FROM journal, json_each(told, '$[0]') ORDER BY seq + key"
)
ATTEMPTS = """
SELECT id AS run, attempt AS number, state AS outcome, started_at, finished_at, pid, fence
FROM runs WHERE state = 'SUCCEEDED'
UNION ALL
SELECT run, number, outcome, started_at, finished_at, pid, fence FROM attempts
"""  # what succeeded may be told by its run alone; what is kept goes before that
AHEAD = 50_000  # µs before its instant at which a start may be written
FINAL = {"SUCCEEDED", "FAILED", "DEAD", "CANCELLED", "SKIPPED"}


@dataclass
class Verdict:
    """What is wrong, by kind; nothing where all lists are empty."""

    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[str]]:
        """The kinds that have any."""
        return {kind.name: found for kind in fields(self) if (found := getattr(self, kind.name))}


@dataclass(frozen=True)
class Attempted:
    """An attempt as its own log tells it; `how` is ok, failed, or empty where it has no end."""

    run: str
    number: int
    pid: int
    started_at: int
    job: str
    how: str = ""


@dataclass
class Log:
    """The jobs' own log, read once from its beginning to its end.

    `cut_short` are the attempts that were under way when their process died.
    """

    attempts: dict[tuple[str, int], Attempted] = field(default_factory=dict)
    dead: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    again: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    under_way: dict[tuple[str, int], Attempted] = field(default_factory=dict)
    cut_short: int = 0

    @classmethod
    def read(cls, path: Path) -> Log:
        """Read the log at `path`; there may be none yet."""
        log = cls()
        for line in path.read_text().splitlines() if path.exists() else ():
            match line.split(" "):
                case ["start", run, number, pid, at, job]:
                    log._start(Attempted(run, int(number), int(pid), int(at), job))
                case ["end", run, number, _, _, how]:
                    log._end((run, int(number)), how)
                case ["dead", pid, at]:
                    log._bury(int(pid), int(at))
                case _:
                    raise ValueError(f"{path}: {line!r} is no line of the log")
        return log

    def _start(self, new: Attempted) -> None:
        key = (new.run, new.number)
        if key in self.attempts:
            self.again.append(f"run {new.run} attempt {new.number} was started twice")
        for other in self.under_way.values():
            if other.run == new.run:
                self.overlapping.append(f"run {new.run}: attempts {other.number} and {new.number}")
            elif other.job == new.job != "-":
                self.overlapping.append(f"job {new.job}: runs {other.run} and {new.run}")
        self.attempts[key] = self.under_way[key] = new

    def _end(self, key: tuple[str, int], how: str) -> None:
        begun = self.under_way.pop(key, None) or self.attempts[key]
        self.attempts[key] = Attempted(
            begun.run, begun.number, begun.pid, begun.started_at, begun.job, how
        )

    def _bury(self, pid: int, at: int) -> None:
        self.dead[pid].append(at)  # pids come again
        for key, attempt in list(self.under_way.items()):
            if attempt.pid == pid:
                del self.under_way[key]
                self.cut_short += 1


@dataclass
class Store:
    """The store's rows, by their keys."""

    jobs: dict[str, dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    attempts: dict[tuple[str, int], dict[str, Any]]
    skips: list[dict[str, Any]]
    events: list[dict[str, Any]]
    integrity: str

    @classmethod
    def read(cls, path: Path) -> Store:
        """Read the SQLite file at `path`, whose daemon has ended."""
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row

            def rows(query: str) -> list[dict[str, Any]]:
                return [dict(row) for row in db.execute(query)]

            return cls(
                jobs={row["name"]: row for row in rows("SELECT * FROM jobs")},
                runs={row["id"]: row for row in rows("SELECT * FROM runs")},
                attempts={(r["run"], r["number"]): r for r in rows(ATTEMPTS)},
                skips=rows("SELECT * FROM skips"),
                events=rows(EVENTS),
                integrity=str(db.execute("PRAGMA integrity_check").fetchone()[0]),
            )


def check(
    store: Path, log: Path, requests: Path, *, every: Mapping[str, int], decided_until: int
) -> Verdict:
    """Judge a store that was left calm: no attempt under way, nothing due that waits for a slot.

    `every` are the intervals of the jobs to hold against their grid, in microseconds. All of
    their occurrences before `decided_until` must have been decided.
    """
    verdict, kept, told = Verdict(), Store.read(store), Log.read(log)
    if kept.integrity != "ok":
        verdict.damaged.append(kept.integrity)
    for job, interval in every.items():
        _check_grid(verdict, kept, job, interval, decided_until)
    _check_runs(verdict, kept, told)
    _check_attempts(verdict, kept, told)
    _check_counters(verdict, kept)
    _check_journal(verdict, kept)
    _check_requests(verdict, kept, told, requests)
    return verdict


def _check_grid(verdict: Verdict, kept: Store, job: str, interval: int, until: int) -> None:
    """Every due instant has one decision: a run, or its place in one skip."""
    row = kept.jobs.get(job)
    if row is None:
        verdict.lost.append(f"job {job} is not there")
        return
    anchor = row["anchor_at"]
    decided = Counter(
        run["scheduled_at"]
        for run in kept.runs.values()
        if run["job"] == job and run["origin"] == "schedule"
    )
    for skip in kept.skips:
        if skip["job"] == job:
            skipped = range(skip["first_at"], skip["last_at"] + 1, interval)
            decided.update(skipped)
            if len(skipped) != skip["count"] or skipped[-1] != skip["last_at"]:
                verdict.mismatched.append(f"{job}: a skip of {skip['count']} says {len(skipped)}")
    if (end := row["next_due_at"]) is not None:  # else it was stopped
        if end < until:
            verdict.lost.append(f"{job}: its schedule stands still at {end}, before {until}")
        expected = set(range(anchor, end, interval))
        lost, extra = sorted(expected - set(decided)), sorted(set(decided) - expected)
        verdict.lost += [f"{job}: nobody decided {at} (anchor + {at - anchor})" for at in lost]
        verdict.extra += [f"{job}: {at} is no due instant" for at in extra]
    verdict.extra += [f"{job}: {at} was decided {n} times" for at, n in decided.items() if n > 1]


def _check_runs(verdict: Verdict, kept: Store, told: Log) -> None:
    for run, row in kept.runs.items():
        numbers = sorted(number for owner, number in kept.attempts if owner == run)
        ended = row["attempt"] - (row["state"] == "RUNNING")
        if numbers != list(range(1, ended + 1)):
            verdict.mismatched.append(f"run {run} is at {row['attempt']}, attempts are {numbers}")
        if row["state"] not in FINAL and row["state"] != "PENDING":
            verdict.stuck.append(f"run {run} of {row['job']} is {row['state']}")
    verdict.overlapping += told.overlapping
    verdict.extra += told.again
    for attempt in told.under_way.values():
        verdict.incomplete.append(f"run {attempt.run} attempt {attempt.number} has no end")


def _check_attempts(verdict: Verdict, kept: Store, told: Log) -> None:
    for key, attempt in told.attempts.items():
        name = f"run {attempt.run} attempt {attempt.number}"
        run, row = kept.runs.get(attempt.run), kept.attempts.get(key)
        if run is None:
            verdict.extra.append(f"{name} was started, and the store does not know the run")
            continue
        if attempt.started_at < run["scheduled_at"]:
            verdict.early.append(
                f"{name} began {run['scheduled_at'] - attempt.started_at} us early"
            )
        if row is None:
            if (run["state"], run["attempt"]) != ("RUNNING", attempt.number):
                verdict.extra.append(f"{name} was started, and the store does not know of it")
        elif row["pid"] != attempt.pid:
            verdict.mismatched.append(f"{name} ran in {attempt.pid}, not in {row['pid']}")
    for key, row in kept.attempts.items():
        if fault := _disagreement(row, told.attempts.get(key), told.dead[row["pid"]]):
            verdict.mismatched.append(f"run {key[0]} attempt {key[1]} {fault}")


def _disagreement(row: Mapping[str, Any], attempt: Attempted | None, deaths: Sequence[int]) -> str:
    """What the log does not allow the store to say of one attempt, or nothing."""
    outcome, how = row["outcome"], attempt.how if attempt else "no start"
    allowed = {
        "SUCCEEDED": {"ok"},
        "FAILED": {"failed"},
        # A stop may have come before its call.
        "CANCELLED": {"ok", "failed", "no start"},
        # Whatever it came to: its end was not written before its process died, or was told to end.
        "LOST": {"ok", "failed", "", "no start"},
        "RELEASED": {"ok", "failed", "", "no start"},
    }
    if how not in allowed[outcome]:
        return f"is {outcome}, and its log says {how or 'no end'}"
    # One whose start was committed ahead may have lost its process before its instant came.
    ahead = AHEAD if attempt is None else 0
    died = any(row["started_at"] - ahead < at <= row["finished_at"] for at in deaths)
    if outcome == "LOST" and not died:
        return f"is LOST, and its process {row['pid']} had not died"
    return ""


def _check_counters(verdict: Verdict, kept: Store) -> None:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for run in kept.runs.values():
        if run["state"] in FINAL:
            counted[run["job"]][run["state"]] += 1
    for skip in kept.skips:
        counted[skip["job"]]["SKIPPED"] += skip["count"]
    for job, row in kept.jobs.items():
        counts = {state: n for state, n in json.loads(row["counts"]).items() if n}
        if counts != dict(counted[job]):
            verdict.mismatched.append(f"{job} counts {counts}, its rows {dict(counted[job])}")


def _check_journal(verdict: Verdict, kept: Store) -> None:
    """No run moves once it is final, and the journal's last word is the table's."""
    last: dict[str, str] = {}
    for event in kept.events:
        run, kind = event["run"], event["kind"]
        if run is None or not kind.startswith("run."):
            continue
        if last.get(run, "") in FINAL:
            verdict.mismatched.append(f"run {run} was {last[run]} and then had {kind}")
        last[run] = kind.removeprefix("run.").upper()
    for run, row in kept.runs.items():
        if last.get(run) != row["state"]:
            verdict.mismatched.append(f"run {run} is {row['state']}, its journal {last.get(run)}")


def _check_requests(verdict: Verdict, kept: Store, told: Log, requests: Path) -> None:
    asked: Counter[str] = Counter()
    for note in read_requests(requests):
        if note["said"] == "asked":
            asked[note["job"]] += note["verb"] == "trigger"
            continue
        match note["verb"]:
            case "trigger" | "task":
                if note["run"] not in kept.runs:
                    verdict.lost.append(f"{note['verb']}: run {note['run']} is not there")
            case "add":
                if note["job"] not in kept.jobs:
                    verdict.lost.append(f"add: job {note['job']} is not there")
            case "stop":
                _check_stop(verdict, kept, told, note)
            case other:
                raise ValueError(f"{requests}: {other!r} is no request")
    triggered = Counter(r["job"] for r in kept.runs.values() if r["origin"] == "trigger")
    for job, number in triggered.items():
        if number > asked[job]:
            verdict.extra.append(f"{job} was triggered {asked[job]} times and has {number} runs")


def _check_stop(verdict: Verdict, kept: Store, told: Log, note: Mapping[str, Any]) -> None:
    """What was stopped stays so: nothing of it starts after the answer."""
    job, run = note.get("job"), note.get("run")
    if job and kept.jobs.get(job, {}).get("state") != "stopped":
        verdict.lost.append(f"stop: job {job} is not stopped")
    if run and run not in kept.runs:
        verdict.lost.append(f"stop: run {run} is not there")
    for key, attempt in told.attempts.items():
        # Its thread may begin a moment later than it was handed over, which is what counts.
        handed_over_at = kept.attempts.get(key, {}).get("started_at", attempt.started_at)
        if handed_over_at > note["at"] and (attempt.run == run or attempt.job == job):
            verdict.extra.append(f"{job or run} was stopped, and attempt {attempt.number} began")


@dataclass(frozen=True)
class Figures:
    """How much there was to judge: a storm in which nothing happened proves nothing."""

    runs: int
    attempts: int
    lost_attempts: int
    cut_short: int
    acknowledged: int

    @classmethod
    def read(cls, store: Path, log: Path, requests: Path) -> Figures:
        """Count what `check` is given."""
        kept = Store.read(store)
        return cls(
            runs=len(kept.runs),
            attempts=len(kept.attempts),
            lost_attempts=sum(row["outcome"] == "LOST" for row in kept.attempts.values()),
            cut_short=Log.read(log).cut_short,
            acknowledged=sum(note["said"] == "done" for note in read_requests(requests)),
        )


def read_requests(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the notes of a file of requests; the last may be torn, for its writer was killed."""
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        if line.endswith(b"\n"):
            yield json.loads(line)
