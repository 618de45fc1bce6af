"""Known: what a turn knows beyond what memory holds: the store told it, or it did it itself."""

from __future__ import annotations

from taskd.core.messages import Found, Receipt
from taskd.core.run import Run, RunId
from taskd.core.turn import Mark


class Known:
    """Runs, marks, receipts and the latest runs of unique keys, for the length of one turn."""

    def __init__(self) -> None:
        self.runs: dict[RunId, Run] = {}
        self._marks: set[tuple[str, str]] = set()
        self._receipts: dict[str, Receipt] = {}
        self._latest: dict[str, Run] = {}
        self._live: dict[str, Run] = {}

    def forget(self) -> None:
        """Begin a new turn; the live runs of unique keys stay."""
        for kept in (self.runs, self._receipts, self._latest):
            kept.clear()
        self._marks.clear()

    def learn(self, found: Found) -> None:
        """Take what the store answered."""
        self.runs.update((run.id, run) for run in found.runs)
        self._marks.update(found.marks)
        self._receipts.update((receipt.key.text, receipt) for receipt in found.receipts)
        self._latest.update((run.unique_key, run) for run in found.latest if run.unique_key)

    def add_mark(self, mark: Mark) -> None:
        """Know a mark that this turn makes."""
        self._marks.add((mark.scope, mark.key))

    def add_receipt(self, receipt: Receipt) -> None:
        """Know what this turn did for a key."""
        self._receipts[receipt.key.text] = receipt

    def hold_unique(self, run: Run, key: str) -> None:
        """Know the latest live run of a unique key, and for this turn one that has ended."""
        held = self._live.get(key)
        if held is not None and held.id > run.id:
            return
        self._live[key] = run
        if run.state.is_final:
            self._latest[key] = self._live.pop(key)

    def is_marked(self, scope: str, key: str) -> bool:
        """Whether there is such a mark."""
        return (scope, key) in self._marks

    def receipt(self, key: str) -> Receipt | None:
        """Return what was done for a key."""
        return self._receipts.get(key)

    def latest_of(self, unique_key: str) -> Run | None:
        """Return the latest run of a unique key."""
        known = (self._live.get(unique_key), self._latest.get(unique_key))
        return max((run for run in known if run), key=lambda run: run.id, default=None)
