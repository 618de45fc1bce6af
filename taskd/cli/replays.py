"""What `taskd events --replay` shows: recorded decisions beside those of today's planning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from taskd.cli.failures import Exit
from taskd.cli.render import put, put_json, talk
from taskd.cli.times import local
from taskd.core.replaying import Decision, Verdict
from taskd.errors import UnknownTask
from taskd.stores.decisions import replay_job
from taskd.stores.history import opened
from taskd.views import rfc3339


def show_replay(path: Path, job: str, until: int | None, *, json: bool) -> Exit:
    """Print each decision about a job that the journal tells, and how it would be made today."""
    with opened(path) as history:
        decisions = list(replay_job(history, job, until=until))
        if not decisions and history.job(job) is None and not history.has_runs_of(job):
            raise UnknownTask(job, kind="job")
    differing = [decision for decision in decisions if not decision.agrees]
    if json:
        put_json([_document(decision) for decision in decisions])
    else:
        for decision in decisions:
            for line in _lines(decision):
                put(line)
        talk(f"{len(decisions)} decisions, {len(differing)} would be made otherwise today")
    return Exit.FAILED if differing else Exit.DONE


def _lines(decision: Decision) -> Iterator[str]:
    place = f"{decision.seq}  {local(rfc3339(decision.at))}"
    if decision.agrees:
        yield f"{place}  {_told(decision.recorded)}"
        return
    gap = ", and the journal lacks what came before" if decision.is_gap else ""
    yield f"{place}  DIFFERS{gap}"
    yield f"  recorded  {_told(decision.recorded)}, next {_instant(decision.next_due_at)}"
    yield f"  today     {_told(decision.again)}, next {_instant(decision.again_next_due_at)}"


def _instant(at: datetime | None) -> str:
    return local(rfc3339(at)) or "-"


def _told(verdicts: tuple[Verdict, ...]) -> str:
    return "; ".join(map(_words, verdicts)) or "nothing"


def _words(verdict: Verdict) -> str:
    at = local(rfc3339(verdict.last_at))
    if verdict.reason is None:
        return f"run {at}"
    return f"skip {verdict.count or 'some'} to {at}, {verdict.reason.value}"


def _document(decision: Decision) -> dict[str, Any]:
    return {
        "seq": decision.seq,
        "at": rfc3339(decision.at),
        "agrees": decision.agrees,
        "is_gap": decision.is_gap,
        "recorded": [_verdict(verdict) for verdict in decision.recorded],
        "again": [_verdict(verdict) for verdict in decision.again],
        "next_due_at": rfc3339(decision.next_due_at),
        "again_next_due_at": rfc3339(decision.again_next_due_at),
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "first_at": rfc3339(verdict.first_at),
        "last_at": rfc3339(verdict.last_at),
        "count": verdict.count,
        "reason": verdict.reason and verdict.reason.value,
    }
