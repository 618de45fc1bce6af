"""The control API from the caller's end: HTTP and JSON over a Unix socket (docs/api.md).

Light on purpose, for every `taskd` verb pays for this import: the standard library, and httptools.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote, urlencode

from taskd.connections import Connections
from taskd.errors import ApiError
from taskd.places import socket_candidates

Document = dict[str, Any]
Query = Mapping[str, str | int | float | None]

REPLY_TIMEOUT_S = 60.0  # a reload may have to import every callable before it answers
WAIT_SLICE_S = 20.0  # one long poll: short enough that a dead daemon is noticed
FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "DEAD", "CANCELLED", "SKIPPED"})


class Caller:
    """How one daemon is asked; see `Client`."""

    def __init__(self, socket: Path | None = None) -> None:
        self.sockets = (socket,) if socket else socket_candidates(os.environ, os.getuid())
        self._connections = Connections(self.sockets)

    def __enter__(self) -> Self:
        self._connections.keep()
        return self

    def __exit__(self, *raised: object) -> None:
        self._connections.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        timeout: float = REPLY_TIMEOUT_S,
        key: str | None = None,
    ) -> Any:
        """Send one request and give its decoded JSON; `timeout` is seconds of silence.

        A request whose answer does not arrive is not sent again: it may have been carried out.
        The `ApiError` then has the code ``no_answer``. With a `key` (an Idempotency-Key: 1 to 255
        printable ASCII characters) it may be sent again, and is carried out once.
        """
        content = b"" if body is None else _json(body).encode()
        headers = {} if self._connections.are_kept else {"Connection": "close"}
        if content:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = self._connections.take(timeout)
        try:
            connection.send(method, target(path, query), headers, content)
            status, text = connection.status(), connection.body()
        except OSError as error:
            raise _no_answer(connection.path, error) from error
        finally:
            self._connections.give_back(connection)
        return _decode(status, text)

    def stream(self, path: str, *, query: Query | None = None) -> Iterator[Any]:
        """Send a GET and yield the decoded JSON of each line, as long as the daemon sends any.

        What breaks off raises an `ApiError` with the code ``no_answer``.
        """
        connection = self._connections.open(None)
        try:
            connection.send("GET", target(path, query), {"Connection": "close"})
            status = connection.status()
            if status >= 400:
                _decode(status, connection.body())
            yield from map(json.loads, connection.lines())
        except (OSError, ValueError) as error:
            raise _no_answer(connection.path, error) from error
        finally:
            connection.close()

    def _post(self, path: str, **fields: object) -> Document:
        body = {key: value for key, value in fields.items() if value is not None}
        return cast(Document, self.request("POST", path, body=body))


class Client(Caller):
    """A caller of one daemon; threads may share it.

    `socket` is the control socket; without it the places of `socket_candidates` are tried in
    order, for each connection anew, and the first that answers is taken. Each request is a
    connection of its own, but within ``with Client() as client:``, where a connection serves one
    request after another: for those who send many.

    Every method raises `NoDaemon` where nothing answers and `ApiError` where the daemon refuses, or
    has no room for one more connection for two seconds: then the code is ``busy``.
    """

    def ping(self) -> Document:
        """``{"version", "pid"}`` of the daemon that answers."""
        return cast(Document, self.request("GET", "/v1/ping"))

    def status(self) -> Document:
        """The daemon and all its jobs."""
        return cast(Document, self.request("GET", "/v1/status"))

    def job(self, name: str) -> Document:
        """One job."""
        return cast(Document, self.request("GET", _job_path(name)))

    def add(self, entry: Mapping[str, object]) -> Document:
        """Keep a job in the store; `entry` has ``name`` and the keys of jobs.toml."""
        return cast(Document, self.request("POST", "/v1/jobs", body=entry))

    def remove(self, name: str) -> Document:
        """Forget an added job; its history stays."""
        return cast(Document, self.request("DELETE", _job_path(name)))

    def stop_job(self, name: str, reason: str | None = None, force: bool = False) -> Document:
        """End the schedule and the runs of a job."""
        return self._post(_job_path(name, "stop"), reason=reason, force=force or None)

    def pause(self, name: str, reason: str | None = None, until: str | None = None) -> Document:
        """Hold a job, until the RFC 3339 instant `until` where one is given."""
        return self._post(_job_path(name, "pause"), reason=reason, until=until)

    def resume(self, name: str, reason: str | None = None) -> Document:
        """Release a paused job, revive a stopped one."""
        return self._post(_job_path(name, "resume"), reason=reason)

    def pause_all(self, reason: str | None = None, until: str | None = None) -> Document:
        """Hold every job."""
        return self._post("/v1/pause", reason=reason, until=until)

    def resume_all(self, reason: str | None = None) -> Document:
        """Release every job."""
        return self._post("/v1/resume", reason=reason)

    def trigger(
        self,
        name: str,
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
    ) -> Document:
        """Ask for one run of a job now and give that run; None keeps the job's own arguments."""
        reply = self._post(_job_path(name, "trigger"), args=args, kwargs=kwargs)
        return cast(Document, reply["run"])

    def trigger_many(self, runs: Sequence[Document]) -> list[Document]:
        """Ask for runs in one request and one commit, each ``{"job", "args"?, "kwargs"?}``.

        Gives the runs, in the same order. One that is refused keeps none of the others from being
        made: in its place is its problem document, which has a ``code`` and no ``id``.
        """
        return cast(list[Document], self._post("/v1/trigger", runs=list(runs))["runs"])

    def next(self, job: str | None = None, n: int | None = None) -> list[Document]:
        """The next `n` due instants, soonest first."""
        query: Query = {"job": job, "n": n}
        return cast(list[Document], self.request("GET", "/v1/next", query=query))

    def ps(self) -> list[Document]:
        """What runs now, and how far it has come, the longest first."""
        return cast(list[Document], self.request("GET", "/v1/ps"))

    def top(self, n: int | None = None) -> Document:
        """What runs, the depth of the queue, the `n` jobs due soonest and the latest failures."""
        return cast(Document, self.request("GET", "/v1/top", query={"n": n}))

    def why(self, name: str, at: str | None = None) -> Document:
        """What was decided for the occurrence at an RFC 3339 instant, or for the last and next."""
        return cast(Document, self.request("GET", _job_path(name, "why"), query={"at": at}))

    def export(self, jobs: Sequence[str] = ()) -> Document:
        """The live jobs, or those that are named, as a jobs.toml in JSON."""
        query: Query = {"jobs": ",".join(jobs) or None}
        return cast(Document, self.request("GET", "/v1/export", query=query))

    def runs(
        self,
        job: str | None = None,
        state: str | None = None,
        since: str | None = None,
        limit: int | None = None,
    ) -> list[Document]:
        """The history, newest first; `since` is an RFC 3339 instant."""
        query: Query = {"job": job, "state": state, "since": since, "limit": limit}
        return cast(list[Document], self.request("GET", "/v1/runs", query=query))

    def run(self, run: str) -> Document:
        """One run with its attempts."""
        return cast(Document, self.request("GET", _run_path(run)))

    def logs(
        self,
        run: str,
        attempt: int | None = None,
        after: int | None = None,
        stream: str | None = None,
    ) -> Document:
        """A piece of what an attempt printed, by default the latest, from byte `after` on.

        `stream` is stdout, stderr or log; None: all, in the order in which it came.
        """
        query: Query = {"attempt": attempt, "after": after, "stream": stream}
        return cast(Document, self.request("GET", _run_path(run, "logs"), query=query))

    def follow_logs(
        self, run: str, attempt: int | None = None, stream: str | None = None
    ) -> Iterator[Document]:
        """What a run prints, piece by piece as it comes, until the run, or `attempt`, has ended."""
        query: Query = {"attempt": attempt, "stream": stream, "follow": 1}
        return self.stream(_run_path(run, "logs"), query=query)

    def stop_run(self, run: str, reason: str | None = None, force: bool = False) -> Document:
        """End one run and give it in the state that was really reached."""
        return self._post(_run_path(run, "stop"), reason=reason, force=force or None)

    def dead(
        self,
        job: str | None = None,
        error: str | None = None,
        since: str | None = None,
        limit: int | None = None,
    ) -> list[Document]:
        """The runs of the dead-letter queue, newest first; `error` is a class or a category."""
        query: Query = {"job": job, "error": error, "since": since, "limit": limit}
        return cast(list[Document], self.request("GET", "/v1/dead", query=query))

    def retry(self, runs: Sequence[str], dry_run: bool = False) -> Document:
        """Do final runs again, each as a new run that names the old one."""
        return self._post("/v1/retry", runs=list(runs), dry_run=dry_run or None)

    def retry_dead(
        self,
        job: str | None = None,
        error: str | None = None,
        older_than: str | None = None,
        since: str | None = None,
        dry_run: bool = False,
    ) -> Document:
        """Do the runs of the dead-letter queue again, oldest first, at most 1000 at a time."""
        chosen = {"job": job, "error": error, "older_than": older_than, "since": since}
        return self._post("/v1/retry", dead=True, dry_run=dry_run or None, **chosen)

    def dismiss(self, runs: Sequence[str]) -> Document:
        """Let dead runs leave the dead-letter queue."""
        return self._post("/v1/dismiss", runs=list(runs))

    def events(
        self,
        after: int | None = None,
        job: str | None = None,
        run: str | None = None,
        limit: int | None = None,
        follow: bool = False,
    ) -> Iterator[Document]:
        """The events behind the `after`-th, or the last `limit`; with `follow` new ones, too."""
        query: Query = {
            "after": after,
            "job": job,
            "run": run,
            "limit": limit,
            "follow": 1 if follow else None,
        }
        return self.stream("/v1/events", query=query)

    def prune(self) -> Document:
        """Forget now what has been kept long enough; gives how many runs and events."""
        return self._post("/v1/prune")

    def wait(self, run: str, timeout: float | None = None) -> Document:
        """The run once it is final, or as it stands when `timeout` seconds are up."""
        document: Document = {}
        for seconds in _slices(timeout):
            document = self.request(
                "GET",
                _run_path(run, "wait"),
                query={"timeout": seconds},
                timeout=seconds + REPLY_TIMEOUT_S,
            )
            if document["state"] in FINAL_STATES:
                break
        return document

    def reload(self) -> Document:
        """Read jobs.toml again; gives the names added, changed, removed and unchanged."""
        return self._post("/v1/reload")

    def shutdown(self, now: bool = False) -> Document:
        """End the daemon; `now` does not wait for what is running."""
        return self._post("/v1/shutdown", now=now)


def curl(
    path: Path, method: str, url: str, *, body: object = None, query: Query | None = None
) -> str:
    """The request as a command line for a POSIX shell."""
    import shlex  # for this alone

    words = ["curl", "--unix-socket", str(path)]
    if method != "GET":
        words += ["--request", method]
    if body is not None:
        words += ["--header", "Content-Type: application/json", "--data", _json(body)]
    return shlex.join([*words, f"http://taskd{target(url, query)}"])


def target(path: str, query: Query | None = None) -> str:
    """The path with its query string; values that are None are left out."""
    given = {key: value for key, value in (query or {}).items() if value is not None}
    # A name typed in another encoding than the terminal's is sent as the bytes that were typed.
    return f"{path}?{urlencode(given, errors='surrogateescape')}" if given else path


def _job_path(name: str, verb: str = "") -> str:
    return f"/v1/jobs/{_segment(name)}" + (f"/{verb}" if verb else "")


def _run_path(run: str, verb: str = "") -> str:
    return f"/v1/runs/{_segment(run)}" + (f"/{verb}" if verb else "")


def _segment(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _json(body: object) -> str:
    return json.dumps(body, allow_nan=False)


def _slices(timeout: float | None) -> Iterator[float]:
    # A poll that answers with a live run has lasted its whole slice, so no clock is needed here.
    if timeout is None:
        yield from repeat(WAIT_SLICE_S)
        return
    whole, rest = divmod(timeout, WAIT_SLICE_S)
    yield from repeat(WAIT_SLICE_S, int(whole))
    if rest or not whole:
        yield rest


def _decode(status: int, text: bytes) -> Any:
    try:
        document = json.loads(text)
    except ValueError:
        detail = f"the daemon's answer is not JSON (HTTP {status}); is this socket taskd's?"
        raise ApiError(status, "no_answer", detail, {}) from None
    if status < 400:
        return document
    problem = document if isinstance(document, dict) else {}
    code = str(problem.get("code", "internal"))
    detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    raise ApiError(status, code, detail, problem)


def _no_answer(path: Path, error: Exception) -> ApiError:
    silent = isinstance(error, TimeoutError)
    what = "took the request but does not answer" if silent else "went away before it answered"
    detail = f"the daemon on {path} {what}; what was asked may or may not have been done"
    return ApiError(503, "no_answer", detail, {})
