"""A field block that comes again is not read again: it means what it meant, unless the table has changed meanwhile."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import PSEUDO, Engine, server

from interlock.h2 import EndOfMessage, Limits, Request, RequestRefused, StreamReset

BLOCK = raw.block(PSEUDO)
INDEXED = raw.literal("x", "a", raw.INDEXING)
#: The newest entry of the dynamic table.
NEWEST = raw.indexed(62)


def asked(engine: Engine, stream: int, block: bytes, *, end: bool = True) -> Request:
    events = engine.get(raw.headers(stream, block, end=end))
    engine.sent()
    assert isinstance(events[0], Request)
    assert events[0].stream_id == stream
    assert events[1:] == ([EndOfMessage(stream_id=stream)] if end else [])
    return events[0]


def fields(request: Request) -> list[tuple[bytes, bytes]]:
    return list(request.headers)[1:]


def test_the_same_again() -> None:
    engine = server()
    first = asked(engine, 1, BLOCK + raw.literal("x", "a"))
    again = asked(engine, 3, BLOCK + raw.literal("x", "a"))
    assert (again.method, again.target, again.scheme, list(again.headers)) == (
        first.method,
        first.target,
        first.scheme,
        list(first.headers),
    )
    assert fields(asked(engine, 5, BLOCK + raw.literal("x", "b"))) == [(b"x", b"b")]


def test_the_same_octets_mean_another_field_once_the_table_has_changed() -> None:
    engine = server()
    asked(engine, 1, BLOCK + INDEXED)
    for stream in (3, 5):
        assert fields(asked(engine, stream, BLOCK + NEWEST)) == [(b"x", b"a")]
    asked(engine, 7, BLOCK + raw.literal("y", "b", raw.INDEXING))
    for stream in (9, 11):
        assert fields(asked(engine, stream, BLOCK + NEWEST)) == [(b"y", b"b")]


def test_a_block_that_changes_the_table_changes_it_each_time() -> None:
    engine = server()
    for stream in (1, 3, 5):
        asked(engine, stream, BLOCK + INDEXED)
    third = raw.indexed(64)
    assert fields(asked(engine, 7, BLOCK + NEWEST + third)) == [(b"x", b"a"), (b"x", b"a")]


@pytest.mark.parametrize("between", [True, False])
def test_trailers_and_requests_that_are_refused_change_the_table_too(between: bool) -> None:
    engine = server()
    asked(engine, 1, BLOCK + INDEXED)
    asked(engine, 3, BLOCK + NEWEST, end=False)
    if between:
        engine.get(raw.headers(3, raw.literal("y", "b", raw.INDEXING)))
    newest = [(b"y", b"b")] if between else [(b"x", b"a")]
    assert fields(asked(engine, 5, BLOCK + NEWEST)) == newest
    engine.get(raw.headers(7, BLOCK + raw.literal("Bad", "z") + raw.literal("z", "c", raw.INDEXING)))
    assert fields(asked(engine, 9, BLOCK + NEWEST)) == [(b"z", b"c")]


def test_a_size_update_empties_the_table() -> None:
    engine = server()
    asked(engine, 1, BLOCK + INDEXED)
    asked(engine, 3, BLOCK + NEWEST)
    asked(engine, 5, raw.table_size(0) + raw.table_size(4096) + BLOCK + raw.literal("y", "b", raw.INDEXING))
    assert fields(asked(engine, 7, BLOCK + NEWEST)) == [(b"y", b"b")]


def test_each_stream_is_held_to_its_own_length() -> None:
    engine = server()
    block = BLOCK + raw.literal("content-length", "3")
    for stream in (1, 3):
        asked(engine, stream, block, end=False)
        assert engine.get(raw.data(stream, b"abcd", end=True)) == [StreamReset(stream, raw.PROTOCOL_ERROR)]
    assert engine.get(raw.headers(5, block)) == []
    assert [(frame.stream, frame.number(0)) for frame in engine.sent()][-1] == (5, raw.PROTOCOL_ERROR)


def test_whether_it_ends_is_not_part_of_the_block() -> None:
    engine = server()
    for stream, end in ((1, True), (3, False), (5, True)):
        asked(engine, stream, BLOCK, end=end)
        assert engine.connection.stream_machines(stream)["remote"] == ("DONE" if end else "BODY")


def test_a_connect_proposes_each_time() -> None:
    engine = server()
    block = raw.block([(":method", "CONNECT"), (":authority", "a:443")])
    for stream, end, connect in ((1, False, "PROPOSED"), (3, False, "PROPOSED"), (5, True, "NONE")):
        asked(engine, stream, block, end=end)
        assert engine.connection.stream_machines(stream)["connect"] == connect


@pytest.mark.parametrize(("more", "status"), [(raw.literal("expect", "x"), 417), (raw.literal("x", "y") * 9, 431)])
def test_what_was_refused_is_refused_again(more: bytes, status: int) -> None:
    engine = server(limits=Limits(fields=5))
    for stream in (1, 3):
        (event,) = engine.get(raw.headers(stream, BLOCK + more))
        assert isinstance(event, RequestRefused)
        assert (event.stream_id, event.status) == (stream, status)


@pytest.mark.parametrize("octets", [5, 900, 2000])
def test_many_blocks_of_any_size(octets: int) -> None:
    """More than are kept, and larger ones."""
    engine = server()
    stream = 1
    for _ in range(3):
        for number in range(40):
            value = b"%d" % number + b"x" * octets
            assert fields(asked(engine, stream, BLOCK + raw.literal("x", value))) == [(b"x", value)]
            engine.answer(stream)
            engine.end(stream)
            stream += 2
    assert engine.connection.open_streams == 1
    assert len(engine.connection._blocks) <= 16
