"""Receipts: what makes a repeated request harmless. The key it came with names what it did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from taskd.core.ledger import Ledger
from taskd.core.messages import (
    Added,
    AnyRequest,
    Dismissed,
    JobRemoved,
    JobStopped,
    Key,
    Paused,
    Receipt,
    Resumed,
    Retried,
    RunStopped,
    Triggered,
)
from taskd.core.record import JobRecord
from taskd.core.run import Run
from taskd.errors import KeyReused


def receipt(key: Key, reply: object, now: datetime) -> Receipt:
    """Return the receipt of a request that was answered with `reply`."""
    named = list(_flat(reply))
    return Receipt(
        key=key,
        at=now,
        jobs=tuple(item.job.name for item in named if isinstance(item, JobRecord)),
        runs=tuple(item.id for item in named if isinstance(item, Run)),
    )


def recall(ledger: Ledger, request: AnyRequest, kept: Receipt) -> object:
    """Return the reply to a request that was done already: the same things as they stand now.

    Raises:
        KeyReused: The key came with another request.
        UnknownTask: What it made is gone since.
    """
    if request.key != kept.key:
        raise KeyReused(kept.key.text)
    jobs = (ledger.job(name) for name in kept.jobs)
    runs = (ledger.run(run) for run in kept.runs)
    match request:
        case Added() | Paused() | Resumed():
            return tuple(jobs)
        case JobStopped():
            return next(jobs), tuple(runs)
        case RunStopped() | Triggered():
            return next(runs)
        case Retried() | Dismissed() | JobRemoved():
            return tuple(runs)
        case _:
            raise TypeError(f"{type(request).__name__} takes no key")


def _flat(reply: object) -> Iterator[object]:
    if isinstance(reply, tuple):
        for part in reply:
            yield from _flat(part)
    else:
        yield reply
