"""The journal of a store's file: what it tells of each run, and the table it must obey."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Final

from taskd.core.run import TRANSITIONS, RunState

ENTRIES: Final = (RunState.PENDING, RunState.QUEUED)
STATES: Final = (
    "SELECT value ->> 3, value ->> '$[4].run.state', value ->> '$[4].run.id' IS NOT NULL "
    "FROM journal, json_each(told, '$[0]') WHERE value ->> '$[4].run' IS NOT NULL "
    "ORDER BY seq + key"
)


def is_path(before: RunState | None, after: RunState) -> bool:
    """Whether the table leads from one state to the other within one turn.

    A turn may take several edges, but an attempt starts only after it: RUNNING ends the path.
    """
    if before is None:
        return any(state is after or is_path(state, after) for state in ENTRIES)
    seen = set(TRANSITIONS[before])
    while more := {s for state in seen - {RunState.RUNNING} for s in TRANSITIONS[state]} - seen:
        seen |= more
    return after in seen


def histories(store: Path) -> dict[str, list[RunState]]:
    """The states of each run in the order of the journal, without those of events that keep it.

    Left out are the runs whose first events were cut off.
    """
    told = defaultdict[str, list[RunState]](list)
    with closing(sqlite3.connect(store)) as db:
        for run, state, is_first in db.execute(STATES):
            if is_first or run in told:
                told[run] += [RunState(state)] if state else []
    return told


def journal(store: Path) -> list[tuple[object, ...]]:
    """Every event, as it is in the file."""
    with closing(sqlite3.connect(store)) as db:
        return db.execute("SELECT * FROM journal ORDER BY seq").fetchall()
