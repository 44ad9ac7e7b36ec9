"""Clients at the level of connections: HTTP/1.1 and HTTP/2 on asyncio, trio, or blocking sockets with threads.

    from interlock.client import AsyncClient, Client

:class:`Client` blocks, :class:`AsyncClient` runs on asyncio and trio; both stand on a :class:`Pool`, which any
:class:`~interlock.net.stream.Network` can be given to.
"""

from interlock.client.clients import AsyncClient, Client
from interlock.client.errors import (
    ContentTooLarge,
    PoolClosed,
    PoolTimeout,
    ProxyError,
    TooManyConnections,
    UnsupportedProtocol,
)
from interlock.client.messages import Request, Response
from interlock.client.pool import Pool
from interlock.client.proxy import Proxy
from interlock.client.responses import AsyncResponse, BlockingResponse
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.net.errors import (
    ConnectError,
    ConnectTimeout,
    NetworkError,
    ReadError,
    ReadTimeout,
    TimeoutException,
    WriteError,
    WriteTimeout,
)

__all__ = [
    "AsyncClient",
    "AsyncResponse",
    "BlockingResponse",
    "Client",
    "ClientTimeouts",
    "ConnectError",
    "ConnectTimeout",
    "ContentTooLarge",
    "LocalProtocolError",
    "NetworkError",
    "Pool",
    "PoolClosed",
    "PoolTimeout",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "Response",
    "TimeoutException",
    "TooManyConnections",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
]
