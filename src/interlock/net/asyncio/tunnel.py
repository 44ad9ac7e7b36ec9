"""What a connection of HTTP/1.1 is after it has switched: octets between the transport and one handler (RFC 9110 §7.8).

The handler sees what it saw before: content that comes is what the peer sends, content that it sends is what the peer
gets, and the end of either message is the end of that side of the connection.  So a handler for a protocol that was
switched to runs on a stream of HTTP/2 just as well (RFC 8441).  The protocol's own deadlines are the handler's.
"""

import asyncio
from typing import IO, Final, NoReturn, cast

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, Event
from interlock.http.fields import Headers
from interlock.net.asyncio.closing import close, half_close
from interlock.net.asyncio.connections import ConnectionRegistry, Served
from interlock.net.asyncio.exchange import DrivenExchange
from interlock.net.asyncio.unsent import unsent

__all__ = ["TunnelProtocol"]

_NO_TRAILERS: Final = Headers()


class TunnelProtocol:
    """One connection that speaks something else than HTTP now."""

    __slots__ = (
        "_ended",
        "_exchange",
        "_ip",
        "_machines",
        "_peer_ended",
        "_read_paused",
        "_registry",
        "_transport",
        "write_paused",
    )

    def __init__(self, registry: ConnectionRegistry, transport: asyncio.Transport, exchange: DrivenExchange) -> None:
        self._registry: Final = registry
        self._transport: Final = transport
        self._exchange: Final = exchange
        self._ip: Final = exchange.peer.client[0] if exchange.peer.client else ""
        #: The states in which the machines of HTTP/1.1 were left.
        self._machines: Final = exchange.states()
        self._read_paused = False
        #: Whether our side has been closed.
        self._ended = False
        #: Whether the peer has closed its own.
        self._peer_ended = False
        #: Whether more than the high-water mark waits to be sent; and once our side is closed, that it is not all over.
        self.write_paused = False

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        return False

    @property
    def machines(self) -> dict[str, str]:
        """The states of the connection's machines, by name."""
        return self._machines

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""
        return unsent(self._transport)

    def take_over(self, predecessor: Served, received: bytes, *, eof: bool, write_paused: bool) -> None:
        """Go on where the driver of HTTP/1.1 stops.  ``received``: what came behind the request."""
        self.write_paused = write_paused
        self._registry.replace(predecessor, self)
        self._exchange.switch(self)
        self._transport.set_protocol(cast(asyncio.Protocol, self))
        if self._registry.draining:
            self.drain()
        if received:
            self.data_received(received)
        if eof and not self.eof_received():
            close(self._transport)

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection was there before."""

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        exchange = self._exchange
        if exchange.handler is None:
            return
        exchange.unread += len(data)
        if exchange.unread > self._registry.limits.read_buffer and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()
        exchange.handler.data_received(data)

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open."""
        if self._ended or self._exchange.handler is None:
            return False
        self._peer_ended = True
        self._exchange.handler.end_received(_NO_TRAILERS)
        return not self._ended and self._exchange.peer.ssl_object is None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._registry.remove(self, self._ip)
        if self._ended and exc is None:
            self._exchange.complete()
        else:
            self._exchange.fail(f"connection lost: {exc}" if exc else "connection closed by the client")

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        if self._ended:
            return  # who sends nothing more waits for the end
        self.write_paused = False
        if self._exchange.handler is not None:
            self._exchange.handler.writable()

    # -- called by the exchange

    def send(self, exchange: DrivenExchange, events: tuple[Event, ...]) -> None:
        """Write content, and close our side behind it at the end."""
        for event in events:
            if type(event) is Data:
                if not self._transport.is_closing():  # else the handler is about to be told that the peer is gone
                    exchange.octets_sent += len(event.data)
                    self._transport.write(event.data)
            elif type(event) is EndOfMessage:
                self._ended = self.write_paused = True
                if self._peer_ended or self._transport.is_closing() or not half_close(self._transport):
                    close(self._transport)
            else:
                raise LocalProtocolError(f"after the switch to another protocol there is no {type(event).__name__}")
        if self._ended and self._read_paused and not self._transport.is_closing():
            self._read_paused = False  # what comes is dropped, but its end is waited for
            self._transport.resume_reading()

    async def send_file(self, exchange: DrivenExchange, file: IO[bytes], offset: int, count: int) -> NoReturn:
        """No protocol that can be switched to sends files."""
        raise LocalProtocolError("after the switch to another protocol there are no files")

    def consumed(self, exchange: DrivenExchange) -> None:
        """The handler has taken some octets."""
        if (
            self._read_paused
            and exchange.unread <= self._registry.limits.read_buffer // 2
            and not self._transport.is_closing()
        ):
            self._read_paused = False
            self._transport.resume_reading()

    def break_off(self, error: str) -> None:
        """Close at once."""
        self._transport.abort()

    # -- called by the registry

    def drain(self) -> None:
        """The server stops: the handler is told, and closes as its protocol has it."""
        self._exchange.leave()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()
