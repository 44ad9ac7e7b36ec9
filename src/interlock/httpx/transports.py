"""httpx's transports, on the client's pool: one that blocks, one for asyncio and trio.

What differs from httpx's own is listed in docs/httpx.md.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

import httpx

from interlock.client.messages import Exchange
from interlock.client.pool import Pool
from interlock.client.proxy import Proxy
from interlock.http.leniency import STRICT, Leniency
from interlock.http.limits import Limits
from interlock.httpx.errors import TRANSLATED, translated
from interlock.httpx.messages import RequestMaker, content_of, extensions_of, trailers_of
from interlock.net.networks import blocking_network, running_network
from interlock.net.stream import Network, SocketOption, Stream, run
from interlock.net.urls import basic_credentials

__all__ = ["AsyncTransport", "Transport"]

#: httpx's own.
_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=20)

CertTypes = str | tuple[str, str] | tuple[str, str, str]
ProxyTypes = httpx.URL | str | httpx.Proxy


class Configured:
    """What both transports are told, and how they make their pools.

    The arguments of :class:`httpx.HTTPTransport`, with its defaults; of a ``proxy``, ``http`` and ``https`` are spoken.
    Ours, by keyword: ``max_connections_per_host``: to one origin; ``max_waiting``: requests that may wait for a
    connection; ``message_limits``: what a server may make us hold; ``leniency``: what is let pass; ``body_rate``: the
    octets a second that content has to come at on the average, after ``body_grace`` seconds.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: CertTypes | None = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: httpx.Limits = _LIMITS,
        proxy: ProxyTypes | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[SocketOption] | None = None,
        *,
        max_connections_per_host: int | None = None,
        max_waiting: int | None = None,
        message_limits: Limits | None = None,
        leniency: Leniency = STRICT,
        body_grace: float | None = 10.0,
        body_rate: float | None = None,
    ) -> None:
        self._maker: Final = RequestMaker(body_grace, body_rate)
        self._options: Final[dict[str, Any]] = {
            "ssl_context": httpx.create_ssl_context(verify=verify, cert=cert, trust_env=trust_env),
            "http1": http1,
            "http2": http2,
            "max_connections": limits.max_connections,
            "max_connections_per_host": max_connections_per_host,
            "max_keepalive_connections": limits.max_keepalive_connections,
            "keepalive_expiry": limits.keepalive_expiry,
            "proxy": None if proxy is None else _proxy(proxy),
            "uds": uds,
            "local_address": local_address,
            "retries": retries,
            "socket_options": () if socket_options is None else tuple(socket_options),
            "max_waiting": max_waiting,
            "limits": message_limits,
            "leniency": leniency,
        }
        self._pool = self._first_pool()

    def _first_pool(self) -> Pool | None:
        """A pool, where it is known on which network."""
        return None

    def _new_pool(self, network: Network) -> Pool:
        return Pool(network, **self._options)


def _proxy(given: ProxyTypes) -> Proxy:
    """The client's proxy for what httpx calls one.  Raises :class:`ValueError` for a scheme that is not spoken."""
    proxy = given if isinstance(given, httpx.Proxy) else httpx.Proxy(given)
    headers = proxy.headers.raw
    authorization = basic_credentials(proxy.auth)
    if authorization is not None:
        headers = [(b"Proxy-Authorization", authorization), *headers]
    return Proxy(str(proxy.url.copy_with(raw_path=b"/")), headers=headers, ssl_context=proxy.ssl_context)


class Content(httpx.SyncByteStream):
    """The content of a response, as it comes."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange: Final = exchange

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        try:
            rest = exchange.take_rest()
            if rest is None:
                while block := run(exchange.read_block()):
                    yield block
            elif rest:
                yield rest
        except TRANSLATED as error:
            self.close()
            raise translated(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        run(self._exchange.aclose())

    def trailers(self) -> httpx.Headers:
        """What came behind the content (RFC 9110 §6.5).  Raises :class:`httpx.ResponseNotRead` before that is read."""
        return trailers_of(self._exchange.trailers)


class AsyncContent(httpx.AsyncByteStream):
    """The same on an event loop.  It is no generator: one that nobody exhausts would be closed by nobody knows whom."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange: Final = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        try:
            block = exchange.take_rest()
            if block is None:
                block = await exchange.read_block()
        except TRANSLATED as error:
            await self.aclose()
            raise translated(error) from error
        except BaseException:
            await self.aclose()
            raise
        if not block:
            raise StopAsyncIteration
        return block

    async def aclose(self) -> None:
        await self._exchange.aclose()

    def trailers(self) -> httpx.Headers:
        """What came behind the content (RFC 9110 §6.5).  Raises :class:`httpx.ResponseNotRead` before that is read."""
        return trailers_of(self._exchange.trailers)


class BlockingStream:
    """A stream that blocks: what a tunnel and a switched connection are to who has no event loop."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream: Final = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As :meth:`interlock.net.stream.Stream.read`."""
        return run(self._stream.read(max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As :meth:`interlock.net.stream.Stream.write`."""
        run(self._stream.write(buffer, timeout))

    def close(self) -> None:
        """As :meth:`interlock.net.stream.Stream.aclose`."""
        run(self._stream.aclose())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "BlockingStream":
        """As :meth:`interlock.net.stream.Stream.start_tls`."""
        return BlockingStream(run(self._stream.start_tls(ssl_context, server_hostname, timeout)))

    def get_extra_info(self, info: str) -> Any:
        """As :meth:`interlock.net.stream.Stream.get_extra_info`."""
        return self._stream.get_extra_info(info)


class Transport(Configured, httpx.BaseTransport):
    """For :class:`httpx.Client`, and for any number of threads."""

    def _first_pool(self) -> Pool:
        return self._new_pool(blocking_network())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        assert self._pool is not None
        try:
            asked = self._maker.request(request, content_of(request.stream, blocking=True))
            response = run(self._pool.send(asked))
        except TRANSLATED as error:
            raise translated(error) from error
        exchange = response.exchange
        stream = exchange.network_stream
        content = Content(exchange)
        extensions = extensions_of(response, None if stream is None else BlockingStream(stream))
        extensions["trailers"] = content.trailers
        return httpx.Response(
            response.status_code, headers=response.headers.raw_items(), stream=content, extensions=extensions
        )

    def close(self) -> None:
        """Close all connections.  What is asked for afterwards has new ones."""
        pool = self._pool
        self._pool = self._first_pool()
        if pool is not None:
            run(pool.aclose())


class AsyncTransport(Configured, httpx.AsyncBaseTransport):
    """For :class:`httpx.AsyncClient`, on asyncio or trio: whichever runs when it is first used."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        pool = self._pool
        if pool is None:
            pool = self._pool = self._new_pool(running_network())
        try:
            asked = self._maker.request(request, content_of(request.stream, blocking=False))
            response = await pool.send(asked)
        except TRANSLATED as error:
            raise translated(error) from error
        exchange = response.exchange
        content = AsyncContent(exchange)
        extensions = extensions_of(response, exchange.network_stream)
        extensions["trailers"] = content.trailers
        return httpx.Response(
            response.status_code, headers=response.headers.raw_items(), stream=content, extensions=extensions
        )

    async def aclose(self) -> None:
        """Close all connections.  What is asked for afterwards has new ones."""
        pool = self._pool
        self._pool = None
        if pool is not None:
            await pool.aclose()
