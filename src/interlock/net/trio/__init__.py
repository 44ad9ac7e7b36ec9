"""WebSocket clients and servers on trio, under the names that users of trio-websocket know.

    from interlock.net.trio import ConnectionClosed, open_websocket_url, serve_websocket

A program written for trio-websocket runs when its import is changed.  One thing is different on purpose: a stream that
:func:`wrap_client_stream` or :func:`wrap_server_stream` was given belongs to whoever has wrapped it.  It stays open after
the closing handshake, ready for another protocol.
"""

from interlock.net.trio.endpoint import Endpoint
from interlock.net.trio.websocket import WebSocketConnection
from interlock.net.trio.websocket_client import (
    connect_websocket,
    connect_websocket_url,
    open_websocket,
    open_websocket_url,
    wrap_client_stream,
)
from interlock.net.trio.websocket_errors import (
    CloseReason,
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
)
from interlock.net.trio.websocket_options import CONN_TIMEOUT, MAX_MESSAGE_SIZE, MESSAGE_QUEUE_SIZE, RECEIVE_BYTES
from interlock.net.trio.websocket_server import (
    WebSocketRequest,
    WebSocketServer,
    serve_websocket,
    wrap_server_stream,
)
from interlock.ws.deflate import PerMessageDeflate

__all__ = [
    "CONN_TIMEOUT",
    "MAX_MESSAGE_SIZE",
    "MESSAGE_QUEUE_SIZE",
    "RECEIVE_BYTES",
    "CloseReason",
    "ConnectionClosed",
    "ConnectionRejected",
    "ConnectionTimeout",
    "DisconnectionTimeout",
    "Endpoint",
    "HandshakeError",
    "PerMessageDeflate",
    "WebSocketConnection",
    "WebSocketRequest",
    "WebSocketServer",
    "connect_websocket",
    "connect_websocket_url",
    "open_websocket",
    "open_websocket_url",
    "serve_websocket",
    "wrap_client_stream",
    "wrap_server_stream",
]
