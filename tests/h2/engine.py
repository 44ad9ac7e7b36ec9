"""An engine whose connection has begun, and a peer made of raw frames that it talks with."""

from typing import Any

import hpack
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Field, Frame

from interlock.h2 import CLIENT, NEED_DATA, SERVER, Connection, Data, EndOfMessage, Request, Response
from interlock.h2.messages import mark

PSEUDO: list[Field] = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]


class Engine:
    """One end, and what it has sent."""

    def __init__(self, role: Any = SERVER, *settings: tuple[int, int], begin: bool = True, **options: Any) -> None:
        """``settings``: the peer's.  ``begin``: whether both ends have sent their SETTINGS and acknowledged them."""
        self.connection = Connection(role, **options)
        self._decoder = hpack.Decoder()
        if begin:
            self.sent()
            preface = raw.PREFACE if role is SERVER else b""
            self.get(preface + raw.settings(*settings) + raw.settings_ack())
            self.sent()

    def get(self, octets: bytes) -> list[Any]:
        """Let the engine receive octets; the events that it gives."""
        self.connection.receive_data(octets)
        return self.events()

    def events(self) -> list[Any]:
        events = []
        while (event := self.connection.next_event()) is not NEED_DATA:
            events.append(event)
        return events

    def request(self, stream: int, *fields: Field, end: bool = True) -> list[Any]:
        """Let a client ask."""
        return self.get(raw.headers(stream, raw.block([*PSEUDO, *fields]), end=end))

    def respond(self, stream: int, *fields: Field, end: bool = True) -> list[Any]:
        """Let a server answer."""
        return self.get(raw.headers(stream, raw.block(fields or [(":status", "200")]), end=end))

    def ask(self, *fields: tuple[str, str], method: str = "GET", target: str = "/", end: bool = True) -> int:
        """Have a client's engine ask; the stream."""
        stream = self.connection.next_stream_id()
        request = Request(method=method, target=target, headers=[("Host", "a"), *fields], http_version="2")
        self.connection.queue(request, stream)
        if end:
            self.connection.queue(EndOfMessage(), stream)
        return stream

    def answer(self, stream: int, *fields: tuple[str, str], status: int = 200) -> None:
        """Have a server's engine begin its answer."""
        self.connection.queue(Response(status_code=status, headers=fields, http_version="2"), stream)

    def data(self, stream: int, content: bytes) -> None:
        self.connection.queue(Data(content), stream)

    def end(self, stream: int, *trailers: tuple[str, str]) -> None:
        self.connection.queue(EndOfMessage(headers=trailers), stream)

    def sent(self, limit: int | None = None) -> list[Frame]:
        """The frames that the engine sends now."""
        octets = bytearray(self.connection.data_to_send(limit))
        if octets.startswith(raw.PREFACE):
            del octets[: len(raw.PREFACE)]
        frames = []
        while (frame := raw.take_frame(octets)) is not None:
            frames.append(frame)
        assert not octets, "a frame was cut"
        return frames

    def told(self, limit: int | None = None) -> list[str]:
        """The same for people: each frame's name, its stream, and ``END_STREAM``."""
        return [told(frame) for frame in self.sent(limit)]

    def fields(self, frame: Frame) -> list[tuple[bytes, bytes]]:
        """What HEADERS says; to be called once for each, in order."""
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(frame.payload, raw=True)]


def told(frame: Frame) -> str:
    ends = frame.kind in {raw.DATA, raw.HEADERS} and frame.flags & raw.END_STREAM
    return f"{frame.name} {frame.stream}{' END_STREAM' if ends else ''}"


def client(*settings: tuple[int, int], **options: Any) -> Engine:
    return Engine(CLIENT, *settings, **options)


def server(*settings: tuple[int, int], **options: Any) -> Engine:
    return Engine(SERVER, *settings, **options)


def marked(fields: list[tuple[bytes, bytes]]) -> list[tuple[tuple[bytes, bytes], int]]:
    """What a decoder gives beside ``fields``: those that have a mark, with it."""
    return [(field, kind) for field in fields if (kind := mark(*field))]
