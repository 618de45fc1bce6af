"""Inbox: where every thread puts what the loop is to take, and where it waits for the answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TypeAlias, TypeVar

from taskd.core.messages import AnyRequest, Input, Ticket
from taskd.core.ports import Wakeup
from taskd.core.run import Run
from taskd.core.turn import Reply
from taskd.core.value import replace
from taskd.crashpoints import crash_point
from taskd.errors import Stopped


@dataclass(frozen=True, slots=True)
class Query:
    """A read to be done on the loop's thread, after the commit of what came before it."""

    read: Callable[[], object]
    answer: Future[object]


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody waits for the end of a run, or of any run of a job: `task` is its id or name."""

    task: str
    answer: Future[Run]


@dataclass(frozen=True, slots=True)
class Follow:
    """Somebody waits for the journal to go on behind its `after`-th event."""

    after: int
    answer: Future[int]


@dataclass(frozen=True, slots=True)
class Stop:
    """Shut down: give running attempts `grace`, then hand them back."""

    grace: timedelta


@dataclass(frozen=True, slots=True)
class Sweep:
    """Forget now what is too old; answered with what was (`Pruned`) when it is done."""

    answer: Future[object]


@dataclass(frozen=True, slots=True)
class Damaged:
    """The store's file is damaged."""

    finding: str


T = TypeVar("T")
Message: TypeAlias = Input | Query | Watch | Follow | Sweep | Damaged | Stop


class Inbox:
    """Messages for the loop, and the futures of those who wait for what comes of them.

    `post` and what returns a future may be called from any thread, the rest by the loop alone.
    """

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._messages: deque[Message] = deque()
        self._tickets = count(1)
        self._answers: dict[Ticket, Future[object] | _Gathering] = {}
        self._watches: dict[str, list[Future[Run]]] = {}
        self._follows: list[Follow] = []
        self._is_closed = False

    def __bool__(self) -> bool:
        return bool(self._messages)

    def post(self, message: Message) -> None:
        """Put a message into the inbox."""
        self._messages.append(message)
        self._rouse()

    def ask(self, request: AnyRequest) -> Future[object]:
        """Put a request into the inbox; the future gets its reply after the commit.

        The future raises what the engine refused with, Stopped, or StoreUnavailable.
        """
        answer = Future[object]()
        self._put([request], answer)
        self._rouse()
        return answer

    def ask_all(self, requests: Sequence[AnyRequest]) -> Future[tuple[Reply, ...]]:
        """Put several requests into the inbox, for one turn; there is at least one.

        The future gets all of their replies, in the same order.
        """
        gathering = _Gathering(len(requests))
        self._put(requests, gathering)
        self._rouse()
        return gathering.answer

    def _put(self, requests: Sequence[AnyRequest], answer: Future[object] | _Gathering) -> None:
        for request in requests:
            ticket = Ticket(next(self._tickets))
            self._answers[ticket] = answer
            self._messages.append(replace(request, ticket=ticket))

    def query(self, read: Callable[[], object]) -> Future[object]:
        """Have `read` called on the loop's thread, after the commit of what was posted before."""
        answer = Future[object]()
        self.post(Query(read, answer))
        return answer

    def watch(self, task: str) -> Future[Run]:
        """Return a future of a run in its final state: that run, or the next of a job to end.

        Cancel it to stop waiting.
        """
        answer = Future[Run]()
        self.post(Watch(task, answer))
        return answer

    def follow(self, after: int) -> Future[int]:
        """Return a future of the journal's head as soon as it is behind `after`.

        Cancel it to stop waiting.
        """
        answer = Future[int]()
        self.post(Follow(after, answer))
        return answer

    def sweep(self) -> Future[object]:
        """Have what is too old forgotten now; the future gets what was (`Pruned`)."""
        answer = Future[object]()
        self.post(Sweep(answer))
        return answer

    # -- the loop's side ------------------------------------------------------------------------

    def take(self) -> Iterator[Message]:
        """Yield what has gathered, in the order it came."""
        self._wakeup.clear()
        while self._messages:
            yield self._messages.popleft()
        crash_point("inbox.taken")

    def reply(self, reply: Reply) -> None:
        """Answer a request; nobody may be waiting."""
        answer = self._answers.pop(reply.ticket, None)
        if answer is None or answer.cancelled():
            return
        crash_point("reply.before")
        _settle(answer, reply)
        crash_point("reply.after")

    def keep_watch(self, watch: Watch) -> None:
        """Answer `watch` when its run ends."""
        waiting = [answer for answer in self._watches.get(watch.task, ()) if not answer.cancelled()]
        self._watches[watch.task] = [*waiting, watch.answer]

    def keep_follow(self, follow: Follow) -> None:
        """Answer `follow` when the journal has gone on."""
        self._follows = [held for held in self._follows if not held.answer.cancelled()]
        self._follows.append(follow)

    def journal_grew(self, head: int) -> None:
        """Answer all who wait for the journal to go on behind an event before `head`."""
        told = [follow for follow in self._follows if follow.after < head]
        self._follows = [follow for follow in self._follows if follow.after >= head]
        for follow in told:
            if follow.answer.set_running_or_notify_cancel():
                follow.answer.set_result(head)

    def run_ended(self, run: Run) -> None:
        """Answer all who watch `run` or its job."""
        crash_point("end.before_told")
        for task in (run.id, run.job):
            for answer in self._watches.pop(task or "", ()):
                if answer.set_running_or_notify_cancel():
                    answer.set_result(run)
        crash_point("end.after_told")

    def close(self) -> None:
        """Refuse all who still wait, and all who come later."""
        self._is_closed = True
        self._refuse_all()
        self._wakeup.close()

    def _rouse(self) -> None:
        self._wakeup.set()
        if self._is_closed:  # it may have come after the loop's last look
            self._refuse_all()

    def _refuse_all(self) -> None:
        refusal = Stopped("taskd has shut down")
        waiting: list[Future[object] | Future[Run] | Future[int]] = []
        messages = _until_empty(self._messages.popleft)
        waiting.extend(
            item.answer for item in messages if isinstance(item, Query | Watch | Follow | Sweep)
        )
        for _, answers in _until_empty(self._watches.popitem):
            waiting.extend(answers)
        waiting.extend(follow.answer for follow in _until_empty(self._follows.pop))
        for answer in waiting:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(refusal)
        for ticket, asked in _until_empty(self._answers.popitem):
            _settle(asked, Reply(ticket, error=refusal))


class _Gathering:
    """The replies to several requests, until all of them are there."""

    def __init__(self, size: int) -> None:
        self.answer = Future[tuple[Reply, ...]]()
        self._size = size
        self._replies: list[Reply] = []
        self._taken = count(1)  # its `next` is one step under the interpreter's lock

    def cancelled(self) -> bool:
        """Whether nobody waits for them any more."""
        return self.answer.cancelled()

    def take(self, reply: Reply) -> None:
        """Take one; any thread may, when the inbox is closed."""
        self._replies.append(reply)
        if next(self._taken) == self._size and self.answer.set_running_or_notify_cancel():
            # They were asked for in the order of their tickets.
            self.answer.set_result(tuple(sorted(self._replies, key=lambda reply: reply.ticket)))


def _settle(answer: Future[object] | _Gathering, reply: Reply) -> None:
    """Answer who waits; nobody may be."""
    if isinstance(answer, _Gathering):
        answer.take(reply)
    elif not answer.set_running_or_notify_cancel():
        return
    elif reply.error is not None:
        answer.set_exception(reply.error)
    else:
        answer.set_result(reply.value)


def _until_empty(pop: Callable[[], T]) -> Iterator[T]:
    """Yield what `pop` takes out; another thread that empties the same leaves us the rest."""
    with suppress(IndexError, KeyError):
        while True:
            yield pop()
