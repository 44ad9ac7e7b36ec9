"""What a driver may ask of a connection: what it waits for, and for whom (its deadlines stand on that)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import PSEUDO, Engine, client, server

from interlock.h2 import SERVER, EndOfMessage, Limits, Request, RequestRefused

# -- the beginning


def test_the_preface_has_come_when_the_first_settings_have() -> None:
    engine = Engine(SERVER, begin=False)
    assert not engine.connection.preface_received
    engine.get(raw.PREFACE)
    assert not engine.connection.preface_received
    engine.get(raw.settings()[:5])
    assert not engine.connection.preface_received
    engine.get(raw.settings()[5:])
    assert engine.connection.preface_received


def test_our_settings_are_acknowledged_when_the_peer_says_so() -> None:
    engine = Engine(SERVER, begin=False)
    engine.sent()
    engine.get(raw.PREFACE + raw.settings())
    assert not engine.connection.settings_acknowledged
    engine.get(raw.settings_ack())
    assert engine.connection.settings_acknowledged


def test_the_settings_of_the_peer() -> None:
    engine = client((raw.MAX_CONCURRENT_STREAMS, 7), (raw.INITIAL_WINDOW_SIZE, 5))
    assert engine.connection.peer_settings[raw.MAX_CONCURRENT_STREAMS] == 7
    assert engine.connection.peer_settings[raw.INITIAL_WINDOW_SIZE] == 5
    engine.connection.peer_settings[raw.INITIAL_WINDOW_SIZE] = 6
    assert engine.connection.peer_settings[raw.INITIAL_WINDOW_SIZE] == 5


# -- frames that are not complete


@pytest.mark.parametrize("octets", [1, 8, 9, 10, 16])
def test_in_a_frame(octets: int) -> None:
    engine = server()
    frame = raw.ping()
    engine.get(frame[:octets])
    assert engine.connection.in_frame
    engine.get(frame[octets:])
    assert not engine.connection.in_frame


def test_in_a_field_block() -> None:
    engine = server()
    assert not engine.connection.in_frame
    engine.get(raw.headers(1, b"", end_headers=False))
    assert engine.connection.in_frame
    engine.get(raw.continuation(1, b"", end_headers=False))
    assert engine.connection.in_frame
    engine.get(
        raw.continuation(1, raw.block([(":method", "GET"), (":scheme", "https"), (":path", "/"), ("host", "a")]))
    )
    assert not engine.connection.in_frame


def test_in_a_frame_of_content() -> None:
    """It is waited for as content of its stream, and not as a frame."""
    engine = server()
    engine.request(1, end=False)
    frame = raw.data(1, bytes(100))
    engine.get(frame[:8])  # whose it is, is not known yet
    assert (engine.connection.data_frame_stream, engine.connection.in_frame) == (0, True)
    for octet in frame[8:-1]:
        engine.get(bytes((octet,)))
        assert (engine.connection.data_frame_stream, engine.connection.in_frame) == (1, False)
    engine.get(frame[-1:])
    assert (engine.connection.data_frame_stream, engine.connection.in_frame) == (0, False)


def test_the_reserved_bit_names_no_stream() -> None:
    engine = server()
    engine.request(1, end=False)
    engine.get(raw.frame(raw.DATA, 0, 2**31 + 1, b"abc")[:-1])
    assert engine.connection.data_frame_stream == 1


# -- what a stream waits for


def test_what_a_stream_waits_for() -> None:
    engine = server(limits=Limits(window=10, window_ceiling=0))
    waits_for = engine.connection.stream_waits_for
    assert waits_for(1) == ""
    engine.request(1, end=False)
    assert waits_for(1) == "body"
    engine.get(raw.data(1, b"123456789"))
    assert waits_for(1) == "body"
    engine.get(raw.data(1, b"0"))
    assert waits_for(1) == "window"
    engine.connection.consumed(1, 10)
    assert waits_for(1) == "body"
    engine.get(raw.data(1, b"", end=True))
    assert waits_for(1) == "application"
    engine.answer(1)
    engine.end(1)
    assert waits_for(1) == "application"
    engine.sent()
    assert waits_for(1) == ""


def test_a_client_waits_for_the_response() -> None:
    engine = client()
    stream = engine.ask()
    assert engine.connection.stream_waits_for(stream) == "body"
    engine.respond(stream, (":status", "200"), end=False)
    assert engine.connection.stream_waits_for(stream) == "body"
    engine.sent()
    engine.get(raw.data(stream, b"", end=True))
    assert engine.connection.stream_waits_for(stream) == ""


# -- streams that cannot send


def test_streams_that_are_stalled() -> None:
    engine = server((raw.INITIAL_WINDOW_SIZE, 5))
    for stream in (1, 3, 5):
        engine.request(stream)
        engine.answer(stream)
    engine.data(1, bytes(5))
    engine.data(3, bytes(6))
    assert engine.connection.stalled_streams() == []
    engine.sent()
    assert engine.connection.stalled_streams() == [3]
    engine.data(1, b"x")
    assert sorted(engine.connection.stalled_streams()) == [1, 3]
    engine.get(raw.window_update(3, 1))
    assert engine.connection.stalled_streams() == [1]


def test_all_streams_are_stalled_by_the_connection() -> None:
    engine = server((raw.INITIAL_WINDOW_SIZE, 2**20))
    for stream in (1, 3, 5):
        engine.request(stream)
        engine.answer(stream)
    engine.data(1, bytes(65535))
    engine.sent()
    assert engine.connection.stalled_streams() == []
    engine.data(1, b"x")
    engine.data(3, b"x")
    assert sorted(engine.connection.stalled_streams()) == [1, 3]
    engine.get(raw.window_update(0, 1))
    assert engine.connection.stalled_streams() == []


# -- states


def test_the_machines_of_a_stream() -> None:
    engine = server()
    states = engine.connection.stream_machines
    assert states(1) == {"stream": "IDLE", "local": "IDLE", "remote": "IDLE", "connect": "NONE"}
    engine.request(1)
    assert states(1) == {"stream": "HALF_CLOSED_REMOTE", "local": "HEAD", "remote": "DONE", "connect": "NONE"}
    engine.answer(1)
    engine.end(1)
    engine.sent()
    assert states(1)["stream"] == "CLOSED"
    for stream in range(3, 603, 2):
        engine.request(stream)
        engine.answer(stream)
        engine.end(stream)
        engine.sent()
    assert states(1)["stream"] == "CLOSED"  # though nothing else of it is remembered
    engine.request(605)
    assert states(603) == {"stream": "CLOSED"}


def test_the_machines_of_a_connection() -> None:
    engine = server()
    assert engine.connection.machines == {
        "client": "OPEN",
        "server": "OPEN",
        "client_settings": "ACKNOWLEDGED",
        "server_settings": "ACKNOWLEDGED",
        "client_block": "COMPLETE",
        "server_block": "COMPLETE",
    }


# -- what a request that is refused leaves behind


def test_a_stream_that_depends_on_itself_and_is_malformed_leaves_the_next_alone() -> None:
    engine = server()
    block = raw.block([*PSEUDO, ("Upper", "x")])
    engine.get(raw.frame(raw.HEADERS, 0x25, 1, (1).to_bytes(4, "big") + b"\0" + block))
    assert [type(event) for event in engine.request(3)] == [Request, EndOfMessage]


def test_a_head_request_that_is_refused_has_no_content_in_its_answer() -> None:
    engine = server()
    fields = [(":method", "HEAD"), *PSEUDO[1:], ("expect", "something")]
    (refused,) = engine.get(raw.headers(1, raw.block(fields), end=True))
    assert (type(refused), refused.status) == (RequestRefused, 417)
    engine.answer(1, ("content-length", "3"), status=417)
    engine.data(1, b"no.")
    engine.connection.queue(EndOfMessage(), 1)
    assert [frame.kind for frame in engine.sent()] == [raw.HEADERS]


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https", "Https"])
def test_a_request_without_an_authority(scheme: str) -> None:
    engine = server()
    assert not engine.get(
        raw.headers(1, raw.block([(":method", "GET"), (":scheme", scheme), (":path", "/")]), end=True)
    )
    assert [frame.kind for frame in engine.sent()] == [raw.RST_STREAM]
