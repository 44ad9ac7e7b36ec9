"""Any frames, in any order: an engine ends the connection or goes on, and what it sends keeps to the rules.

``Client._note`` looks at all that is sent; nothing but ``RemoteProtocolError`` may come out of the engine, and a driver
has nothing left at the end.
"""

import contextlib
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.h2 import raw_frames as raw
from tests.h2.conformance.client import Client
from tests.h2.conformance.driver_client import DriverClient
from tests.h2.conformance.engine_client import EngineClient
from tests.net.virtual_clock import Handled, ServerSide, server_side

from interlock.net.exchange import Disconnected

SMALL = st.integers(0, 9)
STREAM = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 7, 9, 2, 2**31 - 1])
CONTENT = st.sampled_from([b"", b"x", b"12345", bytes(1000), bytes(16384)])
PAD = st.sampled_from([None, None, None, 0, 1, 200])
PATH = st.sampled_from(["/", "/echo", "/early", "/early", "/early", "/large", "/empty", "", "*"])
MORE = st.lists(
    st.sampled_from(
        [
            ("content-length", "5"),
            ("content-length", "0"),
            ("Upper", "x"),
            ("x-a", "1"),
            ("x-a", "\n"),
            ("te", "trailers"),
            ("connection", "close"),
            ("cookie", "a=b"),
            ("expect", "100-continue"),
            ("priority", "u=1, i"),
            (":path", "/"),
            ("host", "localhost"),
        ]
    ),
    max_size=2,
)
REQUEST = st.builds(
    lambda method, path, more: raw.block(
        [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path), *more]
    ),
    st.sampled_from(["GET", "POST", "HEAD", "CONNECT", "OPTIONS"]),
    PATH,
    MORE,
)
BLOCK = st.one_of(
    REQUEST,
    REQUEST,
    MORE.map(raw.block),
    st.sampled_from(
        [
            b"",
            raw.block([(":method", "CONNECT"), (":authority", "a:1")]),
            raw.table_size(0),
            raw.indexed(62),
            raw.literal("x", "y", raw.INDEXING),
            raw.indexed(0),
        ]
    ),
)
FLAG = st.booleans()
CODE = st.sampled_from([0, 1, 5, 7, 8, 2**32 - 1])
INCREMENT = st.sampled_from([0, 1, 100, 65535, 2**30, raw.LARGEST])
SETTING = st.tuples(
    st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9, 99]), st.sampled_from([0, 1, 2, 100, 16384, 65535, 2**24 - 1, raw.LARGEST])
)

FRAMES = st.one_of(
    st.builds(lambda s, b, e: raw.headers(s, b, end=e), STREAM, BLOCK, FLAG),
    st.builds(lambda s, b, e: raw.headers(s, b, end=e), STREAM, BLOCK, FLAG),
    st.builds(lambda s, b, e, h, p: raw.headers(s, b, end=e, end_headers=h, pad=p), STREAM, BLOCK, FLAG, FLAG, PAD),
    st.builds(lambda s, b, on: raw.headers(s, b, depends=raw.dependency(on)), STREAM, BLOCK, STREAM),
    st.builds(lambda s, c, e: raw.data(s, c, end=e), STREAM, CONTENT, FLAG),
    st.builds(lambda s, c, e, p: raw.data(s, c, end=e, pad=p), STREAM, CONTENT, FLAG, PAD),
    st.builds(raw.rst_stream, STREAM.filter(bool), CODE),
    st.builds(raw.priority, STREAM, STREAM),
    st.builds(raw.window_update, STREAM, INCREMENT),
    st.builds(lambda values: raw.settings(*values), st.lists(SETTING, max_size=3)),
    st.builds(raw.priority_update, STREAM, st.sampled_from([b"u=1", b"i", b"\xff"])),
    st.builds(lambda s, b, e: raw.continuation(s, b, end_headers=e), STREAM, BLOCK, FLAG),
    st.builds(lambda s, b: raw.push_promise(s, 2, b), STREAM, BLOCK),
    st.builds(lambda o, a: raw.ping(o, ack=a), st.binary(min_size=8, max_size=8), FLAG),
    st.builds(raw.goaway, STREAM, CODE),
    st.builds(raw.frame, st.integers(0, 20), st.integers(0, 255), STREAM, st.binary(max_size=20)),
)


def converse(client: Client, turns: list[list[bytes]]) -> None:
    """Send all of it, turn by turn, as long as the connection lasts."""
    client.start()
    for frames in turns:
        client.send(*frames)
        client.listen()
        if client.is_over():
            break
    else:
        _end(client)
    client.half_close()
    client.listen()


def _end(client: Client) -> None:
    """Where a field block is not complete, what follows is an error, and else the connection goes on."""
    client.send(raw.ping(b"probe..."))
    client.listen()
    assert b"probe..." in client.pings or client.is_over()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.lists(FRAMES, min_size=1, max_size=4), min_size=1, max_size=12), st.sampled_from([0, 1, 7]), FLAG)
def test_any_frames(turns: list[list[bytes]], piece: int, hold: bool) -> None:
    converse(EngineClient(piece=piece, hold=hold), turns)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_frames_on_streams_that_exist(data: Any) -> None:
    """Most are well-formed, so that conversations become long."""
    client = EngineClient()
    client.start()
    stream = 1
    for _ in range(data.draw(st.integers(1, 30))):
        open_streams = list(range(1, stream, 2))[-3:]
        if not open_streams or data.draw(st.integers(0, 3)) == 0:
            frame = raw.headers(stream, data.draw(REQUEST), end=data.draw(FLAG))
            stream += 2
        else:
            on = data.draw(st.sampled_from(open_streams))
            kind = data.draw(st.integers(0, 6))
            if kind == 0:
                frame = raw.data(on, data.draw(CONTENT), end=data.draw(FLAG), pad=data.draw(PAD))
            elif kind == 1:
                frame = raw.headers(on, data.draw(MORE.map(raw.block)), end=data.draw(st.integers(0, 4)) > 0)
            elif kind == 2:
                frame = raw.window_update(on, data.draw(INCREMENT))
            elif kind == 3:
                frame = raw.rst_stream(on, data.draw(CODE))
            elif kind == 4:
                frame = raw.priority(on, data.draw(STREAM))
            elif kind == 5:
                frame = raw.window_update(0, data.draw(st.sampled_from([1, 1000, 100_000])))
            else:
                frame = raw.settings((raw.INITIAL_WINDOW_SIZE, data.draw(st.sampled_from([0, 1, 100, 65535]))))
        client.send(frame)
        client.listen()
        if client.is_over():
            return
    _end(client)


def _respond(handled: Handled) -> None:
    """An application that answers at once; some answers are large, some never come, and some break off."""
    path = handled.exchange.request.target
    with contextlib.suppress(Disconnected):
        if path == b"/early":
            handled.exchange.abort()
        elif path != b"/echo":
            handled.respond(bytes(100_000) if path == b"/large" else b"hello")
    handled.exchange.ended()


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes longer than a test may
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(st.lists(FRAMES, min_size=1, max_size=4), min_size=1, max_size=12),
    st.lists(st.sampled_from([0, 0, 1, 40]), min_size=12, max_size=12),
    st.sampled_from(["eof", "reset", "abort", "stay"]),
)
def test_any_frames_to_the_driver(turns: list[list[bytes]], pauses: list[int], end: str) -> None:
    with server_side() as side:
        side.on_request = _respond
        _converse_with_driver(side, turns, pauses, end)


def _converse_with_driver(side: ServerSide, turns: list[list[bytes]], pauses: list[int], end: str) -> None:
    client = DriverClient(side)
    client.start()
    for frames, pause in zip(turns, pauses, strict=False):
        client.send(*frames)
        client.time_passes(pause)
        if client.is_over():
            break
    if end == "eof" and not client.is_over():
        client.half_close()
    elif end == "reset" and not client.is_over():
        client.transport.reset_by_peer()
    elif end == "stay":
        client.time_passes(200)
        assert client.is_over()
