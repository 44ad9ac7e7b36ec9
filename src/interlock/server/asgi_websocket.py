"""ASGI 3: the bridge between an exchange that becomes a WebSocket and an application (WebSocket message format, spec 2.5).

The opening handshake is a request and a response of the exchange, whatever the version of HTTP; after it the exchange
carries the octets of the WebSocket in both directions, and a session runs on it.  What happens when is the engine's to
say: nothing of it is kept here.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from interlock.http.errors import ProtocolError
from interlock.http.events import Data, EndOfMessage, Event, Request, Response
from interlock.http.fields import Headers
from interlock.http.limits import Limits, Timeouts
from interlock.http.names import CONNECTION_SPECIFIC
from interlock.http.sentinels import SERVER
from interlock.http.status import content_allowed, reason
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.asyncio.websocket_errors import ConnectionClosed
from interlock.net.exchange import Disconnected, Exchange
from interlock.net.refusal import refusal
from interlock.server.context import ServerContext, request_line
from interlock.ws.connection import Connection
from interlock.ws.deflate import PerMessageDeflate
from interlock.ws.handshake import refusal_fields

__all__ = ["Refused", "WebSocketHandler", "WebSocketSettings"]

_Message = dict[str, Any]

_END: Final = EndOfMessage()
_ERROR_TEXT: Final = b"Internal Server Error"

# RFC 6455 §7.4.1.
_NORMAL: Final = 1000
_GOING_AWAY: Final = 1001
_INTERNAL_ERROR: Final = 1011
_ABNORMAL: Final = 1006


class WebSocketSettings:
    """What all WebSockets of a server share.  ``deflate``: what is agreed to of compression; None: nothing."""

    __slots__ = ("deflate", "limits", "timeouts")

    def __init__(self, limits: Limits, timeouts: Timeouts, deflate: PerMessageDeflate | None) -> None:
        self.limits: Final = limits
        self.timeouts: Final = timeouts
        self.deflate: Final = deflate


class Refused:
    """The handler of a request that asks for a WebSocket in a way that is answered without the application."""

    __slots__ = ()

    def __init__(self, exchange: Exchange, context: ServerContext, error: ProtocolError) -> None:
        request = exchange.request
        further = refusal_fields(error.error_status_hint, http2=request.http_version == b"2")
        context.log.debug("refused %s: %s", request_line(request), error)
        events, _ = refusal(error, request.method, context.add_defaults, close=False, further=further)
        with suppress(Disconnected):
            exchange.send(*events)
        exchange.ended()

    def data_received(self, data: bytes) -> None:
        pass

    def end_received(self, trailers: Headers) -> None:
        pass

    def eof_received(self) -> None:
        pass

    def connection_lost(self, reason: str) -> None:
        pass

    def writable(self) -> None:
        pass


class _ExchangeLink:
    """An exchange, as what a session is on."""

    __slots__ = (
        "_exchange",
        "_kept",
        "_linger",
        "_loop",
        "_paused",
        "_returned",
        "_timer",
        "ended",
        "peer_ended",
        "session",
    )

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop, linger: float) -> None:
        self._exchange: Final = exchange
        self._loop: Final = loop
        self._linger: Final = linger
        self._timer: asyncio.TimerHandle | None = None
        #: What runs on it.
        self.session: WebSocketSession | None = None
        #: Octets that have come and that the driver has not been told are taken, while reading pauses.
        self._kept = 0
        self._paused = False
        #: Whether our side is closed, and the peer's.
        self.ended = False
        self.peer_ended = False
        #: Whether the application has returned.
        self._returned = False

    def received(self, octets: int) -> None:
        """So much has come, and is with the session."""
        if self._paused:
            self._kept += octets
        else:
            self._exchange.consumed(octets)

    def write(self, data: bytes) -> None:
        self._send(Data(data))
        exchange = self._exchange
        if self.session is not None and not exchange.writable and not exchange.leaves_at_once(0):
            self.session.pause_writing()

    def end_stream(self) -> None:
        exchange = self._exchange
        session = self.session
        goes_on = not self.peer_ended and (session is None or session.remote_close is None)
        if goes_on and self._linger and exchange.peer.ssl_object is not None and exchange.request.http_version != b"2":
            # TLS has no half-close: who is still sending would be reset, and lose what our Close says (RFC 9112 §9.6).
            self._timer = self._loop.call_later(self._linger, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self.ended = True
        self._send(_END)
        if self._exchange.writable:
            self.over()

    def over(self) -> None:
        """Nothing more can come of the exchange: the session is told, and neither keeps the other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        session, self.session = self.session, None
        if session is not None:
            session.connection_lost(None)
            if self._returned:
                self._exchange.ended()

    def release(self) -> None:
        """The application has returned.  The closing handshake may still have to be carried."""
        self._returned = True
        if self.session is None:
            self._exchange.ended()

    def close(self) -> None:
        if not self.ended:
            self._end()

    def abort(self) -> None:
        self._exchange.abort()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        kept, self._kept = self._kept, 0
        if kept:
            self._exchange.consumed(kept)

    def unsent(self) -> int:
        return self._exchange.unsent()

    def _send(self, event: Event) -> None:
        with suppress(Disconnected):  # the driver tells the session
            self._exchange.send(event)


class WebSocketHandler:
    """One WebSocket: a :class:`~interlock.net.exchange.TunnelHandler`, and the application's ``receive`` and ``send``."""

    __slots__ = (
        "_context",
        "_denial",
        "_early",
        "_exchange",
        "_link",
        "_lost",
        "_reason",
        "_request",
        "_session",
        "_settings",
        "_started",
        "_waiters",
        "engine",
        "exchange",
        "task",
    )

    def __init__(self, exchange: Exchange, context: ServerContext, settings: WebSocketSettings) -> None:
        """Raises :class:`~interlock.http.errors.RemoteProtocolError` for a request that is no opening handshake."""
        self.engine: Final = Connection(SERVER, limits=settings.limits, deflate=settings.deflate)
        self.engine.receive_request(exchange.request)
        #: None once nothing more can be sent or received.
        self.exchange: Exchange | None = exchange
        self.task: asyncio.Task[None] | None = None
        self._exchange: Final = exchange
        self._context: Final = context
        self._settings: Final = settings
        self._request: Final[Request] = exchange.request
        #: What came before the handshake was answered, over HTTP/2.
        self._early: Final = bytearray()
        self._link: _ExchangeLink | None = None
        self._session: WebSocketSession | None = None
        #: The response of an application that denies the WebSocket, until its first content.
        self._denial: Response | None = None
        #: Whether the application knows that it is asked.
        self._started = False
        self._lost = False
        self._reason = ""
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers."""
        opening = self.engine.opening
        return [] if opening is None else opening.subprotocols

    # -- what the driver calls

    def data_received(self, data: bytes) -> None:
        if self._session is None:
            self._early.extend(data)  # no more than what may come before some of it is taken
        elif self._link is not None:
            self._link.received(len(data))
            self._session.data_received(data)

    def end_received(self, trailers: Headers) -> None:
        if self._session is not None and self._link is not None:
            self._link.peer_ended = True
            self._session.eof_received()
        elif self._request.protocol:  # in HTTP/1.1 the request is complete, and that is all
            self.eof_received()

    def eof_received(self) -> None:
        if self._session is None:
            self._lose("the client has closed its side before the WebSocket was open")

    def connection_lost(self, reason: str) -> None:
        self.exchange = None
        if self._link is not None:
            self._link.over()
        else:
            self._lose(reason)

    def writable(self) -> None:
        if self._session is None or self._link is None:
            self._wake()
        elif self._link.ended:
            self.exchange = None
            self._link.over()
        else:
            self._session.resume_writing()

    def leave(self) -> None:
        if self._session is not None:
            self._session.start_closing(_GOING_AWAY, "the server is being stopped")

    def _lose(self, reason: str) -> None:
        self._lost = True
        self._reason = self._reason or reason
        self.engine.connection_lost()
        self._wake()

    # -- what the application calls

    async def receive(self) -> _Message:
        """The next message: websocket.connect, then websocket.receive, at the end websocket.disconnect."""
        if not self._started:
            self._started = True
            return {"type": "websocket.connect"}
        while self._session is None and self.engine.connecting:
            await self._wait()
        session = self._session
        if session is None:
            return {"type": "websocket.disconnect", "code": _ABNORMAL, "reason": ""}
        try:
            data = await session.receive()
        except ConnectionClosed:
            return {"type": "websocket.disconnect", "code": self._close_code(), "reason": self._close_reason()}
        if isinstance(data, str):
            return {"type": "websocket.receive", "text": data}
        return {"type": "websocket.receive", "bytes": data}

    async def send(self, message: _Message) -> None:
        """Take the application's next message, and return when the peer keeps up with what it was sent.

        Raises :class:`Disconnected`, an :class:`OSError`, when the WebSocket is closed; :class:`RuntimeError` for a message
        that is not expected here; :class:`~interlock.http.errors.LocalProtocolError` for what may not be sent.
        """
        kind = message["type"]
        engine = self.engine
        if self._lost:
            raise Disconnected(self._reason)
        if self._denial is not None:
            if kind == "websocket.http.response.body":
                await self._send_denial(self._denial, message)
                return
        elif engine.connecting:
            if kind == "websocket.accept":
                self._accept(message)
                return
            if kind == "websocket.close":
                self._deny(
                    engine.reject(403, self._defaults([(b"content-length", b"0")]), reason(403)), b"", more=False
                )
                return
            if kind == "websocket.http.response.start":
                self._start_denial(message)
                return
        elif self._session is not None:
            if kind == "websocket.send":
                await self._send(self._session, message)
                return
            if kind == "websocket.close":
                code = message.get("code")
                self._session.start_closing(_NORMAL if code is None else code, message.get("reason") or "")
                return
        raise RuntimeError(f"ASGI message {kind!r} is not expected {self._expected()}")

    def _expected(self) -> str:
        """Where the WebSocket is, and what may be sent there."""
        if self._denial is not None:
            return "in the response that denies the WebSocket: expected websocket.http.response.body"
        if self.engine.connecting:
            return (
                "before the WebSocket is accepted: "
                "expected websocket.accept, websocket.close or websocket.http.response.start"
            )
        if self._session is None:
            return "after the WebSocket was denied: expected nothing more"
        where = "while the WebSocket is open" if self._session.open else "after the WebSocket was closed"
        return f"{where}: expected websocket.send or websocket.close"

    def _accept(self, message: _Message) -> None:
        fields = self._fields(message.get("headers") or ())
        response = self.engine.accept(subprotocol=message.get("subprotocol"), headers=self._defaults(fields))
        exchange = self._open_exchange()
        settings = self._settings
        loop = asyncio.get_running_loop()
        link = _ExchangeLink(exchange, loop, settings.timeouts.linger)
        self._link = link
        limits = settings.limits
        self._session = link.session = session = WebSocketSession(
            self.engine,
            link,
            loop,
            limits=limits,
            timeouts=settings.timeouts,
            max_queue=limits.message_queue,
        )
        try:
            exchange.send(response)
        except Disconnected as error:
            self.connection_lost(str(error))
            raise
        early = bytes(self._early)
        self._early.clear()
        if early:
            link.received(len(early))
            session.data_received(early)
        self._wake()

    async def _send(self, session: WebSocketSession, message: _Message) -> None:
        data: Any = message.get("text")
        if data is None:
            data = message.get("bytes")
        if data is None:
            raise RuntimeError("websocket.send has neither text nor bytes")
        try:
            await session.send(data)
        except ConnectionClosed as error:
            raise Disconnected(str(error)) from error

    # -- denial

    def _start_denial(self, message: _Message) -> None:
        status = message["status"]
        if self._request.protocol and 200 <= status < 300:
            raise RuntimeError(
                f"in HTTP/2 a response of {status} does not deny the WebSocket, but opens it (RFC 8441 §5)"
            )
        fields = self._fields(message.get("headers") or ())
        self._denial = Response(status_code=status, headers=self._defaults(fields), reason=reason(status))

    async def _send_denial(self, denial: Response, message: _Message) -> None:
        if self.engine.connecting:
            response = self.engine.reject(denial.status_code, denial.headers.raw_items(), denial.reason)
            self._deny(response, message.get("body", b""), more=message.get("more_body", False))
        else:
            self._deny(None, message.get("body", b""), more=message.get("more_body", False))
        exchange = self.exchange
        while exchange is not None and not exchange.writable and not self._lost:
            await self._wait()

    def _deny(self, head: Response | None, body: bytes, *, more: bool) -> None:
        """Send of a response that opens no WebSocket its head, if it is not out, some content, and perhaps the end."""
        exchange = self._open_exchange()
        events: list[Event] = [] if head is None else [head]
        if body and (self._denial is None or content_allowed(self._request.method, self._denial.status_code)):
            events.append(Data(body))
        if not more:
            events.append(_END)
        if events:
            exchange.send(*events)
        if not more:
            self._denial = None
            self.exchange = None
        self._wake()

    # -- fields

    def _fields(self, headers: Any) -> list[tuple[bytes, Any]]:
        multiplexed = self._request.http_version == b"2"
        fields = [(bytes(name).lower(), value) for name, value in headers]
        return [field for field in fields if not (multiplexed and field[0] in CONNECTION_SPECIFIC)]

    def _defaults(self, fields: list[tuple[bytes, Any]]) -> list[tuple[bytes, Any]]:
        self._context.add_defaults(fields)
        return fields

    # -- ends

    def _close_code(self) -> int:
        """What the application is told: what the client said, else what we had against it, else 1006."""
        engine = self.engine
        if engine.remote_close is not None:
            return engine.remote_close.code
        if engine.local_close is not None and engine.our_state == "FAILED":
            return engine.local_close.code
        return _ABNORMAL

    def _close_reason(self) -> str:
        engine = self.engine
        if engine.remote_close is None and engine.local_close is not None and engine.our_state == "FAILED":
            return engine.local_close.reason
        return engine.close_reason

    def _open_exchange(self) -> Exchange:
        if self.exchange is None:
            raise Disconnected(self._reason or "the WebSocket has been denied")
        return self.exchange

    def returned(self) -> None:
        """The application has returned."""
        if self._session is not None:
            self._session.start_closing(_NORMAL, "")
        elif self.exchange is not None:
            if not self._lost:
                what = "completing its response" if self._denial is not None else "answering the request"
                self._context.log.error(
                    "ASGI application returned without %s for a WebSocket: %s", what, request_line(self._request)
                )
            self.break_off()

    def failed(self, error: BaseException) -> None:
        """The application has raised."""
        log = self._context.log
        # Where it was told so by send(), what it raises is its way to say that the client has gone.
        tell = log.debug if isinstance(error, Disconnected) else log.error
        tell("Exception in ASGI application: %s", request_line(self._request), exc_info=error)
        if self._session is not None:
            self._session.start_closing(_INTERNAL_ERROR, "")
        else:
            self.break_off()

    def break_off(self) -> None:
        """End it: with 500 while nothing was answered, else visibly broken."""
        exchange = self.exchange
        self.exchange = None
        if exchange is None:
            return
        if self._session is None and self.engine.connecting and not self._lost:
            fields = self._defaults(
                [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_ERROR_TEXT))]
            )
            try:
                exchange.send(self.engine.reject(500, fields, reason(500)), Data(_ERROR_TEXT), _END)
            except (ProtocolError, Disconnected):
                pass  # then it cannot be answered
            else:
                self._wake()
                return
        exchange.abort()

    def ended(self) -> None:
        """Nothing of the application runs any more."""
        if self._link is None:
            self._exchange.ended()
        else:
            self._link.release()

    # -- waiting

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
