"""What a connection counts: streams against the peer's limit, and credit for what was taken (RFC 9113 §5.1.2, §5.2.2)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, client, server

from interlock.h2 import GoAway, Limits, RemoteProtocolError, Request, RequestRefused, StreamReset

TWO = Limits(streams=2)


def is_taken(engine: Engine, stream: int) -> bool:
    """Whether a request is taken; else it is refused so that the client can make it again."""
    events = engine.request(stream)
    refused = [(f.stream, f.number(0)) for f in engine.sent() if (f.kind, f.stream) == (raw.RST_STREAM, stream)]
    assert refused == ([] if events else [(stream, raw.REFUSED_STREAM)])
    return any(isinstance(event, Request) for event in events)


def serve(engine: Engine, stream: int) -> None:
    engine.answer(stream)
    engine.end(stream)
    engine.sent()


# -- streams


def test_the_limit_is_announced() -> None:
    settings = Engine(begin=False, limits=TWO).sent()[0]
    assert (raw.MAX_CONCURRENT_STREAMS.to_bytes(2, "big") + (2).to_bytes(4, "big")) in settings.payload


def test_as_many_streams_as_the_limit() -> None:
    engine = server(limits=TWO)
    assert is_taken(engine, 1)
    assert is_taken(engine, 3)
    assert not is_taken(engine, 5)
    assert engine.connection.open_streams == 2


def test_a_stream_counts_until_it_is_closed() -> None:
    engine = server(limits=TWO)
    is_taken(engine, 1)
    is_taken(engine, 3)
    engine.answer(1)
    engine.end(1)
    engine.request(5)  # our END_STREAM waits still
    assert engine.told() == ["HEADERS 1 END_STREAM", "RST_STREAM 5"]
    assert is_taken(engine, 7)


def end(engine: Engine, stream: int, how: str) -> None:
    if how == "by the peer":
        assert [type(event) for event in engine.get(raw.rst_stream(stream))] == [StreamReset]
    else:
        engine.connection.queue(StreamReset(stream, raw.CANCEL))


@pytest.mark.parametrize("how", ["by the peer", "by us"])
def test_a_held_stream_that_was_reset_counts_until_it_is_released(how: str) -> None:
    """Else a client that takes its requests back could have any number of them at work."""
    engine = server(limits=TWO, hold=True)
    for stream in (1, 3):
        is_taken(engine, stream)
        end(engine, stream, how)
    assert engine.connection.open_streams == 0
    assert not is_taken(engine, 5)
    engine.connection.release(3)
    assert is_taken(engine, 7)
    assert not is_taken(engine, 9)


def test_a_stream_that_was_answered_needs_no_release_to_make_room() -> None:
    engine = server(limits=TWO, hold=True)
    is_taken(engine, 1)
    is_taken(engine, 3)
    serve(engine, 1)
    assert is_taken(engine, 5)


def test_a_stream_that_was_not_held_counts_until_it_was_reset() -> None:
    engine = server(limits=TWO)
    for stream in (1, 3):
        is_taken(engine, stream)
        end(engine, stream, "by the peer")
    assert is_taken(engine, 5)


def test_a_stream_may_be_released_before_it_is_closed() -> None:
    engine = server(limits=TWO, hold=True)
    is_taken(engine, 1)
    is_taken(engine, 3)
    engine.connection.release(1)
    assert not is_taken(engine, 5)
    end(engine, 1, "by the peer")
    assert is_taken(engine, 7)


@pytest.mark.parametrize("stream", [0, 2, 5, 99])
def test_releasing_a_stream_that_is_none_is_nothing(stream: int) -> None:
    engine = server(limits=TWO, hold=True)
    engine.connection.release(stream)
    is_taken(engine, 1)
    engine.connection.release(stream)
    engine.connection.release(stream)
    assert is_taken(engine, 3)
    assert not is_taken(engine, 7)


def test_a_stream_is_released_once() -> None:
    engine = server(limits=TWO, hold=True)
    is_taken(engine, 1)
    is_taken(engine, 3)
    end(engine, 1, "by the peer")
    engine.connection.release(1)
    engine.connection.release(1)
    assert is_taken(engine, 5)
    assert not is_taken(engine, 7)


def test_a_refused_request_counts_while_it_is_answered_and_needs_no_release() -> None:
    engine = server(limits=Limits(streams=1, body=3), hold=True)
    events = engine.request(1, ("content-length", "4"), end=False)
    assert [type(event) for event in events] == [RequestRefused]
    assert (events[0].status, events[0].stream_id) == (413, 1)
    engine.request(3)
    assert engine.told() == ["RST_STREAM 3"]
    engine.answer(1, status=413)
    engine.end(1)
    engine.connection.queue(StreamReset(1, raw.NO_ERROR))
    engine.sent()
    assert is_taken(engine, 5)


# -- priorities of streams that are still to be opened (RFC 9218 §7.1)


def prioritize(*streams: int) -> bytes:
    return b"".join(raw.priority_update(stream, b"u=1") for stream in streams)


def test_no_more_priorities_are_kept_than_streams_may_be_open_while_the_peer_knows_of_no_limit() -> None:
    """The others are nothing; they do not count against it once it knows."""
    engine = Engine(begin=False, limits=Limits(streams=3))
    engine.get(raw.PREFACE + raw.settings() + prioritize(*range(1, 101, 2)) + raw.settings_ack())
    assert is_taken(engine, 1)
    engine.get(prioritize(3, 5))
    with pytest.raises(RemoteProtocolError):
        engine.get(prioritize(7))
    assert engine.connection.error_code == raw.PROTOCOL_ERROR


def test_priorities_of_streams_behind_our_goaway_do_not_count() -> None:
    """None of them is ever opened, and the client need not know yet."""
    engine = server(limits=TWO)
    assert is_taken(engine, 1)
    engine.connection.queue(GoAway(1))
    engine.get(prioritize(*range(3, 101, 2)))
    assert engine.connection.error_code == -1


# -- credit


def credit(engine: Engine) -> dict[int, int]:
    """What WINDOW_UPDATE frames give now, by stream."""
    given: dict[int, int] = {}
    for frame in engine.sent():
        if frame.kind == raw.WINDOW_UPDATE:
            given[frame.stream] = given.get(frame.stream, 0) + frame.number(0)
    return given


#: A connection whose window is as large as a stream's, so that each octet of it is missed.
NARROW = Limits(window=1000, window_ceiling=0, streams=1)


def uploading(octets: int, **options: object) -> Engine:
    engine = server(limits=NARROW, **options)
    engine.sent()
    engine.request(1, end=False)
    engine.get(raw.data(1, bytes(octets)))
    return engine


def narrow_window() -> int:
    """What the peer may send on such a connection, all in all."""
    engine = Engine(begin=False, limits=NARROW)
    return 65535 + credit(engine).get(0, 0)


def test_credit_comes_back_for_what_was_taken() -> None:
    engine = uploading(1000)
    assert credit(engine) == {}
    engine.connection.consumed(1, 499)
    assert 1 not in credit(engine)
    engine.connection.consumed(1, 1)
    assert credit(engine)[1] == 500


def test_no_more_comes_back_than_was_received() -> None:
    engine = uploading(1000)
    engine.connection.consumed(1, 5000)
    given = credit(engine)
    assert given[1] == 1000
    engine.connection.consumed(1, 5000)
    assert credit(engine) == {}


@pytest.mark.parametrize("times", [1, 3])
def test_what_comes_behind_the_end_of_a_message_comes_back_to_the_connection(times: int) -> None:
    """What the stream is reset for, and what comes after that."""
    engine = server(limits=Limits(window=65535, window_ceiling=0, streams=1, glitches=10000))
    sent = given = 0
    for stream in range(1, 401, 2):
        engine.request(stream)
        events = engine.get(raw.data(stream, bytes(1000)) * times)
        assert [(event.stream_id, event.error_code) for event in events] == [(stream, raw.STREAM_CLOSED)]
        engine.connection.release(stream)
        sent += 1000 * times
        given += credit(engine).get(0, 0)
    assert sent - given <= 65535 // 4 + 1000


@pytest.mark.parametrize("how", ["consumed", "consumed in parts", "released", "released before"])
def test_what_a_closed_stream_had_received_comes_back_to_the_connection(how: str) -> None:
    """All of it, in the end: after so many streams nothing of the connection's window is lost."""
    engine = server(limits=NARROW, hold=True)
    most = narrow_window()
    sent = given = 0
    for stream in range(1, 401, 2):
        engine.request(stream, end=False)
        engine.get(raw.data(stream, bytes(1000)))
        sent += 1000
        if how == "released before":
            engine.connection.release(stream)
        engine.get(raw.data(stream, b"", end=True))
        engine.answer(stream)
        engine.end(stream)
        given += credit(engine).get(0, 0)
        assert engine.connection.open_streams == 0
        if how.startswith("consumed"):
            for _ in range(4 if how == "consumed in parts" else 1):
                engine.connection.consumed(stream, 250 if how == "consumed in parts" else 1000)
        engine.connection.release(stream)
        given += credit(engine).get(0, 0)
        assert sent - given <= most
    assert sent > 2 * most


def test_no_more_comes_back_of_a_closed_stream_than_it_had_received() -> None:
    engine = server(limits=Limits(window=40000, window_ceiling=0, streams=1))
    engine.request(1, end=False)
    for _ in range(4):
        engine.get(raw.data(1, bytes(10000)))
    engine.get(raw.data(1, b"", end=True))
    serve(engine, 1)
    for _ in range(20):
        engine.connection.consumed(1, 39000)
    assert credit(engine).get(0, 0) <= 40000


@pytest.mark.parametrize("how", ["by the peer", "by us"])
def test_what_a_stream_that_was_reset_had_received_comes_back_at_once(how: str) -> None:
    """Its application gets none of it any more, though it may run for long."""
    engine = server(limits=Limits(window=1000, window_ceiling=0, streams=64), hold=True)
    given = 0
    for stream in range(1, 128, 2):
        engine.request(stream, end=False)
        engine.get(raw.data(stream, bytes(1000)))
        end(engine, stream, how)
        given += credit(engine).get(0, 0)
    assert given >= 32000  # of 64000: it is given in batches


def test_what_comes_for_a_released_stream_is_taken_at_once() -> None:
    engine = uploading(1000)
    engine.connection.release(1)
    assert credit(engine)[1] == 1000
    engine.get(raw.data(1, bytes(1000)))
    assert credit(engine)[1] == 1000


def test_consumed_on_a_stream_that_is_none_is_nothing() -> None:
    engine = uploading(1000)
    for stream in (0, 2, 3, 99):
        engine.connection.consumed(stream, 1000)
    assert credit(engine) == {}


def test_a_client_counts_credit_too() -> None:
    engine = client(limits=NARROW)
    engine.sent()
    stream = engine.ask()
    engine.sent()
    engine.respond(stream, (":status", "200"), end=False)
    engine.get(raw.data(stream, bytes(1000)))
    engine.connection.consumed(stream, 1000)
    assert credit(engine)[stream] == 1000


def test_requests_that_nobody_saw_leave_a_reason_for_the_log() -> None:
    engine = server(limits=Limits(glitches=100))
    for stream in range(1, 41, 2):
        assert engine.request(stream, (":unknown", "x")) == []
    unseen = engine.connection.take_unseen()
    assert len(unseen) == 16
    assert unseen[0].startswith("stream 1: unknown pseudo-header")
    assert engine.connection.take_unseen() == []
