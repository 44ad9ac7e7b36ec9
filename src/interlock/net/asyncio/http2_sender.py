"""The half of the driver for HTTP/2 that sends: what streams have to say, and how they and the connection end.

What is to be sent waits in the engine, which knows whose turn it is, and is taken while the transport is below its
high-water mark; what streams have to say in one turn of the loop is one write.  What comes is for
:mod:`interlock.net.asyncio.http2`.
"""

import asyncio
from typing import Final, cast

from interlock.h2.connection import Connection
from interlock.h2.errors import CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, SETTINGS_TIMEOUT
from interlock.h2.events import GoAway, StreamReset
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import ConnectionClosed, Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.sentinels import SERVER
from interlock.net import deadlines
from interlock.net.asyncio.closing import close, half_close
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.exchange import StreamExchange
from interlock.net.asyncio.waits import Waits
from interlock.net.exchange import Disconnected, PeerInfo
from interlock.net.refusal import refusal

__all__ = ["HTTP2Sender"]

#: What the head of a response is taken to be, in octets, where it is foreseen what the transport will take.
_HEAD: Final = 256
#: More octets than a transport takes at once.
_UNKNOWN: Final = 1 << 40


class HTTP2Sender:
    """What :class:`~interlock.net.asyncio.http2.HTTP2Protocol` has of a connection to send on it, and to end it."""

    __slots__ = (
        "_answered",
        "_backlog",
        "_begun_paused",
        "_buffered",
        "_closing",
        "_due",
        "_exchanges",
        "_flush_due",
        "_heads_due",
        "_high_water",
        "_ip",
        "_last_stream",
        "_leaving",
        "_loop",
        "_peer",
        "_peer_closed",
        "_peer_left",
        "_promised",
        "_read_paused",
        "_registry",
        "_transport",
        "_unsent",
        "_waits",
        "connection",
        "write_paused",
    )

    def __init__(self, registry: ConnectionRegistry, loop: asyncio.AbstractEventLoop) -> None:
        self._registry: Final = registry
        self._loop: Final = loop
        self.connection: Final = Connection(
            SERVER, limits=registry.limits, hold=True, extended_connect=registry.websocket
        )
        self._transport: asyncio.Transport | None = None
        self._peer = PeerInfo("http", None, None)
        self._ip = ""
        #: By stream: those whose response has not been handed to the transport with its end.
        self._exchanges: Final[dict[int, StreamExchange]] = {}
        #: How many exchanges have content in the engine.
        self._unsent = 0
        #: The highest stream with a request.
        self._last_stream = 0
        self._flush_due = False
        #: Octets of content that wait for the next flush, without those that windows held at the last one; and about as
        #: many of heads.
        self._due = 0
        self._heads_due = 0
        #: Whether the next flush has to hand over all that waits for it, since nobody waits for some of that.
        self._promised = False
        #: Whether windows have held something at the last flush.
        self._backlog = False
        #: Octets that the transport had when it was last looked at, which are less now, since only a flush adds to them.
        self._buffered = 0
        #: Whether more than the high-water mark waits in the transport.
        self.write_paused = False
        #: Requests that have begun since then; reading pauses when they are as many as may be open at a time.
        self._begun_paused = 0
        self._read_paused = False
        self._high_water: Final = max(registry.limits.write_buffer, 1)
        #: Streams that were answered here, and whose answer has not been handed to the transport with its end.
        self._answered: Final[set[int]] = set()
        #: We take no more requests, or the peer makes none; the connection is closed when those in progress are over.
        self._leaving = False
        self._peer_left = False
        self._peer_closed = False
        self._closing = False
        self._waits: Final = Waits(loop, registry.timeouts, self.connection, self._too_slow)

    # -- sending

    def send(self, exchange: StreamExchange, events: tuple[Event, ...]) -> None:
        """Hand the events of ``exchange`` to the engine, and its octets to the transport soon."""
        if self._closing:
            raise Disconnected("the connection is closed")
        connection = self.connection
        stream_id = exchange.stream_id
        ended = False
        for event in events:
            kind = type(event)
            octets = len(cast(Data, event).data) if kind is Data else 0
            if self._promised and octets and not self.takes(stream_id, octets):
                self._flush()  # before it takes the room of others
            connection.queue(event, stream_id)
            if kind is Data:
                exchange.octets_sent += octets
                self._due += octets
                if not connection.writable(stream_id):
                    if not exchange.pending:
                        self._unsent += 1
                    exchange.pending += octets
            elif kind is EndOfMessage:
                ended = True
            elif kind is Response:
                exchange.status = cast(Response, event).status_code
                exchange.expecting = False
                exchange.tunnel = exchange.request.method == b"CONNECT" and exchange.status < 300
                if self._leaving:
                    self._loop.call_soon(exchange.leave)
                self._heads_due += _HEAD
            elif kind is InformationalResponse and cast(InformationalResponse, event).status_code == 100:
                exchange.expecting = False
        self._flush_soon()
        if ended:
            exchange.over = True
            if not self.write_paused and (not exchange.pending or self.takes(stream_id, 0)):
                exchange.handler = None  # it need not wait
                self._promised = True
            if exchange.unread:
                connection.consumed(stream_id, exchange.unread)
        elif stream_id in self._waits.receiving:
            self._waits.watch_body(exchange)  # a client that waited for 100 (Continue) has to go on now

    def takes(self, stream_id: int, octets: int) -> bool:
        """Whether a stream's next flush leaves nothing of it, with so many octets more, and a head before them.

        Any thread may ask: it is looked at, and nothing changes.
        """
        if self.write_paused or self._closing:
            return False
        due = self._due + octets
        heads = self._heads_due + _HEAD if octets else self._heads_due
        return (
            due <= self.connection.send_window
            and due + heads <= self._high_water - self._buffered
            and octets <= self.connection.room(stream_id)
        )

    def _windows_changed(self) -> None:
        """What the peer's windows held may leave with the next flush, and take the room of others."""
        if self._backlog:
            self._due = _UNKNOWN

    def _look_at_transport(self) -> None:
        if self._transport is not None:
            self._buffered = self._transport.get_write_buffer_size()

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand to the transport what may be sent, as far as it takes it, and go on with those whose turn this was."""
        give_way = not self._promised
        self._flush_due = self._promised = False
        transport = self._transport
        if transport is None or self._closing or transport.is_closing():
            return
        connection = self.connection
        while not self.write_paused:
            self._look_at_transport()
            octets = connection.data_to_send(max(1024, self._high_water - self._buffered), give_way)
            if not octets:
                self._due = self._heads_due = 0
                self._backlog = self._unsent > 0 or len(self._answered) > 0
                break
            transport.write(octets)
            for stream_id in connection.take_released():
                exchange = self._exchanges.get(stream_id)
                if exchange is not None:
                    self._handed_over(exchange)
                elif stream_id in self._answered:
                    self._answered.discard(stream_id)
                    self._cut_request(stream_id)
            if connection.gave_way:
                self._flush_soon()  # behind what those do that were told to go on
                break
        if not self.write_paused and (self._unsent or self._waits.stalled):
            self._waits.watch_stalls(self._exchanges)
            if self._peer_closed:  # it can open its windows no more
                for exchange in list(self._waits.stalled.values()):
                    self._end_exchange(exchange, "connection closed by the client")
        if (self._peer_left or self._leaving) and not self._exchanges:
            leave = self._waits.leave
            if self._peer_closed or connection.finished or not self._registry.timeouts.linger:
                self._close(linger=True)
            elif leave.what == deadlines.APPLICATION:  # it may still ask whether we are there
                leave.begin(deadlines.LEAVING, self._loop.time())
                self._waits.arm()

    def _handed_over(self, exchange: StreamExchange) -> None:
        """All that ``exchange`` had to send is with the transport."""
        if exchange.stall is not None:
            self._waits.end_stall(exchange)
        if exchange.pending:
            exchange.pending = exchange.sent = 0
            self._unsent -= 1
        if exchange.over:
            self._complete(exchange)
        elif not self.write_paused:
            self._wake(exchange)

    def _wake(self, exchange: StreamExchange) -> None:
        """Have who sends on ``exchange`` go on."""
        if exchange.drained is not None:
            if not exchange.drained.done():
                exchange.drained.set_result(None)
        elif exchange.handler is not None:
            exchange.handler.writable()

    def _complete(self, exchange: StreamExchange) -> None:
        """The end of the response has been handed to the transport."""
        if exchange.stream_id in self._waits.receiving:
            self._cut_request(exchange.stream_id)
        self._forget(exchange)
        exchange.complete()

    def _cut_request(self, stream_id: int) -> None:
        """The response is complete: what is left of the request is not wanted any more (RFC 9113 §8.1)."""
        if self.connection.stream_waits_for(stream_id) in {"body", "window"}:
            if self._registry.timeouts.linger:
                self._waits.watch_unwanted(stream_id)
            else:
                self.connection.queue(StreamReset(stream_id, NO_ERROR))

    def _forget(self, exchange: StreamExchange) -> None:
        stream_id = exchange.stream_id
        self._exchanges.pop(stream_id, None)
        self._waits.forget(stream_id)
        if exchange.pending:
            exchange.pending = 0
            self._unsent -= 1
        self._wait_for_request()

    # -- ends

    def _refuse_rest(self, exchange: StreamExchange, error: RemoteProtocolError) -> None:
        """Answer a request whose content is not as it should be, if that can still be answered; else reset its stream."""
        if exchange.status:
            self._break_stream(exchange, str(error), CANCEL)
            return
        exchange.octets_sent = self._queue_refusal(exchange.stream_id, error, exchange.request.method)
        exchange.status = error.error_status_hint
        self._end_exchange(exchange, str(error))

    def _answer(self, stream_id: int, error: RemoteProtocolError, request: Request | None) -> None:
        """Answer a request that no application sees."""
        octets = self._queue_refusal(stream_id, error, b"" if request is None else request.method)
        self.connection.release(stream_id)
        self._registry.report_refused(self._peer, request, error.error_status_hint, octets, str(error))

    def _queue_refusal(self, stream_id: int, error: RemoteProtocolError, method: bytes) -> int:
        self._registry.log.debug("refused %s on stream %d: %s", self._ip or "a client", stream_id, error)
        if self._promised:
            self._flush()
        events, octets = refusal(error, method, self._registry.add_defaults, close=False)
        for event in events:
            self.connection.queue(event, stream_id)
        self._due += octets
        self._heads_due += _HEAD
        self._answered.add(stream_id)
        self._wait_for_request()
        self._flush_soon()
        return octets

    def break_off(self, exchange: StreamExchange, error: str) -> None:
        """Reset the stream of ``exchange``, so that the peer sees that it is not complete.  The connection goes on."""
        self._break_stream(exchange, error, CANCEL if exchange.tunnel else INTERNAL_ERROR)  # RFC 8441 §5

    def _break_stream(self, exchange: StreamExchange, error: str, code: int) -> None:
        if not self._closing:
            self.connection.queue(StreamReset(exchange.stream_id, code))
            self._flush_soon()
        self._end_exchange(exchange, error)

    def _end_exchange(self, exchange: StreamExchange, error: str) -> None:
        """The exchange cannot be completed."""
        self._forget(exchange)
        exchange.fail(error)
        self._flush_soon()

    def _end_all(self, error: str) -> None:
        for exchange in list(self._exchanges.values()):
            self._end_exchange(exchange, error)

    def release(self, stream_id: int) -> None:
        """The application of a stream has ended."""
        self.connection.release(stream_id)
        if self._leaving:
            self._flush_soon()

    def _fail(self, error: RemoteProtocolError) -> None:
        """The peer broke the rules of the connection: the engine has said so to it, and nothing more is read."""
        text = str(error)
        self._registry.log.debug("refused %s: %s", self._ip or "a client", text)
        self._closing = True  # nothing more of theirs is handed to the engine
        self._end_all(text)
        self._closing = False
        self._close(linger=True, content=False)

    def _close(self, linger: bool = False, content: bool = True) -> None:
        """Close, as soon as what is to be sent has been sent: without ``content``, frames other than DATA.

        With ``linger`` only our side is closed at first, and what comes is read and dropped for a while: otherwise the
        peer's system would drop our last octets, as in HTTP/1.1 (RFC 9112 §9.6).
        """
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = True
        connection = self.connection
        self._waits.end()
        if connection.error_code < 0:
            connection.queue(ConnectionClosed())
        octets = connection.data_to_send(None if content else 0)
        if octets and not transport.is_closing():
            transport.write(octets)
        if linger and not self._peer_closed and self._registry.timeouts.linger and half_close(transport):
            self._listen(transport)
            self._waits.frame.begin(deadlines.LINGER, self._loop.time())
        else:
            close(transport)
        self._waits.watch_writing(deadlines.CLOSING, transport)
        self._waits.arm()

    def _listen(self, transport: asyncio.Transport) -> None:
        if self._read_paused and not transport.is_closing():
            self._read_paused = False
            transport.resume_reading()

    def drain(self) -> None:
        """Take no more requests: close when those in progress are over (RFC 9113 §6.8)."""
        if self._closing or self._leaving:
            return
        if not self.connection.preface_received:
            self._close()
            return
        self._leaving = True
        self.connection.shutdown()
        self._waits.idle.end()
        for exchange in list(self._exchanges.values()):
            exchange.leave()
        if self._registry.timeouts.linger:
            self._waits.leave.begin(deadlines.LEAVING, self._loop.time())
            self._waits.arm()
        else:
            self._leave_for_good()
        self._flush_soon()

    def _leave_for_good(self) -> None:
        """The peer has had the time to hear that we leave."""
        if self._exchanges:
            self.connection.shutdown()
            self._waits.leave.begin(deadlines.SHUTDOWN, self._loop.time())
            self._waits.arm()
            self._flush_soon()
        else:
            self._close()

    def abort(self, reason: str = "aborted") -> None:
        """Close at once; what has not been sent is lost."""
        transport = self._transport
        if transport is not None:
            self._closing = True
            self._end_all(reason)
            transport.abort()

    # -- waits that are too long

    def _wait_for_request(self) -> None:
        if not self._exchanges and not self._closing and not self._leaving and self.connection.preface_received:
            self._waits.watch_idle(self._loop.time())

    def _too_slow(self, now: float) -> None:
        """At least one wait may be over."""
        waits = self._waits
        if self._transport is not None:
            waits.look_at_writing(self._transport, now)
        if waits.write.deadline() <= now:
            waits.write.end()
            self._registry.log.debug("%s takes nothing: closed", self._ip)
            self.abort("the client is too slow to take the response")
        elif waits.frame.deadline() <= now:
            self._frame_too_slow()
        elif waits.settings.deadline() <= now:
            self.refuse(SETTINGS_TIMEOUT, "our settings were not acknowledged (RFC 9113 §6.5.3)")
        elif waits.idle.deadline() <= now:
            self.drain()
        elif waits.leave.deadline() <= now:
            if waits.leave.what == deadlines.LEAVING:
                self._leave_for_good()
            else:
                for exchange in list(self._exchanges.values()):
                    self._break_stream(exchange, "the server is being stopped", CANCEL)
                self._close(linger=True)
        if not self._closing:
            for stream_id in waits.take_unwanted(now):
                if self.connection.stream_waits_for(stream_id):
                    self.connection.queue(StreamReset(stream_id, NO_ERROR))
                    self._flush_soon()
            for exchange in waits.slow_senders(now):
                self._refuse_rest(exchange, RemoteProtocolError("the request came too slowly", 408))
            for exchange in waits.slow_takers(now):
                self._break_stream(exchange, "the client is too slow to take the response", CANCEL)

    def _frame_too_slow(self) -> None:
        wait = self._waits.frame
        lingering = wait.what == deadlines.LINGER
        wait.end()
        if not lingering:
            if self.connection.preface_received:
                self.refuse(ENHANCE_YOUR_CALM, "a frame or a field block came too slowly")
            else:
                self._close()
        elif self._transport is not None:
            if self._transport.get_write_buffer_size():
                wait.begin(deadlines.LINGER, self._loop.time())  # it lasts from our last octet on
            else:
                close(self._transport)

    def refuse(self, code: int, text: str) -> None:
        """The peer is to be told why the connection ends."""
        self.connection.queue(GoAway(self._last_stream, code))
        self._fail(RemoteProtocolError(text))
