"""The request for what an attempt printed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from taskd.api.asking import Ask, Body, Host, parse
from taskd.core.run import Run
from taskd.errors import Conflict, UnknownTask
from taskd.stores.history import History


def logs(host: Host, ask: Ask) -> object:
    """Return a piece of what an attempt printed: by default the latest, from its beginning."""
    query = parse(_LogsQuery, ask.query)

    def read(history: History) -> Run:
        found = history.run(ask.name)
        if found is None:
            raise UnknownTask(ask.name, kind="run")
        return found

    run = host.scheduler.read(read)
    outputs = host.scheduler.executor.outputs
    if outputs is None:
        raise Conflict("what attempts print is not kept here", run=run.id)
    attempt = query.attempt or run.attempt
    chunk = outputs.read(run.id, attempt, query.after)
    return {
        "run": run.id,
        "attempt": attempt,
        "text": chunk.text,
        "after": chunk.after,
        "left_out": chunk.left_out,
        "is_last": chunk.is_last,
    }


class _LogsQuery(Body):
    attempt: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
