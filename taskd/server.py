"""Server: the API as HTTP on a Unix socket, in a thread with an event loop of its own.

That thread takes requests and sends answers; whatever may wait, for the disk or for a commit, is
done elsewhere. Its loop sleeps when nobody asks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias

from taskd import api
from taskd.admission import BACKLOG, Gate
from taskd.answers import Answer, problem, refusal, respond
from taskd.asks import ask_of
from taskd.core.run import RunState
from taskd.errors import SocketUnusable, TaskdError
from taskd.exchange import Exchange, Work
from taskd.incoming import Request
from taskd.outbox import Outbox
from taskd.routes import ROUTES, Place, Route, Table
from taskd.streaming import tell_events, tell_output
from taskd.views import Document

logger = logging.getLogger("taskd.server")

READ_TIMEOUT_S: Final = 10.0  # for a body, the first word on a connection, a reader to make room
LONGEST_POLL_S: Final = 300.0
THREADS: Final = {Place.READERS: 8, Place.WRITERS: 16, Place.IMPORTERS: 4, Place.RELOADERS: 4}
LONGEST_PATH: Final = 107  # bytes: unix(7), sun_path less its closing NUL
REPLAYED: Final = {"Idempotency-Replayed": "true"}

Answering: TypeAlias = Callable[[Exchange, Request, api.Ask], Work | None]
Telling: TypeAlias = Callable[[Exchange, Request, api.Ask], Coroutine[Any, Any, None]]


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
        self._path = Path(control.getsockname())
        self._events = asyncio.new_event_loop()
        self._outbox = Outbox(self._events)
        self._pools = {
            place: ThreadPoolExecutor(threads, f"taskd-api-{place.name.lower()}")
            for place, threads in THREADS.items()
        }
        self._readers = self._pools[Place.READERS]
        self._table = self._routes()
        self._gate = Gate(control, self._begin, patience_s=read_timeout_s)
        self._thread = threading.Thread(target=self._serve, name="taskd-server", daemon=True)

    def start(self) -> None:
        """Begin to answer; returns when the socket is served."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._gate.open(), self._events).result()

    def close(self) -> None:
        """Remove the socket, unless it is systemd's, then finish the requests under way."""
        if self._owns_socket:
            # While it still answers: a daemon that finds it dead would put its own in its place.
            with suppress(FileNotFoundError):
                self._path.unlink()
        asyncio.run_coroutine_threadsafe(self._gate.close(), self._events).result()
        self._events.call_soon_threadsafe(self._events.stop)
        self._thread.join()
        self._events.close()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._events)
        self._events.run_forever()

    def _routes(self) -> Table[Answering]:
        table = Table[Answering]()
        for route in ROUTES:
            table.add(route.method, route.path, partial(self._answer, route))
        table.add("GET", "/v1/runs/{name}/wait", partial(self._tell, self._wait_for_run))
        table.add("GET", "/v1/runs/{name}/logs", partial(self._tell, self._logs_of))
        table.add("GET", "/v1/events", partial(self._tell, self._events_of))
        return table

    # -- a request, from its coming to its answer ------------------------------------------------

    def _begin(self, exchange: Exchange, request: Request) -> Work | None:
        """Begin to answer a request; return what is done for it, where that takes time."""
        try:
            answering, name = self._table.find(request.method, request.path)
            return answering(exchange, request, ask_of(request, name, exchange.uid))
        except Exception as error:  # noqa: BLE001 - `refused` has it
            exchange.answer(refused(request, error))
            return None

    def _answer(
        self, route: Route, exchange: Exchange, request: Request, ask: api.Ask
    ) -> Work | None:
        """Answer with what a function of the API returns."""
        if route.place is Place.HERE:
            exchange.answer(respond(route.function(self._host, ask), route.status))
            return None
        if route.ask is not None and ask.key is None:
            return self._ask(route, route.ask(self._host, ask), exchange, request)

        def call() -> Answer:
            known = api.recognized(self._host, ask)
            answer = respond(route.function(self._host, known), route.status)
            return replace(answer, fields=REPLAYED) if known.is_repeat else answer

        return self._call(route.place, call, exchange, request)

    def _ask(self, route: Route, asked: api.Asked, exchange: Exchange, request: Request) -> Work:
        """Answer with what the engine replies."""

        def call() -> Answer:
            return respond(asked.answer(self._host), route.status)

        def replied() -> None:
            if asked.replies.cancelled():
                return
            if asked.is_granted:
                exchange.answer(outcome(request, call))
            else:  # to tell what was meant instead is a read
                self._call(route.place, call, exchange, request)

        asked.replies.add_done_callback(lambda _: self._outbox.put(replied))
        return asked.replies

    def _call(
        self, place: Place, call: Callable[[], Answer], exchange: Exchange, request: Request
    ) -> Work:
        """Answer with what `call` returns in a thread of the pool of that place."""

        def send(answer: Future[Answer]) -> None:
            if not answer.cancelled():
                exchange.answer(answer.result())

        answer = self._pools[place].submit(outcome, request, call)
        answer.add_done_callback(lambda done: self._outbox.put(partial(send, done)))
        return answer

    def _tell(self, telling: Telling, exchange: Exchange, request: Request, ask: api.Ask) -> Work:
        """Answer with what takes its time."""

        async def tell() -> None:
            try:
                await telling(exchange, request, ask)
            except Exception as error:  # noqa: BLE001 - `refused` has it
                exchange.answer(refused(request, error))

        return self._events.create_task(tell())

    # -- what takes its time ---------------------------------------------------------------------

    async def _events_of(self, exchange: Exchange, request: Request, ask: api.Ask) -> None:
        """Tell events of the journal, and go on with new ones where that is asked."""
        await tell_events(exchange, request, self._host, ask, self._readers)

    async def _logs_of(self, exchange: Exchange, request: Request, ask: api.Ask) -> None:
        """Answer with a piece of what an attempt printed, or tell it as it comes."""
        if api.follows(ask):
            await tell_output(exchange, request, self._host, ask, self._readers)
            return
        piece = await self._events.run_in_executor(self._readers, api.logs, self._host, ask)
        exchange.answer(respond(piece, HTTPStatus.OK))

    async def _wait_for_run(self, exchange: Exchange, request: Request, ask: api.Ask) -> None:  # noqa: ARG002
        """Answer when the run is final, or as it stands when the time is up."""
        timeout_s = min(api.wait_s(ask), LONGEST_POLL_S)
        view = await self._read_run(ask)
        if not RunState(str(view["state"])).is_final:
            end: Future[Any] = self._host.scheduler.inbox.watch(str(view["id"]))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(end), timeout_s)
            view = await self._read_run(ask)
        exchange.answer(respond(view, HTTPStatus.OK))

    async def _read_run(self, ask: api.Ask) -> Document:
        return await self._events.run_in_executor(self._readers, api.run, self._host, ask)


def outcome(request: Request, call: Callable[[], Answer]) -> Answer:
    """Return the answer that `call` makes, be it a refusal."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - `refused` has it
        return refused(request, error)


def refused(request: Request, error: Exception) -> Answer:
    """Return the answer to a request that failed: a problem document (RFC 9457)."""
    if isinstance(error, TaskdError):
        return refusal(error)
    # A defect answers this request alone; the daemon's log has it.
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "see the daemon's log")
