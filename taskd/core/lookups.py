"""Lookups: what a turn has to know from the store before it can be decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from taskd.core.duplicates import call_of, unique_key
from taskd.core.ledger import Ledger
from taskd.core.messages import (
    Dismissed,
    Input,
    Marked,
    Request,
    Retried,
    RunStopped,
    Triggered,
    Wanted,
)
from taskd.core.run import RunId


def wanted(ledger: Ledger, inputs: Sequence[Input], now: datetime) -> Wanted:
    """Return what `inputs` name and what is due has to know, but for what memory holds."""
    runs: list[RunId] = []
    marks: list[tuple[str, str]] = []
    receipts: list[str] = []
    for item in inputs:
        match item:
            case RunStopped():
                runs.append(item.run)
            case Retried() | Dismissed():
                runs.extend(item.runs)
            case Marked():
                marks.append((item.scope, item.mark))
            case _:
                pass
        if isinstance(item, Request) and item.key is not None:
            receipts.append(item.key.text)
    absent = tuple(run for run in runs if run not in ledger.runs)
    return Wanted(absent, tuple(marks), tuple(receipts), tuple(_unique_keys(ledger, inputs, now)))


def _unique_keys(ledger: Ledger, inputs: Sequence[Input], now: datetime) -> Iterator[str]:
    """Yield the keys of runs that may be made, of jobs whose ended runs count too."""
    for name in ledger.unique_in_periods:
        record = ledger.jobs[name]
        calls = [
            call_of(record.job, item)
            for item in inputs
            if isinstance(item, Triggered) and item.job == name
        ]
        if record.job.boot or (record.wakes_at is not None and record.wakes_at <= now):
            calls.append(None)
        yield from filter(None, (unique_key(record.job, call) for call in calls))
