"""One HTTP/1.1 connection seen from outside: what both of its ends send, and one set of machines (RFC 9112).

Each end's octets are read by the engine that would receive them; between them the two engines share where the
machines stand.  Nothing is ever sent.  For proxies that look on, and for who explains what was recorded.
"""

from typing import Final

from interlock.h1.chunked import _DATA
from interlock.h1.connection import Connection
from interlock.h1.framing import BY_CHUNKS, BY_LENGTH
from interlock.h1.tables import SYSTEM
from interlock.http.events import Event
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, SEND_BODY, SERVER, Sentinel

__all__ = ["Observer"]

#: More than is ever read at once.
_ANY: Final = 1 << 30


class Observer:
    """Both ends of one connection.  ``requests`` and ``responses``: the limits of what each of them sends."""

    __slots__ = ("_reads_client", "_reads_server")

    def __init__(self, requests: Limits, responses: Limits) -> None:
        self._reads_client: Final = Connection(SERVER, limits=requests)
        self._reads_server: Final = Connection(CLIENT, limits=responses)

    def _reader(self, sender: Sentinel) -> Connection:
        return self._reads_client if sender is CLIENT else self._reads_server

    @property
    def joint(self) -> int:
        """Where the machines of :data:`interlock.h1.tables.SYSTEM` stand."""
        return self._reads_client._joint

    @property
    def states(self) -> dict[Sentinel, Sentinel]:
        """The states of both ends, by role."""
        return self._reads_client.states

    def receive_data(self, sender: Sentinel, data: bytes) -> None:
        """What ``sender`` has sent; b"" says that it has closed its side."""
        self._reader(sender).receive_data(data)

    def next_event(self, sender: Sentinel) -> Event | Sentinel:
        """As :meth:`interlock.h1.connection.Connection.next_event`, of what ``sender`` has sent.

        PAUSED also means that the other end has to go on first.  Raises :class:`RemoteProtocolError` for what the
        sender did wrong; the other end can still be followed.
        """
        reader = self._reader(sender)
        other = self._reads_server if sender is CLIENT else self._reads_client
        try:
            return reader.next_event()
        finally:
            other._joint = reader._joint
            if sender is CLIENT:
                self._reads_server.request_method = self._reads_client.request_method

    def start_next_cycle(self) -> None:
        """Both ends are DONE: go on to the next request and its response (RFC 9112 §9.3)."""
        for reader in (self._reads_client, self._reads_server):
            reader.start_next_cycle()

    def suppose(self, event: str, method: bytes = b"") -> None:
        """Take an event of the tables for granted that was not seen; ``method``: of the request, if it is one."""
        joint = SYSTEM.step(self.joint, SYSTEM.event_index[event])
        for reader in (self._reads_client, self._reads_server):
            reader._joint = joint
            if method:
                reader.request_method = method

    def answers(self, method: bytes) -> None:
        """What the server sends next answers a request with this method, which could not be read."""
        self._reads_server.request_method = method

    def unread(self, sender: Sentinel) -> int:
        """How many of the octets received from ``sender`` are no part of an event, nor of a start line or field line yet."""
        return len(self._reader(sender).trailing_data[0])

    def take_unread(self, sender: Sentinel) -> bytes:
        """These octets, once ``sender`` has left HTTP/1.1."""
        return self._reader(sender).trailing_data[0]

    def content_ahead(self, sender: Sentinel) -> int:
        """How many octets that ``sender`` sends next can be nothing but content."""
        reader = self._reader(sender)
        if self.states[sender] is not SEND_BODY:
            return 0
        if reader._body == BY_LENGTH:
            return reader._left
        if reader._body != BY_CHUNKS:
            return _ANY if reader._left < 0 else reader._left
        chunks = reader._chunks
        return 0 if chunks is None or chunks._where != _DATA else chunks._left
