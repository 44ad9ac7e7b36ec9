"""CONNECT: a stream that is proposed, accepted or refused as a tunnel, and what goes through it (RFC 9113 §8.5)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, client, server

from interlock.h2 import Data, EndOfMessage, LocalProtocolError, Request, Response, StreamReset

CONNECT = raw.block([(":method", "CONNECT"), (":authority", "a:443")])


def asked() -> Engine:
    """A server that was asked for a tunnel."""
    engine = server()
    (event,) = engine.get(raw.headers(1, CONNECT, end=False))
    assert isinstance(event, Request)
    assert (event.method, event.target) == (b"CONNECT", b"a:443")
    return engine


def asking() -> Engine:
    """A client that has asked for a tunnel."""
    engine = client()
    engine.connection.queue(Request(method="CONNECT", target="a:443", headers=[("Host", "a:443")], http_version="2"), 1)
    engine.sent()
    return engine


def state(engine: Engine) -> str:
    return engine.connection.stream_machines(1)["connect"]


def test_a_tunnel_through_a_server() -> None:
    engine = asked()
    assert state(engine) == "PROPOSED"
    engine.answer(1)
    assert state(engine) == "ACCEPTED"
    assert engine.told() == ["HEADERS 1"]
    assert engine.get(raw.data(1, b"ping")) == [Data(b"ping", stream_id=1)]
    engine.data(1, b"pong")
    assert engine.told() == ["DATA 1"]
    assert engine.get(raw.data(1, b"", end=True)) == [EndOfMessage(stream_id=1)]
    engine.data(1, b"bye")
    engine.end(1)
    assert engine.told() == ["DATA 1 END_STREAM"]
    assert engine.connection.open_streams == 0


def test_a_tunnel_from_a_client() -> None:
    engine = asking()
    (event,) = engine.respond(1, (":status", "200"), end=False)
    assert isinstance(event, Response)
    assert state(engine) == "ACCEPTED"
    engine.data(1, b"ping")
    engine.end(1)
    assert engine.told() == ["DATA 1 END_STREAM"]
    assert engine.get(raw.data(1, b"pong", end=True)) == [Data(b"pong", stream_id=1), EndOfMessage(stream_id=1)]


@pytest.mark.parametrize("status", [300, 404, 502])
def test_a_refusal_is_a_response(status: int) -> None:
    engine = asked()
    engine.answer(1, ("Content-Length", "2"), status=status)
    assert state(engine) == "NONE"
    engine.data(1, b"no")
    engine.end(1)
    assert engine.told() == ["HEADERS 1", "DATA 1 END_STREAM"]
    engine = asking()
    assert len(engine.respond(1, (":status", str(status)), end=False)) == 1
    assert state(engine) == "NONE"


def test_a_length_means_nothing_in_a_tunnel() -> None:  # RFC 9110 §9.3.6
    engine = asked()
    engine.answer(1, ("Content-Length", "2"))
    engine.data(1, b"more than two octets")
    engine.end(1)
    assert engine.told() == ["HEADERS 1", "DATA 1 END_STREAM"]
    engine = asking()
    engine.respond(1, (":status", "200"), ("content-length", "2"), end=False)
    assert engine.get(raw.data(1, b"more than two octets")) == [Data(b"more than two octets", stream_id=1)]


def test_a_tunnel_has_no_trailers() -> None:
    engine = asked()
    engine.answer(1)
    engine.sent()
    with pytest.raises(LocalProtocolError, match="machine local is in state TUNNEL"):
        engine.end(1, ("X", "y"))
    engine.end(1)
    assert engine.told() == ["DATA 1 END_STREAM"]


def test_a_request_for_a_tunnel_has_no_trailers() -> None:
    engine = asking()
    with pytest.raises(LocalProtocolError, match="machine connect"):
        engine.end(1, ("X", "y"))


@pytest.mark.parametrize("end", [False, True])
def test_a_head_in_a_tunnel_resets_it(end: bool) -> None:
    engine = asked()
    engine.answer(1)
    engine.sent()
    events = engine.get(raw.headers(1, raw.block([("x", "y")]), end=end))
    assert events == [StreamReset(1, raw.PROTOCOL_ERROR)]
    assert engine.told() == ["RST_STREAM 1"]


def test_connect_that_ends_at_once_proposes_nothing() -> None:
    engine = server()
    events = engine.get(raw.headers(1, CONNECT, end=True))
    assert [type(event) for event in events] == [Request, EndOfMessage]
    assert state(engine) == "NONE"
    engine.answer(1)
    engine.end(1)
    assert engine.told() == ["HEADERS 1 END_STREAM"]


def test_a_refusal_that_crossed_our_reset_is_dropped() -> None:  # RFC 9113 §5.1
    engine = asking()
    engine.connection.queue(StreamReset(1, raw.CANCEL))
    assert engine.respond(1, (":status", "404")) == []
    assert engine.told() == ["RST_STREAM 1"]


def test_an_acceptance_that_crossed_our_reset_is_dropped() -> None:
    engine = asking()
    engine.connection.queue(StreamReset(1, raw.CANCEL))
    assert engine.respond(1, (":status", "200"), end=False) == []
    assert engine.get(raw.data(1, b"abc", end=True)) == []
    assert engine.told() == ["RST_STREAM 1"]
