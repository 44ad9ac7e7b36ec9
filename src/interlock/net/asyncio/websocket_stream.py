"""The protocol of a transport that is to carry a WebSocket: a stream during the opening handshake, the session's after it.

It is an :class:`asyncio.Protocol` in all but its base class.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast, final

from interlock.net.asyncio.closing import half_close
from interlock.net.asyncio.websocket import WebSocketSession

__all__ = ["WebSocketStream"]

#: Octets that nobody has read yet, before reading pauses.
_ENOUGH: Final = 65536


@final
class WebSocketStream:
    """One transport and what becomes of its octets.  ``connected`` is told when the transport is there."""

    __slots__ = (
        "_connected",
        "_dropping",
        "_ended",
        "_error",
        "_loop",
        "_lost",
        "_reader",
        "_received",
        "_write_limit",
        "_write_paused",
        "secure",
        "session",
        "transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        write_limit: int | tuple[int, int | None],
        connected: "Callable[[WebSocketStream], None] | None" = None,
    ) -> None:
        self._loop: Final = loop
        self._write_limit: Final = write_limit
        self._connected = connected
        self.transport: asyncio.Transport | None = None
        #: Whether it has TLS.
        self.secure = False
        #: Who has the octets, once the opening handshake is done.
        self.session: WebSocketSession | None = None
        self._received = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._ended = False
        self._lost = False
        self._error: BaseException | None = None
        self._dropping = False
        self._write_paused = False

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, its TLS handshake done."""
        self.use(cast(asyncio.Transport, transport))
        if self._connected is not None:
            self._connected(self)
            self._connected = None

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        if self.session is not None:
            self.session.data_received(data)
        elif not self._dropping:
            self._received += data
            if len(self._received) > _ENOUGH and self._reader is None and self.transport is not None:
                self.transport.pause_reading()
            self._wake()

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open, which it cannot with TLS."""
        self._ended = True
        if self.session is not None:
            self.session.eof_received()
        self._wake()
        return not self.secure

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended = True
        self._lost = True
        self._error = exc
        if self.session is not None:
            self.session.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self._write_paused = True
        if self.session is not None:
            self.session.pause_writing()

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        self._write_paused = False
        if self.session is not None:
            self.session.resume_writing()

    # -- the opening handshake

    def use(self, transport: asyncio.Transport) -> None:
        """From now on this is the transport."""
        self.transport = transport
        self.secure = transport.get_extra_info("sslcontext") is not None
        if isinstance(self._write_limit, int):
            transport.set_write_buffer_limits(high=self._write_limit)
        else:
            transport.set_write_buffer_limits(high=self._write_limit[0], low=self._write_limit[1])

    async def receive_some(self) -> bytes:
        """What has come, at least one octet; b"" at the end.  Raises :class:`ConnectionError` if the connection broke."""
        while not self._received:
            if self._error is not None:
                raise ConnectionResetError(f"the connection is lost: {self._error}") from self._error
            if self._ended:
                return b""
            self._reader = self._loop.create_future()
            if self.transport is not None and not self.transport.is_closing() and not self.transport.is_reading():
                self.transport.resume_reading()
            try:
                await self._reader
            finally:
                self._reader = None
        octets = bytes(self._received)
        self._received.clear()
        return octets

    def send_all(self, octets: bytes) -> None:
        """Send octets.  Raises :class:`ConnectionError` if the connection is gone."""
        if self._lost or self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the connection is lost")
        self.transport.write(octets)

    def hand_over(self, session: WebSocketSession, octets: bytes) -> None:
        """The opening handshake is done: from now on all is the session's, with ``octets`` that have come already."""
        self.session = session
        octets += bytes(self._received)
        self._received.clear()
        transport = self.transport
        if transport is not None and not transport.is_closing() and not transport.is_reading():
            transport.resume_reading()
        if self._write_paused:
            session.pause_writing()
        if octets:
            session.data_received(octets)
        if self._lost:
            session.connection_lost(self._error)
        elif self._ended:
            session.eof_received()

    # -- the end of one that has no session

    def abort(self) -> None:
        """Let go of the transport at once."""
        if self.transport is not None and not self._lost:
            self.transport.abort()

    async def close(self, linger: float) -> None:
        """Close the transport, behind what was sent; what comes for so many seconds is dropped (RFC 9112 §9.6).

        Whoever has called :meth:`close` has to call :meth:`abort` then, also where this was cancelled.
        """
        transport = self.transport
        if transport is None:
            return
        self._dropping = True
        if not self._ended and linger and half_close(transport):
            if not transport.is_reading():
                transport.resume_reading()
            await self._within(linger, lambda: self._ended)
        if not self._lost:
            transport.close()
            await self._within(linger, lambda: self._lost)

    async def _within(self, seconds: float, over: Callable[[], bool]) -> None:
        """Wait until it is over, or so many seconds are."""
        try:
            async with asyncio.timeout(seconds):
                while not over():
                    await self._wait()
        except TimeoutError:
            pass

    async def _wait(self) -> None:
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
