"""What can be chosen for a WebSocket on trio, and what is chosen where nothing is said.  Times are in seconds, sizes in octets."""

from dataclasses import dataclass
from typing import Any, Final, TypedDict

from interlock.http.limits import Limits, Timeouts
from interlock.ws.connection import Connection
from interlock.ws.deflate import PerMessageDeflate

__all__ = [
    "CONN_TIMEOUT",
    "MAX_MESSAGE_SIZE",
    "MESSAGE_QUEUE_SIZE",
    "RECEIVE_BYTES",
    "FurtherOptions",
    "Options",
    "Settings",
]

#: Seconds for the opening handshake, and for the closing handshake, where nothing else is asked for.
CONN_TIMEOUT: Final = 60.0
#: Messages that wait for the application before reading pauses, where nothing else is asked for.
MESSAGE_QUEUE_SIZE: Final = 1
#: Octets of a message that may be received, where nothing else is asked for.
MAX_MESSAGE_SIZE: Final = 2**20
#: Octets that are read from the stream at once, where nothing else is asked for.
RECEIVE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be chosen for a connection, and what is chosen where nothing is said.  Times are in seconds."""

    #: Messages that wait for the application before reading pauses.
    message_queue_size: float = MESSAGE_QUEUE_SIZE
    #: Octets of a message that may be received.  Beyond it: 1009.
    max_message_size: int = MAX_MESSAGE_SIZE
    #: Octets that are read from the stream at once; None: as many as trio finds right.
    receive_buffer_size: int | None = RECEIVE_BYTES
    #: How long the opening handshake may take.
    connect_timeout: float = CONN_TIMEOUT
    #: How long the closing handshake may take, from our Close to theirs.
    disconnect_timeout: float = CONN_TIMEOUT
    #: Between two pings that keep the connection alive; None: none are sent.
    ping_interval: float | None = None
    #: Until the answer to one; None: for ever.
    ping_timeout: float | None = Timeouts().pong
    #: How long the other end may take nothing of 64 KiB that we send; None: for ever.
    write_timeout: float | None = None
    #: permessage-deflate, to be offered or accepted (RFC 7692); None: not.
    deflate: PerMessageDeflate | None = None

    def engine(self, role: Any) -> Connection:
        """An engine for a connection with these settings."""
        return Connection(role, limits=Limits(message=self.max_message_size), deflate=self.deflate)

    def timeouts(self) -> Timeouts:
        """The deadlines of pings."""
        return Timeouts(ping_interval=self.ping_interval or 0.0, pong=self.ping_timeout or 0.0)


class FurtherOptions(TypedDict, total=False):
    """The same, as keyword arguments of the functions that make connections: those that have to be named everywhere."""

    connect_timeout: float
    disconnect_timeout: float
    ping_interval: float | None
    ping_timeout: float | None
    write_timeout: float | None
    deflate: PerMessageDeflate | None


class Options(FurtherOptions, total=False):
    """All of them."""

    message_queue_size: float
    max_message_size: int
    receive_buffer_size: int | None
