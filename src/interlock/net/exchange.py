"""What a driver and a bridge are to each other: one request/response exchange, whatever the protocol version.

A *driver* (:mod:`interlock.net.asyncio`) moves octets between a protocol engine and a transport.  A *bridge*
(:mod:`interlock.server.wsgi`, :mod:`interlock.server.asgi`) moves events between an exchange and an application.  The
bridge sees an :class:`Exchange`; the driver sees a :class:`Handler`.  Neither knows more of the other, so either can be
replaced under its peer.

All calls in both directions are made on the event loop's thread, except :meth:`Exchange.call_threadsafe` and
:meth:`Exchange.ended`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import IO, Protocol

from interlock.http.events import Event, Request
from interlock.http.fields import Headers

__all__ = ["Disconnected", "Exchange", "Handler", "HandlerFactory", "PeerInfo", "TunnelHandler"]


class Disconnected(ConnectionError):
    """The connection is gone: nothing more can be sent, and nothing more will be received."""


class PeerInfo:
    """What is known of a connection, the same for all its exchanges.

    ``client`` and ``server`` are (host, port), or None where there is no such thing; for a unix socket ``server`` is
    (path, None).  ``scheme`` is "http" or "https".  ``ssl_object`` is the :class:`ssl.SSLObject` of a TLS connection.
    """

    __slots__ = ("client", "scheme", "server", "ssl_object")

    def __init__(
        self,
        scheme: str,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        ssl_object: object | None = None,
    ) -> None:
        self.scheme = scheme
        self.client = client
        self.server = server
        self.ssl_object = ssl_object


class Handler(Protocol):
    """A bridge, for one exchange.  No method may block or raise."""

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Some of the request's content.  Give its octets back with :meth:`Exchange.consumed` once it is taken."""

    @abstractmethod
    def end_received(self, trailers: Headers) -> None:
        """The request is complete, with this trailer section."""

    @abstractmethod
    def eof_received(self) -> None:
        """The peer will send nothing more, though the response can still be sent.  Called at most once."""

    @abstractmethod
    def connection_lost(self, reason: str) -> None:
        """Nothing can be sent or received any more: why not.  Called once, unless the exchange was completed before."""

    @abstractmethod
    def writable(self) -> None:
        """What waits to be sent has fallen below the low-water mark, after :attr:`Exchange.writable` was False.

        After EndOfMessage: all of the response is with the transport, and nothing more will be told.
        """


class TunnelHandler(Handler, Protocol):
    """A bridge for an exchange that leaves HTTP: whose request proposes it, and whose response agrees.

    That is 101 in HTTP/1.1 (RFC 9110 §7.8) and 2xx to an extended CONNECT in HTTP/2 (RFC 8441 §4).  From then on content
    is the octets of the other protocol, in both directions, and an end of a message that of the octets.
    """

    @abstractmethod
    def leave(self) -> None:
        """The server stops: come to an end, in the other protocol's way."""


class Exchange(Protocol):
    """A driver, for one exchange."""

    #: The head of the request.
    request: Request
    #: The connection it came on.
    peer: PeerInfo

    @property
    @abstractmethod
    def writable(self) -> bool:
        """Whether what waits to be sent is below the high-water mark.  If not: wait for :meth:`Handler.writable`.

        After EndOfMessage: whether all of the response is with the transport, or will be in this turn of the event loop.
        """

    @abstractmethod
    def leaves_at_once(self, octets: int) -> bool:
        """Whether so much content, and the end, would be with the transport in this turn of the event loop.

        As far as can be told before it is handed over.  Any thread may ask, so that one whose last block nothing holds
        back need not wait for the loop's thread.
        """

    @abstractmethod
    def unsent(self) -> int:
        """Octets of the response that were handed over and that the peer has not taken, as far as that is known."""

    @property
    @abstractmethod
    def expects_continue(self) -> bool:
        """Whether the client waits for ``100 Continue`` before it sends the content (RFC 9110 §10.1.1)."""

    @abstractmethod
    def send(self, *events: Event) -> None:
        """Hand events over to be sent: InformationalResponse, Response, Data, EndOfMessage, in the order of the protocol.

        Several at once go out in one piece.  Never blocks: look at :attr:`writable` afterwards.  After EndOfMessage
        nothing more can be sent; the exchange is over when it is writable then.  Raises :class:`Disconnected` when the
        connection is gone, and :class:`~interlock.http.errors.LocalProtocolError` for what the protocol does not allow
        here.
        """

    @abstractmethod
    async def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        """Send ``count`` octets of ``file`` from ``offset`` as content, by sendfile where that is possible.

        Returns when all of it has been handed to the transport and is below the high-water mark.
        Raises as :meth:`send` does, and :class:`Disconnected` when the connection is lost meanwhile.
        """

    @abstractmethod
    def consumed(self, octets: int) -> None:
        """The application has taken this many octets of what :meth:`Handler.data_received` brought."""

    @abstractmethod
    def abort(self) -> None:
        """End the exchange visibly broken: without the end of the message.  The connection may go on, or not.

        Does nothing when EndOfMessage has been sent.
        """

    @abstractmethod
    def ended(self) -> None:
        """The application has returned, and nothing of it runs any more.  Any thread calls this, once, as the last call.

        Until then the exchange counts against what a peer may have done at the same time, also if it has taken its
        request back meanwhile.  Never raises.
        """

    @abstractmethod
    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        """Have ``callback(*args)`` called on the event loop's thread, soon.  Any thread may call this.

        Raises :class:`RuntimeError` when the event loop is closed.
        """


#: Called by the driver for each request, before its content is delivered.
HandlerFactory = Callable[[Exchange], Handler]
