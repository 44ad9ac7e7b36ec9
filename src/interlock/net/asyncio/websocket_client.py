"""Clients of WebSocket on asyncio: :func:`connect`, by the name and with the arguments of the websockets library's.

A connection is made in this order: the transport, by way of a proxy if there is one; TLS; the opening handshake.
"""

import asyncio
import logging
import random
import ssl as tls
from collections.abc import Callable, Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Literal, cast

from interlock.http import events
from interlock.http.errors import LocalProtocolError
from interlock.http.sentinels import CLIENT
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.asyncio.websocket_connection import ClientConnection
from interlock.net.asyncio.websocket_errors import (
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from interlock.net.asyncio.websocket_link import TransportLink
from interlock.net.asyncio.websocket_messages import Headers, HeadersLike, octets_of, request_of, response_of
from interlock.net.asyncio.websocket_opening import open_tunnel, request_opening
from interlock.net.asyncio.websocket_options import Options
from interlock.net.asyncio.websocket_stream import WebSocketStream
from interlock.net.proxy import ProxyURL, parse_proxy_url, proxy_request
from interlock.net.websocket import WebSocketURL, parse_url
from interlock.ws.connection import Connection as Engine
from interlock.ws.deflate import PerMessageDeflate
from interlock.ws.output import Step

__all__ = ["backoff", "connect", "process_exception", "unix_connect"]

_log: Final = logging.getLogger("interlock.websocket")

_USER_AGENT: Final = "interlock"


def process_exception(exc: Exception) -> Exception | None:
    """Which errors end the iteration over a :class:`connect`, unless it is told otherwise.

    Returns None for those that another attempt may not have: of the network, of time, and statuses 500, 502, 503, 504.
    """
    if isinstance(exc, (OSError, TimeoutError, InvalidMessage)) and not isinstance(exc, tls.SSLCertVerificationError):
        return None
    if isinstance(exc, InvalidStatus) and exc.response.status_code in {500, 502, 503, 504}:
        return None
    return exc


def backoff() -> Generator[float, None, None]:
    """Seconds between attempts: at first up to 5, so that not all clients come back at once; then 3 to 90, growing."""
    yield random.random() * 5  # noqa: S311 - nobody gains by guessing it
    delay = 3.0
    while True:
        yield delay
        delay = min(delay * 1.6, 90.0)


class connect:  # noqa: N801 - it is called like a function
    """Open a WebSocket: ``await connect(uri)``, or ``async with connect(uri) as connection``, which closes it at the end.

    ``async for connection in connect(uri)`` closes the last one and opens another for each turn of its body; what the body
    leaves by ``break`` is the caller's to close.  ``reconnect_delays`` are the seconds between attempts that fail, and
    ``process_exception`` says which errors end them.

    ``uri``: with ``ws`` or ``wss``; user and password go into Authorization.  ``origin``, ``subprotocols`` (the preferred
    first), ``additional_headers``, ``user_agent_header``: what the request says.  ``compression``: "deflate", or how, as
    a :class:`~interlock.ws.PerMessageDeflate`; None: none is offered.  ``proxy``: the URL, http or https, of a proxy for
    CONNECT, or True for the one that the environment names; ``proxy_headers`` and ``proxy_ssl`` are for that.  ``ssl``: the context for ``wss``, the default one if it is
    not given.

    Times are in seconds, and None waits for ever: ``open_timeout`` for all of it, ``ping_interval`` between pings that
    keep the connection alive (None: none), ``ping_timeout`` for their answers, ``close_timeout`` for the closing
    handshake.  ``max_size``: octets of a message; ``max_queue``: messages, or pieces of one, that may wait to be received
    before reading pauses; ``write_limit``: octets that may wait to be sent before sending waits, or these and how many
    are few enough to go on.  ``trace``: is told of each step of the machines, and of each ping and pong, when it is taken;
    it must not raise.  ``create_connection``: the class to be made.

    All else goes to :meth:`asyncio.loop.create_connection`: ``host`` and ``port`` in place of the URL's, ``sock``,
    ``server_hostname``, ``local_addr`` and so on.

    Raises :class:`InvalidURI`, :class:`InvalidProxy`, :class:`OSError`, :class:`TimeoutError`, and
    :class:`InvalidHandshake`: :class:`InvalidStatus` where the server rejects the connection.  Redirects are not
    followed.  If it is cancelled, nothing of it is left.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = None,
        compression: str | PerMessageDeflate | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = _USER_AGENT,
        proxy: str | Literal[True] | None = None,
        proxy_headers: HeadersLike | None = None,
        proxy_ssl: tls.SSLContext | None = None,
        ssl: tls.SSLContext | bool | None = None,
        process_exception: Callable[[Exception], Exception | None] = process_exception,
        reconnect_delays: Callable[[], Iterable[float]] = backoff,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 5,
        max_size: int | None = 2**20,
        max_queue: int | None = 16,
        write_limit: int | tuple[int, int | None] = 32768,
        trace: Callable[[Step], None] | None = None,
        create_connection: type[ClientConnection] = ClientConnection,
        **kwargs: Any,
    ) -> None:
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
        self._url: Final = _parsed(uri)
        self._proxy: Final = _parsed_proxy(_proxy_of_environment(self._url) if proxy is True else proxy)
        if self._proxy is not None and ("sock" in kwargs or "path" in kwargs):
            raise ValueError("a proxy and a socket that is connected already")
        self._context: Final = _context(self._url, ssl)
        self._origin: Final = origin
        self._subprotocols: Final = tuple(subprotocols or ())
        self._headers: Final = Headers(additional_headers or ())
        self._user_agent: Final = user_agent_header
        if user_agent_header is not None and "User-Agent" not in self._headers:
            self._headers["User-Agent"] = user_agent_header
        if self._url.authorization is not None and "Authorization" not in self._headers:
            self._headers["Authorization"] = self._url.authorization.decode("ascii")
        self._proxy_headers: Final = Headers(proxy_headers or ())
        if user_agent_header is not None and "User-Agent" not in self._proxy_headers:
            self._proxy_headers["User-Agent"] = user_agent_header
        self._proxy_context: Final = proxy_ssl
        self._process_exception: Final = process_exception
        self._reconnect_delays: Final = reconnect_delays
        self._trace: Final = trace
        self._create_connection: Final = create_connection
        self._kwargs: Final = kwargs
        self._connection: ClientConnection | None = None

    # -- the ways to use it

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        return self._open().__await__()

    async def __aenter__(self) -> ClientConnection:
        self._connection = await self._open()
        return self._connection

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection; with 1011 where that is because of an error."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            await connection.__aexit__(exc_type, exc, traceback)

    def __aiter__(self) -> "Connections":
        return Connections(self, self._process_exception, self._reconnect_delays)

    # -- opening

    async def _open(self) -> ClientConnection:
        loop = asyncio.get_running_loop()
        engine = self._options.engine(CLIENT)
        engine.trace = self._trace
        request = self._request(engine)
        stream = WebSocketStream(loop, self._options.write_limit)
        try:
            async with asyncio.timeout(self._options.open_timeout):
                await self._connect(loop, stream)
                return await self._shake_hands(loop, stream, engine, request)
        except TimeoutError as error:
            stream.abort()
            raise TimeoutError("the connection was not open in time") from error
        except BaseException:
            stream.abort()
            raise

    def _request(self, engine: Engine) -> events.Request:
        try:
            return engine.request(
                host=self._url.authority,
                target=self._url.target,
                subprotocols=self._subprotocols,
                origin=self._origin.encode("ascii") if self._origin is not None else b"",
                headers=octets_of(self._headers),
            )
        except LocalProtocolError as error:
            raise InvalidHandshake(str(error)) from error

    async def _connect(self, loop: asyncio.AbstractEventLoop, stream: WebSocketStream) -> None:
        """Have ``stream`` be what the handshake goes through: with TLS, if the URL says so."""
        kwargs = dict(self._kwargs)
        url = self._url
        proxy = self._proxy
        if proxy is not None:
            await self._connect_by_proxy(loop, stream, proxy, kwargs)
            return
        if self._context is not None:
            kwargs["ssl"] = self._context
            kwargs.setdefault("server_hostname", url.host)
            kwargs.setdefault("ssl_shutdown_timeout", self._options.timeouts.closing or None)
        if "path" in kwargs:
            await loop.create_unix_connection(lambda: cast(asyncio.Protocol, stream), **kwargs)
            return
        if "sock" not in kwargs:
            kwargs.setdefault("host", url.host)
            kwargs.setdefault("port", url.port)
        await loop.create_connection(lambda: cast(asyncio.Protocol, stream), **kwargs)

    async def _connect_by_proxy(
        self, loop: asyncio.AbstractEventLoop, stream: WebSocketStream, proxy: ProxyURL, kwargs: dict[str, Any]
    ) -> None:
        url = self._url
        server_hostname = kwargs.pop("server_hostname", url.host)
        if proxy.secure:
            kwargs["ssl"] = self._proxy_context or tls.create_default_context()
            kwargs["server_hostname"] = proxy.host
        request = proxy_request(url.host, url.port, proxy, octets_of(self._proxy_headers))
        kwargs.setdefault("host", proxy.host)
        kwargs.setdefault("port", proxy.port)
        await loop.create_connection(lambda: cast(asyncio.Protocol, stream), **kwargs)
        await open_tunnel(stream, request, self._options.limits)
        if self._context is not None:
            assert stream.transport is not None
            transport = await loop.start_tls(
                stream.transport,
                cast(asyncio.Protocol, stream),
                self._context,
                server_hostname=server_hostname,
                ssl_shutdown_timeout=self._options.timeouts.closing or None,
            )
            if transport is None:
                raise ProxyError("the connection broke while TLS began")
            stream.use(transport)

    async def _shake_hands(
        self, loop: asyncio.AbstractEventLoop, stream: WebSocketStream, engine: Engine, request: events.Request
    ) -> ClientConnection:
        options = self._options
        response, rest = await request_opening(stream, engine, request, options.limits)
        transport = stream.transport
        assert transport is not None
        connection = self._create_connection(transport)
        connection.request = request_of(request)
        connection.response = response_of(response)
        session = WebSocketSession(
            engine,
            TransportLink(transport),
            loop,
            limits=options.limits,
            timeouts=options.timeouts,
            max_queue=options.max_queue,
        )
        connection.open(session)
        stream.hand_over(session, rest)
        return connection


class Connections:
    """One connection after another, for ``async for``."""

    def __init__(
        self,
        opener: connect,
        process_exception: Callable[[Exception], Exception | None],
        reconnect_delays: Callable[[], Iterable[float]],
    ) -> None:
        self._opener: Final = opener
        self._process_exception: Final = process_exception
        self._reconnect_delays: Final = reconnect_delays
        self._connection: ClientConnection | None = None

    def __aiter__(self) -> "Connections":
        return self

    async def __anext__(self) -> ClientConnection:
        if self._connection is not None:
            connection = self._connection
            self._connection = None
            await connection.close()
        delays = iter(self._reconnect_delays())
        while True:
            try:
                self._connection = await self._opener
                return self._connection
            except Exception as error:
                reason = self._process_exception(error)
                if reason is error:
                    raise
                if reason is not None:
                    raise reason from error
                delay = next(delays)
                _log.info("no connection: %s; another attempt in %.1f s", error, delay)
                await asyncio.sleep(delay)


def unix_connect(path: str | None = None, uri: str | None = None, **kwargs: Any) -> connect:
    """The same, by way of a Unix socket.  ``uri``: what the request says; ``ws://localhost/`` if it is not given.

    With ``ssl`` it is ``wss://localhost/``.
    """
    if uri is None:
        uri = "ws://localhost/" if kwargs.get("ssl") is None else "wss://localhost/"
    if path is not None:
        kwargs["path"] = path
    return connect(uri, **kwargs)


def _parsed(uri: str) -> WebSocketURL:
    try:
        url = parse_url(uri)
        _ = url.authorization
    except ValueError as error:
        raise InvalidURI(uri, str(error)) from error
    return url


def _parsed_proxy(proxy: str | None) -> ProxyURL | None:
    if proxy is None:
        return None
    try:
        return parse_proxy_url(proxy)
    except ValueError as error:
        raise InvalidProxy(proxy, str(error)) from error


def _proxy_of_environment(url: WebSocketURL) -> str | None:
    """The proxy that environment variables name, or what else the system has for that; None for none."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - it imports much, and few ask for it

    if proxy_bypass(f"{url.host}:{url.port}"):
        return None
    proxies = getproxies()
    for scheme in ("wss", "https") if url.secure else ("ws", "https", "http"):
        if scheme in proxies:
            return proxies[scheme]
    return None


def _context(url: WebSocketURL, ssl: tls.SSLContext | bool | None) -> tls.SSLContext | None:
    if not url.secure:
        if ssl is not None and ssl is not False:
            raise ValueError("ssl is for wss, and the URL says ws")
        return None
    if ssl is False:
        raise ValueError("the URL says wss, which needs ssl")
    return ssl if isinstance(ssl, tls.SSLContext) else tls.create_default_context()
