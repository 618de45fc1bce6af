"""Asking: what a request is, what the API needs of the daemon, and how it asks the engine."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import ErrorDetails

from taskd.config.entry import InvalidEntry
from taskd.config.shape import Flaw, nearest
from taskd.core.calendars import Calendar
from taskd.core.diff import Diff
from taskd.core.duration import parse_duration
from taskd.core.job import Job
from taskd.core.messages import AnyRequest, Key
from taskd.core.record import JobRecord
from taskd.core.turn import Reply
from taskd.core.value import replace
from taskd.errors import TaskdError, UnknownTask
from taskd.scheduler import Scheduler
from taskd.stores.history import History
from taskd.views import Document

M = TypeVar("M", bound=BaseModel)


class Host(Protocol):
    """What the API needs of the daemon around the scheduler."""

    scheduler: Scheduler

    @property
    def timezone(self) -> str:
        """The zone of jobs that name none."""
        ...

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars that jobs may exclude."""
        ...

    @property
    def python_path(self) -> tuple[Path, ...]:
        """Where callables are looked for first."""
        ...

    @property
    def categories(self) -> Mapping[str, Sequence[str]]:
        """The classes of each failure category."""
        ...

    def describe(self) -> Document:
        """Return the `daemon` part of the status."""
        ...

    def problem_of(self, job: Job) -> str | None:
        """Return why the runs of a job will fail as things stand, or None."""
        ...

    def reload(self) -> Future[Diff]:
        """Have jobs.toml read again. The future raises ConfigError, Stopped, StoreUnavailable."""
        ...

    def shut_down(self, *, now: bool) -> None:
        """Begin to shut down."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the name or id in its path, its query, its body, who asks, and its key.

    `is_repeat` says that what it asks for was done before, under the same key.
    """

    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] = field(default_factory=dict)
    actor: str = "api"
    key: Key | None = None
    is_repeat: bool = False


def recognized(host: Host, ask: Ask) -> Ask:
    """Return the request as a repeat, where it is one."""
    key = ask.key
    if key is None or not host.scheduler.read(lambda history: history.has_receipt(key.text)):
        return ask
    return replace(ask, is_repeat=True)


def do(host: Host, ask: Ask, request: AnyRequest) -> object:
    """Have the engine do what is asked, and return its reply, which is committed."""
    try:
        return host.scheduler.inbox.ask(replace(request, actor=ask.actor, key=ask.key)).result()
    except UnknownTask as unknown:
        raise meant(host, unknown) from None


def meant(host: Host, refusal: TaskdError) -> TaskdError:
    """Return a refusal as it is told. A name that is not there comes with the nearest."""
    if not isinstance(refusal, UnknownTask) or refusal.kind != "job":
        return refusal
    name = refusal.name
    return host.scheduler.read(lambda history: unknown_job(history, name))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the engine was asked and has not answered yet: who asks need not wait in a thread.

    `view` tells what was done, or refused, in the order in which it was asked.
    """

    replies: Future[tuple[Reply, ...]]
    view: Callable[[Sequence[object]], object]

    @property
    def is_granted(self) -> bool:
        """Whether all of it was done: then `answer`, once it is there, reads nothing."""
        return not any(reply.error for reply in self.replies.result())

    def answer(self, host: Host) -> object:
        """Wait for the replies, and return the answer."""
        replies = self.replies.result()
        return self.view([meant(host, one.error) if one.error else one.value for one in replies])


# -- what is asked for, read ---------------------------------------------------------------------


class Body(BaseModel):
    """The values of a body, or of a query."""

    model_config = ConfigDict(extra="forbid")


class ReasonBody(Body):
    """Why."""

    reason: Annotated[str, Field(max_length=1000)] = ""


class StopBody(ReasonBody):
    """Why, and whether to ask first."""

    force: StrictBool = False


def parse(model: type[M], values: Mapping[str, object]) -> M:
    """Return a body or a query as a model. Raises InvalidEntry."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        flaws = [_flaw(problem, model.model_fields) for problem in error.errors()]
        raise InvalidEntry("request", flaws) from None


def _flaw(problem: ErrorDetails, known: Iterable[str]) -> Flaw:
    path = tuple(problem["loc"]) or ("body",)
    if problem["type"] == "extra_forbidden":
        return Flaw(path, "there is no such key", nearest(str(path[-1]), known))
    return Flaw(path, problem["msg"])


def invalid(key: str, message: str, hint: str = "") -> InvalidEntry:
    """Return what to raise of a value that cannot be."""
    return InvalidEntry("request", [Flaw((key,), message, hint)])


def moment(key: str, text: str | None, now: datetime, *, back: bool = False) -> datetime | None:
    """Read an RFC 3339 instant, or a duration counted from `now`."""
    if text is None:
        return None
    try:
        distance = parse_duration(text)
    except ValueError:
        pass
    else:
        return now - distance if back else now + distance
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            key,
            f"{text!r} is neither an instant nor a duration",
            'write "2026-12-24T18:00Z" or "2h"',
        ) from None


def record_of(history: History, name: str) -> JobRecord:
    """Return the record of a job. Raises UnknownTask."""
    record = history.job(name)
    if record is None:
        raise unknown_job(history, name)
    return record


def unknown_job(history: History, name: str) -> UnknownTask:
    """Return what to raise of a job that is not there: the nearest name is told with it."""
    nearest = difflib.get_close_matches(name, history.job_names(), n=1)
    return UnknownTask(name, kind="job", nearest=nearest[0] if nearest else "")
