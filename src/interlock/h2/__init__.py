"""HTTP/2, sans-IO (RFC 9113, 7541, 9218, 8441): :class:`Connection`, its events, and the error codes.

>>> from interlock.h2 import SERVER, Connection
>>> connection = Connection(SERVER)
>>> octets = connection.data_to_send()  # our SETTINGS
"""

from interlock.h2 import errors
from interlock.h2.connection import Connection
from interlock.h2.events import (
    AlternativeService,
    GoAway,
    Origin,
    Ping,
    PingAcknowledged,
    PingReceived,
    PriorityUpdated,
    RequestRefused,
    SettingsAcknowledged,
    SettingsChanged,
    StreamReset,
    WindowUpdated,
)
from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.events import (
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    InformationalResponse,
    Request,
    Response,
)
from interlock.http.fields import Headers
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER

__all__ = [
    "CLIENT",
    "NEED_DATA",
    "SERVER",
    "AlternativeService",
    "Connection",
    "ConnectionClosed",
    "Data",
    "EndOfMessage",
    "Event",
    "GoAway",
    "Headers",
    "InformationalResponse",
    "Limits",
    "LocalProtocolError",
    "Origin",
    "Ping",
    "PingAcknowledged",
    "PingReceived",
    "PriorityUpdated",
    "ProtocolError",
    "RemoteProtocolError",
    "Request",
    "RequestRefused",
    "Response",
    "SettingsAcknowledged",
    "SettingsChanged",
    "StreamReset",
    "WindowUpdated",
    "errors",
]
