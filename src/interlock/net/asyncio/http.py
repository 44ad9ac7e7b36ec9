"""The driver for HTTP on asyncio: octets between one transport and one engine, and the waits in between.

It is an :class:`asyncio.Protocol` in all but its base class.  It decides nothing about the protocol: it asks the
engine what may be done, and a :class:`~interlock.net.deadlines.Wait` how long.  Reading pauses while the application
has not taken what was read, and while a request is in progress and the next one is there already.
"""

import asyncio
import socket
from typing import IO, Any, Final, cast

from interlock.h1.connection import Connection
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import ConnectionClosed, Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.sentinels import (
    CLOSED,
    DONE,
    IDLE,
    MUST_CLOSE,
    NEED_DATA,
    SEND_BODY,
    SEND_RESPONSE,
    SERVER,
)
from interlock.net import deadlines
from interlock.net.asyncio.closing import close, final, half_close, reset_on_close
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.exchange import DrivenExchange, peer_info
from interlock.net.asyncio.sendfile import FileRange, read_block, send_range
from interlock.net.asyncio.tunnel import TunnelProtocol
from interlock.net.asyncio.unsent import unsent
from interlock.net.deadlines import Wait
from interlock.net.exchange import Disconnected, PeerInfo
from interlock.net.refusal import refusal

__all__ = ["HTTPProtocol"]

#: Pieces up to this many octets together are copied into one write.
_JOIN: Final = 65536


class HTTPProtocol:
    """One connection of a server."""

    __slots__ = (
        "_closing",
        "_discarded",
        "_drained",
        "_exchange",
        "_finishing",
        "_ip",
        "_loop",
        "_lost",
        "_peer",
        "_processing",
        "_read_paused",
        "_read_wait",
        "_registry",
        "_since",
        "_timer",
        "_timer_at",
        "_transport",
        "_write_size",
        "_write_wait",
        "connection",
        "write_paused",
    )

    def __init__(
        self, registry: ConnectionRegistry, loop: asyncio.AbstractEventLoop, since: float | None = None
    ) -> None:
        """``since``: when the connection began, on the loop's clock, if the registry has it already."""
        self._registry: Final = registry
        self._loop: Final = loop
        self.connection: Final = Connection(SERVER, limits=registry.limits, leniency=registry.leniency)
        self._transport: asyncio.Transport | None = None
        self._peer = PeerInfo("http", None, None)
        self._ip = ""
        self._exchange: DrivenExchange | None = None
        #: The exchange whose response is complete, and not yet below the low-water mark.
        self._finishing: DrivenExchange | None = None
        self._processing = False
        self._read_paused = False
        #: Whether more than the high-water mark waits to be sent.
        self.write_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._closing = False
        self._lost = False
        #: Octets of a request body that nobody wants any more.
        self._discarded = 0
        self._read_wait: Final = Wait(registry.timeouts)
        self._write_wait: Final = Wait(registry.timeouts)
        self._write_size = 0
        self._since: Final = since
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = deadlines.NEVER

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, its TLS handshake done."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_info(transport)
        self._ip = self._peer.client[0] if self._peer.client else ""
        self._transport.set_write_buffer_limits(high=self._registry.limits.write_buffer)
        since = self._since
        self._read_wait.begin(deadlines.HEAD, self._loop.time() if since is None else since)
        if since is None and not self._registry.add(self, self._ip):
            if self._registry.flooded(self._ip):
                self.abort()
            else:
                self.refuse(RemoteProtocolError("too many connections", 503))
        elif self._registry.draining:
            self._close()
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        if self._closing:
            return  # read and dropped while we linger
        self.connection.receive_data(data)
        wait = self._read_wait
        if wait.what == deadlines.BODY:
            wait.progress(len(data), self._loop.time())
            self._process()
        else:
            self._process()
            if wait.what == deadlines.BODY:  # it has begun with what came with the head
                wait.progress(len(data), self._loop.time())

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open."""
        if self._closing:
            return False
        self.connection.receive_data(b"")
        self._process()
        exchange = self._exchange
        if exchange is None or self._closing or self._lost:
            return False
        if exchange.handler is not None:
            exchange.handler.eof_received()
        return self._peer.ssl_object is None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._registry.remove(self, self._ip)
        self._end_exchange(f"connection lost: {exc}" if exc else "connection closed by the client")
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(Disconnected("the connection is closed"))
        self._transport = None

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self.write_paused = True
        if not self._closing and self._transport is not None:
            self._write_size = unsent(self._transport)
            self._write_wait.begin(deadlines.WRITE, self._loop.time())
            self._arm()

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        self.write_paused = False
        if not self._closing:
            self._write_wait.end()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._finish()
        exchange = self._exchange
        if exchange is None:
            if self.connection.their_state is DONE and not self._closing:
                self._next_cycle()
        elif exchange.handler is not None:
            exchange.handler.writable()

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        return self.connection.they_are_waiting_for_100_continue

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""
        return 0 if self._transport is None else unsent(self._transport)

    @property
    def machines(self) -> dict[str, str]:
        """The states of the connection's machines, by name."""
        return self.connection.machines

    # -- receiving

    def _process(self) -> None:
        """Take events from the engine until it wants more octets, or somebody to act."""
        if self._processing:
            return
        self._processing = True
        connection = self.connection
        try:
            while not self._closing:
                if (self._exchange is not None or self.write_paused) and connection.waiting_for == "application":
                    # All of the request is there.  What comes behind it has its turn when the response is taken, if ever.
                    if connection.has_trailing_data:
                        self._pause_reading()
                    break
                event = connection.next_event()
                if event is NEED_DATA:
                    self._need_data()
                    break
                if type(event) is Request:
                    self._begin_exchange(event)
                elif type(event) is Data:
                    self._take_data(event.data)
                elif type(event) is EndOfMessage:
                    self._read_wait.end()
                    exchange = self._exchange
                    if exchange is None:
                        self._next_cycle()  # what was left of a body has been dropped
                    elif exchange.handler is not None:
                        exchange.handler.end_received(event.headers)
                elif type(event) is ConnectionClosed:
                    if self._exchange is None:
                        self._close()
                    break
        except RemoteProtocolError as error:
            self.refuse(error)
        finally:
            self._processing = False

    def _need_data(self) -> None:
        """Wait for the peer, for as long as that may last."""
        wait = self._read_wait
        waiting_for = self.connection.waiting_for
        if waiting_for == "head":
            if wait.what != deadlines.HEAD:
                wait.begin(deadlines.HEAD, self._loop.time())
                self._arm()
        elif (
            waiting_for == "body"
            and wait.what != deadlines.BODY
            and not self.connection.they_are_waiting_for_100_continue
        ):
            wait.begin(deadlines.BODY, self._loop.time())
            if self._read_paused:
                wait.pause(self._loop.time())
            self._arm()

    def _begin_exchange(self, request: Request) -> None:
        self._read_wait.end()
        if request.method == b"CONNECT":
            raise RemoteProtocolError("CONNECT is for proxies (RFC 9110 §9.3.6)", 501)
        exchange = DrivenExchange(self, self._registry, request, self._peer)
        self._exchange = exchange
        exchange.handler = self._registry.handler_factory(exchange)

    def _take_data(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.handler is None:
            self._discarded += len(data)
            if self._discarded > self._registry.limits.drain:
                self._close()
            return
        exchange.unread += len(data)
        if exchange.unread > self._registry.limits.read_buffer:
            self._pause_reading()
        exchange.handler.data_received(data)

    def consumed(self, exchange: DrivenExchange) -> None:
        """The application has taken some content of ``exchange``."""
        if not self._read_paused or exchange.unread > self._registry.limits.read_buffer // 2:
            return
        connection = self.connection
        if connection.their_state is SEND_BODY or not connection.has_trailing_data:
            self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._read_paused and self._transport is not None and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()
            self._read_wait.pause(self._loop.time())

    def _resume_reading(self) -> None:
        if self._read_paused and self._transport is not None and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()
            self._read_wait.resume(self._loop.time())
            self._arm()

    # -- sending

    def send(self, exchange: DrivenExchange, events: tuple[Event, ...]) -> None:
        """Hand the events of ``exchange`` to the engine, and its octets to the transport."""
        transport = self._transport
        if transport is None or self._closing or transport.is_closing():
            raise Disconnected("the connection is closed")
        parts: list[Any] = []
        ended = switched = False
        for given in events:
            event = given
            if type(given) is Response:
                if self._registry.draining or self.connection.they_are_waiting_for_100_continue:
                    event = final(given)
                exchange.status = given.status_code
            elif type(given) is Data:
                exchange.octets_sent += len(given.data)
            elif type(given) is EndOfMessage:
                ended = True
                if len(given.headers) and not self.connection.trailers_can_be_sent:
                    event = EndOfMessage()  # RFC 9110 §6.5: where trailers cannot be sent they are dropped
            elif type(given) is InformationalResponse:
                if self.connection.their_http_version == b"1.0":
                    continue  # RFC 9110 §15.2: not for an HTTP/1.0 client
                switched = given.status_code == 101
            sent = self.connection.send_with_data_passthrough(event)
            if sent:
                parts += sent
        self._write(transport, parts)
        if switched:
            self._switch(transport, exchange)
        elif ended:
            self._exchange_complete(exchange)
        elif self._read_wait.what == deadlines.APPLICATION:
            self._need_data()  # a client that waited for 100 (Continue) has to go on now

    def _write(self, transport: asyncio.Transport, parts: list[Any]) -> None:
        if len(parts) == 1:
            transport.write(parts[0])
        elif sum(map(len, parts)) <= _JOIN:
            if parts:
                transport.write(b"".join(parts))
        else:
            for part in parts:
                transport.write(part)

    async def send_file(self, exchange: DrivenExchange, file: IO[bytes], offset: int, count: int) -> None:
        """Send octets of a file as content of ``exchange``."""
        transport = self._transport
        if transport is None or self._closing:
            raise Disconnected("the connection is closed")
        if not count:
            return
        sock = transport.get_extra_info("socket")
        if self._peer.ssl_object is not None or sock is None:
            while count:
                data = await read_block(self._loop, file, offset, count)
                self.send(exchange, (Data(data),))
                await self._below(transport)
                offset += len(data)
                count -= len(data)
            return
        parts = self.connection.send_with_data_passthrough(Data(FileRange(count))) or []
        at = next(i for i, part in enumerate(parts) if isinstance(part, FileRange))
        limits = self._registry.limits
        transport.set_write_buffer_limits(high=0)
        try:
            self._write(transport, parts[:at])
            if transport.get_write_buffer_size():
                self.write_paused = True
            await self._below(transport)
            self._write_size = unsent(transport)
            self._write_wait.begin(deadlines.WRITE, self._loop.time())
            self._arm()
            progress, until = self._file_progress, self._until_drained
            await send_range(self._loop, cast(socket.socket, sock), file, offset, count, progress, until)
            self._write_wait.end()
        except OSError as error:
            raise Disconnected(f"the connection is closed: {error}") from error
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits(high=limits.write_buffer)
        if self._closing:
            raise Disconnected("the connection is closed")
        exchange.octets_sent += count
        self._write(transport, parts[at + 1 :])

    def _file_progress(self, octets: int) -> None:
        if self._lost:
            raise Disconnected("the connection is closed")
        self._write_size += octets

    def _until_drained(self) -> "asyncio.Future[None]":
        """What is done when writing can go on, and fails when the connection is lost."""
        drained: asyncio.Future[None] = self._loop.create_future()
        self._drained = drained
        return drained

    async def _below(self, transport: asyncio.Transport) -> None:
        """Wait until what waits to be sent is below the low-water mark."""
        if self.write_paused:
            try:
                await self._until_drained()
            finally:
                self._drained = None
        if self._lost or transport.is_closing():
            raise Disconnected("the connection is closed")

    def _exchange_complete(self, exchange: DrivenExchange) -> None:
        """Our EndOfMessage has been handed to the transport."""
        self._exchange = None
        if self.write_paused:
            self._finishing = exchange
        else:
            exchange.handler = None  # which knows it
            exchange.complete()
        connection = self.connection
        their = connection.their_state
        if their is DONE and connection.our_state is DONE:
            self._next_cycle()
        elif their is SEND_BODY and connection.our_state is DONE and not self._registry.draining:
            # Drop the rest of the request's content if there is little of it, so that the connection can be kept.
            self._discarded = exchange.unread
            self._resume_reading()
            self._process()
        else:
            self._close()

    def _finish(self) -> None:
        """What waited to be sent is taken."""
        exchange = self._finishing
        if exchange is not None:
            self._finishing = None
            exchange.complete()

    def _switch(self, transport: asyncio.Transport, exchange: DrivenExchange) -> None:
        """The connection has left HTTP (RFC 9110 §7.8): the transport and the exchange have another driver from now on."""
        exchange.status = 101
        tunnel = TunnelProtocol(self._registry, transport, exchange)
        self._closing = True
        self._exchange = self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._read_paused:
            transport.resume_reading()
        received, eof = self.connection.trailing_data
        tunnel.take_over(self, received, eof=eof, write_paused=self.write_paused)

    def _next_cycle(self) -> None:
        """Go on to the next request, which may have been received already."""
        if self._registry.draining or self.connection.our_state is not DONE:
            self._close()
            return
        if self.write_paused:
            return  # nothing more is made before what there is has been taken: resume_writing() comes back here
        self.connection.start_next_cycle()
        self._discarded = 0
        self._read_wait.begin(deadlines.IDLE, self._loop.time())
        if self._read_wait.deadline() < self._timer_at:
            self._arm()
        self._resume_reading()
        if not self._processing and (self.connection.received_eof or self.connection.waiting_for != "idle"):
            self._process()

    # -- ends

    def refuse(self, error: RemoteProtocolError) -> None:
        """Answer what the peer did wrong, if that can still be answered, and close."""
        exchange = self._exchange
        connection = self.connection
        if exchange is None and connection.our_state not in (IDLE, SEND_RESPONSE):
            self._close(linger=True)  # in the rest of a request that was answered, and that nobody wants
            return
        status = octets_sent = 0
        text = str(error)
        self._registry.log.debug("refused %s: %s", self._ip or "a client", text)
        if connection.our_state in (IDLE, SEND_RESPONSE) and self._transport is not None:
            status = error.error_status_hint
            events, octets_sent = refusal(error, connection.request_method, self._registry.add_defaults)
            parts: list[Any] = []
            for event in events:
                parts += connection.send_with_data_passthrough(event) or []
            self._write(self._transport, parts)
        if exchange is not None:
            if status:
                exchange.status = status
                exchange.octets_sent = octets_sent
            self._end_exchange(text)
        else:
            self._registry.report_refused(self._peer, None, status, octets_sent, text)
        if status:
            self._close(linger=True)
        else:
            self.abort()

    def _end_exchange(self, error: str) -> None:
        """The exchange in progress cannot be completed."""
        exchange = self._exchange or self._finishing
        if exchange is not None:
            self._exchange = self._finishing = None
            exchange.fail(error)

    def break_off(self, error: str) -> None:
        """End the exchange in progress, and the connection with it, so that the peer sees that it is not complete."""
        if self._exchange is None:
            return  # its end was handed over
        self._end_exchange(error)
        transport = self._transport
        if transport is None or self._closing:
            return
        if self.connection.ends_by_close:
            # Nothing but a reset tells the peer that this is not the end.
            reset_on_close(transport)
            self.abort()
        else:
            self._close(linger=True)

    def _close(self, linger: bool = False) -> None:
        """Close, as soon as what is to be sent has been sent.

        Where the peer may still be sending, or with ``linger``, only our side is closed at first, and what comes is
        read and dropped for a while: otherwise the peer's system would drop our last octets (RFC 9112 §9.6).
        """
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = True
        connection = self.connection
        unread, peer_closed = connection.trailing_data
        linger = (linger or bool(unread) or connection.their_state is SEND_BODY) and not peer_closed
        now = self._loop.time()
        self._read_wait.end()
        if connection.our_state in (IDLE, DONE, MUST_CLOSE, CLOSED):
            connection.send(ConnectionClosed())
        if linger and self._registry.timeouts.linger and not transport.is_closing() and half_close(transport):
            if self._read_paused:
                self._read_paused = False
                transport.resume_reading()
            self._read_wait.begin(deadlines.LINGER, now)
        else:
            close(transport)
        self._write_size = unsent(transport)
        self._write_wait.begin(deadlines.CLOSING, now)
        self._arm()

    def drain(self) -> None:
        """The server stops: close now if nothing runs, otherwise after the exchange in progress."""
        if self._exchange is None and not self._closing:
            self._close()

    def abort(self, reason: str = "aborted") -> None:
        """Close at once; what has not been sent is lost."""
        transport = self._transport
        if transport is not None:
            self._closing = True
            self._end_exchange(reason)
            transport.abort()

    # -- deadlines

    def _arm(self) -> None:
        """See to it that the timer does not fire later than the next deadline."""
        deadline = min(self._read_wait.deadline(), self._write_wait.deadline())
        if deadline < self._timer_at and not self._lost:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._check_deadlines)

    def _check_deadlines(self) -> None:
        self._timer = None
        self._timer_at = deadlines.NEVER
        now = self._loop.time()
        if self._transport is not None and self._write_wait.what != deadlines.APPLICATION:
            size = unsent(self._transport)
            if size < self._write_size:
                self._write_wait.progress(self._write_size - size, now)
            self._write_size = size
        if self._write_wait.deadline() <= now:
            self._write_wait.end()
            self._registry.log.debug("%s takes nothing: closed", self._ip)
            self.abort("the client is too slow to take the response")
        elif self._read_wait.deadline() <= now:
            self._read_too_slow()
        self._arm()

    def _read_too_slow(self) -> None:
        what = self._read_wait.what
        self._read_wait.end()
        if what == deadlines.LINGER:
            if self._transport is not None:
                if self._transport.get_write_buffer_size():
                    self._read_wait.begin(deadlines.LINGER, self._loop.time())  # it lasts from our last octet on
                else:
                    close(self._transport)
        elif what == deadlines.BODY and self._exchange is None:
            self._close()
        elif what == deadlines.BODY or self.connection.waiting_for == "head":
            self.refuse(RemoteProtocolError("the request came too slowly", 408))
        else:
            self._close()
