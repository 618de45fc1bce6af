"""Reading: events of the journal, found by their place, their job or their run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Final

from taskd.stores.blocks import unpacked
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
NAMING_SINCE: Final = "SELECT * FROM journal WHERE seq >= ? AND instr(told, ?) ORDER BY seq LIMIT 1"
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
        while (block := self._block_of(run, commit, before)) is not None:
            events = [event for event in unpacked(block) if event.run == run]
            yield from (event for event in reversed(events) if event.seq > after)
            before = block["seq"]
            if before <= after or any("id" in event.data.get("run", ()) for event in events):
                return
            commit = min((event.data.get("prev", 0) for event in events), default=0)

    def _block_of(self, run: str, commit: int, before: int) -> sqlite3.Row | None:
        """Return the block in which `commit` tells of a run, or else the last before `before`.

        The latter, for which all blocks may have to be read, is for runs that are gone, and for
        events that an earlier version wrote, which do not say where the one before is.
        """
        if commit:
            row = self._db.execute(NAMING_SINCE, (commit, run)).fetchone()
            # What an event says is before it was cut off, perhaps.
            found: sqlite3.Row | None = row if row is not None and row["seq"] < before else None
            return found
        last: sqlite3.Row | None = self._db.execute(NAMING_BEFORE, (before, run)).fetchone()
        return last
