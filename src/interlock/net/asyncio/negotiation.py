"""Which version of HTTP a connection speaks: by ALPN with TLS (RFC 7301), else by its first octets (RFC 9113 §3.3).

A client with prior knowledge of HTTP/2 begins with a preface that no request of HTTP/1.1 begins with (RFC 9113 §3.4).
Once that is decided, the transport has its driver for a protocol, and nothing stands between them.
"""

import asyncio
from typing import Final, cast

from interlock.h2.errors import PROTOCOL_ERROR
from interlock.http.errors import RemoteProtocolError
from interlock.net.asyncio.closing import close
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.http2 import HTTP2Protocol

__all__ = ["NegotiatingProtocol"]

#: RFC 9113 §3.4.
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class NegotiatingProtocol:
    """A connection of a server whose version is not known yet."""

    __slots__ = ("_ip", "_loop", "_received", "_registry", "_since", "_timer", "_transport")

    def __init__(self, registry: ConnectionRegistry, loop: asyncio.AbstractEventLoop) -> None:
        self._registry: Final = registry
        self._loop: Final = loop
        self._since: Final = loop.time()
        self._ip = ""
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, its TLS handshake done."""
        self._transport = cast(asyncio.Transport, transport)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            agreed = ssl_object.selected_alpn_protocol() == "h2"
            protocol = self._hand_over(http2=agreed or "1" not in self._registry.versions, since=None)
            if not agreed and isinstance(protocol, HTTP2Protocol):
                protocol.refuse(PROTOCOL_ERROR, "HTTP/2 over TLS is agreed on by ALPN (RFC 9113 §3.2)")
            return
        peername = transport.get_extra_info("peername")
        self._ip = str(peername[0]) if isinstance(peername, tuple) else ""
        if not self._registry.add(self, self._ip):
            self._registry.remove(self, self._ip)
            self._hand_over(http2="1" not in self._registry.versions, since=None)  # which knows what to say to it
        elif self._registry.draining:
            close(self._transport)
        elif self._registry.timeouts.head:
            self._timer = self._loop.call_at(self._since + self._registry.timeouts.head, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        received = self._received + data if self._received else data
        self._received = received
        if received.startswith(_PREFACE):
            self._decide(http2=True)
        elif not _PREFACE.startswith(received):
            self._decide(http2=False)

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open."""
        return self._decide(http2=False).eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop()
        self._registry.remove(self, self._ip)
        self._transport = None

    def pause_writing(self) -> None:
        """Nothing is written here."""

    def resume_writing(self) -> None:
        """Nothing is written here."""

    # -- called by the registry

    def drain(self) -> None:
        """The server stops: nothing runs here."""
        if self._transport is not None:
            close(self._transport)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- the decision

    def _too_slow(self) -> None:
        self._timer = None
        self._decide(http2=False)  # which finds that the time is over

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decide(self, *, http2: bool) -> HTTPProtocol | HTTP2Protocol:
        self._stop()
        if http2 or "1" in self._registry.versions:
            return self._hand_over(http2=http2, since=self._since)
        received = self._received
        if _PREFACE.startswith(received) or received.startswith(b"PRI ") or not received[:1].isalpha():
            return self._hand_over(http2=True, since=self._since)  # it is no request of HTTP/1.1 either
        self._received = b""
        protocol = self._hand_over(http2=False, since=self._since)
        if isinstance(protocol, HTTPProtocol):
            protocol.refuse(RemoteProtocolError("only HTTP/2 is spoken here", 505))  # in words that it can read
        return protocol

    def _hand_over(self, *, http2: bool, since: float | None) -> HTTPProtocol | HTTP2Protocol:
        """Have the driver of that version go on from here, as if it had been there from the start."""
        transport = self._transport
        assert transport is not None
        self._transport = None
        protocol: HTTPProtocol | HTTP2Protocol
        if http2:
            protocol = HTTP2Protocol(self._registry, self._loop, since)
        else:
            protocol = HTTPProtocol(self._registry, self._loop, since)
        if since is not None:
            self._registry.replace(self, protocol)
        transport.set_protocol(cast(asyncio.Protocol, protocol))
        protocol.connection_made(transport)
        if self._received:
            protocol.data_received(self._received)
        return protocol
