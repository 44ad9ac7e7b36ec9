"""What the engine hands out, and in which order: heads, content, ends and trailers (RFC 9113 §4.3, §5.2, §8.1).

Windows and priorities stand in test_flow_control.py and test_schedule.py.
"""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, server

from interlock.h2 import EndOfMessage, InformationalResponse, Ping, RemoteProtocolError, StreamReset


def asked(*streams: int, settings: tuple[tuple[int, int], ...] = (), end: bool = True) -> Engine:
    """A server that was asked on these streams."""
    engine = server(*settings)
    for stream in streams:
        engine.request(stream, end=end)
    return engine


# -- the head is held back, so that it can carry END_STREAM


def test_a_response_without_content_is_one_frame() -> None:
    engine = asked(1)
    engine.answer(1)
    engine.end(1)
    assert engine.told() == ["HEADERS 1 END_STREAM"]


def test_the_last_content_carries_the_end() -> None:
    engine = asked(1)
    engine.answer(1)
    engine.data(1, b"ab")
    engine.data(1, b"c")
    engine.end(1)
    assert engine.told() == ["HEADERS 1", "DATA 1", "DATA 1 END_STREAM"]


def test_an_end_that_comes_late_is_a_frame_of_its_own() -> None:
    engine = asked(1, 3)
    engine.answer(1)
    assert engine.told() == ["HEADERS 1"]
    engine.end(1)
    assert engine.told() == ["DATA 1 END_STREAM"]
    engine.answer(3)
    engine.data(3, b"a")
    assert engine.told() == ["HEADERS 3", "DATA 3"]
    engine.end(3)
    assert engine.told() == ["DATA 3 END_STREAM"]


def test_interim_heads_end_nothing() -> None:
    engine = asked(1)
    engine.connection.queue(InformationalResponse(status_code=103, headers=[], http_version="2"), 1)
    engine.answer(1)
    engine.end(1)
    assert engine.told() == ["HEADERS 1", "HEADERS 1 END_STREAM"]


def test_a_head_that_is_held_goes_out_before_what_is_queued_next() -> None:
    engine = asked(1, 3)
    engine.answer(1)
    engine.answer(3)
    engine.end(3)
    engine.end(1)
    assert engine.told() == ["HEADERS 1", "HEADERS 3 END_STREAM", "DATA 1 END_STREAM"]
    engine.request(5)
    engine.answer(5)
    engine.connection.queue(Ping(b"12345678"))
    engine.end(5)
    assert engine.told() == ["HEADERS 5", "PING 0", "DATA 5 END_STREAM"]


def test_heads_go_out_in_the_order_in_which_they_were_encoded() -> None:
    """Each puts fields in the table that the next one names (RFC 9113 §4.3)."""
    engine = asked(*range(1, 21, 2))
    wanted = []
    for stream in (7, 1, 19, 3, 5, 17, 9, 15, 11, 13):
        engine.answer(stream, ("X-Stream", str(stream)), ("X-Same", "for all"))
        engine.data(stream, b"x" * stream)
        engine.end(stream, ("X-Sum", str(stream)))
        wanted.append((stream, b"%d" % stream))
    heads = [frame for frame in engine.sent() if frame.kind == raw.HEADERS]
    fields = [(frame.stream, dict(engine.fields(frame))) for frame in heads]
    assert [(stream, said[b"x-stream"]) for stream, said in fields if b"x-stream" in said] == wanted
    assert sorted((stream, said[b"x-sum"]) for stream, said in fields if b"x-sum" in said) == sorted(wanted)


def test_content_goes_out_as_it_was_given() -> None:
    engine = asked(1)
    engine.answer(1)
    pieces: list[bytes | bytearray | memoryview] = [
        b"",
        b"a" * 20000,
        bytearray(b"b" * 5),
        memoryview(b"c" * 33000),
        b"",
    ]
    for piece in pieces:
        engine.data(1, piece)  # type: ignore[arg-type]
    frames = [frame for frame in engine.sent() if frame.kind == raw.DATA]
    assert b"".join(frame.payload for frame in frames) == b"a" * 20000 + b"b" * 5 + b"c" * 33000
    assert max(len(frame.payload) for frame in frames) == 16384


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_that_has_no_content_sends_none(method: str, status: int) -> None:
    engine = server()
    fields = [(":method", method), (":scheme", "https"), (":path", "/"), (":authority", "a")]
    engine.get(raw.headers(1, raw.block(fields)))
    engine.answer(1, *([("Content-Length", "5")] if status != 204 else []), status=status)
    engine.data(1, b"hello")
    engine.end(1)
    assert engine.told() == ["HEADERS 1 END_STREAM"]


# -- trailers


@pytest.mark.parametrize(("content", "between"), [(b"", []), (b"abc", ["DATA 1"])])
def test_trailers_carry_the_end(content: bytes, between: list[str]) -> None:
    engine = asked(1)
    engine.answer(1)
    engine.data(1, content)
    engine.end(1, ("X-Sum", "1"))
    assert engine.told() == ["HEADERS 1", *between, "HEADERS 1 END_STREAM"]


def test_trailers_wait_behind_content_that_waits_for_a_window() -> None:
    engine = asked(1, 3, settings=((raw.INITIAL_WINDOW_SIZE, 2),))
    engine.answer(1, ("X-A", "1"))
    engine.data(1, b"abc")
    engine.end(1, ("X-B", "2"))
    engine.answer(3, ("X-C", "3"))
    engine.end(3)
    first = engine.sent()
    assert [(frame.kind, frame.stream) for frame in first] == [(raw.HEADERS, 1), (raw.HEADERS, 3), (raw.DATA, 1)]
    engine.get(raw.window_update(1, 1))
    second = engine.sent()
    assert [(frame.kind, frame.flags & raw.END_STREAM) for frame in second] == [(raw.DATA, 0), (raw.HEADERS, 1)]
    heads = [frame for frame in [*first, *second] if frame.kind == raw.HEADERS]
    assert [engine.fields(frame)[-1] for frame in heads] == [(b"x-a", b"1"), (b"x-c", b"3"), (b"x-b", b"2")]
    assert engine.connection.open_streams == 0


# -- what was handed out


def test_a_stream_is_released_when_all_of_its_content_was_handed_out() -> None:
    engine = asked(1, settings=((raw.INITIAL_WINDOW_SIZE, 3),))
    connection = engine.connection
    engine.answer(1)
    engine.sent()
    assert connection.take_released() == []
    engine.data(1, b"abcde")
    assert (connection.writable(1), connection.pending(1)) == (False, 5)
    engine.sent()
    assert (connection.take_released(), connection.pending(1)) == ([], 2)
    engine.get(raw.window_update(1, 10))
    assert not connection.writable(1)
    engine.sent()
    assert (connection.take_released(), connection.take_released()) == ([1], [])
    assert connection.writable(1)
    engine.end(1)
    assert connection.take_released() == []
    engine.sent()
    assert connection.take_released() == [1]


@pytest.mark.parametrize("trailers", [[], [("X", "y")]])
@pytest.mark.parametrize("content", [b"", b"abc"])
def test_a_stream_is_open_until_its_end_was_handed_out(content: bytes, trailers: list[tuple[str, str]]) -> None:
    engine = asked(1)
    engine.answer(1)
    engine.data(1, content)
    engine.end(1, *trailers)
    assert engine.connection.open_streams == 1
    engine.sent()
    assert engine.connection.open_streams == 0
    assert engine.connection.take_released() == [1]


def test_a_limit_stops_content_and_nothing_else() -> None:
    engine = asked(1, 3)
    for stream in (1, 3):
        engine.answer(stream)
        engine.data(stream, bytes(20000))
        engine.end(stream)
    engine.connection.queue(Ping())
    whole: list[str] = []
    assert engine.connection.has_output
    told = engine.told(1)
    assert told == ["HEADERS 1", "HEADERS 3", "PING 0"]
    while engine.connection.has_output:
        told = engine.told(10)
        assert len(told) == 1
        whole += told
    assert whole == ["DATA 1", "DATA 1 END_STREAM", "DATA 3", "DATA 3 END_STREAM"]
    assert engine.told() == []


def test_a_limit_is_reached_and_little_more() -> None:
    engine = asked(1)
    engine.answer(1)
    engine.data(1, bytes(60000))
    engine.sent(1)
    assert engine.told(20000) == ["DATA 1"] * 2
    assert engine.told(16393) == ["DATA 1"]


def test_there_is_output_while_there_is_something_to_send() -> None:
    engine = asked(1, settings=((raw.INITIAL_WINDOW_SIZE, 0),))
    assert not engine.connection.has_output
    engine.answer(1)
    assert engine.connection.has_output
    engine.sent()
    engine.data(1, b"a")
    assert not engine.connection.has_output
    engine.get(raw.window_update(1, 1))
    assert engine.connection.has_output


# -- resets


@pytest.mark.parametrize("ours", [True, False])
def test_a_reset_drops_what_waits(ours: bool) -> None:
    engine = asked(1, 3, settings=((raw.INITIAL_WINDOW_SIZE, 2),))
    for stream in (1, 3):
        engine.answer(stream)
        engine.data(stream, b"abc")
    engine.end(1)
    engine.sent()
    if ours:
        engine.connection.queue(StreamReset(1, raw.CANCEL))
        assert engine.told() == ["RST_STREAM 1"]
    else:
        engine.get(raw.rst_stream(1))
    assert engine.connection.take_released() == [1]
    assert (engine.connection.pending(1), engine.connection.writable(1)) == (0, True)
    engine.get(raw.window_update(3, 10))
    engine.get(raw.window_update(1, 10)) if ours else None
    assert engine.told() == ["DATA 3"]


def test_a_head_that_is_held_goes_out_before_its_reset() -> None:
    """It is encoded already: without it the peer's table would not be what ours is (RFC 9113 §4.3)."""
    engine = asked(1, 3)
    engine.answer(1, ("X-A", "1"))
    engine.connection.queue(StreamReset(1, raw.INTERNAL_ERROR))
    engine.answer(3, ("X-A", "1"))
    engine.end(3)
    frames = engine.sent()
    assert [(frame.kind, frame.stream) for frame in frames] == [(raw.HEADERS, 1), (raw.RST_STREAM, 1), (raw.HEADERS, 3)]
    assert [engine.fields(frame)[1] for frame in frames if frame.kind == raw.HEADERS] == [(b"x-a", b"1")] * 2


def test_a_response_may_end_and_then_the_request_be_cut_short() -> None:
    """RFC 9113 §8.1: NO_ERROR after the response asks the client to stop sending."""
    engine = asked(1, end=False)
    engine.answer(1)
    engine.end(1)
    assert engine.told() == ["HEADERS 1 END_STREAM"]
    engine.connection.queue(StreamReset(1, raw.NO_ERROR))
    assert [frame.number(0) for frame in engine.sent()] == [raw.NO_ERROR]
    assert engine.connection.open_streams == 0


def test_a_reset_of_a_closed_stream_is_nothing() -> None:
    engine = asked(1)
    engine.answer(1)
    engine.end(1)
    engine.sent()
    engine.connection.queue(StreamReset(1, raw.CANCEL))
    assert engine.told() == []


def test_after_a_connection_error_there_is_no_content() -> None:
    engine = asked(1)
    engine.answer(1)
    engine.data(1, bytes(1000))
    engine.connection.queue(EndOfMessage(), 1)
    with pytest.raises(RemoteProtocolError):
        engine.get(raw.ping() + raw.frame(raw.PING, 0, 0, b"short"))
    told = engine.told()
    assert told[-1] == "GOAWAY 0"
    assert "PING 0" in told
    assert not [frame for frame in told if frame.startswith("DATA")]
    assert engine.told() == []
