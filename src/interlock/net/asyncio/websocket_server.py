"""Servers of WebSocket on asyncio: :func:`serve`, by the name and with the arguments of the websockets library's.

Each connection is one task: the opening handshake, then the handler, then the close.
"""

import asyncio
import inspect
import logging
import re
import ssl as tls
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, cast

from interlock import h1
from interlock.http import events
from interlock.http.dates import ImfFixdate
from interlock.http.errors import RemoteProtocolError
from interlock.http.limits import Timeouts
from interlock.http.sentinels import SERVER
from interlock.http.status import content_allowed
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.asyncio.websocket_connection import Connection
from interlock.net.asyncio.websocket_errors import ConnectionClosed, NegotiationError
from interlock.net.asyncio.websocket_link import TransportLink
from interlock.net.asyncio.websocket_messages import Headers, Request, Response, octets_of, request_of, response_of
from interlock.net.asyncio.websocket_opening import read_request, receive_request, refuse, respond, switch
from interlock.net.asyncio.websocket_options import Options
from interlock.net.asyncio.websocket_stream import WebSocketStream
from interlock.ws.deflate import PerMessageDeflate

__all__ = ["Server", "ServerConnection", "serve", "unix_serve"]

_log: Final = logging.getLogger("interlock.websocket")

_SERVER: Final = "interlock"
_LINGER: Final = Timeouts().linger

#: What serves a connection, and what has a say in the opening handshake.
Handler = Callable[["ServerConnection"], Awaitable[None]]
ProcessRequest = Callable[["ServerConnection", Request], Awaitable[Response | None] | Response | None]
ProcessResponse = Callable[["ServerConnection", Request, Response], Awaitable[Response | None] | Response | None]
SelectSubprotocol = Callable[["ServerConnection", Sequence[str]], str | None]
Origins = Sequence[str | re.Pattern[str] | None]


class ServerConnection(Connection):
    """A server's end of a WebSocket, as a handler gets it."""

    def __init__(self, transport: asyncio.Transport, server: "Server") -> None:
        super().__init__(transport)
        self.server: Final = server

    def respond(self, status: int, text: str) -> Response:
        """A response with a text, for ``process_request`` to return in place of opening the connection."""
        code = HTTPStatus(status)
        body = text.encode()
        headers = Headers([("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
        return Response(code.value, code.phrase, headers, body)


class Handshakes:
    """How a server opens connections: what was chosen for that."""

    def __init__(
        self,
        *,
        origins: Origins | None,
        subprotocols: Sequence[str] | None,
        select_subprotocol: SelectSubprotocol | None,
        process_request: ProcessRequest | None,
        process_response: ProcessResponse | None,
        server_header: str | None,
        create_connection: type[ServerConnection],
    ) -> None:
        if isinstance(subprotocols, str) or isinstance(origins, str):
            raise TypeError("subprotocols and origins are sequences of strings")
        self._origins: Final = origins
        self._subprotocols: Final = tuple(subprotocols or ())
        self._select_subprotocol: Final = select_subprotocol
        self._process_request: Final = process_request
        self._process_response: Final = process_response
        self._server: Final = None if server_header is None else server_header.encode("latin-1")
        self._date: Final = ImfFixdate()
        self.create_connection: Final = create_connection

    def defaults(self) -> list[tuple[bytes, bytes]]:
        """The fields that every response has."""
        fields = [(b"Date", self._date.at(time.time()))]
        if self._server is not None:
            fields.append((b"Server", self._server))
        return fields

    async def ask_for_response(self, connection: ServerConnection, request: Request) -> Response | None:
        """What the application responds in place of opening the connection, if anything."""
        if self._process_request is None:
            return None
        response = self._process_request(connection, request)
        return await response if inspect.isawaitable(response) else response

    async def ask_about_response(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response | None:
        """What the application makes of the response that opens the connection; None where it has no say."""
        if self._process_response is None:
            return None
        given = self._process_response(connection, request, response)
        changed = await given if inspect.isawaitable(given) else given
        return response if changed is None else changed

    def check_origin(self, origin: bytes | None) -> None:
        """Raise :class:`RemoteProtocolError` for an origin that is not allowed (RFC 6455 §10.2)."""
        if self._origins is None:
            return
        shown = None if origin is None else origin.decode("latin-1")
        for allowed in self._origins:
            if allowed is None or shown is None:
                if allowed is shown:
                    return
            elif shown == allowed if isinstance(allowed, str) else allowed.fullmatch(shown):
                return
        raise RemoteProtocolError("this origin is not allowed (RFC 6455 §10.2)", 403)

    def subprotocol(self, connection: ServerConnection, offered: Sequence[str]) -> str | None:
        """The subprotocol to be spoken.  Raises :class:`NegotiationError` where there has to be one and none is common."""
        if self._select_subprotocol is not None:
            return self._select_subprotocol(connection, offered)
        if not self._subprotocols:
            return None
        for subprotocol in self._subprotocols:
            if subprotocol in offered:
                return subprotocol
        raise NegotiationError(f"one of these subprotocols is needed: {', '.join(self._subprotocols)}")


class Server:
    """A server that runs.  With ``async with`` it is closed at the end."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, handler: Handler, handshakes: Handshakes, options: Options
    ) -> None:
        self._loop: Final = loop
        self._handler: Final = handler
        self._handshakes: Final = handshakes
        self._options: Final = options
        self._listening: asyncio.Server | None = None
        self._connections: Final[set[ServerConnection]] = set()
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        #: The deadlines of opening handshakes that are under way.
        self._openings: Final[set[asyncio.Timeout]] = set()
        self._closing = False
        self._waiters: Final[list[asyncio.Future[None]]] = []

    # -- what is known

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open."""
        return {connection for connection in self._connections if connection.session.open}

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The sockets that it listens on."""
        return () if self._listening is None else tuple(self._listening.sockets)

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._listening is not None and self._listening.is_serving()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs in."""
        return self._loop

    # -- its life

    def listen(self, listening: asyncio.Server) -> None:
        """Serve what ``listening`` accepts, which makes a :meth:`protocol` for each connection."""
        self._listening = listening

    async def start_serving(self) -> None:
        """Begin to accept connections, where :func:`serve` was told not to."""
        if self._listening is not None and not self._closing:
            await self._listening.start_serving()

    async def serve_forever(self) -> None:
        """Return when the server is closed, and all that it had to do is done.  If this is cancelled, close it."""
        try:
            await self.start_serving()
            await self.wait_closed()
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:
        """Accept no more connections, and close those that are open with ``code``.  :meth:`wait_closed` waits for them.

        Opening handshakes that are under way are answered with 503.  With ``close_connections`` false, what is open
        stays so until its handler returns.
        """
        if self._listening is not None:
            self._listening.close()
        self._closing = True
        if close_connections:
            for connection in self._connections:
                connection.session.start_closing(code, reason)
        for opening in self._openings:
            if not opening.expired():
                opening.reschedule(self._loop.time())
        self._wake()

    async def wait_closed(self) -> None:
        """Return when the server is closed, all handlers have returned, and all connections are gone."""
        while not self._closing or self._tasks:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    async def __aenter__(self) -> "Server":  # noqa: PYI034 - nobody derives from it
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the server, and wait for that."""
        self.close()
        await self.wait_closed()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # -- one connection

    def protocol(self) -> asyncio.Protocol:
        """A protocol factory, for :meth:`asyncio.loop.create_server`."""
        return cast(asyncio.Protocol, WebSocketStream(self._loop, self._options.write_limit, self._begin))

    def _begin(self, stream: WebSocketStream) -> None:
        if self._closing:
            stream.abort()  # nobody waits for it any more
            return
        task = self._loop.create_task(self._run(stream))
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._wake()

    async def _run(self, stream: WebSocketStream) -> None:
        transport = stream.transport
        assert transport is not None
        connection = self._handshakes.create_connection(transport, self)
        try:
            if await self._open(stream, connection):
                await self._serve(connection)
            else:
                await stream.close(_LINGER)
        finally:
            self._connections.discard(connection)
            if stream.session is not None:
                stream.session.start_closing(1001)  # which says something only if this was cancelled
            stream.abort()

    async def _serve(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        code = 1000
        try:
            await self._handler(connection)
        except ConnectionClosed as error:
            _log.debug("a handler met the end of its connection: %s", error)
        except Exception:  # noqa: BLE001 - a server outlives whatever a handler raises
            _log.exception("a handler failed")
            code = 1011
        await connection.close(code)

    async def _open(self, stream: WebSocketStream, connection: ServerConnection) -> bool:
        """Carry out the opening handshake.  Returns whether the connection is open; if not, that is answered."""
        http = h1.Connection(SERVER, limits=self._options.limits)
        deadline = asyncio.timeout(self._options.open_timeout)
        try:
            async with deadline:
                self._openings.add(deadline)
                try:
                    return await self._shake_hands(stream, http, connection)
                finally:
                    self._openings.discard(deadline)
        except RemoteProtocolError as error:
            failure = error
        except NegotiationError as error:
            failure = RemoteProtocolError(str(error))
        except Exception as error:  # noqa: BLE001 - and whatever else it is given to call
            if not deadline.expired():
                _log.exception("an opening handshake failed")
                failure = RemoteProtocolError("the server has failed", 500)
            elif http.waiting_for == "idle" and not self._closing:
                return False  # nothing has come that could be answered
            elif self._closing:
                failure = RemoteProtocolError("the server is closing", 503)
            else:
                failure = RemoteProtocolError("the opening handshake took too long", 408)
                failure.__cause__ = error
        _log.debug("refused %s: %s", connection.remote_address, failure)
        refuse(stream, http, failure, self._handshakes.defaults())
        return False

    async def _shake_hands(self, stream: WebSocketStream, http: h1.Connection, connection: ServerConnection) -> bool:
        handshakes = self._handshakes
        options = self._options
        asked = await read_request(stream, http)
        if asked is None:
            return False
        connection.request = request = request_of(asked)
        given = await handshakes.ask_for_response(connection, request)
        if given is not None:
            connection.response = given
            self._respond(stream, http, given)
            return False
        engine = options.engine(SERVER)
        opening = receive_request(engine, asked)
        handshakes.check_origin(opening.origin)
        subprotocol = handshakes.subprotocol(connection, opening.subprotocols)
        response = engine.accept(subprotocol=subprotocol, headers=handshakes.defaults())
        connection.response = response_of(response)
        changed = await handshakes.ask_about_response(connection, request, connection.response)
        if changed is not None:
            connection.response = changed
            if changed.status_code != 101:
                self._respond(stream, http, changed)
                return False
            response = events.InformationalResponse(
                status_code=101, headers=octets_of(changed.headers), reason=changed.reason_phrase
            )
        rest = await switch(stream, http, response)
        if rest is None:
            return False
        session = WebSocketSession(
            engine,
            TransportLink(connection.transport),
            self._loop,
            limits=options.limits,
            timeouts=options.timeouts,
            max_queue=options.max_queue,
        )
        connection.open(session)
        stream.hand_over(session, rest)
        return True

    def _respond(self, stream: WebSocketStream, http: h1.Connection, given: Response) -> None:
        """Send a response of the application's, which opens no connection."""
        body = given.body if content_allowed(http.request_method, given.status_code) else b""
        fields = octets_of(given.headers)
        names = {name.lower() for name, _ in fields}
        for name, value in self._handshakes.defaults():
            if name.lower() not in names:
                fields.append((name, value))
        if b"content-length" not in names and b"transfer-encoding" not in names and given.status_code != 204:
            fields.append((b"Content-Length", b"%d" % len(given.body)))
        if b"connection" not in names:
            fields.append((b"Connection", b"close"))
        respond(
            stream,
            http,
            events.Response(status_code=given.status_code, headers=fields, reason=given.reason_phrase),
            body,
        )


class serve:  # noqa: N801 - it is called like a function
    """Serve WebSocket: ``async with serve(handler, host, port) as server``, or ``server = await serve(...)``.

    ``handler`` is called for each connection, and that is closed when it returns; with 1011 where it raises.

    ``origins``: which values of Origin are allowed: strings, patterns, and None for requests without one; None: all.
    ``subprotocols``: what is spoken, the preferred first; clients that offer none of them are refused, unless
    ``select_subprotocol``, which gets the connection and what the client offers, returns one or None.  ``compression``:
    "deflate", or how, as a :class:`~interlock.ws.PerMessageDeflate`; None: none is accepted.  ``process_request`` gets
    the connection and the request, and may return a :class:`Response` to be sent in place of opening the connection;
    ``process_response`` gets the response too, which it may change or replace.  Either may be a coroutine function.
    ``server_header``: the value of Server; None: there is none.

    Times and limits are as for :func:`~interlock.net.asyncio.websocket_client.connect`; ``open_timeout`` is for the
    opening handshake, and with TLS also for its.  ``ssl``: the context for TLS.  ``create_connection``: the class to be
    made.  All else goes to :meth:`asyncio.loop.create_server`: ``sock``, ``reuse_port``, ``backlog``, ``start_serving``
    and so on.
    """

    def __init__(
        self,
        handler: Handler,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        *,
        origins: Origins | None = None,
        subprotocols: Sequence[str] | None = None,
        select_subprotocol: SelectSubprotocol | None = None,
        compression: str | PerMessageDeflate | None = "deflate",
        process_request: ProcessRequest | None = None,
        process_response: ProcessResponse | None = None,
        server_header: str | None = _SERVER,
        ssl: tls.SSLContext | None = None,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 5,
        max_size: int | None = 2**20,
        max_queue: int | None = 16,
        write_limit: int | tuple[int, int | None] = 32768,
        create_connection: type[ServerConnection] = ServerConnection,
        **kwargs: Any,
    ) -> None:
        self._handler: Final = handler
        self._handshakes: Final = Handshakes(
            origins=origins,
            subprotocols=subprotocols,
            select_subprotocol=select_subprotocol,
            process_request=process_request,
            process_response=process_response,
            server_header=server_header,
            create_connection=create_connection,
        )
        self._options: Final = Options(
            compression=compression,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_queue=max_queue,
            write_limit=write_limit,
        )
        self._kwargs: Final = kwargs
        if ssl is not None:
            kwargs["ssl"] = ssl
            kwargs.setdefault("ssl_handshake_timeout", open_timeout)
            kwargs.setdefault("ssl_shutdown_timeout", close_timeout)
        if "path" not in kwargs and "sock" not in kwargs:
            kwargs["host"] = host
            kwargs["port"] = port
        self._server: Server | None = None

    def __await__(self) -> Generator[Any, None, Server]:
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        self._server = await self._start()
        return self._server

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the server, and wait for that."""
        if self._server is not None:
            await self._server.__aexit__(exc_type, exc, traceback)

    async def _start(self) -> Server:
        loop = asyncio.get_running_loop()
        server = Server(loop, self._handler, self._handshakes, self._options)
        kwargs = self._kwargs
        if "path" in kwargs:
            server.listen(await loop.create_unix_server(server.protocol, **kwargs))
        else:
            server.listen(await loop.create_server(server.protocol, **kwargs))
        return server


def unix_serve(handler: Handler, path: str | None = None, **kwargs: Any) -> serve:
    """The same, on a Unix socket."""
    if path is not None:
        kwargs["path"] = path
    return serve(handler, **kwargs)
