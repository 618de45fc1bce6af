"""Window: the head of a stored set, in order, however entries come and go."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskd.core.run import RunId
from taskd.core.window import Entry, Window

SIZE = 3
runs = st.integers(0, 99).map(lambda n: RunId(f"{n:02}"))


class StoredSet(RuleBasedStateMachine):
    """`stored` is the whole set; the window may know only its head, and must know all of that."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[RunId, int] = {}
        self.window = Window(SIZE)

    @property
    def in_order(self) -> list[Entry]:
        return sorted(Entry(key, run) for run, key in self.stored.items())

    @rule(run=runs, key=st.integers(0, 9))
    def comes(self, run: RunId, key: int) -> None:
        if run not in self.stored:
            self.stored[run] = key
            fallen = self.window.offer(key, run)
            assert all(other not in self.window for other in fallen)
            assert (run in self.window) == (run not in fallen)

    @rule(run=runs)
    def goes(self, run: RunId) -> None:
        self.stored.pop(run, None)
        self.window.discard(run)

    @rule()
    def the_head_goes(self) -> None:
        if head := self.window.head():
            self.goes(head.run)

    @rule()
    def is_refilled(self) -> None:
        if self.window.has_more:
            page = self.in_order[:SIZE]
            complete = len(page) < SIZE
            self.window.refill(page, complete=complete)

    @invariant()
    def holds_the_head_of_the_set_and_little_more(self) -> None:
        held = list(self.window)
        assert held == self.in_order[: len(held)]
        assert len(held) == len(self.window) <= 2 * SIZE
        assert self.window.has_more or len(held) == len(self.stored)


test_a_window_is_the_head_of_its_set = StoredSet.TestCase
