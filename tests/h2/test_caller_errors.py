"""What the caller does wrong: the error names what was tried, where, and what was legal; and nothing is sent of it."""

from collections.abc import Callable

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, client, server

from interlock.h2 import (
    NEED_DATA,
    Connection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    GoAway,
    InformationalResponse,
    LocalProtocolError,
    Ping,
    PingReceived,
    PriorityUpdated,
    Request,
    Response,
    StreamReset,
)

REQUEST = Request(method="GET", target="/", headers=[("Host", "a")], http_version="2")
RESPONSE = Response(status_code=200, headers=[], http_version="2")
INTERIM = InformationalResponse(status_code=103, headers=[], http_version="2")


def refused(engine: Engine, event: Event, stream: int, match: str) -> None:
    before = engine.connection.stream_machines(stream), engine.connection.machines
    with pytest.raises(LocalProtocolError, match=match):
        engine.connection.queue(event, stream)
    assert (engine.connection.stream_machines(stream), engine.connection.machines) == before
    assert not engine.connection.has_output


def begun(stream: int = 1) -> Engine:
    """A server that has begun to answer."""
    engine = server()
    engine.request(stream)
    engine.answer(stream)
    engine.sent()
    return engine


# -- streams


@pytest.mark.parametrize(
    "event", [RESPONSE, INTERIM, Data(b"a"), EndOfMessage()], ids=lambda event: type(event).__name__
)
@pytest.mark.parametrize(("stream", "state"), [(0, "idle"), (2, "idle"), (3, "idle"), (99, "idle")])
def test_a_stream_that_is_not_open(event: Event, stream: int, state: str) -> None:
    refused(begun(), event, stream, f"{type(event).__name__} on stream {stream}, which is {state}")


def test_a_stream_that_was_closed() -> None:
    engine = begun()
    engine.end(1)
    engine.sent()
    for event in (RESPONSE, Data(b"a"), EndOfMessage()):
        refused(engine, event, 1, "stream 1, which is closed")


def test_a_reset_of_an_idle_stream() -> None:
    refused(begun(), StreamReset(3, raw.CANCEL), 3, "idle")


@pytest.mark.parametrize("event", [Data(b"a"), EndOfMessage()], ids=["Data", "EndOfMessage"])
def test_content_before_the_head(event: Event) -> None:
    engine = server()
    engine.request(1)
    refused(engine, event, 1, r"machine local is in state HEAD; legal there: InformationalResponse, Response")


def test_a_second_head() -> None:
    refused(begun(), RESPONSE, 1, "can't handle event Response: machine local is in state BODY")
    refused(begun(), INTERIM, 1, "can't handle event InformationalResponse: machine local is in state BODY")


def test_nothing_after_the_end() -> None:
    engine = server()
    engine.request(1, end=False)
    engine.answer(1)
    engine.end(1)
    for event in (Data(b"a"), EndOfMessage()):
        with pytest.raises(LocalProtocolError, match="ENDING"):
            engine.connection.queue(event, 1)
    engine.sent()
    for event in (Data(b"a"), EndOfMessage(), RESPONSE):
        refused(engine, event, 1, "DONE|HALF_CLOSED_LOCAL")


# -- lengths


def test_more_content_than_content_length() -> None:
    engine = server()
    engine.request(1)
    engine.answer(1, ("Content-Length", "3"))
    engine.data(1, b"ab")
    engine.sent()
    refused(engine, Data(b"cd"), 1, "2 octets of content where Content-Length leaves 1")
    engine.data(1, b"c")
    refused_end = EndOfMessage()
    engine.connection.queue(refused_end, 1)
    assert engine.told() == ["DATA 1 END_STREAM"]


def test_less_content_than_content_length() -> None:
    engine = server()
    engine.request(1)
    engine.answer(1, ("Content-Length", "3"))
    engine.data(1, b"ab")
    engine.sent()
    refused(engine, EndOfMessage(), 1, "1 octets less content than Content-Length says")
    refused(engine, EndOfMessage(headers=[("X", "y")]), 1, "1 octets less")


def test_a_request_is_held_to_its_length_too() -> None:
    engine = client()
    stream = engine.ask(("Content-Length", "3"), method="POST", end=False)
    engine.sent()
    refused(engine, Data(b"abcd"), stream, "leaves 3")
    refused(engine, EndOfMessage(), stream, "3 octets less")


# -- fields and heads that HTTP/2 has no place for


@pytest.mark.parametrize("field", [("Connection", "close"), ("Upgrade", "x"), ("TE", "gzip")])
def test_fields_of_another_version(field: tuple[str, str]) -> None:
    engine = server()
    engine.request(1)
    refused(engine, Response(status_code=200, headers=[field], http_version="2"), 1, "in HTTP/2")


# -- the connection


def test_who_asks_and_who_answers() -> None:
    refused(begun(), REQUEST, 2, "a server sends no Request")
    refused(begun(), PriorityUpdated(1), 0, "for clients")
    engine = client()
    stream = engine.ask()
    engine.sent()
    refused(engine, RESPONSE, stream, "can't handle event send HEADERS: machine stream is in state HALF_CLOSED_LOCAL")


@pytest.mark.parametrize("stream", [0, 2, 1, 5 - 4])
def test_a_request_opens_the_next_stream(stream: int) -> None:
    engine = client()
    engine.ask()
    engine.sent()
    refused(engine, REQUEST, stream, "3 is the next one, not")


def test_streams_may_be_left_out() -> None:
    engine = client()
    engine.connection.queue(REQUEST, 7)
    assert engine.connection.next_stream_id() == 9
    refused_ids = [1, 3, 5, 7]
    engine.sent()
    for stream in refused_ids:
        refused(engine, REQUEST, stream, "9 is the next one")


def test_no_stream_beyond_the_last_one() -> None:
    engine = client()
    engine.connection.queue(REQUEST, raw.LARGEST)
    engine.sent()
    with pytest.raises(LocalProtocolError):
        engine.connection.queue(REQUEST, engine.connection.next_stream_id())


def test_nothing_after_closing() -> None:
    engine = client()
    stream = engine.ask(end=False)
    engine.connection.queue(ConnectionClosed())
    engine.sent()
    refused(engine, REQUEST, 3, "machine client is in state CLOSED")
    refused(engine, GoAway(0), 0, "machine client is in state CLOSED")
    assert engine.connection.stream_machines(stream)["stream"] == "OPEN"


def test_no_request_once_the_server_goes_away() -> None:
    engine = client()
    engine.get(raw.goaway(0))
    refused(engine, REQUEST, 1, "machine server is in state GOING_AWAY")


@pytest.mark.parametrize("event", [PingReceived(), Event()], ids=["PingReceived", "Event"])
def test_an_event_that_is_only_received(event: Event) -> None:
    refused(begun(), event, 0, f"{type(event).__name__} is not an event that can be sent")


def test_a_role_that_is_none() -> None:
    with pytest.raises(ValueError, match="CLIENT or SERVER"):
        Connection(NEED_DATA)


MADE: dict[str, Callable[[], Event]] = {
    "a PING of 7 octets": lambda: Ping(b"1234567"),
    "an urgency of 8": lambda: PriorityUpdated(1, 8),
    "an urgency below 0": lambda: PriorityUpdated(1, -1),
    "a code of 33 bits": lambda: StreamReset(1, 2**32),
    "a code below 0": lambda: GoAway(0, -1),
    "a stream of 32 bits": lambda: GoAway(2**31),
}


@pytest.mark.parametrize("what", MADE)
def test_events_are_validated_when_they_are_made(what: str) -> None:
    with pytest.raises(LocalProtocolError):
        MADE[what]()
