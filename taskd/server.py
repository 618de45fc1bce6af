"""Server: the API as HTTP on a Unix socket, in a thread with an event loop of its own.

aiohttp serves it: it gives the peer's credentials from the transport, caps bodies, times readers,
streams, and its loop sleeps when nobody asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware

from taskd import api
from taskd.admission import BACKLOG, Connection, serve, settled
from taskd.answers import Refused, problem, refusal, respond
from taskd.core.messages import Key
from taskd.core.run import RunState
from taskd.errors import SocketUnusable, TaskdError
from taskd.streaming import tell_events, tell_output
from taskd.views import Document

logger = logging.getLogger("taskd.server")
# aiohttp would log a traceback for each request that is not HTTP; `_problems` logs defects.
_SILENT = logging.getLogger("taskd.server.http")
_SILENT.setLevel(logging.CRITICAL)

BODY_LIMIT: Final = 1024 * 1024
READ_TIMEOUT_S: Final = 10.0  # for a body, the first word on a connection, a reader to make room
LONGEST_POLL_S: Final = 300.0
# Each kind waits among its own: for a read, for a commit, for a user's imports, for a whole file's.
READERS: Final = 8
WRITERS: Final = 16
IMPORTERS: Final = 4
RELOADERS: Final = 4
LONGEST_KEY: Final = 255  # characters of an Idempotency-Key
LONGEST_PATH: Final = 107  # bytes: unix(7), sun_path less its closing NUL

V = TypeVar("V")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ApiFunction = Callable[[api.Host, api.Ask], object]

ROUTES: Final[list[tuple[str, str, ApiFunction, HTTPStatus]]] = [
    ("GET", "/v1/ping", api.ping, HTTPStatus.OK),
    ("GET", "/v1/status", api.status, HTTPStatus.OK),
    ("GET", "/v1/jobs", api.jobs, HTTPStatus.OK),
    ("POST", "/v1/jobs", api.add, HTTPStatus.CREATED),
    ("GET", "/v1/jobs/{name}", api.job, HTTPStatus.OK),
    ("DELETE", "/v1/jobs/{name}", api.remove, HTTPStatus.OK),
    ("GET", "/v1/jobs/{name}/why", api.why, HTTPStatus.OK),
    ("POST", "/v1/jobs/{name}/stop", api.stop_job, HTTPStatus.OK),
    ("POST", "/v1/jobs/{name}/pause", api.pause_job, HTTPStatus.OK),
    ("POST", "/v1/jobs/{name}/resume", api.resume_job, HTTPStatus.OK),
    ("POST", "/v1/jobs/{name}/trigger", api.trigger, HTTPStatus.CREATED),
    ("POST", "/v1/trigger", api.trigger_many, HTTPStatus.OK),
    ("POST", "/v1/pause", api.pause_all, HTTPStatus.OK),
    ("POST", "/v1/resume", api.resume_all, HTTPStatus.OK),
    ("GET", "/v1/export", api.export, HTTPStatus.OK),
    ("GET", "/v1/names", api.names, HTTPStatus.OK),
    ("GET", "/v1/next", api.next_due, HTTPStatus.OK),
    ("GET", "/v1/ps", api.ps, HTTPStatus.OK),
    ("GET", "/v1/top", api.top, HTTPStatus.OK),
    ("GET", "/v1/runs", api.runs, HTTPStatus.OK),
    ("GET", "/v1/runs/{name}", api.run, HTTPStatus.OK),
    ("POST", "/v1/runs/{name}/stop", api.stop_run, HTTPStatus.OK),
    ("GET", "/v1/dead", api.dead, HTTPStatus.OK),
    ("POST", "/v1/retry", api.retry, HTTPStatus.OK),
    ("POST", "/v1/dismiss", api.dismiss, HTTPStatus.OK),
    ("POST", "/v1/prune", api.prune, HTTPStatus.OK),
    ("POST", "/v1/reload", api.reload, HTTPStatus.OK),
    ("POST", "/v1/shutdown", api.shutdown, HTTPStatus.OK),
]


def listen(path: Path) -> socket.socket:
    """Open the control socket, mode 0600 in a private directory; replace a stale one.

    The caller holds the store's lock, so that two daemons never both find the socket stale.

    Raises:
        SocketUnusable: The path is too long, taken by a live daemon or by another kind of file.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise SocketUnusable(
            str(path), f"is over {LONGEST_PATH} bytes long; give a shorter --socket"
        )
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink() or path.exists():
            _remove_stale(path)
        before = os.umask(0o177)  # at start no other thread makes files yet
        try:
            control.bind(str(path))
        finally:
            os.umask(before)
        control.listen(BACKLOG)
    except OSError as error:
        control.close()
        raise SocketUnusable(str(path), f"cannot be opened: {error.strerror}") from error
    except SocketUnusable:
        control.close()
        raise
    return control


def discard(control: socket.socket, *, owns_socket: bool) -> None:
    """Close a socket that was not served, and remove it unless it is systemd's."""
    path = Path(control.getsockname())
    if owns_socket:
        path.unlink(missing_ok=True)
    control.close()


def _remove_stale(path: Path) -> None:
    if not path.is_socket() or path.is_symlink():
        raise SocketUnusable(str(path), "is there and is not a socket; move it, or give --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise SocketUnusable(str(path), "another daemon answers there; stop it, or give --socket")


class Server:
    """Answers the API on an open socket until `close`."""

    def __init__(
        self,
        host: api.Host,
        control: socket.socket,
        *,
        owns_socket: bool = True,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._host = host
        self._owns_socket = owns_socket
        self._read_timeout_s = read_timeout_s
        self._control = control
        self._path = Path(control.getsockname())
        self._events = asyncio.new_event_loop()
        self._readers = ThreadPoolExecutor(READERS, "taskd-api-read")
        self._writers = ThreadPoolExecutor(WRITERS, "taskd-api-write")
        self._importers = ThreadPoolExecutor(IMPORTERS, "taskd-api-import")
        self._reloaders = ThreadPoolExecutor(RELOADERS, "taskd-api-reload")
        self._thread = threading.Thread(target=self._serve, name="taskd-server", daemon=True)

    def start(self) -> None:
        """Begin to answer; returns when the socket is served."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._events).result()

    def close(self) -> None:
        """Remove the socket, unless it is systemd's, then finish the requests under way."""
        if self._owns_socket:
            # While it still answers: a daemon that finds it dead would put its own in its place.
            with suppress(FileNotFoundError):
                self._path.unlink()
        asyncio.run_coroutine_threadsafe(self._end(), self._events).result()
        self._events.call_soon_threadsafe(self._events.stop)
        self._thread.join()
        self._events.close()
        for pool in (self._readers, self._writers, self._importers, self._reloaders):
            pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._events)
        self._events.run_forever()

    async def _open(self) -> None:
        app = web.Application(
            client_max_size=BODY_LIMIT, middlewares=[_delivering(self._read_timeout_s), _problems]
        )
        slow: dict[ApiFunction, ThreadPoolExecutor]
        slow = {api.add: self._importers, api.reload: self._reloaders}
        for method, path, function, status in ROUTES:
            pool = self._readers if method == "GET" else slow.get(function, self._writers)
            app.router.add_route(method, path, self._handler(function, pool, status))
        app.router.add_get("/v1/runs/{name}/wait", self._wait_for_run)
        app.router.add_get("/v1/runs/{name}/logs", self._logs_of)
        app.router.add_get("/v1/events", self._events_of)
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            handler_cancellation=True,  # nobody waits for a run any more
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        self._served = await serve(
            self._runner,
            self._control,
            {
                "access_log": None,
                "logger": _SILENT,
                "keepalive_timeout": self._read_timeout_s,
                "lingering_time": self._read_timeout_s,
            },
        )

    async def _end(self) -> None:
        # Closed while it makes connections of what it has accepted, asyncio would leave those open.
        self._events.remove_reader(self._control)
        await settled()
        self._served.close()
        await self._runner.cleanup()
        await settled()

    def _handler(
        self, function: ApiFunction, pool: ThreadPoolExecutor, status: HTTPStatus
    ) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            ask = await _read(request, self._read_timeout_s)
            answer, is_repeat = await self._events.run_in_executor(pool, call, ask)
            response = respond(answer, status)
            if is_repeat:
                response.headers["Idempotency-Replayed"] = "true"
            return response

        def call(ask: api.Ask) -> tuple[object, bool]:
            known = api.recognized(self._host, ask)
            return function(self._host, known), known.is_repeat

        return handle

    async def _events_of(self, request: web.Request) -> web.StreamResponse:
        """Tell events of the journal, and go on with new ones where that is asked."""
        ask = await _read(request, self._read_timeout_s)
        return await tell_events(
            request, self._host, ask, self._readers, patience_s=self._read_timeout_s
        )

    async def _logs_of(self, request: web.Request) -> web.StreamResponse:
        """Answer with a piece of what an attempt printed, or tell it as it comes."""
        ask = await _read(request, self._read_timeout_s)
        if api.follows(ask):
            return await tell_output(
                request, self._host, ask, self._readers, patience_s=self._read_timeout_s
            )
        piece = await self._events.run_in_executor(self._readers, api.logs, self._host, ask)
        return respond(piece, HTTPStatus.OK)

    async def _wait_for_run(self, request: web.Request) -> web.StreamResponse:
        """Answer when the run is final, or as it stands when the time is up."""
        ask = await _read(request, self._read_timeout_s)
        timeout_s = min(api.wait_s(ask), LONGEST_POLL_S)
        view = await self._read_run(ask)
        if not RunState(str(view["state"])).is_final:
            end: Future[Any] = self._host.scheduler.inbox.watch(str(view["id"]))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(end), timeout_s)
            view = await self._read_run(ask)
        return respond(view, HTTPStatus.OK)

    async def _read_run(self, ask: api.Ask) -> Document:
        return await self._events.run_in_executor(self._readers, api.run, self._host, ask)


async def _read(request: web.Request, timeout_s: float) -> api.Ask:
    """Return the request as the API takes it. Raises `Refused`."""
    body: object = {}
    if (request.content_length or 0) > BODY_LIMIT:
        raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, request.content_length or 0)
    try:
        async with asyncio.timeout(timeout_s):
            text = await request.read()
    except TimeoutError:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"
        ) from None
    if text:
        try:
            body = json.loads(
                text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
            )
            # JSON can spell half of a surrogate pair, which is no text and can be stored nowhere.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "malformed", f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", "the body must be a JSON object")
    try:
        query = _without_repeats(list(request.query.items()))
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", f"the query: {error}") from None
    name = request.match_info.get("name", "")
    return api.Ask(
        name=name,
        query=query,
        body=body,
        actor=f"uid:{_peer(request)}",
        key=_key(request, body),
    )


def _key(request: web.Request, body: object) -> Key | None:
    """Return the Idempotency-Key of a request, with what tells this request from any other."""
    text = request.headers.get("Idempotency-Key")
    if text is None or request.method == "GET":
        return None
    if not (1 <= len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()):
        words = f"an Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters"
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", words)
    canonical = json.dumps([request.method, request.path, body], sort_keys=True)
    return Key(text, hashlib.sha256(canonical.encode()).hexdigest())


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _without_repeats(pairs: list[tuple[str, V]]) -> dict[str, V]:
    """Return an object; of a key that is there twice nobody knows which is meant (RFC 8259)."""
    members: dict[str, V] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"{key!r} is there twice")
        members[key] = value
    return members


def _peer(request: web.Request) -> int:
    """Return the uid at the other end, as the kernel knows it: unix(7), SO_PEERCRED."""
    transport = request.transport
    if transport is None:
        raise Refused(HTTPStatus.FORBIDDEN, "forbidden", "the peer is gone")
    peer: socket.socket = transport.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


@cache
def _warn_of(uid: int) -> None:
    """Log that a user was refused; once, for that user could ask all day."""
    logger.warning("uid %d was refused: only root and uid %d may ask", uid, os.geteuid())


def _delivering(patience_s: float) -> Middleware:
    """Return what cuts off a reader that does not take its answer within `patience_s`."""

    @web.middleware
    async def deliver(request: web.Request, handler: Handler) -> web.StreamResponse:
        if isinstance(request.protocol, Connection):
            request.protocol.has_asked()
        response = await handler(request)
        try:
            async with asyncio.timeout(patience_s):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response

    return deliver


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admit only those who may ask; turn every refusal into a problem document (RFC 9457)."""
    try:
        uid = _peer(request)
        if uid not in (0, os.geteuid()):
            _warn_of(uid)
            raise Refused(HTTPStatus.FORBIDDEN, "forbidden", f"uid {uid} may not use this daemon")
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"
        return problem(status, code, f"a body is at most {BODY_LIMIT} bytes")
    except web.HTTPException as error:
        status = HTTPStatus(error.status)
        code = "not_found" if status is HTTPStatus.NOT_FOUND else status.name.lower()
        return problem(status, code, f"{request.method} {request.path}: {status.phrase}")
    except TaskdError as error:
        return refusal(error)
    # A defect answers this request alone; the daemon's log has it.
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "see the daemon's log")
