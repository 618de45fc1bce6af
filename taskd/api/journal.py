"""The request for the journal: page by page, each from a short view of the store."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from taskd.api.asking import Ask, Body, Host, parse, record_of
from taskd.stores.events import Event
from taskd.stores.history import History

PAGE: Final = 500  # events of a page: some milliseconds of reading
LAST: Final = 100  # events told where it is not said after which one


class EventsAsked(Body):
    """Which events: those after a place of the journal, or the last ones; of a job or a run.

    With `follow` new ones are told as they come, for ever.
    """

    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    job: str | None = None
    run: str | None = None
    limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    follow: bool = False


def events_asked(ask: Ask) -> EventsAsked:
    """Return what the query asks for. Raises InvalidEntry."""
    return parse(EventsAsked, ask.query)


def page_of_events(
    host: Host, asked: EventsAsked, after: int | None, left: int | None
) -> tuple[list[Event], int, bool]:
    """Return the next events, the place after which to go on, and whether there are none behind.

    `after` is where the page before ended, None for the first one; at most `left` are told.
    """
    of = {"job": asked.job, "run": asked.run}

    def first(history: History) -> tuple[list[Event], int, bool]:
        if asked.job is not None and not history.has_runs_of(asked.job):
            record_of(history, asked.job)
        if asked.after is not None:
            return onward(history, asked.after)
        return history.last_events(left or LAST, **of), history.head(), True

    def onward(history: History, after: int) -> tuple[list[Event], int, bool]:
        most = PAGE if left is None else min(PAGE, left)
        found = history.events(after, most, **of)
        if len(found) == most:
            return found, found[-1].seq, False
        return found, max(after, history.head()), True

    def read(history: History) -> tuple[list[Event], int, bool]:
        return first(history) if after is None else onward(history, after)

    return host.scheduler.read(read)
