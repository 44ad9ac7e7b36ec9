"""WebSocket: the engine for both ends (RFC 6455), compression (RFC 7692), and the handshakes of both versions (RFC 8441).

:class:`Connection` is the engine.  The opening handshake is fields in, fields out: any engine for HTTP can carry it.
"""

from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.events import ConnectionClosed, InformationalResponse, Request, Response
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER
from interlock.ws.actions import Action
from interlock.ws.connection import Connection
from interlock.ws.deflate import PerMessageDeflate
from interlock.ws.events import Close, CloseReceived, Message, Ping, Pong
from interlock.ws.handshake import Opening, is_websocket, refusal_fields
from interlock.ws.output import Closing, Step

__all__ = [
    "CLIENT",
    "NEED_DATA",
    "SERVER",
    "Action",
    "Close",
    "CloseReceived",
    "Closing",
    "Connection",
    "ConnectionClosed",
    "InformationalResponse",
    "Limits",
    "LocalProtocolError",
    "Message",
    "Opening",
    "PerMessageDeflate",
    "Ping",
    "Pong",
    "ProtocolError",
    "RemoteProtocolError",
    "Request",
    "Response",
    "Step",
    "is_websocket",
    "refusal_fields",
]
