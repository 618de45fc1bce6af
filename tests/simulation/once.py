"""What is done once: marks are given to one attempt, requests with a key are done one time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

from taskd.core.messages import AnyRequest, Key, Receipt
from taskd.core.record import JobRecord
from taskd.core.run import Origin, Run
from taskd.core.turn import Changes
from taskd.errors import KeyReused
from tests.simulation.rules import Expect, Rule


class Once:
    """Holds each reply against what was done before."""

    def __init__(self, expect: Expect) -> None:
        self._expect = expect
        self._marks: set[tuple[str, str]] = set()
        self._given: set[tuple[str, str]] = set()
        self._receipts: dict[str, Receipt] = {}

    def committed(self, changes: Changes) -> None:
        """Each key is done once, and what is done under it is what its receipt names."""
        for place in changes.marks:
            self._expect(Rule.ONCE, place not in self._marks, f"{place} is marked again")
            self._marks.add(place)
        for text, receipt in changes.receipts.items():
            self._expect(Rule.ONCE, text not in self._receipts, f"{text} is done again")
            self._receipts[text] = receipt
        for change in changes.runs.values():
            is_made = change.before is None and change.after.origin is not Origin.SCHEDULE
            if is_made and change.actor.startswith("key-"):
                done = changes.receipts.get(change.actor)
                is_named = done is not None and change.after.id in done.runs
                self._expect(Rule.ONCE, is_named, f"{change.after.id} is not named by its receipt")

    def mark_answered(self, scope: str, mark: str) -> Callable[[Future[object]], None]:
        """Return what is to see the answer to whether a mark is the first of its name."""

        def see(answer: Future[object]) -> None:
            if answer.exception() is None and answer.result():
                is_first = (scope, mark) not in self._given and (scope, mark) in self._marks
                self._expect(Rule.ONCE, is_first, f"{mark} of {scope} is given again, or unkept")
                self._given.add((scope, mark))

        return see

    def key_answered(self, request: AnyRequest) -> Callable[[Future[object]], None]:
        """Return what is to see the answer to a request with a key."""

        def see(answer: Future[object]) -> None:
            key = request.key
            assert key is not None
            if answer.exception() is None:
                self._done(key, answer.result())
            elif isinstance(answer.exception(), KeyReused):
                kept = self._receipts.get(key.text)
                is_other = kept is not None and kept.key != key
                self._expect(Rule.ONCE, is_other, f"{key} is refused, and is of one request")

        return see

    def _done(self, key: Key, reply: object) -> None:
        kept = self._receipts.get(key.text)
        self._expect(Rule.ONCE, kept and kept.key == key, f"{key} is answered, and {kept} is kept")
        if kept is not None:
            named = {item.id for item in _flat(reply) if isinstance(item, Run)}
            self._expect(Rule.ONCE, named == {*kept.runs}, f"{key} named {named}, not {kept.runs}")


def _flat(reply: object) -> Iterator[object]:
    if isinstance(reply, tuple) and not isinstance(reply, JobRecord):
        for part in reply:
            yield from _flat(part)
    else:
        yield reply
