"""A client of HTTP/2 for the driver in memory: the h2 library, so that both ends cannot be wrong in the same way.

That library takes nothing more once it has got or sent a GOAWAY, so these pass it by.
"""

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import Settings
from tests.net.virtual_clock import EPOCH, MemoryTransport, ServerSide

from interlock.net.asyncio.http2 import HTTP2Protocol

GOAWAY = 7


class CountingTransport(MemoryTransport):
    """It counts what is written, and can be given another protocol."""

    writes = 0

    def write(self, data: Any) -> None:
        self.writes += 1
        super().write(data)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Stream:
    """What has come on one stream."""

    def __init__(self) -> None:
        self.informational: list[int] = []
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.content = bytearray()
        self.trailers: list[tuple[bytes, bytes]] = []
        self.ended = False
        #: The error code of its reset.
        self.reset: int | None = None


class Http2Client:
    """One client and its connection to the driver."""

    def __init__(
        self,
        side: ServerSide,
        *,
        settings: dict[Any, int] | None = None,
        begin: bool = True,
        factory: Any = HTTP2Protocol,
        **extra: Any,
    ) -> None:
        self.side = side
        self.protocol = factory(side.registry, side.loop)
        self.transport = CountingTransport(side.loop, self.protocol, side.extra | extra)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        if settings is not None:
            self.h2.local_settings = Settings(client=True, initial_values=settings)
        self.streams: dict[int, Stream] = {}
        #: The error code of each GOAWAY, with the stream it names.
        self.goaways: list[tuple[int, int]] = []
        #: The data of each PING that was answered.
        self.pings: list[bytes] = []
        #: Whether what comes is taken, and the windows opened again.
        self.takes = True
        self._seen = 0
        self._partial = b""
        if begin:
            self.h2.initiate_connection()
            self.turn()
        else:
            side.loop.settle()

    def turn(self) -> None:
        """Send what is to be sent, and read what comes, until both ends are quiet."""
        while True:
            octets = self.h2.data_to_send()
            if octets:
                self.transport.send(octets)
            self.side.loop.settle()
            received = bytes(self.transport.received[self._seen :])
            if not octets and not received:
                return
            self._seen += len(received)
            for event in self.h2.receive_data(self._without_goaways(received)):
                self._note(event)

    def _without_goaways(self, received: bytes) -> bytes:
        """The frames that are complete, without those of GOAWAY."""
        octets = self._partial + received
        others = []
        at = 0
        while (end := at + 9 + int.from_bytes(octets[at : at + 3], "big")) <= len(octets):
            frame = octets[at:end]
            at = end
            if frame[3] == GOAWAY:
                self.goaways.append((int.from_bytes(frame[13:17], "big"), int.from_bytes(frame[9:13], "big")))
            else:
                others.append(frame)
        self._partial = octets[at:]
        return b"".join(others)

    def _note(self, event: Event) -> None:
        stream = self.streams.setdefault(getattr(event, "stream_id", None) or 0, Stream())
        if isinstance(event, InformationalResponseReceived):
            stream.informational.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, ResponseReceived):
            fields = [(bytes(name), bytes(value)) for name, value in event.headers]
            stream.status, stream.fields = int(fields[0][1]), fields[1:]
        elif isinstance(event, DataReceived):
            stream.content += event.data
            if self.takes and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            stream.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, StreamEnded):
            stream.ended = True
        elif isinstance(event, StreamReset):
            stream.reset = int(event.error_code)
        elif isinstance(event, PingAckReceived):
            self.pings.append(event.ping_data)

    def request(
        self, *fields: tuple[str, str], method: str = "GET", path: str = "/", end: bool = True, turn: bool = True
    ) -> int:
        """Send the head of a request; give its stream's id."""
        stream_id = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "example.org"), (":path", path)]
        self.h2.send_headers(stream_id, [*pseudo, *fields], end_stream=end)
        self.streams[stream_id] = Stream()
        if turn:
            self.turn()
        return stream_id

    def send(self, stream_id: int, data: bytes = b"", *, end: bool = False) -> int:
        """Send as much content as windows let us; give the octets sent."""
        sent = 0
        while True:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            piece = data[sent : sent + room]
            last = end and sent + len(piece) == len(data)
            if piece or last:
                self.h2.send_data(stream_id, piece, end_stream=last)
            sent += len(piece)
            self.turn()
            if last or sent == len(data) or not piece:
                return sent

    def leave(self) -> None:
        """Say that no request will follow."""
        self.transport.send(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
        self.turn()

    @property
    def closed_at(self) -> float | None:
        """When the connection was closed, in seconds since the clock began."""
        at = self.transport.closed_at
        return None if at is None else at - EPOCH
