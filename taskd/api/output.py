"""The requests for what an attempt printed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from taskd.api.asking import Ask, Body, Host, parse
from taskd.core.run import Run, RunState
from taskd.errors import Conflict, UnknownTask
from taskd.executors.outputs import Outputs
from taskd.executors.segments import Chunk, Piece, Stream
from taskd.stores.history import History
from taskd.views import Document


def logs(host: Host, ask: Ask) -> object:
    """Return a piece of what an attempt printed: by default the latest, from its beginning."""
    query = parse(_LogsQuery, ask.query)
    run, _ = _run(host, ask.name)
    attempt = query.attempt or run.attempt
    chunk = _outputs(host, run).read(run.id, attempt, query.after)
    pieces = _chosen(chunk, query.stream)
    return {
        "run": run.id,
        "attempt": attempt,
        "text": "".join(piece.text for piece in pieces),
        "pieces": [{"stream": piece.stream.value, "text": piece.text} for piece in pieces],
        "after": chunk.after,
        "left_out": chunk.left_out,
        "is_last": chunk.is_last,
    }


def follows(ask: Ask) -> bool:
    """Return whether it is asked to tell what is printed as it comes."""
    return parse(_LogsQuery, ask.query).follow


@dataclass
class Following:
    """A reader of what a run prints, attempt after attempt, or of one attempt."""

    host: Host
    run: str
    attempt: int
    after: int
    stream: Stream | None
    is_of_one: bool
    is_over: bool = False

    def read(self) -> tuple[list[Document], Future[Any] | None]:
        """Return what is new, and what to wait for before the next reading, if for anything."""
        run, head = _run(self.host, self.run)
        outputs = _outputs(self.host, run)
        if self.attempt == 0:
            self.attempt = run.attempt
        chunk = outputs.read(self.run, self.attempt, self.after)
        is_news = chunk.after > self.after
        lines = list(self._lines(chunk))
        self.after = chunk.after
        if not chunk.is_last:
            news = None if is_news else outputs.more_than(self.run, self.attempt, self.after)
            return lines, news
        if not self.is_of_one and run.attempt > self.attempt:
            self.attempt, self.after = self.attempt + 1, 0
            return lines, None
        self.is_over = run.state.is_final or (self.is_of_one and not _may_print(run, self.attempt))
        if self.is_over:
            return lines, None
        if run.state is RunState.RUNNING and self.host.scheduler.executor.live(run.id) is None:
            # It begins in a moment, or its end is being written: to be looked at again very soon.
            return lines, outputs.more_than(self.run, self.attempt, self.after)
        return lines, self.host.scheduler.inbox.follow(head)

    def _lines(self, chunk: Chunk) -> Iterator[Document]:
        where = {"run": self.run, "attempt": self.attempt, "after": chunk.after}
        if chunk.left_out:
            yield {**where, "stream": None, "text": "", "left_out": chunk.left_out}
        for piece in _chosen(chunk, self.stream):
            yield {**where, "stream": piece.stream.value, "text": piece.text, "left_out": 0}


def following(host: Host, ask: Ask) -> Following:
    """Return a reader of what a run prints from now on. Raises UnknownTask, Conflict."""
    query = parse(_LogsQuery, ask.query)
    run, _ = _run(host, ask.name)
    _outputs(host, run)
    is_of_one = query.attempt is not None
    attempt = query.attempt or run.attempt
    return Following(host, run.id, attempt, query.after, query.stream, is_of_one)


def _may_print(run: Run, attempt: int) -> bool:
    """Return whether an attempt is under way or to come."""
    return attempt > run.attempt or (attempt == run.attempt and run.state is RunState.RUNNING)


def _run(host: Host, name: str) -> tuple[Run, int]:
    """Return a run, and the head of the journal then."""

    def read(history: History) -> tuple[Run, int]:
        found = history.run(name)
        if found is None:
            raise UnknownTask(name, kind="run")
        return found, history.head()

    return host.scheduler.read(read)


def _outputs(host: Host, run: Run) -> Outputs:
    outputs = host.scheduler.executor.outputs
    if outputs is None:
        raise Conflict("what attempts print is not kept here", run=run.id)
    return outputs


def _chosen(chunk: Chunk, stream: Stream | None) -> list[Piece]:
    return [piece for piece in chunk.pieces if stream in (None, piece.stream)]


class _LogsQuery(Body):
    attempt: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    stream: Stream | None = None
    follow: bool = False
