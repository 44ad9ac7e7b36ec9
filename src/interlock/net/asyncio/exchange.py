"""One exchange of a connection, as a bridge sees it, and what is known of the peer."""

import asyncio
import time
from collections.abc import Callable
from typing import IO, Final, Protocol

from interlock.http.events import Event, Request
from interlock.net.asyncio.connections import ConnectionRegistry, ExchangeRecord
from interlock.net.exchange import Disconnected, Handler, PeerInfo

__all__ = ["DrivenExchange", "Driver", "peer_info"]


class Driver(Protocol):
    """What an exchange needs of the connection it is on."""

    write_paused: bool

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""

    @property
    def machines(self) -> dict[str, str]:
        """The states of the connection's machines, by name."""

    def send(self, exchange: "DrivenExchange", events: tuple[Event, ...]) -> None:
        """Hand events over to be sent."""

    async def send_file(self, exchange: "DrivenExchange", file: IO[bytes], offset: int, count: int) -> None:
        """Send octets of a file as content."""

    def consumed(self, exchange: "DrivenExchange") -> None:
        """The application has taken some content."""

    def break_off(self, error: str) -> None:
        """End the exchange in progress visibly broken."""


class DrivenExchange:
    """One exchange of a connection: an :class:`~interlock.net.exchange.Exchange`."""

    __slots__ = ("_began", "_protocol", "_registry", "handler", "octets_sent", "peer", "request", "status", "unread")

    def __init__(self, protocol: Driver, registry: ConnectionRegistry, request: Request, peer: PeerInfo) -> None:
        self._protocol: Driver | None = protocol
        self.request: Request = request
        self.peer: PeerInfo = peer
        self.handler: Handler | None = None
        #: Octets of content that the application has not taken yet.
        self.unread = 0
        self.status = 0
        self.octets_sent = 0
        #: For the report: a loop's own clock may stand still for as long as a callback runs.
        self._began: Final = time.perf_counter() if registry.on_exchange_end is not None else 0.0
        self._registry: Final = registry

    @property
    def writable(self) -> bool:
        """Whether what waits to be sent is below the high-water mark."""
        protocol = self._protocol
        return protocol is None or not protocol.write_paused

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        protocol = self._protocol
        return protocol is not None and protocol.expects_continue

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

    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        """Have a callback called on the loop's thread."""
        self._registry.call_threadsafe(callback, args)

    def detach(self, error: str) -> None:
        """The exchange is over: nothing holds the connection any more."""
        self._protocol = None
        self.handler = None
        report = self._registry.on_exchange_end
        if report is not None:
            duration = time.perf_counter() - self._began
            started = time.time() - duration
            report(ExchangeRecord(self.peer, self.request, self.status, self.octets_sent, started, duration, error))


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
