"""Lookups: what a turn has to know from the store before it can be decided."""

from __future__ import annotations

from collections.abc import Container, Sequence

from taskd.core.messages import Dismissed, Input, Marked, Request, Retried, RunStopped, Wanted
from taskd.core.run import RunId


def wanted(inputs: Sequence[Input], *, known: Container[RunId]) -> Wanted:
    """Return what requests among `inputs` name, but for the `known` runs."""
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
    absent = tuple(run for run in runs if run not in known)
    return Wanted(absent, tuple(marks), tuple(receipts))
