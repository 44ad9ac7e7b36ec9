"""Serving WebSockets on trio: a server that has a handler for each connection, and the same over one stream."""

import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn, Unpack

import trio

from interlock import h1
from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.http.limits import Timeouts
from interlock.http.sentinels import SERVER
from interlock.net.trio.endpoint import Endpoint, endpoint_of_listener
from interlock.net.trio.websocket import WebSocketConnection
from interlock.net.trio.websocket_errors import ConnectionClosed, ConnectionTimeout, HandshakeError
from interlock.net.trio.websocket_opening import Fields, accept, further_fields, read_opening, refuse, reject
from interlock.net.trio.websocket_options import (
    MAX_MESSAGE_SIZE,
    MESSAGE_QUEUE_SIZE,
    RECEIVE_BYTES,
    FurtherOptions,
    Options,
    Settings,
)
from interlock.ws.handshake import Opening

__all__ = ["WebSocketRequest", "WebSocketServer", "serve_websocket", "wrap_server_stream"]

_LOG: Final = logging.getLogger("interlock.websocket")

_NORMAL: Final = 1000
_INTERNAL_ERROR: Final = 1011

_TIMEOUTS: Final = Timeouts()


class WebSocketRequest:
    """What a client asks for: to be accepted or rejected, once."""

    def __init__(
        self, nursery: trio.Nursery, connection: WebSocketConnection, http: h1.Connection, opening: Opening
    ) -> None:
        self._nursery: Final = nursery
        self._connection: Final = connection
        self._http: Final = http
        self._opening: Final = opening

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All fields of the request, with their names in lower case."""
        return self._opening.request.headers.items_list()

    @property
    def path(self) -> str:
        """Path and query."""
        return self._opening.request.target.decode("ascii")

    @property
    def url(self) -> str:
        """The URL of the WebSocket, as the client's Host has it."""
        is_ssl = isinstance(self.local, Endpoint) and self.local.is_ssl
        host = self._opening.request.headers.get(b"host") or b""
        return f"{'wss' if is_ssl else 'ws'}://{host.decode('ascii')}{self.path}"

    @property
    def proposed_subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the client offers, the preferred first."""
        return tuple(self._opening.subprotocols)

    @property
    def local(self) -> Endpoint | str:
        """Our end of the stream, as :attr:`WebSocketConnection.local`."""
        return self._connection.local

    @property
    def remote(self) -> Endpoint | str:
        """The client's end of the stream."""
        return self._connection.remote

    async def accept(
        self, *, subprotocol: str | None = None, extra_headers: Fields | None = None
    ) -> WebSocketConnection:
        """Open the connection.  ``subprotocol``: one of those proposed.  ``extra_headers``: of the response.

        Raises :class:`~interlock.http.errors.LocalProtocolError` where the request was answered before, and for what may
        not be said; :class:`ConnectionClosed` where the client has gone.
        """
        connection = self._connection
        engine = connection._engine
        try:
            await accept(connection._stream, self._http, engine, subprotocol, extra_headers or ())
        except HandshakeError as error:
            engine.connection_lost()
            raise ConnectionClosed(connection.closed) from error
        except LocalProtocolError:
            raise  # nothing has been sent
        except BaseException:
            engine.connection_lost()  # some of the response may have been sent
            raise
        connection._start(self._nursery)
        return connection

    async def reject(self, status_code: int, *, extra_headers: Fields | None = None, body: bytes | None = None) -> None:
        """Answer with a response of HTTP that opens nothing: ``status_code`` from 200 on, and content.

        Raises as :meth:`accept` does.
        """
        connection = self._connection
        try:
            await reject(
                connection._stream,
                self._http,
                connection._engine,
                status_code,
                extra_headers or (),
                body or b"",
                close=connection._owned,
            )
        except HandshakeError as error:
            raise ConnectionClosed(connection.closed) from error

    async def _end(self, *, well: bool) -> None:
        """The handler has come to its end: so does the connection.  ``well``: whether it has raised nothing."""
        with trio.move_on_after(self._connection._settings.disconnect_timeout):
            try:
                if well and self._connection._engine.connecting:
                    await self.reject(403)
            except ConnectionClosed:
                pass
            finally:
                await self._connection.aclose(_NORMAL if well else _INTERNAL_ERROR)


async def wrap_server_stream(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    message_queue_size: float = MESSAGE_QUEUE_SIZE,
    max_message_size: int = MAX_MESSAGE_SIZE,
    receive_buffer_size: int | None = RECEIVE_BYTES,
    **options: Unpack[FurtherOptions],
) -> WebSocketRequest:
    """What a client asks for over ``stream``, which stays its owner's: it is neither ended nor closed here.

    ``nursery`` is for the connection's tasks.  ``options``: see :class:`Settings`.  Raises :class:`HandshakeError` for a
    request that is no opening handshake, which has been answered then, and :class:`ConnectionTimeout`.
    """
    settings = Settings(
        message_queue_size=message_queue_size,
        max_message_size=max_message_size,
        receive_buffer_size=receive_buffer_size,
        **options,
    )
    return await _request(nursery, stream, settings, owned=False)


async def _request(
    nursery: trio.Nursery, stream: trio.abc.Stream, settings: Settings, *, owned: bool
) -> WebSocketRequest:
    engine = settings.engine(SERVER)
    http = h1.Connection(SERVER)
    engine.now = trio.current_time()
    try:
        with trio.fail_after(settings.connect_timeout):
            opening = await read_opening(stream, http, engine, settings.receive_buffer_size)
    except trio.TooSlowError:
        if http.waiting_for != "idle":  # else nothing has come that could be answered
            with trio.move_on_after(_TIMEOUTS.linger):
                await refuse(stream, http, RemoteProtocolError("the opening handshake took too long", 408))
        raise ConnectionTimeout("no request has come in time") from None
    connection = WebSocketConnection(
        stream,
        engine,
        settings,
        owned=owned,
        path=opening.request.target.decode("ascii"),
        handshake_headers=further_fields(opening.request.headers),
    )
    return WebSocketRequest(nursery, connection, http, opening)


class WebSocketServer:
    """Serves ``listeners``: for each connection that comes in, ``handler`` is called with its :class:`WebSocketRequest`.

    When the handler returns, the connection is closed with 1000; when it raises, with 1011, and the error goes on to the
    nursery that the handler runs in: ``handler_nursery``, or one of the server.  That the client has gone, said by
    :class:`ConnectionClosed`, is no such error.  ``options``: see :class:`Settings`.
    """

    def __init__(
        self,
        handler: Callable[[WebSocketRequest], Awaitable[None]],
        listeners: Sequence[trio.abc.Listener[Any]],
        *,
        handler_nursery: trio.Nursery | None = None,
        **options: Unpack[Options],
    ) -> None:
        if not listeners:
            raise ValueError("a server needs a listener")
        self._handler: Final = handler
        self._listeners: Final = list(listeners)
        self._handler_nursery: Final = handler_nursery
        self._settings: Final = Settings(**options)

    @property
    def port(self) -> int:
        """The port of the only listener.  Raises :class:`RuntimeError` if there are several, or it has none."""
        if len(self._listeners) > 1:
            raise RuntimeError("the server has more than one listener, and each has its own port")
        listener = self.listeners[0]
        if not isinstance(listener, Endpoint):
            raise RuntimeError(f"this listener has no port: {listener}")  # noqa: TRY004 - as known
        return listener.port

    @property
    def listeners(self) -> list[Endpoint | str]:
        """Where the server listens; the ``repr`` of a listener that has no address."""
        return [endpoint_of_listener(listener) for listener in self._listeners]

    async def run(self, *, task_status: trio.TaskStatus["WebSocketServer"] = trio.TASK_STATUS_IGNORED) -> NoReturn:
        """Serve until cancelled.  With ``nursery.start`` it returns the server, which takes connections from then on."""
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(
                    trio.serve_listeners,
                    self._handle_connection,
                    self._listeners,
                    handler_nursery=self._handler_nursery,
                )
            )
            task_status.started(self)
            await trio.sleep_forever()
        raise AssertionError

    async def _handle_connection(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            try:
                request = await _request(nursery, stream, self._settings, owned=True)
            except HandshakeError as error:
                _LOG.debug("%s", error)
                await _leave(stream)
                return
            try:
                await self._handler(request)
            except ConnectionClosed as error:
                if request._connection.closed is None:  # it is another one's
                    await _end_quietly(request)
                    raise
                _LOG.debug("%s: %r", request._connection, error)
                await request._end(well=True)
            except BaseException:
                await _end_quietly(request)
                raise
            else:
                await request._end(well=True)


async def _end_quietly(request: WebSocketRequest) -> None:
    """End a connection for an error that goes on, and is not to be lost in one that comes of it.

    Whose request was not answered gets no answer: trio closes the stream.
    """
    if not request._connection._engine.connecting:
        with suppress(trio.Cancelled):
            await request._end(well=False)


async def _leave(stream: trio.abc.Stream) -> None:
    """Close a stream, behind what the other end has under way, lest it costs them our answer (RFC 9112 §9.6)."""
    try:
        with trio.move_on_after(_TIMEOUTS.linger):
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
                while await stream.receive_some(RECEIVE_BYTES):
                    pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def serve_websocket(
    handler: Callable[[WebSocketRequest], Awaitable[None]],
    host: str | bytes | None,
    port: int,
    ssl_context: ssl.SSLContext | None,
    *,
    handler_nursery: trio.Nursery | None = None,
    task_status: trio.TaskStatus[WebSocketServer] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[Options],
) -> NoReturn:
    """Serve WebSockets at ``host`` (None: everywhere) and ``port`` (0: one that is free), until cancelled.

    ``ssl_context``: for TLS, or None.  ``handler`` and the rest are as for :class:`WebSocketServer`.
    """
    listeners: Sequence[trio.abc.Listener[Any]]
    if ssl_context is None:
        listeners = await trio.open_tcp_listeners(port, host=host)
    else:
        listeners = await trio.open_ssl_over_tcp_listeners(port, ssl_context, host=host, https_compatible=True)
    server = WebSocketServer(handler, listeners, handler_nursery=handler_nursery, **options)
    await server.run(task_status=task_status)
