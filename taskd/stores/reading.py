"""Reading: events of the journal, found by their place, their job or their run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from taskd.stores.blocks import is_of, unpacked
from taskd.stores.chain import CUT
from taskd.stores.events import Event

STEPPED: Final = "clock.stepped"

FROM: Final = "WHERE seq >= ifnull((SELECT max(seq) FROM journal WHERE seq <= ?), 0)"
FORWARDS: Final = f"SELECT * FROM journal {FROM} ORDER BY seq"
# The text of a name is in every block that tells of it, and in a few that do not.
NAMING: Final = f"SELECT * FROM journal {FROM} AND instr(told, ?) ORDER BY seq"
ABOUT: Final = (
    f"SELECT * FROM journal {FROM} "
    f"AND (instr(told, ?) OR instr(told, '{STEPPED}') OR instr(told, '{CUT}')) ORDER BY seq"
)
BACKWARDS: Final = "SELECT * FROM journal ORDER BY seq DESC"
NAMING_BACKWARDS: Final = "SELECT * FROM journal WHERE instr(told, ?) ORDER BY seq DESC"
LATEST_OF: Final = "SELECT event FROM runs WHERE id = ?"
SINCE: Final = "SELECT * FROM journal WHERE seq >= ? ORDER BY seq"
NAMING_BEFORE: Final = (
    "SELECT * FROM journal WHERE seq < ? AND instr(told, ?) ORDER BY seq DESC LIMIT 1"
)
END: Final = 2**63 - 1


class Journal:
    """Reads events; what it costs to find a run's goes by their number alone.

    No index tells where a run's events are, for it would cost as much as they: the run's row says
    where the latest is, and that where the one before is.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def events(self, after: int, limit: int, *, job: str | None, run: str | None) -> list[Event]:
        """Return at most `limit` events that follow the `after`-th: all, a job's, or a run's."""
        if run is None:
            statement, naming = (FORWARDS, ()) if job is None else (NAMING, (job,))
            found = self._forwards(statement, after, *naming)
            return list(islice((e for e in found if job in (None, e.job)), limit))
        of_run = [e for e in self._of_run(run, after) if job in (None, e.job)]
        return of_run[: -limit - 1 : -1]

    def last_events(self, limit: int, *, job: str | None, run: str | None) -> list[Event]:
        """Return the last `limit` events in their order: of all, of a job, or of a run."""
        found = self._of_run(run) if run is not None else self._backwards(job)
        return list(islice((e for e in found if job in (None, e.job)), limit))[::-1]

    def events_about(self, job: str, after: int, limit: int) -> list[Event]:
        """Return at most `limit` events that follow: a job's, and those that concern every job."""
        found = self._forwards(ABOUT, after, job)
        wanted = (e for e in found if e.job == job or e.kind in (STEPPED, CUT))
        return list(islice(wanted, limit))

    def _forwards(self, statement: str, after: int, *naming: str) -> Iterator[Event]:
        for row in self._db.execute(statement, (after, *naming)):
            yield from (event for event in unpacked(row) if event.seq > after)

    def _backwards(self, job: str | None) -> Iterator[Event]:
        statement, naming = (BACKWARDS, ()) if job is None else (NAMING_BACKWARDS, (job,))
        for row in self._db.execute(statement, naming):
            yield from reversed(unpacked(row))

    def _of_run(self, run: str, after: int = 0) -> Iterator[Event]:
        """Yield the events of a run that follow the `after`-th, the last one first."""
        row, before = self._db.execute(LATEST_OF, (run,)).fetchone(), END
        commit = 0 if row is None else row["event"]
        while before > after:
            blocks, before = self._place(run, commit, before)
            named = (block for block in blocks if run in block["told"])
            events = [each for block in named for each in unpacked(block) if each.run == run]
            yield from (event for event in reversed(events) if event.seq > after)
            is_cut_off = bool(commit) and not events
            if is_cut_off or any("id" in event.data.get("run", ()) for event in events):
                return
            # Of what one commit tells of a run, the first says where the one before is.
            commit = max((event.data.get("prev", 0) for event in events), default=0)

    def _place(self, run: str, commit: int, before: int) -> tuple[Iterable[sqlite3.Row], int]:
        """Return the blocks of `commit`, or else the last that names a run before `before`.

        And where they begin. The latter, for which all blocks may have to be read, is for runs that
        are gone, and for events that an earlier version wrote, which do not say where the one
        before is.
        """
        if commit:
            return self._blocks_of(commit, before), commit
        block = self._db.execute(NAMING_BEFORE, (before, run)).fetchone()
        return ((), 0) if block is None else ((block,), block["seq"])

    def _blocks_of(self, commit: int, before: int) -> Iterator[sqlite3.Row]:
        for block in self._db.execute(SINCE, (commit,)):
            if block["seq"] >= before or not is_of(block, commit):
                return
            yield block
