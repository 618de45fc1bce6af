"""RunRows: each picture of a run turned into a row once, and what a change makes of it.

A change names the run before it and after it, and the one before is most often the one after the
last commit: to keep its row saves half of the work of a commit.
"""

from __future__ import annotations

from typing import Final

from taskd.core.run import Run, RunId
from taskd.core.turn import RunChange
from taskd.stores.rows import RUN_COLUMNS, Row, run_row

MOST_KEPT: Final = 10_000


class RunRows:
    """The rows of the runs that the last commits wrote and that are not final."""

    def __init__(self) -> None:
        self._kept: dict[RunId, tuple[Run, Row]] = {}

    def row(self, run: Run) -> Row:
        """Return the row of a run, in the order of RUN_COLUMNS."""
        kept = self._kept.get(run.id)
        if kept is not None and kept[0] is run:
            return kept[1]
        return run_row(run)

    def delta(self, change: RunChange) -> dict[str, object]:
        """Return the columns that a change gives new values; of a new run all that are not NULL."""
        before = None if change.before is None else self.row(change.before)
        after = run_row(change.after)
        self._kept[change.after.id] = (change.after, after)
        if before is None:
            return {c: v for c, v in zip(RUN_COLUMNS, after, strict=True) if v is not None}
        columns = zip(RUN_COLUMNS, before, after, strict=True)
        return {c: new for c, old, new in columns if old != new}

    def written(self, runs: list[Run]) -> None:
        """Forget rows that no change will begin with."""
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        for run in runs:
            if run.state.is_final:
                self._kept.pop(run.id, None)
