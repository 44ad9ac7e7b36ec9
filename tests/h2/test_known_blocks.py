"""A field block that comes again is not read again: it means what it meant, unless the table has changed meanwhile.

Nor is one written again that would be the same.  And a field that comes out of the table was looked at when it was put there.
"""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import PSEUDO, Engine, server

from interlock.h2 import EndOfMessage, Limits, Request, RequestRefused, Response, StreamReset

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


@pytest.mark.parametrize("first", [True, False])
def test_trailers_share_the_limits_of_their_head_each_time(first: bool) -> None:
    """The head has 167 octets as they are counted, and one field; also where it was seen before as a whole request."""
    engine = server(limits=Limits(head=300, fields=3))
    asked(engine, 1, BLOCK, end=first)
    trailers = [
        raw.literal("x", "y" * 100),
        raw.literal("x", "y" * 101),
        raw.literal("x", "") * 2,
        raw.literal("x", "") * 3,
    ]
    for stream in range(3, 35, 2):
        asked(engine, stream, BLOCK, end=False)
        (event,) = engine.get(raw.headers(stream, trailers[stream // 2 % 4]))
        assert isinstance(event, EndOfMessage if stream // 2 % 2 == 0 else RequestRefused)


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


# -- fields out of the table


@pytest.mark.parametrize(
    "bad",
    [
        ("Bad", "z"),
        ("", "z"),
        ("z", " z"),
        ("z", "\0"),
        ("te", "gzip"),
        ("connection", "close"),
        (":z", "z"),
        (":path", "/z"),
    ],
)
def test_a_field_that_is_bad_is_bad_each_time_that_it_is_named(bad: tuple[str, str]) -> None:
    engine = server()
    assert engine.get(raw.headers(1, BLOCK + raw.literal(*bad, raw.INDEXING))) == []
    for stream in (3, 5):
        assert engine.get(raw.headers(stream, BLOCK + NEWEST)) == []
        (reset,) = (frame for frame in engine.sent() if frame.stream == stream)
        assert (reset.kind, reset.number(0)) == (raw.RST_STREAM, raw.PROTOCOL_ERROR)
    asked(engine, 7, BLOCK)


def test_what_is_out_of_the_table_is_interpreted_each_time() -> None:
    engine = server()
    asked(engine, 1, BLOCK + raw.literal("content-length", "3", raw.INDEXING), end=False)
    for stream in (3, 5):
        assert asked(engine, stream, BLOCK + NEWEST, end=False).headers.content_length == 3
    asked(engine, 7, BLOCK + raw.literal("cookie", "a", raw.INDEXING))
    assert fields(asked(engine, 9, BLOCK + NEWEST + NEWEST)) == [(b"cookie", b"a; a")]


# -- what is written


def answered(engine: Engine, stream: int, *given: tuple[str, str], status: int = 200) -> bytes:
    """Have a request answered with these fields; the block, if it says so to a decoder that has read all blocks."""
    section = [(name.encode(), value.encode()) for name, value in given]
    engine.request(stream)
    engine.connection.queue(Response(status_code=status, headers=section), stream)
    engine.end(stream)
    (frame,) = engine.sent()
    assert engine.fields(frame) == [(b":status", b"%d" % status), *section]
    return frame.payload


def test_the_same_response_again() -> None:
    engine = server()
    first, *others = (answered(engine, stream, ("x", "a"), ("etag", "b")) for stream in range(1, 21, 2))
    assert first != others[0]
    assert others == [others[0]] * 9


def test_each_response_has_its_status() -> None:
    engine = server()
    for stream, status in enumerate((200, 200, 404, 404, 200, 201, 201)):
        answered(engine, 2 * stream + 1, ("content-length", "0"), status=status)


def test_the_same_response_is_written_anew_once_the_table_has_changed() -> None:
    engine = server()
    for stream in range(1, 400, 4):
        answered(engine, stream, ("x", "a"), ("content-length", "0"))
        answered(engine, stream + 2, ("y", "b" * stream))


def test_the_same_response_is_written_anew_once_the_peer_has_changed_the_tables_size() -> None:
    engine = server()
    streams = iter(range(1, 100, 2))
    answered(engine, next(streams), ("x", "a"), ("content-length", "0"))
    for size in (0, 100, 4096):
        engine.get(raw.settings((raw.HEADER_TABLE_SIZE, size)))
        engine.sent()
        update = answered(engine, next(streams), ("x", "a"), ("content-length", "0"))
        assert update[0] & 0xE0 == 0x20
        for _ in range(3):
            answered(engine, next(streams), ("x", "a"), ("content-length", "0"))
        assert len(answered(engine, next(streams), ("x", "a"))) <= (9 if size < 100 else 3)


@pytest.mark.parametrize("name", ["set-cookie", "authorization", "x"])
def test_only_responses_without_secrets_are_kept(name: str) -> None:
    engine = server()
    for stream in (1, 3, 5):
        answered(engine, stream, (name, "a"))
    assert len(engine.connection._output._blocks) == (name == "x")


def test_few_responses_are_kept() -> None:
    engine = server()
    for number in range(200):
        answered(engine, 2 * number + 1, ("etag", f"{number}"))
        assert len(engine.connection._output._blocks) <= 16
