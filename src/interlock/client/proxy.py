"""HTTP proxies between a client and its origins: requests forwarded for http, tunnels for https (RFC 9112 §3.2.2, §3.2.3).

Where a proxy is stands in its URL, which :mod:`interlock.net.proxy` reads.
"""

import ssl
from typing import Final

from interlock.client.errors import ProxyError
from interlock.client.heads import ForwardingProxy, authority
from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Request
from interlock.client.timeouts import ClientTimeouts
from interlock.http.fields import Headers, RawFields
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits
from interlock.net.proxy import parse_proxy_url
from interlock.net.stream import Network, Stream

__all__ = ["Proxy", "open_tunnel"]


class Proxy:
    """A proxy of HTTP.

    ``url``: with ``http``, or with ``https`` for one that is itself reached by TLS; it may have credentials (RFC 7617).
    ``headers``: further fields for the proxy, such as Proxy-Authorization.  ``ssl_context``: for a proxy with https.
    Raises :class:`ValueError` for a URL that is none.
    """

    __slots__ = ("fields", "forwarding", "host", "port", "secure", "ssl_context")

    def __init__(self, url: str, *, headers: RawFields = (), ssl_context: ssl.SSLContext | None = None) -> None:
        where = parse_proxy_url(url)
        self.secure: Final = where.secure
        self.host: Final = where.host
        self.port: Final = where.port
        given = Headers(headers).raw_items()
        own = any(name.lower() == b"proxy-authorization" for name, _ in given)
        #: What it is told with each request, or with CONNECT.
        self.fields: Final = tuple(given) if own else (*where.fields, *given)
        self.forwarding: Final = ForwardingProxy(self.fields)
        self.ssl_context: Final = ssl_context


async def open_tunnel(
    network: Network, stream: Stream, proxy: Proxy, request: Request, limits: Limits, leniency: Leniency
) -> Stream:
    """Have ``proxy``, which ``stream`` leads to, connect us to the origin of ``request`` (RFC 9110 §9.3.6).

    Returns the stream to the origin.  Raises :class:`ProxyError` where the proxy does not do it, and what a request can
    raise; ``stream`` is closed then.
    """
    connection = ClientHTTP1Connection(network, stream, limits=limits, leniency=leniency)
    target = authority(b"", request.host, request.port)
    connect = request.timeouts.connect
    asked = Request(
        b"CONNECT",
        b"http",
        proxy.host,
        proxy.port,
        target,
        ((b"Host", target), *proxy.fields),
        timeouts=ClientTimeouts(connect=connect, read=connect, write=connect),
        trace=request.trace,
    )
    response = await connection.send(asked)
    tunnel = response.exchange.network_stream
    if response.status_code >= 300 or tunnel is None:
        connection.abort()
        raise ProxyError(f"{response.status_code} {response.reason.decode('latin-1')}".rstrip())
    return tunnel
