"""A client of HTTP/2 that says what it wants to see, frame by frame, and holds the server to its MUSTs meanwhile.

What any server may never do is checked on every frame that comes, in each case: see ``Client._note``.  How octets come and
go is up to two classes: ``EngineClient`` (engine_client.py) and ``SocketClient`` (socket_client.py).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import NoReturn

import hpack
from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.raw_frames import Field, Frame, code_name

#: What may never stand in a response (RFC 9113 §8.2.2).
CONNECTION_SPECIFIC = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"}
#: The flags that each type of frame has (RFC 9113 §6); the others must not be set by who sends (§4.1).
FLAGS = {raw.DATA: 0x9, raw.HEADERS: 0x2D, raw.SETTINGS: 0x1, raw.PING: 0x1, raw.CONTINUATION: 0x4}
#: The sizes that a type of frame has (RFC 9113 §6).
SIZES = {raw.PRIORITY: 5, raw.RST_STREAM: 4, raw.PING: 8, raw.WINDOW_UPDATE: 4}
FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+\Z")


class Failed(AssertionError):
    """What was to come did not, or what came must not."""


class Silence(Exception):
    """Nothing comes, and the connection is open."""


@dataclass
class Exchange:
    """What has been received on a stream."""

    #: Octets of DATA that the server may send now.
    window: int
    #: Every field section: those of interim responses, of the final one, and its trailers.
    sections: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    ended: bool = False
    #: The error code of the server's RST_STREAM.
    reset: int | None = None
    #: We have reset it, and the server knows that: it must say nothing more.
    cancelled: bool = False
    silent: bool = False

    @property
    def status(self) -> int | None:
        """The status of the final response; None where there is none yet."""
        statuses = [int(section[0][1]) for section in self.sections if section[0][0] == b":status"]
        return next((status for status in statuses if status >= 200), None)

    @property
    def fields(self) -> dict[bytes, bytes]:
        """The fields of the final response."""
        return next((dict(s) for s in self.sections if s[0][0] == b":status" and s[0][1][:1] != b"1"), {})


class Client(ABC):
    """The client's end of a connection."""

    scheme = "http"
    #: For servers of others: stream errors may also be connection errors of the same kind (RFC 9113 §5.4.1), and the
    #: content of responses is not looked at.
    lenient = False
    #: For the engine: what is uploaded is not taken; what is to be sent is not asked for.
    keeping = False
    deaf = False

    def __init__(self) -> None:
        self.log: list[Frame] = []
        self.streams: dict[int, Exchange] = {}
        self.goaways: list[Frame] = []
        self.pings: list[bytes] = []
        self.server_settings: dict[int, int] = {}
        self.settings_frames = 0
        self.connection_window = 65535
        #: What was sent on each stream of DATA frames, less what the server gave back; for the connection as 0.
        self.credit: dict[int, int] = {}
        self._initial_window = 65535
        self._most_octets = 16384
        self._unacknowledged: list[dict[int, int]] = []
        self._highest = 0
        self._received = bytearray()
        self._decoder = hpack.Decoder()
        self._open_block: tuple[int, int, bytearray] | None = None
        self._numbers = count(1)

    @abstractmethod
    def _write(self, octets: bytes) -> None:
        """Send octets; where the connection is closed that is no error."""

    @abstractmethod
    def _read(self) -> bytes:
        """Some octets; b"" is the end.  Raises Silence where there are none."""

    @abstractmethod
    def _read_now(self) -> bytes:
        """What is there already."""

    @abstractmethod
    def _is_closed(self) -> bool:
        """Whether the end of the connection was seen."""

    def time_passes(self, seconds: float) -> None:
        """For the engine, which has no clock."""
        raise NotImplementedError

    def waiting_octets(self) -> int:
        """For the engine: how much waits to be sent."""
        raise NotImplementedError

    @abstractmethod
    def half_close(self) -> None:
        """Say that nothing more will be sent."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""

    # What the client sends

    def send(self, *frames: bytes) -> None:
        """Send these, in one go; each is one frame, or what is to be taken for one."""
        for whole in frames:
            self._note_sent(whole)
        self._write(b"".join(frames))

    def send_raw(self, octets: bytes) -> None:
        """Send what need not be understood here, such as a flood."""
        self._write(octets)

    def listen(self) -> None:
        """Take note of what is there, and wait for nothing."""
        self._received += self._read_now()
        while (received := raw.take_frame(self._received)) is not None:
            self.log.append(received)
            self._note(received)

    def is_over(self) -> bool:
        """Whether the server has ended the connection, as far as can be seen now."""
        self.listen()
        return self._is_closed() or any(frame.number(4) for frame in self.goaways)

    def start(self, *values: tuple[int, int]) -> None:
        """The connection preface with these settings, and all that belongs to the beginning (RFC 9113 §3.4)."""
        self.send(raw.PREFACE)
        self.send(raw.settings(*values))
        while self._unacknowledged or not self.settings_frames:
            self.read_frame("SETTINGS and the acknowledgement of ours")
        self.send(raw.settings_ack())

    def fields(
        self, method: str = "GET", path: str = "/", more: Iterable[Field] = (), authority: str = "localhost"
    ) -> list[Field]:
        """The fields of a request."""
        return [(":method", method), (":scheme", self.scheme), (":authority", authority), (":path", path), *more]

    def request(
        self, stream: int, path: str = "/", *, method: str = "GET", more: Iterable[Field] = (), end: bool = True
    ) -> None:
        """The head of a request, in one frame."""
        self.send(raw.headers(stream, raw.block(self.fields(method, path, more)), end=end))

    def upload(self, stream: int, path: str = "/", more: Iterable[Field] = ()) -> None:
        """The head of a request whose content is to come."""
        self.request(stream, path, method="POST", more=more, end=False)

    # States to be in (RFC 9113 §5.1), from the server's point of view

    def half_closed_remote(self, stream: int) -> None:
        """A request whose response waits for a window, so that the stream stays open to the server."""
        self.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
        self.request(stream)
        self.expect_content(stream, 0)

    def half_closed_local(self, stream: int) -> None:
        """A request that is answered before it is complete."""
        self.upload(stream, "/early")
        self.expect_response(stream)

    def closed(self, stream: int) -> None:
        """A whole exchange."""
        self.request(stream)
        self.expect_response(stream)

    def cancelled(self, stream: int) -> None:
        """A request that we reset."""
        self.upload(stream)
        self.send(raw.rst_stream(stream))
        self.expect_alive()

    def reset_by_server(self, stream: int) -> None:
        """A request that the server resets, as it is malformed."""
        self.upload(stream, more=[("Upper", "x")])
        self.expect_reset(stream, raw.PROTOCOL_ERROR)

    def change_settings(self, *values: tuple[int, int]) -> None:
        """Send SETTINGS, and wait for their acknowledgement."""
        self.send(raw.settings(*values))
        while self._unacknowledged:
            self.read_frame("the acknowledgement of SETTINGS")

    # What the client expects

    def read_frame(self, awaited: str) -> Frame:
        """The next frame; it is an error where none comes."""
        try:
            received = self._next()
        except Silence:
            self.fail(f"nothing comes, instead of {awaited}")
        if received is None:
            self.fail(f"the connection is closed, instead of {awaited}")
        return received

    def expect_goaway(self, *codes: int) -> Frame:
        """A connection error (RFC 9113 §5.4.1) of one of these codes: GOAWAY, and then the end of the connection."""
        awaited = "GOAWAY " + " or ".join(map(code_name, codes))
        while not (errors := [frame for frame in self.goaways if frame.number(4)]):
            self.read_frame(awaited)
        code = errors[0].number(4)
        if code not in codes:
            self.fail(f"GOAWAY {code_name(code)}, instead of {awaited}")
        self.expect_closed()
        return errors[0]

    def expect_closed(self) -> None:
        """The end of the connection."""
        try:
            while self._next() is not None:
                pass
        except Silence:
            self.fail("the connection stays open")

    def expect_reset(self, stream: int, *codes: int, also: tuple[int, ...] = ()) -> None:
        """A stream error (RFC 9113 §5.4.2) of one of these codes, while the connection goes on.

        ``also``: a connection error of one of these codes is right as well.
        """
        awaited = f"RST_STREAM {' or '.join(map(code_name, codes))} on stream {stream}"
        if self.lenient:
            also = (*also, *codes)
        while (exchange := self.streams.get(stream)) is None or exchange.reset is None:
            if also and any(frame.number(4) for frame in self.goaways):
                self.expect_goaway(*also)
                return
            self.read_frame(awaited)
        if exchange.reset not in codes:
            self.fail(f"RST_STREAM {code_name(exchange.reset)}, instead of {awaited}")
        self.expect_alive()

    def expect_malformed(self, stream: int) -> None:
        """A stream error for a malformed request, which no application has seen (RFC 9113 §8.1.1)."""
        self.expect_reset(stream, raw.PROTOCOL_ERROR)
        exchange = self.streams.get(stream)
        if exchange is not None and exchange.status is not None and exchange.status < 400:
            self.fail(f"a malformed request was answered with {exchange.status}")

    def expect_response(
        self, stream: int, status: int = 200, content: bytes | None = None, *, credit: bool = False
    ) -> Exchange:
        """A whole response; with ``credit``, windows are opened again as DATA comes."""
        given = 0
        while not (exchange := self.streams.setdefault(stream, Exchange(self._initial_window))).ended:
            received = self.read_frame(f"the response on stream {stream}")
            if exchange.reset is not None and not exchange.ended:
                self.fail(f"RST_STREAM {code_name(exchange.reset)}, instead of a response on stream {stream}")
            if credit and received.kind == raw.DATA and received.payload and received.stream == stream:
                given += len(received.payload)
                self.send(raw.window_update(0, len(received.payload)), raw.window_update(stream, len(received.payload)))
        if exchange.status != status:
            self.fail(f"status {exchange.status}, instead of {status}")
        if content is not None and exchange.content != content and not self.lenient:
            self.fail(f"content {bytes(exchange.content[:64])!r}, instead of {content[:64]!r}")
        return exchange

    def expect_content(self, stream: int, octets: int) -> Exchange:
        """So many octets of a response, which is not complete, and for now no more."""
        exchange = self.streams.setdefault(stream, Exchange(self._initial_window))
        while exchange.status is None or len(exchange.content) < octets:
            self.read_frame(f"{octets} octets of the response on stream {stream}")
        self.expect_alive()
        if len(exchange.content) != octets or exchange.ended:
            self.fail(f"{len(exchange.content)} octets of the response on stream {stream}, instead of {octets}")
        return exchange

    def expect_some(self, stream: int, octets: int) -> None:
        """At least so many octets of a response."""
        while stream not in self.streams or len(self.streams[stream].content) < octets:
            self.read_frame(f"{octets} octets of the response on stream {stream}")

    def expect_served(self, stream: int) -> None:
        """Everything is as if nothing had happened: a request is answered."""
        self.request(stream)
        self.expect_response(stream, content=CONTENT)

    def expect_alive(self) -> None:
        """All that was sent has been processed, and the connection goes on: a PING comes back."""
        opaque = b"probe%03d" % next(self._numbers)
        cancelled = [stream for stream, exchange in self.streams.items() if exchange.cancelled]
        self.send(raw.ping(opaque))
        while opaque not in self.pings:
            self.read_frame("the acknowledgement of a PING")
            if any(frame.number(4) for frame in self.goaways):
                self.fail("GOAWAY, where the connection has to go on")
        for stream in cancelled:
            self.streams[stream].silent = True

    def expect_no_reset(self, stream: int) -> None:
        """The connection goes on, and so does the stream; that it is let go of without an error is right too."""
        self.expect_alive()
        exchange = self.streams.get(stream)
        if exchange is not None and exchange.reset:
            self.fail(f"RST_STREAM {code_name(exchange.reset)} on stream {stream}, where nothing is wrong")

    def fail(self, what: str) -> NoReturn:
        """What went wrong, and all that was received until then."""
        received = "\n  ".join(map(str, self.log[-20:])) or "nothing"
        raise Failed(f"{what}; received:\n  {received}")

    # Accounts of both directions

    def _next(self) -> Frame | None:
        """The next frame; None at the end of the connection."""
        while (received := raw.take_frame(self._received)) is None:
            octets = self._read()
            if not octets:
                return None
            self._received += octets
        self.log.append(received)
        self._note(received)
        return received

    def _note_sent(self, whole: bytes) -> None:
        """What a frame of ours changes."""
        sent = raw.take_frame(bytearray(whole))
        if sent is None or len(whole) != 9 + len(sent.payload):
            return
        stream = sent.stream & raw.LARGEST
        if sent.kind == raw.HEADERS and stream % 2 and stream > self._highest:
            self._highest = stream
        exchange = self.streams.get(stream)
        if exchange is not None:
            exchange.silent = False
        if sent.kind == raw.RST_STREAM and stream:
            self.streams.setdefault(stream, Exchange(self._initial_window)).cancelled = True
        elif exchange is not None and sent.kind != raw.PRIORITY:
            exchange.cancelled = False
        if sent.kind == raw.WINDOW_UPDATE and len(sent.payload) == 4:
            increment = sent.number(0) & raw.LARGEST
            if stream:
                self.streams.setdefault(stream, Exchange(self._initial_window)).window += increment
            else:
                self.connection_window += increment
        if sent.kind == raw.SETTINGS and not sent.flags & raw.ACK and not stream:
            pairs = raw.cut(sent.payload, 6)
            self._unacknowledged.append(
                {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}
            )
        if sent.kind == raw.DATA and sent.payload:
            for account in (0, stream):
                self.credit[account] = self.credit.get(account, 0) + len(sent.payload)

    def _note(self, received: Frame) -> None:
        """Hold a frame of the server to what binds any that it sends, and take what it says."""
        kind, stream, payload = received.kind, received.stream, received.payload
        if len(self.log) == 1 and (kind != raw.SETTINGS or received.flags & raw.ACK):
            self.fail("§3.4: the server's first frame is SETTINGS")
        if len(payload) > self._most_octets:
            self.fail("§4.2: a frame is larger than SETTINGS_MAX_FRAME_SIZE")
        if stream > raw.LARGEST or received.flags & ~FLAGS.get(kind, 0):
            self.fail("§4.1: reserved and undefined bits are not to be set")
        if SIZES.get(kind, len(payload)) != len(payload):
            self.fail(f"§6: the size of {received.name} is wrong")
        if self._open_block is not None and (kind != raw.CONTINUATION or stream != self._open_block[0]):
            self.fail("§4.3: frames of one field block follow each other")
        if (kind in (raw.SETTINGS, raw.PING, raw.GOAWAY)) != (stream == 0) and kind != raw.WINDOW_UPDATE:
            self.fail(f"§6: {received.name} on stream {stream}")
        if stream and (stream % 2 == 0 or stream > self._highest):
            self.fail("§5.1: a frame on an idle stream")
        if kind == raw.PUSH_PROMISE:
            self.fail("§8.4: PUSH_PROMISE, where nothing is pushed")
        if stream:
            self._note_on_stream(received, self.streams.setdefault(stream, Exchange(self._initial_window)))
        elif kind == raw.SETTINGS:
            self._note_settings(received)
        elif kind == raw.PING:
            if not received.flags & raw.ACK:
                self.send(raw.ping(payload, ack=True))
            else:
                self.pings.append(payload)
        elif kind == raw.GOAWAY:
            if self.goaways and received.number(0) > self.goaways[-1].number(0):
                self.fail("§6.8: the last stream identifier only becomes less")
            answered = [stream for stream, exchange in self.streams.items() if exchange.status]
            if received.number(0) < max(answered, default=0):
                self.fail("§6.8: the last stream identifier includes all that was processed")
            if received.number(4) and received.number(0) > self._highest:
                self.fail("§6.8: the last stream identifier is one that was used")
            self.goaways.append(received)
        elif kind == raw.WINDOW_UPDATE:
            self._note_credit(0, 65535, received.number(0))

    def _note_on_stream(self, received: Frame, exchange: Exchange) -> None:
        kind, stream, payload = received.kind, received.stream, received.payload
        if exchange.silent and kind != raw.PRIORITY:
            self.fail("§5.1: a frame on a stream that we have reset")
        if exchange.reset is not None and kind != raw.PRIORITY:
            self.fail("§5.4.2: a frame on a stream that the server has reset")
        if exchange.ended and kind in (raw.DATA, raw.HEADERS, raw.CONTINUATION):
            self.fail("§5.1: a frame on a stream that the server has ended")
        if kind == raw.DATA:
            if payload and len(payload) > min(exchange.window, self.connection_window):
                self.fail(
                    f"§6.9.1: {len(payload)} octets of DATA, where the windows are {exchange.window} and "
                    f"{self.connection_window}"
                )
            exchange.window -= len(payload)
            self.connection_window -= len(payload)
            if exchange.status is None:
                self.fail("§8.1: DATA before the head of a response")
            if received.flags & raw.PADDED:
                if any(payload[len(payload) - payload[0] :]):
                    self.fail("§6.1: padding that is not zero")
                payload = payload[1 : len(payload) - payload[0]]
            exchange.content += payload
        elif kind == raw.HEADERS:
            if received.flags & (raw.PADDED | raw.WITH_PRIORITY):
                self.fail("HEADERS with padding or priority, which a server has no use for")
            self._open_block = (stream, received.flags, bytearray(payload))
        elif kind == raw.CONTINUATION:
            if self._open_block is None:
                self.fail("§6.10: CONTINUATION without HEADERS")
            self._open_block[2].extend(payload)
        elif kind == raw.RST_STREAM:
            exchange.reset = received.number(0)
        elif kind == raw.WINDOW_UPDATE:
            self._note_credit(stream, self.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535), received.number(0))
        if self._open_block is not None and received.flags & raw.END_HEADERS:
            _, flags, whole = self._open_block
            self._open_block = None
            self._note_section(exchange, bytes(whole), end=bool(flags & raw.END_STREAM))
            exchange.ended = bool(flags & raw.END_STREAM)
        elif kind == raw.DATA and received.flags & raw.END_STREAM:
            exchange.ended = True
        if exchange.ended and exchange.status is None:
            self.fail("§8.1: the end of a response that has no head")

    def _note_credit(self, stream: int, initial: int, increment: int) -> None:
        self.credit[stream] = self.credit.get(stream, 0) - increment
        if not 0 < increment <= raw.LARGEST or initial - self.credit[stream] > raw.LARGEST:
            self.fail(f"§6.9.1: the server opens a window by {increment}, to {initial - self.credit[stream]}")

    def _note_section(self, exchange: Exchange, whole: bytes, *, end: bool) -> None:
        try:
            section = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(whole, raw=True)]
        except hpack.HPACKError as error:
            self.fail(f"§4.3: the field block does not decode: {error!r}")
        final = exchange.status is not None
        if not final and (not section or section[0][0] != b":status" or not re.fullmatch(rb"[1-9]\d\d", section[0][1])):
            self.fail(f"§8.3.2: a response without :status: {section}")
        for name, value in section[0 if final else 1 :]:
            if not FIELD_NAME.match(name) or name in CONNECTION_SPECIFIC:
                self.fail(f"§8.2: a response has the field {name!r}")
            if re.search(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z", value):
                self.fail(f"§8.2.1: a response has the value {value!r}")
        if final and not end:
            self.fail("§8.1: trailers that do not end the stream")
        exchange.sections.append(section)
        if end and exchange.status is None:
            self.fail("§8.1: an interim response that ends the stream")

    def _note_settings(self, received: Frame) -> None:
        if received.flags & raw.ACK:
            if received.payload:
                self.fail("§6.5: an acknowledgement of SETTINGS has no payload")
            if not self._unacknowledged:
                self.fail("§6.5.3: an acknowledgement of SETTINGS that nobody sent")
            values = self._unacknowledged.pop(0)
            self._most_octets = values.get(raw.MAX_FRAME_SIZE, self._most_octets)
            if raw.HEADER_TABLE_SIZE in values:
                self._decoder.max_allowed_table_size = values[raw.HEADER_TABLE_SIZE]
            change = values.get(raw.INITIAL_WINDOW_SIZE, self._initial_window) - self._initial_window
            self._initial_window += change
            for exchange in self.streams.values():
                exchange.window += change
            return
        if len(received.payload) % 6:
            self.fail("§6.5: the size of SETTINGS is wrong")
        self.settings_frames += 1
        for pair in raw.cut(received.payload, 6):
            self.server_settings[int.from_bytes(pair[:2], "big")] = int.from_bytes(pair[2:], "big")
        if self.server_settings.get(raw.ENABLE_PUSH, 0):
            self.fail("§6.5.2: a server's SETTINGS_ENABLE_PUSH is 0")
        if not 16384 <= self.server_settings.get(raw.MAX_FRAME_SIZE, 16384) < 2**24:
            self.fail("§6.5.2: SETTINGS_MAX_FRAME_SIZE is out of bounds")
        if self.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535) > raw.LARGEST:
            self.fail("§6.5.2: SETTINGS_INITIAL_WINDOW_SIZE is out of bounds")
