"""Exchange: one connection of a caller, where one request after another is answered.

Everything here is for the thread of the event loop alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias, cast

from taskd.answers import Answer, Refused, refusal
from taskd.incoming import Incoming, Request

logger = logging.getLogger("taskd.server")

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110: for who waits before the body


class Work(Protocol):
    """What is done for a request: a future, or a task."""

    def cancel(self) -> bool:
        """Give it up, for nobody waits for it any more."""
        ...


Begin: TypeAlias = "Callable[[Exchange, Request], Work | None]"


class Exchange(asyncio.BufferedProtocol):
    """One connection; `begin` is called with each request, and sees to it that it is answered.

    It is closed when nothing whole comes of it for `patience_s`, before the first request or
    between two, or when what was answered is not taken for so long. `everybody` has it as long as
    it is open. All receive into the same `buffer`, and none leaves anything there.
    """

    def __init__(
        self, begin: Begin, everybody: set[Exchange], buffer: memoryview, patience_s: float
    ) -> None:
        self._begin = begin
        self._everybody = everybody
        self._buffer = buffer
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._incoming = Incoming()
        self._deadline: asyncio.TimerHandle | None = None
        self._request: Request | None = None  # that is being answered
        self._work: Work | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_begun = False  # to be answered
        self._is_said = False  # the answer is written, and has to leave yet
        self._is_writable = True
        self._awaits_body = False
        self._is_leaving = False  # no request is taken after this one
        self._is_deaf = False  # no request is taken at all
        self.uid = -1

    # -- asyncio's side -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # to be told of whatever cannot leave
        self._everybody.add(self)
        self._allow(self._patience_s)
        self.uid = _uid_of(transport.get_extra_info("socket"))
        if self.uid not in (0, os.geteuid()):
            _warn_of(self.uid)
            words = f"uid {self.uid} may not use this daemon"
            self._refuse(Refused(HTTPStatus.FORBIDDEN, "forbidden", words))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's own)
        """Return where to receive."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        if self._is_deaf:
            return
        self._incoming.feed(self._buffer[:nbytes])
        if self._request is None:
            self._go_on()
        elif self._incoming:
            self._transport.pause_reading()  # it has to wait its turn

    def pause_writing(self) -> None:
        """Wait for the other end to make room."""
        self._is_writable = False
        self._allow(self._patience_s)

    def resume_writing(self) -> None:
        """Go on, for all that was written has left."""
        self._is_writable = True
        if self._is_deaf:
            return
        self._allow(None)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if self._is_said:
            self._finish()

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002
        """Give up what was asked."""
        self._everybody.discard(self)
        self._end.set_result(None)
        self._allow(None)
        self._is_deaf = True
        if self._work is not None:
            self._work.cancel()

    # -- for who answers ------------------------------------------------------------------------

    @property
    def is_last(self) -> bool:
        """Whether the connection is closed after this answer."""
        return self._is_leaving or self._request is None or self._request.is_last

    def answer(self, answer: Answer) -> None:
        """Answer the request, whole; one that was begun to be answered otherwise is broken off."""
        if self._is_begun:
            self.break_off()
            return
        has_body = self._request is None or self._request.method != "HEAD"
        self.send(answer.written(is_last=self.is_last, has_body=has_body))
        self.end()

    def send(self, data: bytes) -> None:
        """Send a piece of an answer; await `room` before the next."""
        self._is_begun = True
        if not self._transport.is_closing():
            self._transport.write(data)

    async def room(self) -> None:
        """Wait until all that was sent has left; a reader that takes too long is cut off."""
        if not self._is_writable:
            self._room = self._loop.create_future()
            await self._room

    def end(self) -> None:
        """End an answer. The next request is begun once it has left."""
        self._is_said, self._work = True, None
        if self._is_writable:
            self._finish()

    def break_off(self) -> None:
        """Close amid an answer, so that its reader sees that there is more."""
        self._transport.abort()

    def leave(self) -> asyncio.Future[None]:
        """Close, after the answer to what was asked; return what is done by then."""
        self._is_leaving = True
        if self._request is None:
            self._transport.close()
        return self._end

    # -- its life -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Begin with the next request, where it is there and its turn has come."""
        if self._request is not None or self._is_deaf:
            return
        incoming = self._incoming
        if (request := incoming.take()) is not None:
            self._allow(None)
            self._awaits_body = self._is_begun = False
            self._request = request
            self._work = self._begin(self, request)
        elif incoming.refusal is not None:
            self._refuse(incoming.refusal)
        elif incoming.is_amid_body and not self._awaits_body:
            self._awaits_body = True
            self._allow(self._patience_s)
            if incoming.awaits_word:
                self.send(CONTINUE)

    def _finish(self) -> None:
        """Wait for the next request, or close."""
        is_last = self.is_last
        self._is_said, self._request = False, None
        if is_last:
            self._is_deaf = True
            self._transport.close()
            return
        self._allow(self._patience_s)
        self._transport.resume_reading()
        if self._incoming or self._incoming.is_amid_body:
            self._loop.call_soon(self._go_on)

    def _refuse(self, error: Refused) -> None:
        """Answer for the last time, and close.

        Who still sends is listened to for a while: closed with bytes unread the answer is lost.
        """
        self._is_deaf = True
        self.send(refusal(error).written(is_last=True))
        self._transport.write_eof()
        self._allow(self._patience_s)

    def _allow(self, seconds: float | None) -> None:
        """Give whatever comes next so much time; None: all the time it takes."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None:
            self._deadline = self._loop.call_later(seconds, self._time_is_up)

    def _time_is_up(self) -> None:
        if self._request is not None or self._is_deaf:
            self._transport.abort()  # it does not take its answer
        elif self._incoming.is_amid_body:
            words = "the body did not arrive in time"
            self._refuse(Refused(HTTPStatus.REQUEST_TIMEOUT, "timeout", words))
        else:
            self._transport.close()


def _uid_of(peer: socket.socket) -> int:
    """Return the uid at the other end, as the kernel knows it: unix(7), SO_PEERCRED."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


@cache
def _warn_of(uid: int) -> None:
    """Log that a user was refused; once, for that user could ask all day."""
    logger.warning("uid %d was refused: only root and uid %d may ask", uid, os.geteuid())
