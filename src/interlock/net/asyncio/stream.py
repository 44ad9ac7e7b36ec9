"""A stream on a transport of asyncio's, or of a loop that does as asyncio does.

What comes is kept until it is read, and reading pauses while too much is kept.  Connecting is not here.

It is an :class:`asyncio.Protocol` in all but its base class.
"""

import asyncio
import math
import ssl
from typing import Any, Final, cast, final

from interlock.net.asyncio.closing import half_close
from interlock.net.asyncio.waiters import wake, woken
from interlock.net.errors import connect_error, connect_timeout, read_error, read_timeout, write_error, write_timeout
from interlock.net.sockets import ready
from interlock.net.stream import Stream

__all__ = ["AsyncioStream"]

#: Octets that nobody has read yet, before reading pauses.
_ENOUGH: Final = 65536
#: Octets that are encrypted at once: as many as a transport of TLS holds, below its high-water mark.
_PIECE: Final = 65536
#: Seconds in which a peer has to take some of what is still to be sent when the stream is closed.
_LINGER: Final = 2.0
#: Seconds that asyncio gives to a TLS handshake, which has to be some: who connects has a timeout of their own.
_LONG: Final = 1e6

_EXTRA: Final = {
    "ssl_object": "ssl_object",
    "socket": "socket",
    "client_addr": "sockname",
    "server_addr": "peername",
}


@final
class AsyncioStream(Stream):
    """One transport.  ``peer``: what errors call the other end."""

    __slots__ = (
        "_before",
        "_closed",
        "_deadline",
        "_ended",
        "_error",
        "_later",
        "_loop",
        "_lost",
        "_lower",
        "_owner",
        "_paused",
        "_peer",
        "_reader",
        "_received",
        "_taken",
        "_timer",
        "_timer_at",
        "_tls",
        "_transport",
        "_waiters",
        "_write_paused",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str) -> None:
        self._loop: Final = loop
        self._peer: Final = peer
        self._transport: Any = None
        self._tls = False
        # The protocol that the transport had before, if any, and who would close the transport when it is let go of.
        self._before: Any = None
        self._owner: object = None
        # The transports below, nearest first, where this is TLS.
        self._lower: list[Any] = []
        # What has come: the first piece, octets of it that are taken, and all pieces behind it.
        self._received = b""
        self._taken = 0
        self._later = bytearray()
        self._paused = False
        # The peer has ended its side; the connection is gone; it was closed here.
        self._ended = False
        self._lost = False
        self._closed = False
        self._error: BaseException | None = None
        # Who reads, until when, and the one timer, which may be earlier than that.
        self._reader: asyncio.Future[None] | None = None
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        # Who waits until less is to be sent, or for the connection's end.
        self._waiters: list[asyncio.Future[None]] = []
        self._write_paused = False

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self._transport = transport
        self._tls = transport.get_extra_info("sslcontext") is not None
        if self._tls:
            self._transport.set_write_buffer_limits(_PIECE)

    def take_over(self, transport: asyncio.Transport, owner: object, received: bytes, ended: bool) -> None:
        """Be the protocol of a transport that had another, which is still told when the connection is gone.

        ``owner``: who closes the transport when it is let go of.  ``received``, ``ended``: what had come, be it the
        peer's end.
        """
        self._owner = owner
        self.connection_made(transport)
        self._before = transport.get_protocol()
        self._received = received
        self._ended = ended
        self._lost = ended and transport.is_closing()
        self._paused = not self._lost and not transport.is_reading()
        self._write_paused = transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        transport.set_protocol(cast(asyncio.Protocol, self))
        if self._paused:
            self._resume()

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        if self._closed:
            return
        if self._received:
            self._later += data
        else:
            self._received = data if type(data) is bytes else bytes(data)
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)
        elif not self._paused and self._waiting_octets() > _ENOUGH:
            self._paused = True
            self._source().pause_reading()

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open, which it cannot with TLS."""
        self._ended = True
        self._wake_reader()
        return not self._tls

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        self._error = exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_reader()
        wake(self._waiters)
        if self._before is not None:
            self._before.connection_lost(exc)
            self._before = None

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        self._write_paused = False
        wake(self._waiters)

    # -- reading

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._received:
            if not self._ended and not self._lost and not self._closed:
                if self._reader is not None:
                    raise RuntimeError("another task is reading from this stream")
                if timeout is not None:
                    self._expire_at(self._loop.time() + timeout)
                reader: asyncio.Future[None] = self._loop.create_future()
                self._reader = reader
                try:
                    await reader
                finally:
                    self._reader = None
                    self._deadline = math.inf
            if not self._received:
                return self._nothing(timeout)
        data = self._received
        if self._taken or len(data) > max_bytes:
            return self._part(max_bytes)
        if self._later:
            self._received = bytes(self._later)
            self._later.clear()
        else:
            self._received = b""
        if self._paused:
            self._resume()
        return data

    def _part(self, max_bytes: int) -> bytes:
        """Some of the first piece."""
        if max_bytes < 1:
            raise ValueError(f"at least one octet has to be read, not {max_bytes}")
        data = self._received[self._taken : self._taken + max_bytes]
        self._taken += len(data)
        if self._taken == len(self._received):
            self._received = bytes(self._later)
            self._later.clear()
            self._taken = 0
        if self._paused:
            self._resume()
        return data

    def _nothing(self, timeout: float | None) -> bytes:
        """What a read gives where there is nothing to be read."""
        if self._closed:
            raise read_error(self._peer)
        if self._error is not None:
            raise read_error(self._peer, self._error) from self._error
        if self._ended or self._lost:
            return b""
        raise read_timeout(self._peer, timeout)

    def _resume(self) -> None:
        if self._waiting_octets() <= _ENOUGH:
            self._paused = False
            source = self._source()
            if not self._lost and not source.is_closing():
                source.resume_reading()

    def _source(self) -> Any:
        """The transport to pause: the one on the socket.

        Of a transport of TLS that is paused, uvloop drops what is there when the peer ends the connection.
        """
        return self._lower[-1] if self._lower else self._transport

    def _waiting_octets(self) -> int:
        return len(self._received) - self._taken + len(self._later)

    def _wake_reader(self) -> None:
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)

    def _expire_at(self, deadline: float) -> None:
        """Wake who reads then.  A timer that fires before that looks again."""
        self._deadline = deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._expired)

    def _expired(self) -> None:
        self._timer = None
        if self._deadline <= self._timer_at:
            self._deadline = math.inf
            self._wake_reader()
        elif self._reader is not None and self._deadline != math.inf:
            self._expire_at(self._deadline)

    # -- writing

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._lost or self._closed or self._transport.is_closing():
            raise self._write_error()
        # A transport of TLS does not count what waits in the one below it: only the next piece tells.
        piece = buffer if len(buffer) <= _PIECE or not self._tls else buffer[:_PIECE]
        if piece:
            self._transport.write(piece)
        if self._write_paused or len(piece) < len(buffer):
            await self._write_rest(memoryview(buffer)[len(piece) :], timeout)

    async def _write_rest(self, rest: memoryview, timeout: float | None) -> None:
        """Write all of it in pieces, and wait until the transport is below its low-water mark."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    while self._write_paused and not self._lost:
                        await woken(self._waiters)
                    if self._lost or not rest:
                        break
                    self._transport.write(rest[:_PIECE])
                    rest = rest[_PIECE:]
        except TimeoutError:
            raise write_timeout(self._peer, timeout) from None
        if self._lost:
            raise self._write_error()

    def _write_error(self) -> Exception:
        if self._closed:
            return write_error(self._peer)
        return write_error(self._peer, self._error or "the peer has closed the connection")

    # -- the end

    async def send_eof(self) -> None:
        if not self._tls and not self._lost and not self._closed and not self._transport.is_closing():
            half_close(self._transport)

    async def aclose(self) -> None:
        self._close_here()
        if self._lost or self._transport is None:
            return
        try:
            # A transport that is closed goes on to send what it has, and to take what the one above it still has.  So
            # closing those below TLS, too, only keeps it from waiting for the peer's end, as it would.
            for transport in [self._transport, *self._lower]:
                if not transport.is_closing():  # to close it again would make a transport of TLS forget its protocol
                    transport.close()
            while not self._lost and await self._gets_on():
                pass
        finally:
            if not self._lost:
                self.abort()
        if not self._lost:
            await woken(self._waiters)

    async def _gets_on(self) -> bool:
        """Wait a while for the peer.  Returns whether it has taken anything meanwhile."""
        before = self._unsent()
        try:
            async with asyncio.timeout(_LINGER):
                await woken(self._waiters)
        except TimeoutError:
            return self._unsent() < before
        return True

    def _unsent(self) -> int:
        return sum(transport.get_write_buffer_size() for transport in [self._transport, *self._lower])

    def abort(self) -> None:
        self._close_here()
        if not self._lost and self._transport is not None:
            self._transport.abort()
            for lower in self._lower:
                lower.abort()

    def _close_here(self) -> None:
        self._closed = True
        self._received = b""
        self._later.clear()
        self._taken = 0
        self._wake_reader()

    # -- the rest

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        what = f"the TLS handshake with {self._peer}"
        try:
            if self._received:
                raise connect_error(what, "the peer has sent something before it")
            if self._ended or self._lost or self._closed:
                raise connect_error(what, "the connection is closed")
            stream = AsyncioStream(self._loop, self._peer)
            stream._lower = [self._transport, *self._lower]
            async with asyncio.timeout(timeout):
                transport = await self._loop.start_tls(
                    self._transport,
                    cast(asyncio.Protocol, stream),
                    ssl_context,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=_LONG,
                )
        except TimeoutError:
            self.abort()
            raise connect_timeout(what, timeout) from None
        except (OSError, ValueError) as error:
            self.abort()
            raise connect_error(what, error) from error
        except BaseException:
            self.abort()
            raise
        if transport is None or transport.is_closing():
            self.abort()
            raise connect_error(what, "the peer has closed the connection")
        self._lost = True
        stream._before = self._before
        stream._owner = self._owner
        stream.connection_made(transport)
        return stream

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._is_readable()
        if info == "cancelled_write_is_whole":
            return True  # the transport has all of it
        if info == "reads_at_once":
            return True
        name = _EXTRA.get(info)
        return None if name is None or self._transport is None else self._transport.get_extra_info(name)

    def _is_readable(self) -> bool:
        if self._received or self._ended or self._lost or self._closed:
            return True
        sock = self._transport.get_extra_info("socket")
        # The loop may not have got round to what is there.
        return sock is None or ready(sock)
