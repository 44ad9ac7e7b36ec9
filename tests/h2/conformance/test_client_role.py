"""The engine as a client, against frames of a server that are built by hand (RFC 9113 §5 to §8; RFC 9218 §7)."""

import hpack
import pytest
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Field, Frame

from interlock.h2 import (
    CLIENT,
    NEED_DATA,
    Connection,
    Data,
    EndOfMessage,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    StreamReset,
)

HOST = ("Host", "localhost")


class Server:
    """A server of frames, and a client's engine that it speaks with."""

    def __init__(self, *settings: tuple[int, int]) -> None:
        self.engine = Connection(CLIENT)
        self.events: list[object] = []
        self.frames: list[Frame] = []
        self.failed = False
        self._decoder = hpack.Decoder()
        self.listen()
        self.send(raw.settings(*settings), raw.settings_ack())

    def ask(self, *fields: tuple[str, str], method: str = "GET", end: bool = True) -> int:
        """Have the client make a request."""
        stream = self.engine.next_stream_id()
        request = Request(
            method=method, target="/", headers=[HOST, *fields], http_version="2", scheme=b"https", stream_id=stream
        )
        self.engine.queue(request)
        if end:
            self.engine.queue(EndOfMessage(stream_id=stream))
        self.listen()
        return stream

    def send(self, *frames: bytes) -> None:
        self.engine.receive_data(b"".join(frames))
        try:
            while (event := self.engine.next_event()) is not NEED_DATA:
                self.events.append(event)
        except RemoteProtocolError:
            self.failed = True
        self.listen()

    def respond(self, stream: int, *fields: Field, end: bool = True) -> None:
        self.send(raw.headers(stream, raw.block(fields), end=end))

    def listen(self) -> None:
        octets = bytearray(self.engine.data_to_send())
        if octets.startswith(raw.PREFACE):
            del octets[: len(raw.PREFACE)]
        while (received := raw.take_frame(octets)) is not None:
            self.frames.append(received)

    def expect_goaway(self, code: int) -> None:
        assert self.failed
        assert [frame.number(4) for frame in self.frames if frame.kind == raw.GOAWAY] == [code]

    def expect_reset(self, stream: int, code: int = raw.PROTOCOL_ERROR) -> None:
        assert not self.failed
        resets = [(frame.stream, frame.number(0)) for frame in self.frames if frame.kind == raw.RST_STREAM]
        assert resets == [(stream, code)]
        assert not [event for event in self.events if isinstance(event, EndOfMessage)]
        assert [event.stream_id for event in self.events if isinstance(event, StreamReset)] == [stream]

    def request_fields(self) -> list[tuple[bytes, bytes]]:
        """The fields of the last request, as they were on the wire."""
        head = [frame for frame in self.frames if frame.kind == raw.HEADERS][-1]
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(head.payload, raw=True)]


def test_a_response() -> None:
    server = Server()
    stream = server.ask()
    server.respond(stream, (":status", "103"), end=False)
    server.respond(stream, (":status", "200"), ("content-length", "3"), end=False)
    server.send(raw.data(stream, b"abc", end=True))
    assert not server.failed
    assert [event.status_code for event in server.events if isinstance(event, Response)] == [200]
    assert isinstance(server.events[-1], EndOfMessage)


@pytest.mark.parametrize("first", [raw.ping(), raw.settings_ack(), raw.window_update(0, 1), raw.goaway()])
def test_the_first_frame_has_to_be_settings(first: bytes) -> None:  # §3.4
    server = Server.__new__(Server)
    server.engine, server.events, server.frames, server.failed = Connection(CLIENT), [], [], False
    server.send(first)
    server.expect_goaway(raw.PROTOCOL_ERROR)


@pytest.mark.parametrize("piece", [1, 100])
def test_a_server_that_answers_in_another_protocol(piece: int) -> None:  # §3.4
    engine = Connection(CLIENT)
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with pytest.raises(RemoteProtocolError, match=r"begins with SETTINGS: b'HTTP/1\.1 ' \(RFC 9113 §3\.4\)"):
        for start in range(0, len(answer), piece):
            engine.receive_data(answer[start : start + piece])
            assert engine.next_event() is NEED_DATA
    engine.data_to_send()


@pytest.mark.parametrize("stream", [2, 3, 101])
def test_a_response_on_an_idle_stream(stream: int) -> None:  # §5.1
    server = Server()
    server.ask()
    server.respond(stream, (":status", "200"))
    server.expect_goaway(raw.PROTOCOL_ERROR)


def test_a_second_response() -> None:  # §5.1
    server = Server()
    stream = server.ask()
    server.respond(stream, (":status", "200"))
    server.respond(stream, (":status", "200"))
    server.expect_goaway(raw.STREAM_CLOSED)


def test_no_more_streams_than_the_server_allows() -> None:  # §5.1.2
    server = Server((raw.MAX_CONCURRENT_STREAMS, 2))
    server.ask()
    stream = server.ask()
    with pytest.raises(LocalProtocolError):
        server.ask()
    server.respond(stream, (":status", "200"))
    server.ask()


def test_identifiers_are_odd_and_grow() -> None:  # §5.1.1
    server = Server()
    assert [server.ask() for _ in range(4)] == [1, 3, 5, 7]
    for stream in (7, 5, 2, 10):
        request = Request(method="GET", target="/", headers=[HOST], http_version="2", scheme=b"https", stream_id=stream)
        with pytest.raises(LocalProtocolError):
            server.engine.queue(request)


@pytest.mark.parametrize("value", [1, 2])
def test_a_server_that_enables_push(value: int) -> None:  # §6.5.2
    server = Server()
    server.send(raw.settings((raw.ENABLE_PUSH, value)))
    server.expect_goaway(raw.PROTOCOL_ERROR)


@pytest.mark.parametrize("on", [0, 1, 3])
def test_a_push_that_we_do_not_take(on: int) -> None:  # §6.6, §8.4
    server = Server()
    server.ask()
    server.send(raw.push_promise(on, 2, raw.block([(":method", "GET"), (":scheme", "https"), (":path", "/")])))
    server.expect_goaway(raw.PROTOCOL_ERROR)


def test_push_is_disabled() -> None:  # §6.5.2
    first = Server().frames[0]
    assert first.kind == raw.SETTINGS
    pairs = raw.cut(first.payload, 6)
    assert b"\x00\x02\x00\x00\x00\x00" in pairs


def test_no_request_after_goaway() -> None:  # §6.8
    server = Server()
    stream = server.ask()
    server.send(raw.goaway(stream))
    with pytest.raises(LocalProtocolError):
        server.ask()
    server.respond(stream, (":status", "200"))
    assert isinstance(server.events[-1], EndOfMessage)


def test_a_goaway_that_takes_back_more() -> None:  # §6.8
    server = Server()
    for _ in range(3):
        server.ask()
    server.send(raw.goaway(raw.LARGEST), raw.goaway(3))
    assert not server.failed
    assert [event.stream_id for event in server.events if isinstance(event, StreamReset)] == [5]


MALFORMED: dict[str, list[Field]] = {
    "no-status": [("server", "x")],
    "empty": [],
    "status-of-two-digits": [(":status", "20")],
    "status-of-letters": [(":status", "abc")],
    "status-twice": [(":status", "200"), (":status", "200")],
    "status-after-a-field": [("server", "x"), (":status", "200")],
    "request-field": [(":status", "200"), (":path", "/")],
    "unknown-pseudo-field": [(":status", "200"), (":foo", "x")],
    "upper-case": [(":status", "200"), ("Server", "x")],
    "value-with-lf": [(":status", "200"), ("server", "x\ny")],
    "connection": [(":status", "200"), ("connection", "close")],
    "transfer-encoding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "switching-protocols": [(":status", "101")],
    "informational-that-ends": [(":status", "103")],
    "content-length": [(":status", "200"), ("content-length", "5")],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response_is_not_accepted(fields: list[Field]) -> None:  # §8.1.1, §8.3.2
    server = Server()
    stream = server.ask()
    server.respond(stream, *fields)
    server.expect_reset(stream)


@pytest.mark.parametrize("sizes", [[3], [6], [3, 3], [0]])
def test_content_that_is_not_as_long_as_it_says(sizes: list[int]) -> None:  # §8.1.1
    server = Server()
    stream = server.ask()
    server.respond(stream, (":status", "200"), ("content-length", "5"), end=False)
    for number, size in enumerate(sizes):
        server.send(raw.data(stream, bytes(size), end=number == len(sizes) - 1))
    server.expect_reset(stream)


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "304")])
def test_a_length_where_there_is_no_content(method: str, status: str) -> None:  # §8.1.1
    server = Server()
    stream = server.ask(method=method)
    server.respond(stream, (":status", status), ("content-length", "5"))
    assert isinstance(server.events[-1], EndOfMessage)


def test_second_head_that_does_not_end() -> None:  # §8.1
    server = Server()
    stream = server.ask()
    server.respond(stream, (":status", "200"), end=False)
    server.respond(stream, ("x-a", "1"), end=False)
    server.expect_reset(stream)


def test_trailers_with_a_pseudo_field() -> None:  # §8.1
    server = Server()
    stream = server.ask()
    server.respond(stream, (":status", "200"), end=False)
    server.respond(stream, (":status", "200"))
    server.expect_reset(stream)


def test_a_response_before_the_request_is_complete() -> None:  # §8.1
    """RST_STREAM with NO_ERROR behind it takes nothing away from it."""
    server = Server()
    stream = server.ask(("content-length", "5"), method="POST", end=False)
    server.respond(stream, (":status", "200"), end=False)
    server.send(raw.data(stream, b"abc", end=True), raw.rst_stream(stream, raw.NO_ERROR))
    kinds = [type(event) for event in server.events]
    assert kinds.index(Response) < kinds.index(EndOfMessage) < kinds.index(StreamReset)
    assert not server.failed


def test_names_are_lower_case() -> None:  # §8.2
    server = Server()
    server.ask(("X-Upper", "Value"))
    assert (b"x-upper", b"Value") in server.request_fields()


@pytest.mark.parametrize(
    "field", [("Connection", "close"), ("Keep-Alive", "5"), ("Proxy-Connection", "x"), ("Upgrade", "x"), ("TE", "gzip")]
)
def test_connection_specific_fields_are_not_sent(field: tuple[str, str]) -> None:  # §8.2.2
    server = Server()
    try:
        server.ask(field)
    except LocalProtocolError:
        return
    assert field[0].lower().encode() not in dict(server.request_fields())


def test_the_authority_is_sent_as_such() -> None:  # §8.3.1
    server = Server()
    server.ask()
    fields = server.request_fields()
    names = [name for name, _ in fields]
    assert (b":authority", b"localhost") in fields
    assert b"host" not in names
    assert sorted(names[:4]) == [b":authority", b":method", b":path", b":scheme"]


@pytest.mark.parametrize("target", ["*", "/"])
def test_options(target: str) -> None:  # §8.3.1
    server = Server()
    request = Request(method="OPTIONS", target=target, headers=[HOST], http_version="2", scheme=b"https", stream_id=1)
    server.engine.queue(request)
    server.listen()
    assert (b":path", target.encode()) in server.request_fields()


def test_connect_has_no_scheme_and_no_path() -> None:  # §8.5
    server = Server()
    request = Request(
        method="CONNECT",
        target="example.org:443",
        headers=[("Host", "example.org:443")],
        http_version="2",
        scheme=b"https",
        stream_id=1,
    )
    server.engine.queue(request)
    server.listen()
    assert sorted(server.request_fields()) == [(b":authority", b"example.org:443"), (b":method", b"CONNECT")]


@pytest.mark.parametrize("kind", ["headers", "trailers"])
def test_a_tunnel_carries_data_only(kind: str) -> None:  # §8.5
    server = Server()
    request = Request(
        method="CONNECT",
        target="example.org:443",
        headers=[("Host", "example.org:443")],
        http_version="2",
        stream_id=1,
    )
    server.engine.queue(request)
    server.respond(1, (":status", "200"), end=False)
    server.send(raw.data(1, b"through"))
    server.respond(1, ("x-a", "1"), end=kind == "trailers")
    assert not server.failed
    assert [frame.stream for frame in server.frames if frame.kind == raw.RST_STREAM] == [1]


def test_priority_update_from_a_server() -> None:  # RFC 9218 §7.1
    server = Server()
    server.ask()
    server.send(raw.priority_update(1, b"u=1"))
    server.expect_goaway(raw.PROTOCOL_ERROR)


def test_the_windows_of_the_server_are_kept() -> None:  # §5.2.1
    server = Server((raw.INITIAL_WINDOW_SIZE, 10))
    stream = server.ask(method="POST", end=False)
    server.engine.queue(Data(bytes(100), stream_id=stream))
    server.listen()
    sent = [len(frame.payload) for frame in server.frames if frame.kind == raw.DATA]
    assert sum(sent) == 10
    server.send(raw.window_update(stream, 5))
    assert sum(len(frame.payload) for frame in server.frames if frame.kind == raw.DATA) == 15
