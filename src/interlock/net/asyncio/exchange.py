"""Exchanges as a bridge sees them, those of HTTP/1.1 and those of HTTP/2, and what is known of the peer."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import IO, Final, Protocol, cast

from interlock.http.events import Data, Event, Request
from interlock.http.fields import EXPECT_CONTINUE
from interlock.net.asyncio.connections import ConnectionRegistry, ExchangeRecord
from interlock.net.asyncio.sendfile import read_block
from interlock.net.deadlines import Wait
from interlock.net.exchange import Disconnected, Handler, PeerInfo, TunnelHandler

__all__ = ["DrivenExchange", "Driver", "StreamDriver", "StreamExchange", "peer_info"]


class Driver(Protocol):
    """What an exchange needs of the connection it is on."""

    write_paused: bool

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""

    @property
    def machines(self) -> dict[str, str]:
        """The states of the connection's machines, by name."""

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""

    def send(self, exchange: "DrivenExchange", events: tuple[Event, ...]) -> None:
        """Hand events over to be sent."""

    async def send_file(self, exchange: "DrivenExchange", file: IO[bytes], offset: int, count: int) -> None:
        """Send octets of a file as content."""

    def consumed(self, exchange: "DrivenExchange") -> None:
        """The application has taken some content."""

    def break_off(self, error: str) -> None:
        """End the exchange in progress visibly broken; one whose end was handed over is not."""


class StreamDriver(Protocol):
    """What an exchange needs of a connection that has many at a time."""

    write_paused: bool

    def machines(self, stream_id: int) -> dict[str, str]:
        """The states of the connection's machines and of a stream's, by name."""

    def takes(self, stream_id: int, octets: int) -> bool:
        """Whether so much content would leave at once, behind what waits already.  Any thread may ask."""

    def send(self, exchange: "StreamExchange", events: tuple[Event, ...]) -> None:
        """Hand events over to be sent."""

    def consumed(self, exchange: "StreamExchange", octets: int) -> None:
        """The application has taken some content."""

    def break_off(self, exchange: "StreamExchange", error: str) -> None:
        """End an exchange visibly broken."""

    def release(self, stream_id: int) -> None:
        """The application has ended."""


class ReportedExchange:
    """What an exchange has in all versions of HTTP."""

    __slots__ = ("_began", "_registry", "handler", "octets_sent", "peer", "request", "status", "tunnel", "unread")

    def __init__(self, registry: ConnectionRegistry, request: Request, peer: PeerInfo) -> None:
        self.request: Request = request
        self.peer: PeerInfo = peer
        self.handler: Handler | None = None
        #: Octets of content that the application has not taken yet.
        self.unread = 0
        self.status = 0
        self.octets_sent = 0
        #: Whether it has left HTTP; then its handler is a :class:`~interlock.net.exchange.TunnelHandler`.
        self.tunnel = False
        #: For the report: a loop's own clock may stand still for as long as a callback runs.
        self._began: Final = time.perf_counter() if registry.on_exchange_end is not None else 0.0
        self._registry: Final = registry

    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        """Have a callback called on the loop's thread."""
        self._registry.call_threadsafe(callback, args)

    def leave(self) -> None:
        """The server stops: an exchange that has left HTTP would not end by itself."""
        if self.tunnel and self.handler is not None:
            cast(TunnelHandler, self.handler).leave()

    def complete(self) -> None:
        """All of the response is with the transport: who waits for that is told."""
        handler = self.handler
        self.handler = None
        self.report("")
        if handler is not None:
            handler.writable()

    def fail(self, error: str) -> None:
        """The exchange cannot be completed: its handler is told, unless it has nothing to do with it any more."""
        handler = self.handler
        self.handler = None
        self.report(error)
        if handler is not None:
            handler.connection_lost(error)

    def report(self, error: str) -> None:
        """Tell the registry that the exchange is over."""
        report = self._registry.on_exchange_end
        if report is not None:
            duration = time.perf_counter() - self._began
            started = time.time() - duration
            report(ExchangeRecord(self.peer, self.request, self.status, self.octets_sent, started, duration, error))


class DrivenExchange(ReportedExchange):
    """One exchange of a connection that has one at a time: an :class:`~interlock.net.exchange.Exchange`."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Driver, registry: ConnectionRegistry, request: Request, peer: PeerInfo) -> None:
        super().__init__(registry, request, peer)
        self._protocol: Driver | None = protocol

    @property
    def writable(self) -> bool:
        """Whether what waits to be sent is below the high-water mark."""
        protocol = self._protocol
        return protocol is None or not protocol.write_paused

    def leaves_at_once(self, octets: int) -> bool:
        """Whether the transport takes so much without more than the high-water mark waiting in it."""
        return self.writable and octets <= self._registry.limits.write_buffer

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""
        protocol = self._protocol
        return 0 if protocol is None else protocol.unsent()

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        protocol = self._protocol
        return protocol is not None and protocol.expects_continue

    def switch(self, protocol: Driver) -> None:
        """The connection has left HTTP, and has another driver."""
        self._protocol = protocol
        self.tunnel = True

    def states(self) -> dict[str, str]:
        """The states of the connection's machines, by name."""
        protocol = self._protocol
        return {} if protocol is None else protocol.machines

    def send(self, *events: Event) -> None:
        """Hand events over to be sent."""
        protocol = self._protocol
        if protocol is None:
            raise Disconnected("the connection is closed")
        protocol.send(self, events)

    async def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Send octets of a file as content."""
        protocol = self._protocol
        if protocol is None:
            raise Disconnected("the connection is closed")
        await protocol.send_file(self, file, offset, count)

    def consumed(self, octets: int) -> None:
        """The application has taken octets of the content."""
        self.unread -= octets
        if self._protocol is not None:
            self._protocol.consumed(self)

    def abort(self) -> None:
        """End the exchange visibly broken."""
        if self._protocol is not None:
            self._protocol.break_off("the application failed")

    def ended(self) -> None:
        """The application has returned: on this connection that changes nothing."""

    def complete(self) -> None:
        """All of the response is with the transport."""
        self._protocol = None
        super().complete()

    def fail(self, error: str) -> None:
        """The exchange cannot be completed."""
        self._protocol = None
        super().fail(error)


class StreamExchange(ReportedExchange):
    """One exchange of a connection that has many: an :class:`~interlock.net.exchange.Exchange` on a stream of its own."""

    __slots__ = (
        "_driver",
        "_reason",
        "body_wait",
        "drained",
        "expecting",
        "over",
        "partial",
        "pending",
        "sent",
        "stall",
        "stream_id",
    )

    def __init__(self, driver: StreamDriver, registry: ConnectionRegistry, request: Request, peer: PeerInfo) -> None:
        super().__init__(registry, request, peer)
        #: Kept until the application has ended, which may be long after the exchange is over.
        self._driver: StreamDriver | None = driver
        self.stream_id: Final = request.stream_id
        #: Whether the client waits for 100 (Continue).
        self.expecting = bool(request.headers.flags & EXPECT_CONTINUE)
        #: Octets of content that have been handed over, and are not yet all with the transport.
        self.pending = 0
        #: How many of these count as the peer's progress already.
        self.sent = 0
        #: Nothing more is sent or received, and why; what has been handed over may still have to be sent.  As long as
        #: there is a handler then, it waits for that.
        self.over = False
        self._reason = ""
        #: Who waits until all that was handed over is with the transport, and that can take more.
        self.drained: asyncio.Future[None] | None = None
        #: The wait for the request's content; None while there was none.
        self.body_wait: Wait | None = None
        #: Octets of a frame that is not complete, which count as its progress already.
        self.partial = 0
        #: The wait for the peer to open its window; None while there was none.
        self.stall: Wait | None = None

    @property
    def writable(self) -> bool:
        """Whether all that was handed over is with the transport, and that can take more."""
        if self.over:
            return self.handler is None
        driver = self._driver
        return driver is None or (not self.pending and not driver.write_paused)

    def leaves_at_once(self, octets: int) -> bool:
        """Whether windows and transport take so much at once."""
        driver = self._driver
        return driver is None or self.over or driver.takes(self.stream_id, octets)

    def unsent(self) -> int:
        """Octets of content that are not with the transport; what is there, is the whole connection's."""
        return self.pending - self.sent

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        return self.expecting and not self.over

    def states(self) -> dict[str, str]:
        """The states of the connection's machines and of the stream's, by name."""
        driver = self._driver
        return {} if driver is None or self.over else driver.machines(self.stream_id)

    def send(self, *events: Event) -> None:
        """Hand events over to be sent."""
        driver = self._driver
        if driver is None or self.over:
            raise Disconnected(self._reason or "the response is over")
        driver.send(self, events)

    async def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Send octets of a file as content: in blocks, since they go out in frames."""
        loop = asyncio.get_running_loop()
        while count:
            data = await read_block(loop, file, offset, count)
            self.send(Data(data))
            if not self.writable:
                drained = loop.create_future()
                self.drained = drained
                try:
                    await drained
                finally:
                    self.drained = None
            offset += len(data)
            count -= len(data)

    def consumed(self, octets: int) -> None:
        """The application has taken octets of the content."""
        driver = self._driver
        if driver is not None and not self.over:
            self.unread -= octets
            driver.consumed(self, octets)

    def abort(self) -> None:
        """End the exchange visibly broken."""
        driver = self._driver
        if driver is not None and not self.over:
            driver.break_off(self, "the application failed")

    def ended(self) -> None:
        """The application has returned."""
        if get_ident() == self._registry.thread:
            self._release()
        else:
            with suppress(RuntimeError):  # the loop is closed, and the connection with it
                self._registry.call_threadsafe(self._release, ())

    def _release(self) -> None:
        driver = self._driver
        self._driver = None
        if driver is not None:
            driver.release(self.stream_id)

    def fail(self, error: str) -> None:
        """The exchange cannot be completed."""
        self.over = True
        self._reason = error
        if self.drained is not None and not self.drained.done():
            self.drained.set_exception(Disconnected(error))
        super().fail(error)


def peer_info(transport: asyncio.BaseTransport) -> PeerInfo:
    """What a transport tells of the connection."""
    ssl_object = transport.get_extra_info("ssl_object")
    peername = transport.get_extra_info("peername")
    sockname = transport.get_extra_info("sockname")
    client = (str(peername[0]), int(peername[1])) if isinstance(peername, tuple) else None
    server: tuple[str, int | None] | None = None
    if isinstance(sockname, tuple):
        server = (str(sockname[0]), int(sockname[1]))
    elif isinstance(sockname, str) and sockname:
        server = (sockname, None)
    return PeerInfo("http" if ssl_object is None else "https", client, server, ssl_object)
