"""The engine as a client: what it asks for, and what a server tells it beside answers.

conformance/test_client_role.py holds it to the MUSTs of RFC 9113; test_shutdown.py has GOAWAY.
"""

from typing import Any

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, client, server, told

from interlock.h2 import (
    CLIENT,
    AlternativeService,
    Connection,
    Data,
    EndOfMessage,
    InformationalResponse,
    LocalProtocolError,
    Origin,
    Ping,
    PingAcknowledged,
    PriorityUpdated,
    RemoteProtocolError,
    Request,
    Response,
    SettingsChanged,
    StreamReset,
)

ALTSVC, ORIGIN = 0xA, 0xC


def test_an_exchange() -> None:
    engine = client()
    stream = engine.ask(("X", "y"), method="POST", end=False)
    engine.data(stream, b"abc")
    engine.end(stream)
    frames = engine.sent()
    assert [told(frame) for frame in frames] == ["HEADERS 1", "DATA 1 END_STREAM"]
    assert engine.fields(frames[0]) == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"a"),
        (b":path", b"/"),
        (b"x", b"y"),
    ]
    assert [type(event) for event in engine.respond(1, (":status", "103"), end=False)] == [InformationalResponse]
    events = engine.respond(1, (":status", "200"), ("content-length", "3"), end=False)
    assert [(type(event), event.status_code, event.stream_id) for event in events] == [(Response, 200, 1)]
    assert engine.get(raw.data(1, b"abc")) == [Data(b"abc", stream_id=1)]
    (end,) = engine.respond(1, ("x-sum", "6"))
    assert isinstance(end, EndOfMessage)
    assert list(end.headers) == [(b"x-sum", b"6")]
    assert engine.connection.open_streams == 0


@pytest.mark.parametrize("size", [(60, 0), (12, 3000)])
def test_trailers_that_are_too_much_beside_their_head(size: tuple[int, int]) -> None:  # RFC 9113 §10.5.1
    """They share its limits, and interim heads do not."""
    engine = client()
    stream = engine.ask()
    engine.sent()
    section = [(f"x-{number}", "v" * size[1]) for number in range(size[0])]
    for status in ("103", "200"):
        assert len(respond(engine, stream, [(":status", status), *section], end=False)) == 1
    (reset,) = respond(engine, stream, section, end=True)
    assert isinstance(reset, StreamReset)
    assert reset.error_code == raw.PROTOCOL_ERROR
    assert engine.told() == ["RST_STREAM 1"]


def respond(engine: Engine, stream: int, section: list[raw.Field], *, end: bool) -> list[Any]:
    """A field section, in as many frames as it takes."""
    first, *others = raw.cut(raw.block(section), 16384)
    parts = [raw.continuation(stream, part, end_headers=part is others[-1]) for part in others]
    return engine.get(raw.headers(stream, first, end=end, end_headers=not others) + b"".join(parts))


def test_the_preface_comes_first() -> None:
    octets = Connection(CLIENT).data_to_send()
    assert octets.startswith(raw.PREFACE)
    assert octets[len(raw.PREFACE) + 3] == raw.SETTINGS


def test_requests_need_not_wait_for_the_servers_settings() -> None:
    engine = client(begin=False)
    engine.ask()
    assert engine.told()[-1] == "HEADERS 1 END_STREAM"


# -- as many streams as the server allows


def test_the_limit_of_the_server() -> None:  # RFC 9113 §5.1.2
    engine = client((raw.MAX_CONCURRENT_STREAMS, 2))
    first, second = engine.ask(), engine.ask()
    with pytest.raises(LocalProtocolError, match="takes 2 streams"):
        engine.ask()
    assert engine.connection.next_stream_id() == 5
    engine.connection.queue(StreamReset(first, raw.CANCEL))
    assert engine.ask() == 5
    engine.get(raw.settings((raw.MAX_CONCURRENT_STREAMS, 1)))
    engine.sent()
    engine.respond(second)
    with pytest.raises(LocalProtocolError, match="takes 1 streams"):
        engine.ask()
    assert engine.get(raw.settings((raw.MAX_CONCURRENT_STREAMS, 5))) == [SettingsChanged({3: 5})]
    assert engine.ask() == 7


def test_a_server_that_takes_none() -> None:
    with pytest.raises(LocalProtocolError, match="takes 0 streams"):
        client((raw.MAX_CONCURRENT_STREAMS, 0)).ask()


# -- priorities


def test_a_priority_is_sent() -> None:  # RFC 9218 §7.1
    engine = client()
    engine.connection.queue(PriorityUpdated(1, 5, incremental=True))
    engine.connection.queue(PriorityUpdated(3, 0))
    frames = engine.sent()
    assert [(frame.kind, frame.stream, frame.number(0)) for frame in frames] == [(0x10, 0, 1), (0x10, 0, 3)]
    assert [frame.payload[4:] for frame in frames] == [b"u=5, i", b"u=0"]
    other = server()
    other.request(1)
    assert other.get(raw.priority_update(1, frames[0].payload[4:])) == [PriorityUpdated(1, 5, incremental=True)]


def test_a_request_is_sent_by_its_own_priority() -> None:
    engine = client()
    for priority in ("u=5", "u=1"):
        stream = engine.ask(("Priority", priority), method="POST", end=False)
        engine.data(stream, bytes(20000))
    assert engine.told()[2:] == ["DATA 3", "DATA 3", "DATA 1", "DATA 1"]


# -- what servers say of themselves


def altsvc(stream: int, origin: bytes, value: bytes) -> bytes:
    return raw.frame(ALTSVC, 0, stream, len(origin).to_bytes(2, "big") + origin + value)


def origins(*names: bytes) -> bytes:
    return raw.frame(ORIGIN, 0, 0, b"".join(len(name).to_bytes(2, "big") + name for name in names))


def test_an_alternative_service() -> None:  # RFC 7838 §4
    engine = client()
    stream = engine.ask()
    assert engine.get(altsvc(0, b"https://a", b'h3=":1"')) == [AlternativeService(0, b"https://a", b'h3=":1"')]
    assert engine.get(altsvc(stream, b"", b"clear")) == [AlternativeService(stream, b"", b"clear")]


@pytest.mark.parametrize(
    "frame", [altsvc(0, b"", b"clear"), altsvc(1, b"https://a", b"clear"), raw.frame(ALTSVC, 0, 0, b"\x00\x05ab")]
)
def test_an_alternative_service_that_means_nothing(frame: bytes) -> None:
    engine = client()
    engine.ask()
    assert engine.get(frame) == []


def test_origins() -> None:  # RFC 8336 §2
    engine = client()
    assert engine.get(origins(b"https://a", b"https://b:8443")) == [Origin([b"https://a", b"https://b:8443"])]
    assert engine.get(origins()) == [Origin([])]
    assert engine.get(raw.frame(ORIGIN, 0, 0, b"\x00\x09https://")) == []
    assert engine.get(raw.frame(ORIGIN, 0, 1, b"\x00\x01a")) == []


def test_a_client_says_nothing_of_the_kind() -> None:
    engine = server()
    assert engine.get(altsvc(0, b"https://a", b"clear") + origins(b"https://a")) == []


def test_a_ping_is_answered() -> None:
    engine = client()
    engine.connection.queue(Ping(b"12345678"))
    assert [frame.payload for frame in engine.sent()] == [b"12345678"]
    assert engine.get(raw.ping(b"12345678", ack=True)) == [PingAcknowledged(b"12345678")]


# -- extended CONNECT


def extended() -> Request:
    return Request(
        method="CONNECT",
        target="/chat",
        headers=[("Host", "a")],
        http_version="2",
        scheme=b"https",
        protocol=b"websocket",
    )


def test_extended_connect_where_it_is_offered() -> None:  # RFC 8441 §3
    engine = client((raw.ENABLE_CONNECT_PROTOCOL, 1))
    engine.connection.queue(extended(), 1)
    (frame,) = engine.sent()
    assert (b":protocol", b"websocket") in engine.fields(frame)
    assert engine.connection.stream_machines(1)["connect"] == "PROPOSED"


@pytest.mark.parametrize("settings", [[], [(raw.ENABLE_CONNECT_PROTOCOL, 0)]])
def test_extended_connect_where_it_is_not_offered(settings: list[tuple[int, int]]) -> None:
    engine = client(*settings)
    with pytest.raises(LocalProtocolError, match="does not offer extended CONNECT"):
        engine.connection.queue(extended(), 1)
    assert engine.connection.next_stream_id() == 1


def test_an_offer_is_not_taken_back() -> None:
    engine = client((raw.ENABLE_CONNECT_PROTOCOL, 1))
    with pytest.raises(RemoteProtocolError, match="taken back"):
        engine.get(raw.settings((raw.ENABLE_CONNECT_PROTOCOL, 0)))


def test_a_server_that_offers_it() -> None:
    engine = server(extended_connect=True)
    fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/"),
        (":authority", "a"),
    ]
    (event,) = engine.get(raw.headers(1, raw.block(fields), end=False))
    assert (event.method, event.protocol, event.target) == (b"CONNECT", b"websocket", b"/")
    engine.answer(1)
    assert engine.connection.stream_machines(1)["connect"] == "ACCEPTED"


@pytest.mark.parametrize("code", [raw.REFUSED_STREAM, raw.NO_ERROR])
def test_a_server_may_refuse_all_that_it_is_asked(code: int) -> None:
    """It makes no work that was not asked for; a server's budget would be spent by this."""
    engine = client()
    for _ in range(1000):
        stream = engine.ask()
        engine.sent()
        assert [type(event) for event in engine.get(raw.rst_stream(stream, code))] == [StreamReset]
    assert engine.connection.error_code == -1
