"""ASGI 3: the bridge between an exchange and an application (HTTP message format, spec 2.5, and its extensions).

An :class:`ASGIApplication` runs the application once per exchange, in a task of its own.  The :class:`ASGIHandler` of
an exchange is both what the driver calls and what the application calls: ``receive`` and ``send`` are its methods.
The scope is made in :mod:`interlock.server.asgi_scope`; lifespan is in :mod:`interlock.server.lifespan`.

The head of a response is held back until its first content message.  So a small response goes out in one piece, and
an application that fails before it has sent any content is still answered for, with 500.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import IO, Any, Final

from interlock.http.errors import ProtocolError, RemoteProtocolError
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Response
from interlock.http.fields import Headers, comma_list
from interlock.http.names import CONNECTION_SPECIFIC
from interlock.http.status import content_allowed, reason
from interlock.net.exchange import Disconnected, Exchange, Handler
from interlock.server.asgi_files import extent, open_descriptor, open_path
from interlock.server.asgi_scope import Scope, ScopeFactory
from interlock.server.asgi_websocket import Refused, WebSocketHandler, WebSocketSettings
from interlock.server.context import ServerContext, request_line
from interlock.ws.handshake import is_websocket

__all__ = ["ASGIApplication", "ASGIHandler", "Application", "Message", "Receive", "Send"]

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# How far the application's response is.  From BODY on, its head has been handed over to be sent.
START: Final = 0
HEAD: Final = 1
BODY: Final = 2
TRAILERS: Final = 3
DONE: Final = 4

#: What the application may send, by how far its response is.
_EXPECTED: Final = (
    "http.response.start or http.response.early_hint",
    "http.response.body, http.response.pathsend, http.response.zerocopysend or http.response.early_hint",
    "http.response.body, http.response.zerocopysend or http.response.early_hint",
    "http.response.trailers",
    "nothing more, the response being over",
)
_UNFINISHED: Final = ("starting a response", "sending the content", "completing the content", "sending the trailers")

#: A piece of content of less octets is small; so many of them in a row are joined.
_SMALL: Final = 64
_SMALL_PIECES: Final = 64

#: Octets of content that an application sends in one turn of the loop, and what each message of its counts for beside.
_IN_ONE_TURN: Final = 65536
_EACH: Final = 64

_CONTINUE: Final = InformationalResponse(status_code=100, reason=reason(100))
_END: Final = EndOfMessage()
_ERROR_TEXT: Final = b"Internal Server Error"


class ASGIApplication:
    """Runs an ASGI application for one worker.  Give it an exchange, and it starts the task that serves it.

    ``state``: what the application left at its lifespan's startup; each scope gets a shallow copy.  ``show_states``:
    whether scopes offer the states of the connection's machines, as a callable in the extension "interlock.states",
    where the driver knows them.  ``websocket``: how WebSockets are served; None: requests for one are as any other.

    Each task runs in a copy of the context in which this object was made, whatever ran on the connection before.
    """

    __slots__ = ("_app", "_context", "_handlers", "_scopes", "_show_states", "_variables", "_websocket")

    def __init__(
        self,
        app: Application,
        context: ServerContext,
        *,
        state: dict[str, Any] | None,
        show_states: bool = False,
        websocket: WebSocketSettings | None = None,
    ) -> None:
        self._app: Final = app
        self._context: Final = context
        self._scopes: Final = ScopeFactory(context.root_path, state)
        self._show_states: Final = show_states
        self._websocket: Final = websocket
        self._variables: Final = contextvars.copy_context()
        #: What runs, and who is told when it has ended: the exchange that it runs for, or a WebSocket, which may go on.
        self._handlers: Final[dict[ASGIHandler | WebSocketHandler, Exchange | WebSocketHandler]] = {}

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks that are running now."""
        return {handler.task for handler in self._handlers if handler.task is not None}

    def __call__(self, exchange: Exchange) -> Handler:
        request = exchange.request
        handler: ASGIHandler | WebSocketHandler
        if self._websocket is not None and is_websocket(request):
            try:
                handler = WebSocketHandler(exchange, self._context, self._websocket)
            except RemoteProtocolError as error:
                return Refused(exchange, self._context, error)
            scope = self._scopes.websocket(request, exchange.peer, handler.subprotocols)
        else:
            handler = ASGIHandler(exchange, self._context)
            scope = self._scopes.http(request, exchange.peer)
        if self._show_states:
            states = getattr(exchange, "states", None)
            if states is not None:
                scope["extensions"]["interlock.states"] = states
        self._handlers[handler] = handler if isinstance(handler, WebSocketHandler) else exchange
        handler.task = asyncio.get_running_loop().create_task(
            self._serve(handler, scope), context=self._variables.copy()
        )
        return handler

    async def shutdown(self) -> None:
        """Cancel the tasks that still run, and wait until they have ended."""
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        # A task that was cancelled before its first step has not run a single line of its own.
        for handler in tuple(self._handlers):
            if handler.task in tasks:
                handler.task = None
                handler.break_off()
                self._handlers.pop(handler).ended()

    async def _serve(self, handler: "ASGIHandler | WebSocketHandler", scope: Scope) -> None:
        try:
            await self._app(scope, handler.receive, handler.send)
        except asyncio.CancelledError as error:
            task = handler.task
            if task is not None and task.cancelling():
                handler.break_off()
            else:
                handler.failed(error)
            raise
        except (Exception, SystemExit) as error:
            # An application's sys.exit() ends its request, not the server.
            handler.failed(error)
        else:
            handler.returned()
        finally:
            handler.task = None
            self._handlers.pop(handler).ended()


class ASGIHandler:
    """One exchange: a :class:`~interlock.net.exchange.Handler`, and the application's ``receive`` and ``send``.

    ``exchange`` is None once nothing more can be sent or received: the response is complete or broken off, or the
    connection is lost.  So neither keeps the other alive.
    """

    __slots__ = (
        "_context",
        "_delivered",
        "_ended",
        "_ending",
        "_fields",
        "_has_content",
        "_has_length",
        "_in_turn",
        "_lost",
        "_peer_closed",
        "_phase",
        "_reading",
        "_reason",
        "_received",
        "_remaining",
        "_request",
        "_small",
        "_status",
        "_told",
        "_trailers",
        "_trailers_declared",
        "_waiters",
        "exchange",
        "task",
    )

    def __init__(self, exchange: Exchange, context: ServerContext) -> None:
        self.exchange: Exchange | None = exchange
        self.task: asyncio.Task[None] | None = None
        self._context: Final = context
        self._request: Final = exchange.request
        # The request's content: what is here and not yet taken, whether it is all, whether all was taken.
        self._received: list[bytes] = []
        #: How many pieces at its end are small; so many are made one, as an object for each would be large.
        self._small = 0
        self._reading = False
        self._ended = False
        self._delivered = False
        # The end: the peer sends nothing more; the connection is lost; the application has been told so.
        self._peer_closed = False
        self._lost = False
        self._reason = ""
        self._told = False
        # The response.
        self._phase = START
        self._status = 0
        self._fields: list[tuple[bytes, Any]] = []
        self._has_length = False
        self._has_content = True
        #: The end has been handed over, and not all of the response is with the transport.
        self._ending = False
        #: What was sent without waiting, in octets; each message counts for some.
        self._in_turn = 0
        #: Octets of the declared Content-Length that are still to come; -1 where none was declared.
        self._remaining = -1
        self._trailers_declared = False
        #: The trailer section so far; None where none will be sent.
        self._trailers: list[tuple[Any, Any]] | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # -- what the driver calls

    def data_received(self, data: bytes) -> None:
        received = self._received
        received.append(data)
        if len(data) < _SMALL:
            self._small += 1
            if self._small >= _SMALL_PIECES:
                self._small = 0
                received[-_SMALL_PIECES:] = [b"".join(received[-_SMALL_PIECES:])]
        else:
            self._small = 0
        if self._waiters:
            self._wake()

    def end_received(self, trailers: Headers) -> None:
        self._ended = True
        if self._waiters:
            self._wake()

    def eof_received(self) -> None:
        self._peer_closed = True
        self._wake()

    def connection_lost(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._lost = True
        self.exchange = None
        if not self._ended:
            self._received.clear()  # a part of the content is not to pass for all of it
        self._wake()

    def writable(self) -> None:
        self._wake()

    # -- what the application calls

    async def receive(self) -> Message:
        """The next message: http.request while there is content to come, then http.disconnect, any number of times."""
        if not self._reading:
            self._reading = True
            self._invite_content()
        while self._phase != DONE or self._ending:
            if not self._delivered and (self._ended or self._received):
                return self._take()
            if self._lost or self._peer_closed:
                break
            await self._wait()
        self._told = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the application's next message, and return when the peer keeps up with what it was sent.

        Raises :class:`Disconnected`, an :class:`OSError`, when the connection is lost; :class:`RuntimeError` for a
        message that is not expected here, or that does not fit the declared Content-Length;
        :class:`~interlock.http.errors.LocalProtocolError` for an illegal status, field name or field value.
        """
        if self._lost:
            self._told = True
            raise Disconnected(self._reason)
        kind = message["type"]
        phase = self._phase
        try:
            if kind == "http.response.body" and (phase == HEAD or phase == BODY):
                self._send_body(message)
            elif kind == "http.response.start" and phase == START:
                self._start(message)
                return
            elif kind == "http.response.trailers" and (
                phase == TRAILERS or (phase == DONE and self._trailers_declared)
            ):
                self._send_trailers(message)
            elif kind == "http.response.early_hint" and phase <= BODY:
                self._send_early_hint(message)
            elif kind == "http.response.zerocopysend" and (phase == HEAD or phase == BODY):
                await self._send_descriptor(message)
            elif kind == "http.response.pathsend" and phase == HEAD:
                await self._send_path(message)
            else:
                raise RuntimeError(f"ASGI message {kind!r} is not expected now: expected {_EXPECTED[phase]}")
            exchange = self.exchange
            if exchange is not None and not exchange.writable:
                await self._until_writable()
                self._in_turn = 0
            elif (
                self._in_turn >= _IN_ONE_TURN
            ):  # the transport takes all: others need a turn, the news that it is lost, too
                self._in_turn = 0
                await asyncio.sleep(0)
            if self._ending:
                self._over()
        except Disconnected as error:
            self._told = True
            self.connection_lost(str(error))
            raise

    # -- the request's content

    def _invite_content(self) -> None:
        """Tell a client that waits for it to go on: 100 Continue (RFC 9110 §10.1.1)."""
        exchange = self.exchange
        if exchange is not None and self._phase < BODY and exchange.expects_continue:
            try:
                exchange.send(_CONTINUE)
            except Disconnected as error:
                self.connection_lost(str(error))

    def _take(self) -> Message:
        body = b"".join(self._received)
        ended = self._ended
        self._delivered = ended
        if body:
            self._received.clear()
            self._small = 0
            if self.exchange is not None:
                self.exchange.consumed(len(body))
        return {"type": "http.request", "body": body, "more_body": not ended}

    # -- the response

    def _start(self, message: Message) -> None:
        status = message["status"]
        if not isinstance(status, int):
            raise TypeError(f"http.response.start: status has to be an integer, not {status!r}")
        fields: list[tuple[bytes, Any]] = []
        has_length = False
        multiplexed = self._request.http_version == b"2"
        for name, value in message.get("headers", ()):
            lower = bytes(name).lower()
            if lower == b"content-length":
                if status == 204:
                    continue  # RFC 9110 §8.6: never in a 204, and applications do set 0 there
                has_length = True
            elif lower == b"transfer-encoding" and value.lower() == b"chunked":
                continue  # how the message is framed is for the engine to say
            elif multiplexed and lower in CONNECTION_SPECIFIC:
                continue  # applications do say it, whatever the version is
            fields.append((lower, value))
        self._status = status
        self._fields = fields
        self._has_length = has_length
        self._trailers_declared = bool(message.get("trailers", False))
        self._phase = HEAD

    def _head(self, length: int) -> Response:
        """The response's head.  ``length``: octets of the whole content, -1 where that is not known yet."""
        fields = self._fields
        has_content = content_allowed(self._request.method, self._status)
        trailers = self._trailers_declared and has_content and self._client_takes_trailers()
        if length >= 0 and has_content and not self._has_length and not trailers:
            fields.append((b"content-length", b"%d" % length))
            self._has_length = True
        self._context.add_defaults(fields)
        try:
            head = Response(status_code=self._status, headers=fields, reason=reason(self._status))
        except (ProtocolError, TypeError):
            self._phase = START
            raise
        self._has_content = has_content
        self._remaining = head.headers.content_length if has_content else -1
        self._trailers = [] if trailers else None
        return head

    def _client_takes_trailers(self) -> bool:
        """Whether trailers may be sent: asked for, and framed by something that has a place for them."""
        request = self._request
        if request.http_version == b"1.0" or (request.http_version == b"1.1" and self._has_length):
            return False
        return any(b"trailers" in comma_list(value.lower()) for value in request.headers.get_all(b"te"))

    def _count(self, octets: int, more_body: bool) -> None:
        """Hold the content against the declared Content-Length, before any of it is sent."""
        left = self._remaining - octets
        if self._remaining < 0:
            return
        if left < 0:
            raise RuntimeError(f"the response's content is longer than its Content-Length, by {-left} octets")
        if left > 0 and not more_body:
            raise RuntimeError(f"the response's content is shorter than its Content-Length, by {left} octets")
        self._remaining = left

    def _send_body(self, message: Message) -> None:
        body = message.get("body", b"")
        more_body = message.get("more_body", False)
        if not isinstance(body, bytes):
            if not isinstance(body, (bytearray, memoryview)):
                raise TypeError(f"http.response.body: body has to be bytes, not {type(body).__name__}")
            body = bytes(body)
        events: list[Event] = []
        if self._phase == HEAD:
            events.append(self._head(-1 if more_body else len(body)))
        self._count(len(body), more_body)
        self._in_turn += len(body) + _EACH
        if body and self._has_content:
            events.append(Data(body))
        self._hand_over(events, more_body)

    def _hand_over(self, events: list[Event], more_body: bool) -> None:
        """Send what is ready, and, with the last of the content, the end: unless trailers follow."""
        exchange = self._open_exchange()
        self._phase = BODY
        if more_body:
            if events:
                exchange.send(*events)
        elif self._trailers is None:
            exchange.send(*events, _END)
            self._complete(exchange)
        else:
            self._phase = TRAILERS
            if events:
                exchange.send(*events)

    async def _send_file(self, file: IO[bytes], offset: int, count: int, more_body: bool) -> None:
        exchange = self._open_exchange()
        head = self._head(-1 if more_body else count) if self._phase == HEAD else None
        self._count(count, more_body)
        self._phase = BODY
        if head is not None:
            exchange.send(head)
        if count and self._has_content:
            await exchange.send_file(file, offset, count)
        self._hand_over([], more_body)

    async def _send_path(self, message: Message) -> None:
        with open_path(message["path"]) as file:
            start, count = extent(file, 0, None)
            await self._send_file(file, start, count, more_body=False)

    async def _send_descriptor(self, message: Message) -> None:
        file = open_descriptor(message["file"])
        offset = message.get("offset")
        start, count = extent(file, offset, message.get("count"))
        await self._send_file(file, start, count, message.get("more_body", False))
        if offset is None:
            file.seek(start + count)

    def _send_trailers(self, message: Message) -> None:
        if self._trailers is None:
            return
        self._trailers.extend(message.get("headers", ()))
        if not message.get("more_trailers", False):
            exchange = self._open_exchange()
            exchange.send(EndOfMessage(headers=self._trailers))
            self._complete(exchange)

    def _send_early_hint(self, message: Message) -> None:
        """103 Early Hints (RFC 8297), while the response has not begun, for clients that know informational ones."""
        links = [(b"link", link) for link in message.get("links", ())]
        if links and self._phase < BODY and self._request.http_version != b"1.0":
            self._open_exchange().send(InformationalResponse(status_code=103, headers=links, reason=reason(103)))

    def _open_exchange(self) -> Exchange:
        if self.exchange is None:
            raise Disconnected(self._reason or "the response is over")
        return self.exchange

    def _complete(self, exchange: Exchange) -> None:
        """The end has been handed over.  It is not over while something holds it."""
        if exchange.writable:
            self._over()
        else:
            self._phase = DONE
            self._ending = True

    def _over(self) -> None:
        """Nothing more can be sent, and nothing more is received."""
        self._phase = DONE
        self._ending = False
        self.exchange = None
        self._received.clear()
        self._wake()

    # -- waiting

    async def _until_writable(self) -> None:
        while self.exchange is not None and not self.exchange.writable:
            await self._wait()
        if self._lost:
            raise Disconnected(self._reason)

    async def _wait(self) -> None:
        """Wait until the driver reports something, or the response is over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters = self._waiters
        if waiters:
            self._waiters = []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    # -- how the application ended

    def returned(self) -> None:
        """The application has returned."""
        if self.exchange is None:
            return
        if not self._told and not self._ending:
            log = self._context.log
            log.error("ASGI application returned without %s: %s", _UNFINISHED[self._phase], request_line(self._request))
        self.break_off()

    def failed(self, error: BaseException) -> None:
        """The application has raised."""
        log = self._context.log
        if self._lost and self._told:
            # What it raised is its way to say that the client has gone.
            log.debug(
                "the client has disconnected, and the ASGI application ended with %r: %s",
                error,
                request_line(self._request),
                exc_info=error,
            )
        else:
            log.error("Exception in ASGI application: %s", request_line(self._request), exc_info=error)
        self.break_off()

    def break_off(self) -> None:
        """End the exchange: with 500 while nothing of the response has been sent, else visibly broken."""
        exchange = self.exchange
        if exchange is None:
            return
        if self._ending:
            self._over()  # what is still held goes out without it
            return
        if self._phase < BODY:
            try:
                exchange.send(*self._server_error(), _END)
            except (ProtocolError, Disconnected):
                pass  # then this exchange cannot be answered
            else:
                self._over()
                return
        self._over()
        exchange.abort()

    def _server_error(self) -> list[Event]:
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_ERROR_TEXT))]
        self._context.add_defaults(fields)
        events: list[Event] = [Response(status_code=500, headers=fields, reason=reason(500))]
        if content_allowed(self._request.method, 500):
            events.append(Data(_ERROR_TEXT))
        return events
