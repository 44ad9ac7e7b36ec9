"""Opening WebSockets on trio: to an address, to a URL, over a stream that is there already.

An ``open_…`` is an async context manager and closes the connection at its end; a ``connect_…`` takes a nursery for the
connection's tasks, and leaves the closing to its caller.
"""

import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar, Unpack

import trio

from interlock.http.sentinels import CLIENT
from interlock.net.proxy import parse_proxy_url, proxy_request
from interlock.net.trio.websocket import WebSocketConnection
from interlock.net.trio.websocket_errors import ConnectionTimeout, DisconnectionTimeout, HandshakeError
from interlock.net.trio.websocket_opening import Fields, further_fields, open_tunnel, request_opening
from interlock.net.trio.websocket_options import Options, Settings
from interlock.net.websocket import WebSocketURL, parse_url

__all__ = [
    "connect_websocket",
    "connect_websocket_url",
    "open_websocket",
    "open_websocket_url",
    "wrap_client_stream",
]

#: Where the server is in the same program and has failed, what it has raised is about to cancel us.  Then that is what
#: the program is to end with, and not also with what came of it; so much later nobody is cancelled for that any more.
_MOMENT: Final = 0.01

_Error = TypeVar("_Error", bound=BaseException)


class ClientOptions(Options, total=False):
    """What a client can choose beside.

    ``subprotocols``: what is offered, the preferred first.  ``extra_headers``: further fields of the request.
    ``proxy``: the URL of a proxy, ``http`` or ``https``, that is asked for a tunnel (RFC 9110 §9.3.6).  ``proxy_ssl``: the
    context for TLS with the proxy, where the default is not right.
    """

    subprotocols: Iterable[str] | None
    extra_headers: Fields | None
    proxy: str | None
    proxy_ssl: ssl.SSLContext | None


@asynccontextmanager
async def open_websocket(
    host: str, port: int, resource: str, *, use_ssl: bool | ssl.SSLContext, **options: Unpack[ClientOptions]
) -> AsyncGenerator[WebSocketConnection, None]:
    """A connection to ``resource`` (path and query) at ``host`` and ``port``, for the length of a ``with`` block.

    ``use_ssl``: whether TLS is used, with the default context, or the context.  ``options``: see :class:`Settings`, and
    :class:`ClientOptions`.

    Raises :class:`HandshakeError` for whatever keeps the connection from being opened, be it of the network, and
    :class:`DisconnectionTimeout` where the other end does not answer our Close.  What the block raises comes out as it
    is, not in a group.
    """
    # The block's own error is kept out of the nursery, which would wrap it.
    raised: BaseException | None = None
    failed: BaseException | None = None
    internal: tuple[BaseException, ...] = ()
    try:
        async with trio.open_nursery() as nursery:
            try:
                connection = await connect_websocket(nursery, host, port, resource, use_ssl=use_ssl, **options)
            except OSError as error:
                failed = HandshakeError(f"{host} cannot be reached at port {port}: {error}")
                failed.__cause__ = error
            except BaseException as error:  # noqa: BLE001 - raised below, outside of the nursery
                if type(error) is HandshakeError:
                    await trio.sleep(_MOMENT)
                failed = error
            else:
                try:
                    yield connection
                except BaseException as error:  # noqa: BLE001 - likewise
                    raised = error
                try:
                    await connection.aclose(1000 if raised is None else 1011)
                except BaseException as error:  # noqa: BLE001 - likewise
                    failed = error
                else:
                    failed = DisconnectionTimeout() if connection.timed_out else None
    except BaseExceptionGroup as group:
        internal = group.exceptions
    _raise_one(raised, failed, internal)


def _raise_one(raised: BaseException | None, failed: BaseException | None, internal: tuple[BaseException, ...]) -> None:
    """Raise what is the most telling of what the block, the handshakes and the tasks have raised, if anything.

    Cancelled says nothing where there is anything else.
    """
    errors = [error for error in internal if not isinstance(error, trio.Cancelled)]
    if failed is not None and (raised is None or not isinstance(failed, trio.Cancelled)):
        if isinstance(failed, trio.Cancelled) and errors:
            raise _one(errors)
        if raised is not None:
            _put_behind(failed, raised)
        raise failed
    if not errors:
        if raised is not None:
            raise raised
        if internal:
            raise internal[0]
        return
    if raised is None or isinstance(raised, trio.Cancelled):
        raise _one(errors)
    together = BaseExceptionGroup("the tasks of a WebSocket and the block that used it", [*errors, raised])
    if any(isinstance(error, KeyboardInterrupt) for error in errors):
        raise KeyboardInterrupt from together
    behind = [*errors]
    if raised.__context__ is not None and not raised.__suppress_context__:
        behind.append(raised.__context__)
    raised.__suppress_context__ = False
    raise _put_behind(raised, BaseExceptionGroup("the tasks of a WebSocket, and what came before", behind))


def _one(errors: list[BaseException]) -> BaseException:
    return errors[0] if len(errors) == 1 else BaseExceptionGroup("the tasks of a WebSocket", errors)


def _put_behind(error: _Error, context: BaseException) -> _Error:
    error.__context__ = context
    return error


async def connect_websocket(
    nursery: trio.Nursery,
    host: str,
    port: int,
    resource: str,
    *,
    use_ssl: bool | ssl.SSLContext,
    subprotocols: Iterable[str] | None = None,
    extra_headers: Fields | None = None,
    proxy: str | None = None,
    proxy_ssl: ssl.SSLContext | None = None,
    **options: Unpack[Options],
) -> WebSocketConnection:
    """A connection whose tasks are in ``nursery``; the rest is as for :func:`open_websocket`.

    Raises :class:`OSError` where the network fails, and :class:`HandshakeError` where the handshake does.
    """
    if not isinstance(use_ssl, (bool, ssl.SSLContext)):
        raise TypeError("`use_ssl` argument must be bool or ssl.SSLContext")
    settings = Settings(**options)
    url = parse_url(f"{'wss' if use_ssl else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}{resource}")
    context = ssl.create_default_context() if use_ssl is True else use_ssl or None
    try:
        with trio.fail_after(settings.connect_timeout):
            stream = await _open_stream(url, context, proxy, proxy_ssl, settings)
            return await _shake_hands(
                nursery, stream, url, settings, subprotocols or (), extra_headers or (), owned=True
            )
    except trio.TooSlowError:
        raise ConnectionTimeout(f"{url.host} has not opened the connection in time") from None


def open_websocket_url(
    url: str, ssl_context: ssl.SSLContext | None = None, **options: Unpack[ClientOptions]
) -> AbstractAsyncContextManager[WebSocketConnection]:
    """A connection to ``url``, with ``ws`` or ``wss``; the rest is as for :func:`open_websocket`.

    ``ssl_context``: for ``wss``, where the default is not right.  A user and password in the URL are sent (RFC 7617).
    Raises :class:`ValueError` for what is no such URL.
    """
    host, port, resource, use_ssl = _parts(url, ssl_context, options)
    return open_websocket(host, port, resource, use_ssl=use_ssl, **options)


async def connect_websocket_url(
    nursery: trio.Nursery, url: str, ssl_context: ssl.SSLContext | None = None, **options: Unpack[ClientOptions]
) -> WebSocketConnection:
    """A connection to ``url``, whose tasks are in ``nursery``; the rest is as for :func:`open_websocket_url`."""
    host, port, resource, use_ssl = _parts(url, ssl_context, options)
    return await connect_websocket(nursery, host, port, resource, use_ssl=use_ssl, **options)


async def wrap_client_stream(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    host: str,
    resource: str,
    *,
    subprotocols: Iterable[str] | None = None,
    extra_headers: Fields | None = None,
    **options: Unpack[Options],
) -> WebSocketConnection:
    """A connection over ``stream``, which stays its owner's: it is neither ended nor closed here.

    ``host``: what Host says.  The rest is as for :func:`open_websocket`.
    """
    settings = Settings(**options)
    url = WebSocketURL(False, host, 0, host.encode("ascii"), (resource or "/").encode("ascii"), None)
    try:
        with trio.fail_after(settings.connect_timeout):
            return await _shake_hands(
                nursery, stream, url, settings, subprotocols or (), extra_headers or (), owned=False
            )
    except trio.TooSlowError:
        raise ConnectionTimeout("the connection was not opened in time") from None


def _parts(
    url: str, ssl_context: ssl.SSLContext | None, options: ClientOptions
) -> tuple[str, int, str, bool | ssl.SSLContext]:
    """What ``url`` says; a user and password in it go to the headers of ``options``."""
    parsed = parse_url(str(url))  # which may be an object of another library
    if ssl_context is not None and not parsed.secure:
        raise ValueError("SSL context must be None for ws: URL scheme")
    authorization = parsed.authorization
    if authorization is not None:
        options["extra_headers"] = [(b"Authorization", authorization), *(options.get("extra_headers") or ())]
    return parsed.host, parsed.port, parsed.target.decode("ascii"), ssl_context or parsed.secure


async def _open_stream(
    url: WebSocketURL,
    context: ssl.SSLContext | None,
    proxy: str | None,
    proxy_ssl: ssl.SSLContext | None,
    settings: Settings,
) -> trio.abc.Stream:
    """A stream to where ``url`` is, through ``proxy``, and with TLS if there is a ``context``."""
    stream: trio.abc.Stream
    if proxy is None:
        stream = await trio.open_tcp_stream(url.host, url.port)
    else:
        via = parse_proxy_url(proxy)
        stream = await trio.open_tcp_stream(via.host, via.port)
    try:
        if proxy is not None:
            if via.secure:
                stream = await _over_tls(stream, proxy_ssl or ssl.create_default_context(), via.host)
            await open_tunnel(stream, proxy_request(url.host, url.port, via), settings.receive_buffer_size)
        if context is not None:
            stream = await _over_tls(stream, context, url.host)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def _over_tls(stream: trio.abc.Stream, context: ssl.SSLContext, host: str) -> trio.abc.Stream:
    tls = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await tls.do_handshake()
    except trio.BrokenResourceError as error:
        raise HandshakeError(f"no TLS with {host}: {error.__cause__ or error}") from error
    return tls


async def _shake_hands(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    url: WebSocketURL,
    settings: Settings,
    subprotocols: Iterable[str],
    extra_headers: Fields,
    *,
    owned: bool,
) -> WebSocketConnection:
    """The connection, once the opening handshake is done.  Where it fails, a stream of our own is closed."""
    engine = settings.engine(CLIENT)
    try:
        engine.now = trio.current_time()
        request = engine.request(
            host=url.authority, target=url.target, subprotocols=tuple(subprotocols), headers=list(extra_headers)
        )
        response = await request_opening(stream, engine, request, settings.receive_buffer_size)
    except BaseException:
        if owned:
            await trio.aclose_forcefully(stream)
        raise
    connection = WebSocketConnection(
        stream,
        engine,
        settings,
        owned=owned,
        path=url.target.decode("ascii"),
        handshake_headers=further_fields(response.headers),
    )
    connection._start(nursery)
    return connection
