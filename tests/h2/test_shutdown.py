"""How a connection ends: in two steps, at once, by the peer, and by an error (RFC 9113 §5.4.1, §6.8, §9.1)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, client, server

from interlock.h2 import (
    NEED_DATA,
    SERVER,
    ConnectionClosed,
    GoAway,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    StreamReset,
)


def goaways(engine: Engine) -> list[tuple[int, str]]:
    """The last stream and the code of each GOAWAY that is sent now."""
    return [(frame.number(0), raw.code_name(frame.number(4))) for frame in engine.sent() if frame.kind == raw.GOAWAY]


def shut_down(engine: Engine) -> bytes:
    """Begin to shut down; the data of the PING whose acknowledgement ends the first step."""
    engine.connection.shutdown()
    first, ping = engine.sent()
    assert (first.kind, first.number(0), first.number(4)) == (raw.GOAWAY, raw.LARGEST, raw.NO_ERROR)
    assert (ping.kind, ping.flags) == (raw.PING, 0)
    return ping.payload


# -- in two steps


def test_streams_on_their_way_are_taken_in_the_first_step() -> None:
    engine = server()
    ping = shut_down(engine)
    assert [type(event) for event in engine.request(1, end=False)] == [Request]
    assert not engine.connection.going_away
    engine.get(raw.ping(ping, ack=True))
    assert goaways(engine) == [(1, "NO_ERROR")]
    assert engine.connection.going_away


def test_the_second_step_does_not_wait_for_ever() -> None:
    engine = server()
    shut_down(engine)
    engine.request(1, end=False)
    engine.connection.shutdown()
    assert goaways(engine) == [(1, "NO_ERROR")]
    engine.connection.shutdown()
    assert engine.sent() == []


def test_another_ping_is_not_what_was_waited_for() -> None:
    engine = server()
    shut_down(engine)
    engine.get(raw.ping(b"whatever", ack=True))
    assert goaways(engine) == []


def test_streams_after_the_second_step_are_ignored() -> None:
    """They can be made again elsewhere; their field blocks and windows count nevertheless (RFC 9113 §6.8)."""
    engine = server()
    engine.get(raw.ping(shut_down(engine), ack=True))
    engine.sent()
    assert engine.request(1, end=False) == []
    assert engine.get(raw.data(1, b"abc", end=True) + raw.window_update(1, 5) + raw.rst_stream(1)) == []
    assert engine.connection.open_streams == 0
    assert engine.connection.finished


def test_it_is_finished_when_the_last_stream_has_ended() -> None:
    engine = server()
    engine.request(1)
    engine.get(raw.ping(shut_down(engine), ack=True))
    assert not engine.connection.finished
    engine.answer(1)
    engine.end(1)
    assert not engine.connection.finished
    engine.sent()
    assert engine.connection.finished


def test_a_client_goes_away_in_one_step() -> None:
    """No server has streams on their way, since push is disabled."""
    engine = client()
    engine.ask()
    engine.connection.shutdown()
    assert goaways(engine) == [(0, "NO_ERROR")]
    engine.respond(1)
    assert engine.connection.finished
    engine.connection.shutdown()
    assert goaways(engine) == []


def test_before_the_peer_has_begun() -> None:
    engine = Engine(SERVER, begin=False)
    engine.connection.shutdown()
    assert [frame.name for frame in engine.sent()][-2:] == ["GOAWAY", "PING"]
    assert not engine.connection.going_away


# -- at once


def test_goaway_names_the_last_stream_that_was_taken() -> None:
    engine = server()
    engine.request(1)
    engine.request(3)
    engine.connection.queue(GoAway(3, raw.ENHANCE_YOUR_CALM, b"why"))
    (frame,) = engine.sent()
    assert (frame.number(0), frame.number(4), frame.payload[8:]) == (3, raw.ENHANCE_YOUR_CALM, b"why")
    assert engine.request(5) == []


def test_no_goaway_names_more_streams_than_the_last_one() -> None:
    engine = server()
    for stream in (1, 3, 5):
        engine.request(stream)
    engine.connection.queue(GoAway(3))
    engine.connection.queue(GoAway(5))
    assert goaways(engine) == [(3, "NO_ERROR"), (3, "NO_ERROR")]


def test_closing_says_so() -> None:
    engine = server()
    engine.request(1)
    engine.connection.queue(ConnectionClosed())
    assert goaways(engine) == [(1, "NO_ERROR")]


def test_closing_does_not_say_it_twice() -> None:
    engine = server()
    engine.connection.queue(GoAway(0))
    engine.connection.queue(ConnectionClosed())
    assert goaways(engine) == [(0, "NO_ERROR")]


# -- by the peer


def test_the_peer_closes_its_side() -> None:
    engine = server()
    assert isinstance(engine.request(1)[0], Request)
    assert engine.get(b"") == [ConnectionClosed()]
    assert engine.connection.next_event() is NEED_DATA
    engine.answer(1)
    engine.end(1)
    assert engine.told() == ["HEADERS 1 END_STREAM"]


def test_the_peer_goes_away() -> None:
    engine = client()
    for _ in range(3):
        engine.ask()
    engine.sent()
    events = engine.get(raw.goaway(3, raw.INTERNAL_ERROR, b"why"))
    assert events == [GoAway(3, raw.INTERNAL_ERROR, b"why"), StreamReset(5, raw.REFUSED_STREAM, remote=True)]
    assert engine.connection.open_streams == 2
    assert engine.connection.peer_going_away
    with pytest.raises(LocalProtocolError, match="GOING_AWAY"):
        engine.ask()
    assert len(engine.respond(1)) == len(engine.respond(3)) == 2
    assert engine.sent() == []


def test_the_peer_goes_away_in_two_steps() -> None:
    engine = client()
    engine.ask()
    assert engine.get(raw.goaway(raw.LARGEST)) == [GoAway(raw.LARGEST)]
    assert not engine.connection.peer_going_away
    engine.ask()
    assert engine.get(raw.goaway(3)) == [GoAway(3)]
    assert engine.connection.peer_going_away


# -- by an error


def test_an_error_is_raised_each_time_and_told_once() -> None:
    engine = server()
    engine.request(1)
    for _ in range(3):
        with pytest.raises(RemoteProtocolError, match="stream 0"):
            engine.get(raw.data(0, b"x"))
    assert engine.connection.error_code == raw.PROTOCOL_ERROR
    assert goaways(engine) == [(1, "PROTOCOL_ERROR")]
    assert engine.connection.machines["client"] == engine.connection.machines["server"] == "ERROR"


def test_events_before_the_error_are_given() -> None:
    engine = server()
    engine.connection.receive_data(raw.ping(b"12345678") + raw.data(0, b"x"))
    assert engine.connection.next_event() is not NEED_DATA
    with pytest.raises(RemoteProtocolError):
        engine.connection.next_event()


def test_nothing_can_be_queued_after_an_error() -> None:
    engine = server()
    engine.request(1)
    with pytest.raises(RemoteProtocolError):
        engine.get(raw.data(0, b"x"))
    with pytest.raises(LocalProtocolError):
        engine.connection.queue(GoAway(0))
    with pytest.raises(LocalProtocolError):
        engine.connection.queue(ConnectionClosed())
