"""Networking on asyncio.

HTTP: the driver, and the set of connections that a server has.  WebSocket: :class:`connect` and :class:`serve`, with the
names and arguments of the websockets library's.
"""

from interlock.net.asyncio.connections import ExchangeRecord
from interlock.net.asyncio.server import Connections
from interlock.net.asyncio.websocket_client import connect, unix_connect
from interlock.net.asyncio.websocket_connection import ClientConnection, Connection, State
from interlock.net.asyncio.websocket_errors import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    ProxyError,
    WebSocketException,
)
from interlock.net.asyncio.websocket_messages import Headers, MultipleValuesError, Request, Response
from interlock.net.asyncio.websocket_server import Server, ServerConnection, serve, unix_serve
from interlock.ws.deflate import PerMessageDeflate

__all__ = [
    "ClientConnection",
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Connections",
    "ExchangeRecord",
    "Headers",
    "InvalidHandshake",
    "InvalidMessage",
    "InvalidProxy",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "MultipleValuesError",
    "NegotiationError",
    "PerMessageDeflate",
    "ProxyError",
    "Request",
    "Response",
    "Server",
    "ServerConnection",
    "State",
    "WebSocketException",
    "connect",
    "serve",
    "unix_connect",
    "unix_serve",
]
