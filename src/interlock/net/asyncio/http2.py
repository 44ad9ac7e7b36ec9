"""The driver for HTTP/2 on asyncio: octets between one transport and one engine, many exchanges, and the waits in between.

The sibling of :mod:`interlock.net.asyncio.http`.  Reading never pauses for one stream: the engine's windows hold a peer
whose content nobody takes (RFC 9113 §5.2).  Here is what comes: what the transport calls, and requests.  What is sent,
and how it all ends, is in :mod:`interlock.net.asyncio.http2_sender`.
"""

import asyncio
from typing import Final, cast

from interlock.h2.errors import code_name
from interlock.h2.events import (
    GoAway,
    RequestRefused,
    SettingsAcknowledged,
    SettingsChanged,
    StreamReset,
    WindowUpdated,
)
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import ConnectionClosed, Data, EndOfMessage, Request
from interlock.http.sentinels import NEED_DATA
from interlock.net import deadlines
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.exchange import StreamExchange, peer_info
from interlock.net.asyncio.http2_sender import HTTP2Sender

__all__ = ["HTTP2Protocol"]

#: The schemes whose requests a server of HTTP can answer for (RFC 9110 §4.2, §7.4).
_SCHEMES: Final = frozenset((b"http", b"https"))


class HTTP2Protocol(HTTP2Sender):
    """One connection of a server."""

    __slots__ = ("_admitted", "_now")

    def __init__(
        self, registry: ConnectionRegistry, loop: asyncio.AbstractEventLoop, since: float | None = None
    ) -> None:
        """``since``: when the connection began, on the loop's clock, if the registry has it already."""
        super().__init__(registry, loop)
        self._admitted: Final = since is not None
        #: When octets last came.
        self._now = loop.time() if since is None else since

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, its TLS handshake done."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_info(transport)
        self._ip = self._peer.client[0] if self._peer.client else ""
        self._transport.set_write_buffer_limits(high=self._registry.limits.write_buffer)
        self._waits.frame.begin(deadlines.HEAD, self._now)
        self._waits.settings.begin(deadlines.SETTINGS, self._now)
        if not self._admitted and not self._registry.add(self, self._ip):
            if self._registry.flooded(self._ip):
                self.abort()
            else:
                self._close(linger=True)
        elif self._registry.draining:
            self._close()
        else:
            self._flush_soon()
        self._waits.arm()

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        if self._promised and self._backlog:
            self._flush()  # before other windows open
        if self._closing:
            return  # read and dropped while we linger
        connection = self.connection
        now = self._loop.time()
        self._look_at_transport()
        connection.refill(now - self._now)
        self._now = now
        connection.receive_data(data)
        news = self._process()
        for reason in connection.take_unseen():
            self._registry.log.debug("refused %s on %s", self._ip or "a client", reason)
        if self._closing:
            return
        if news or connection.has_output:
            self._flush_soon()  # behind what handlers have the loop do, so that responses may go out together
        if self._begun_paused >= self._registry.limits.streams and self._transport is not None:
            self._read_paused = True  # who takes no responses is not to go on asking for them
            self._begun_paused = 0
            self._transport.pause_reading()
        waits = self._waits
        if waits.receiving:
            for exchange in waits.receiving.values():
                waits.watch_body(exchange)
        waits.watch_frame(now, news=news)
        if waits.idle.what == deadlines.APPLICATION:
            self._wait_for_request()

    def eof_received(self) -> bool:
        """The peer has closed its side.  Returns whether ours stays open."""
        if self._closing:
            return False
        self.connection.receive_data(b"")
        self._process()
        for exchange in list(self._waits.receiving.values()):
            self._end_exchange(exchange, "connection closed by the client")
        if not self._exchanges or self._closing:
            return False
        self._peer_left = self._peer_closed = True
        self._waits.frame.end()
        self._waits.settings.end()  # it can acknowledge nothing any more
        self._flush_soon()
        for exchange in list(self._exchanges.values()):
            if exchange.handler is not None:
                exchange.handler.eof_received()
        return self._peer.ssl_object is None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._closing = True
        self._waits.stop()
        self._registry.remove(self, self._ip)
        self._end_all(f"connection lost: {exc}" if exc else "connection closed by the client")
        self._transport = None

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self.write_paused = True
        if not self._closing and self._transport is not None:
            self._waits.watch_writing(deadlines.WRITE, self._transport)

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        self.write_paused = False
        if self._closing:
            return
        self._waits.write.end()
        self._begun_paused = 0
        if self._transport is not None:
            self._listen(self._transport)
        self._flush()
        if not self.write_paused:
            for exchange in list(self._exchanges.values()):
                if not exchange.pending:
                    self._wake(exchange)

    def machines(self, stream_id: int) -> dict[str, str]:
        """The states of the connection's machines and of a stream's, by name."""
        return {**self.connection.machines, **self.connection.stream_machines(stream_id)}

    # -- receiving

    def _process(self) -> bool:
        """Take events from the engine until it wants more octets.  Returns whether there were any."""
        connection = self.connection
        news = False
        try:
            while not self._closing:
                event = connection.next_event()
                if event is NEED_DATA:
                    break
                news = True
                kind = type(event)
                if kind is Request:
                    self._begin_exchange(cast(Request, event))
                elif kind is Data:
                    self._take_data(cast(Data, event))
                elif kind is EndOfMessage:
                    self._end_request(cast(EndOfMessage, event))
                elif kind is WindowUpdated or kind is SettingsChanged:
                    self._windows_changed()
                elif kind is StreamReset:
                    self._stream_reset(cast(StreamReset, event))
                elif kind is RequestRefused:
                    self._refuse(cast(RequestRefused, event))
                elif kind is SettingsAcknowledged:
                    self._waits.settings.end()
                elif kind is GoAway:
                    self._peer_left = True
                    self._flush_soon()
                elif kind is ConnectionClosed:
                    break
        except RemoteProtocolError as error:
            self._fail(error)
        return news

    def _begin_exchange(self, request: Request) -> None:
        stream_id = self._last_stream = request.stream_id
        if request.method == b"CONNECT" and request.protocol != b"websocket":
            self._answer(stream_id, RemoteProtocolError("CONNECT is for proxies (RFC 9110 §9.3.6)", 501), request)
            return
        if request.scheme.lower() not in _SCHEMES:
            self._answer(stream_id, RemoteProtocolError("only http and https are served here", 421), request)
            return
        exchange = StreamExchange(self, self._registry, request, self._peer)
        self._exchanges[stream_id] = self._waits.receiving[stream_id] = exchange
        self._waits.idle.end()
        if self.write_paused:
            self._begun_paused += 1
        exchange.handler = self._registry.handler_factory(exchange)

    def _take_data(self, event: Data) -> None:
        octets = len(event.data)
        exchange = self._exchanges.get(event.stream_id)
        if exchange is None or exchange.over:
            self.connection.consumed(event.stream_id, octets)  # nobody wants it
            return
        exchange.unread += octets
        exchange.expecting = False
        if exchange.body_wait is not None:
            exchange.body_wait.progress(octets - exchange.partial, self._now)
            exchange.partial = 0
        if exchange.handler is not None:
            exchange.handler.data_received(event.data)

    def _end_request(self, event: EndOfMessage) -> None:
        exchange = self._waits.receiving.pop(event.stream_id, None)
        self._waits.unwanted.pop(event.stream_id, None)
        if exchange is not None and exchange.handler is not None and not exchange.over:
            exchange.expecting = False
            exchange.handler.end_received(event.headers)

    def _stream_reset(self, event: StreamReset) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is None:
            return
        if event.remote:
            self._end_exchange(exchange, f"the client has reset the stream: {code_name(event.error_code)}")
        else:
            self._registry.log.debug("refused %s on stream %d: %s", self._ip, event.stream_id, event.reason)
            self._end_exchange(exchange, event.reason)

    def consumed(self, exchange: StreamExchange, octets: int) -> None:
        """The application has taken some content of ``exchange``."""
        connection = self.connection
        connection.consumed(exchange.stream_id, octets)
        if connection.has_output:
            self._flush_soon()
        if exchange.body_wait is not None and exchange.stream_id in self._waits.receiving:
            self._waits.watch_body(exchange)

    def _refuse(self, event: RequestRefused) -> None:
        """Answer a request that is beyond the limits."""
        error = RemoteProtocolError(event.reason, event.status)
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            if not exchange.over:  # else the response is complete, and what is too much is dropped
                self._refuse_rest(exchange, error)
        else:
            self._answer(event.stream_id, error, None)
