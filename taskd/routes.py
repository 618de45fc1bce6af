"""Routes: which function of the API answers which request, and where it is called."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, Generic, NamedTuple, TypeVar
from urllib.parse import unquote

from taskd import api
from taskd.answers import Refused

T = TypeVar("T")

NAME: Final = 3  # the part of a path that is a name or an id: /v1/jobs/NAME


class Place(Enum):
    """Where a function is called: each kind that may take long waits among its own."""

    HERE = auto()  # in the server's own thread: it reads no file and waits for nobody
    READERS = auto()
    WRITERS = auto()  # they wait for a commit
    IMPORTERS = auto()  # for a user's imports
    RELOADERS = auto()  # for those of a whole file


class Route(NamedTuple):
    """What answers a method on a path, with which status.

    Where `ask` is given it does what `function` does, without a thread that waits.
    """

    method: str
    path: str
    function: Callable[[api.Host, api.Ask], object]
    place: Place
    status: HTTPStatus = HTTPStatus.OK
    ask: Callable[[api.Host, api.Ask], api.Asked] | None = None


def _reads(path: str, function: Callable[[api.Host, api.Ask], object]) -> Route:
    return Route("GET", path, function, Place.READERS)


def _writes(path: str, function: Callable[[api.Host, api.Ask], object]) -> Route:
    return Route("POST", path, function, Place.WRITERS)


ROUTES: Final = (
    Route("GET", "/v1/ping", api.ping, Place.HERE),
    _reads("/v1/status", api.status),
    _reads("/v1/jobs", api.jobs),
    Route("POST", "/v1/jobs", api.add, Place.IMPORTERS, HTTPStatus.CREATED),
    _reads("/v1/jobs/{name}", api.job),
    Route("DELETE", "/v1/jobs/{name}", api.remove, Place.WRITERS),
    _reads("/v1/jobs/{name}/why", api.why),
    _writes("/v1/jobs/{name}/stop", api.stop_job),
    _writes("/v1/jobs/{name}/pause", api.pause_job),
    _writes("/v1/jobs/{name}/resume", api.resume_job),
    Route(
        "POST",
        "/v1/jobs/{name}/trigger",
        api.trigger,
        Place.WRITERS,
        HTTPStatus.CREATED,
        api.ask_for_run,
    ),
    _writes("/v1/trigger", api.trigger_many)._replace(ask=api.ask_for_runs),
    _writes("/v1/pause", api.pause_all),
    _writes("/v1/resume", api.resume_all),
    _reads("/v1/export", api.export),
    _reads("/v1/names", api.names),
    _reads("/v1/next", api.next_due),
    _reads("/v1/ps", api.ps),
    _reads("/v1/top", api.top),
    _reads("/v1/runs", api.runs),
    _reads("/v1/runs/{name}", api.run),
    _writes("/v1/runs/{name}/stop", api.stop_run),
    _reads("/v1/dead", api.dead),
    _writes("/v1/retry", api.retry),
    _writes("/v1/dismiss", api.dismiss),
    _writes("/v1/prune", api.prune),
    Route("POST", "/v1/reload", api.reload, Place.RELOADERS),
    _writes("/v1/shutdown", api.shutdown),
)


class Table(Generic[T]):
    """What answers, by path and method. In a path ``{name}`` stands for a name or an id."""

    def __init__(self) -> None:
        self._plain: dict[str, dict[str, T]] = {}
        self._named: dict[str, dict[str, T]] = {}

    def add(self, method: str, path: str, answers: T) -> None:
        """Have `answers` answer that method on that path."""
        paths = self._named if "{name}" in path else self._plain
        paths.setdefault(path, {})[method] = answers

    def find(self, method: str, path: str) -> tuple[T, str]:
        """Return what answers, and the name in the path. Raises `Refused`."""
        methods, name = self._plain.get(path), ""
        parts = path.split("/")
        if methods is None and len(parts) > NAME and (name := unquote(parts[NAME])):
            parts[NAME] = "{name}"
            methods = self._named.get("/".join(parts))
        if methods is None:
            raise Refused(HTTPStatus.NOT_FOUND, "not_found", f"{method} {path}: Not Found")
        if method not in methods:
            words = f"{method} {path}: Method Not Allowed"
            allowed = {"Allow": ", ".join(methods)}
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", words, allowed)
        return methods[method], name
