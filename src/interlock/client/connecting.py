"""How a client's connections are made: name, TCP or a unix socket, proxy, TLS, and which version is spoken (RFC 7301).

Which requests need one is for ``pool.py`` to say.
"""

import ssl
from collections.abc import Iterable
from typing import Any, Final

from interlock.client.errors import UnsupportedProtocol
from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Connection, Request
from interlock.client.proxy import Proxy, open_tunnel
from interlock.client.trace import traced
from interlock.http.leniency import STRICT, Leniency
from interlock.http.limits import Limits
from interlock.net.errors import ConnectError, ConnectTimeout
from interlock.net.stream import Network, SocketOption, Stream

__all__ = ["RESPONSE_LIMITS", "Connector", "Key"]

#: What requests have in common that can share connections: scheme, host, port, and the name for TLS.
Key = tuple[bytes, str, int, str | None]

#: Seconds before another attempt to connect: the first is made at once, the second after this, then twice as long.
_BACKOFF: Final = 0.5

#: What a server may make us hold unless something else is said.  Its heads are larger than requests' are, and who sends each
#: word as it comes has small chunks: an overhead that is much from a client is honest from a server.
RESPONSE_LIMITS: Final = Limits(head=131072, fields=1000, chunk_overhead=1048576)

_PLAIN: Final = (b"http", b"ws")
_SECURE: Final = (b"https", b"wss")


class Connector:
    """Makes connections.  The arguments are :class:`~interlock.client.pool.Pool`'s."""

    __slots__ = (
        "_http1",
        "_http2",
        "_leniency",
        "_limits",
        "_local_address",
        "_network",
        "_proxy",
        "_retries",
        "_socket_options",
        "_ssl_context",
        "_uds",
    )

    def __init__(
        self,
        network: Network,
        *,
        ssl_context: ssl.SSLContext | None = None,
        http1: bool = True,
        http2: bool = True,
        proxy: Proxy | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
        retries: int = 0,
        limits: Limits | None = None,
        leniency: Leniency = STRICT,
    ) -> None:
        if not http1 and not http2:
            raise ValueError("http1 and http2 cannot both be off")
        if proxy is not None and uds is not None:
            raise ValueError("a proxy is not reached by a unix socket")
        self._network: Final = network
        self._ssl_context = ssl_context
        self._http1: Final = http1
        self._http2: Final = http2
        self._proxy: Final = proxy
        self._uds: Final = uds
        self._local_address: Final = local_address
        self._socket_options: Final = tuple(socket_options)
        self._retries: Final = retries
        self._limits: Final = RESPONSE_LIMITS if limits is None else limits
        self._leniency: Final = leniency

    def key(self, request: Request) -> Key:
        """What ``request`` has to have in common with others to share their connections.

        Raises :class:`UnsupportedProtocol`.
        """
        scheme = request.scheme
        if scheme not in _PLAIN and scheme not in _SECURE:
            if not scheme:
                raise UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.")
            shown = scheme.decode("ascii", "backslashreplace")
            raise UnsupportedProtocol(f"Request URL has an unsupported protocol '{shown}://'.")
        if self._proxy is not None and scheme == b"http":
            return scheme, self._proxy.host, self._proxy.port, None
        return scheme, request.host, request.port, request.server_hostname

    def may_multiplex(self, key: Key) -> bool:
        """Whether a new connection for ``key`` may turn out to be one of HTTP/2."""
        scheme = key[0]
        if not self._http2 or scheme == b"ws" or scheme == b"wss":
            return False
        return scheme == b"https" or (not self._http1 and self._proxy is None)

    async def open(self, request: Request) -> tuple[Connection, bool]:
        """A new connection for ``request``, and whether it is one of HTTP/2.

        Raises :class:`ConnectError`, :class:`ConnectTimeout`, :class:`~interlock.client.errors.ProxyError`.
        """
        attempts = 0
        while True:
            try:
                return await self._open(request)
            except (ConnectError, ConnectTimeout) as error:
                if attempts >= self._retries:
                    raise
                delay = 0.0 if attempts == 0 else _BACKOFF * 2.0 ** (attempts - 1)
                attempts += 1
                info = {"request": request, "exception": error}
                await traced(request.trace, "connection.retry", info, self._network.sleep(delay))

    async def _open(self, request: Request) -> tuple[Connection, bool]:
        stream = await self._reach(request)
        try:
            return await self._prepare(request, stream)
        except BaseException:
            stream.abort()
            raise

    async def _prepare(self, request: Request, stream: Stream) -> tuple[Connection, bool]:
        """What is above TCP, or a unix socket."""
        proxy = self._proxy
        forwarding = None
        if proxy is not None:
            if proxy.secure:
                stream = await self._start_tls(request, stream, proxy.ssl_context, proxy.host, ["http/1.1"])
            if request.scheme == b"http":
                forwarding = proxy.forwarding
            else:
                stream = await open_tunnel(self._network, stream, proxy, request, self._limits, self._leniency)
        multiplexed = self.may_multiplex(self.key(request))
        if request.scheme in _SECURE:
            alpn = ["h2"] if multiplexed else []
            if self._http1 or not multiplexed:
                alpn.append("http/1.1")
            name = request.server_hostname or request.host
            stream = await self._start_tls(request, stream, self._ssl_context, name, alpn)
            agreed = stream.get_extra_info("ssl_object").selected_alpn_protocol()
            multiplexed = agreed == "h2" or (agreed is None and alpn == ["h2"])
        if multiplexed:
            from interlock.client.http2 import HTTP2Connection  # noqa: PLC0415  loads an engine that few need

            return HTTP2Connection(self._network, stream, limits=self._limits), True
        connection = ClientHTTP1Connection(
            self._network, stream, limits=self._limits, leniency=self._leniency, proxy=forwarding
        )
        return connection, False

    async def _reach(self, request: Request) -> Stream:
        """A stream to the origin, or to the proxy on the way to it."""
        network = self._network
        info: dict[str, Any]
        timeout = request.timeouts.connect
        if self._uds is not None:
            info = {"path": self._uds, "timeout": timeout, "socket_options": self._socket_options}
            name = "connection.connect_unix_socket"
            return await traced(request.trace, name, info, network.connect_unix_socket(**info), undo=_drop)
        proxy = self._proxy
        info = {
            "host": request.host if proxy is None else proxy.host,
            "port": request.port if proxy is None else proxy.port,
            "local_address": self._local_address,
            "timeout": timeout,
            "socket_options": self._socket_options,
        }
        return await traced(request.trace, "connection.connect_tcp", info, network.connect_tcp(**info), undo=_drop)

    async def _start_tls(
        self, request: Request, stream: Stream, context: ssl.SSLContext | None, name: str, alpn: list[str]
    ) -> Stream:
        if context is None:
            context = self._default_context()
        context.set_alpn_protocols(alpn)
        info: dict[str, Any] = {
            "ssl_context": context,
            "server_hostname": name,
            "timeout": request.timeouts.connect,
        }
        return await traced(request.trace, "connection.start_tls", info, stream.start_tls(**info), undo=_drop)

    def _default_context(self) -> ssl.SSLContext:
        """Certificates that the system trusts; made once, when it is needed: that takes a while."""
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


def _drop(stream: Stream) -> None:
    stream.abort()
