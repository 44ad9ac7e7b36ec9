"""Servers of HTTP/2 that are slow, lie, chop, or never end: each gives a clear error in time, and does not keep its connection.

A connection of HTTP/2 carries many requests, so what is wrong with one of them alone does not end it; where that was the
server itself, the next request on it finds out.  On asyncio and on trio, whose clocks are turned.  What a connection does in
each case is for ``test_http2_failures.py``.
"""

import contextlib

import pytest
from tests.client.bad_server import Far, Server, VirtualNetwork, run_on
from tests.h2.raw_frames import (
    HEADERS,
    block,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    rst_stream,
    settings,
    settings_ack,
    window_update,
)

from interlock.client import (
    ClientTimeouts,
    ContentTooLarge,
    Pool,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    Request,
)
from interlock.client.responses import AsyncResponse

#: Content has to come at 100 octets a second, after 10 seconds.
AT_RATE = ClientTimeouts()

BEGIN = settings() + settings_ack()
OK = block([(":status", "200")])
LENGTH = block([(":status", "200"), ("content-length", "5")])
HEAD = headers(1, OK, end=False)
OPEN_BLOCK = headers(1, OK, end=False, end_headers=False)
MORE = block([("x", "y" * 1000)])
GOOD = BEGIN + headers(1, LENGTH, end=False) + data(1, b"hello", end=True)


async def good(far: Far) -> None:
    """A server that answers its first request as it should."""
    await far.request()
    await far.send(GOOD)


def saying(octets: bytes, again: bytes = b"", *, seconds: float = 0, slowly: bool = False, end: bool = False) -> Server:
    """A server that says ``octets`` to its first request, octet by octet if ``slowly``, and ``again`` for ever or the end."""

    async def server(far: Far) -> None:
        await far.request()
        await far.wait(0.01)
        if slowly:
            await far.chop(octets, seconds)
        else:
            await far.send(octets)
        while again:
            await far.wait(seconds)
            await far.send(again)
        if end:
            far.end()

    return server


def get() -> Request:
    return Request(b"GET", b"http", "bad.example", 80, b"/", timeouts=AT_RATE)


async def read(pool: Pool) -> bytes:
    """The content of the response to a request, of at most a million octets."""
    return await AsyncResponse(await pool.send(get()), 1_000_000).read()


@pytest.fixture(params=("asyncio", "trio"))
def loop(request: pytest.FixtureRequest) -> str:
    """The loop that a test runs on."""
    return str(request.param)


def assert_bad(
    loop: str, server: Server, error: type[Exception], message: str, within: float, *, others: int = 0
) -> None:
    """A request to ``server`` ends in an ``error`` within so many seconds, and soon the next is made on a new connection.

    ``others``: how many more requests may end in an error, where the connection could still have been good.
    """

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http1=False)
        begin = network.now()
        with pytest.raises(error, match=message):
            await read(pool)
        assert network.now() - begin <= within
        for _ in range(others):
            begin = network.now()
            with contextlib.suppress(RemoteProtocolError, ReadTimeout):
                assert await read(pool) == b"hello"
                break
            assert network.now() - begin <= 10.0
        else:
            assert await read(pool) == b"hello"
        assert len(network.connections) == 2
        assert network.connections[0].is_over()
        await pool.aclose()

    run_on(loop, [server, good], test)


def test_a_server_that_says_nothing(loop: str) -> None:
    assert_bad(loop, saying(b""), ReadTimeout, r"the server has sent nothing for 5\.0 seconds", 5.5)


@pytest.mark.parametrize(
    "octets",
    [
        BEGIN,
        BEGIN + frame(HEADERS, 0x4, 1, b"", length=50),
        BEGIN + headers(1, LENGTH, end=False),
        BEGIN + headers(1, LENGTH, end=False) + data(1, b"hell"),
    ],
    ids=["settings", "half a frame", "a head", "half of the content"],
)
def test_a_server_that_stops(loop: str, octets: bytes) -> None:
    message = r"the server has sent nothing for 5\.0 seconds"
    assert_bad(loop, saying(octets), ReadTimeout, message, 5.5, others=1)


def test_a_head_that_comes_slowly(loop: str) -> None:
    slow = saying(BEGIN + headers(1, block([(":status", "200"), ("x", "y" * 1000)])), slowly=True, seconds=1)
    assert_bad(loop, slow, ReadTimeout, r"10\.0 seconds|5\.0 seconds", 10.5, others=1)


def test_content_that_comes_slowly(loop: str) -> None:
    """The server goes on with it though nobody listens, so the connection is one that others could be answered on."""

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http1=False)
        for message, within in ((r"less than 100\.0 octets a second", 11.5), ("has sent nothing", 5.5)):
            begin = network.now()
            with pytest.raises(ReadTimeout, match=message):
                await read(pool)
            assert network.now() - begin <= within
        await pool.aclose()

    run_on(loop, [saying(BEGIN + HEAD, data(1, b"x"), seconds=1)], test)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (BEGIN + headers(1, LENGTH), "has no content|belies"),
        (BEGIN + headers(1, LENGTH, end=False) + data(1, b"hell", end=True), "belies"),
        (BEGIN + headers(1, LENGTH, end=False) + data(1, b"hello!", end=True), "belies"),
    ],
    ids=["none", "less", "more"],
)
def test_a_length_that_is_wrong(loop: str, octets: bytes, message: str) -> None:
    """The stream is at fault, not the connection, which others may go on to use (RFC 9113 §8.1.1)."""
    again = headers(3, LENGTH, end=False) + data(3, b"hello", end=True)

    async def server(far: Far) -> None:
        await far.request()
        await far.send(octets)
        await far.wait(1)
        await far.send(again)

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http1=False)
        with pytest.raises(RemoteProtocolError, match=message):
            await read(pool)
        assert await read(pool) == b"hello"
        assert len(network.connections) == 1
        await pool.aclose()

    run_on(loop, [server], test)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_conversation_that_ends_at_each_octet(loop: str, end: str) -> None:
    def ending(octets: bytes) -> Server:
        async def server(far: Far) -> None:
            await far.request()
            await far.chop(octets)
            far.end() if end == "close" else far.reset()

        return server

    async def test(network: VirtualNetwork) -> None:
        for at in range(len(GOOD)):
            pool = Pool(network, http1=False)
            with pytest.raises((RemoteProtocolError, ReadError)):
                await read(pool)
            assert await read(pool) == b"hello"
            assert len(network.connections) == 2 * (at + 1)
            await pool.aclose()

    run_on(loop, [server for at in range(len(GOOD)) for server in (ending(GOOD[:at]), good)], test)


def test_single_octets(loop: str) -> None:
    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http1=False)
        assert await read(pool) == b"hello"
        await pool.aclose()

    run_on(loop, [saying(GOOD, slowly=True, seconds=0.01)], test)


@pytest.mark.parametrize(
    ("octets", "again", "message"),
    [
        (BEGIN, ping(), "too many PINGs"),
        (BEGIN, settings(), "too many SETTINGS frames"),
        (BEGIN, window_update(0, 1), "too many window updates"),
        (BEGIN, frame(0xF7, 0, 0, b""), "too many frames of unknown types"),
        (BEGIN + OPEN_BLOCK, continuation(1, MORE, end_headers=False), "a field block without an end"),
        (BEGIN + OPEN_BLOCK, continuation(1, b"", end_headers=False), "a field block without an end"),
        (BEGIN + HEAD, data(1, b""), "too many empty DATA frames"),
        (BEGIN + HEAD, data(1, b"", pad=255), "too many empty DATA frames"),
        (BEGIN + HEAD, data(1, b"x") + ping(), "too many PINGs"),
    ],
)
def test_a_server_without_end(loop: str, octets: bytes, again: bytes, message: str) -> None:
    assert_bad(loop, saying(octets, again * 20), RemoteProtocolError, message, 1.0)


def test_informational_responses_without_end(loop: str) -> None:
    server = saying(BEGIN, headers(1, block([(":status", "103"), ("link", "</a>")]), end=False) * 20)
    assert_bad(loop, server, RemoteProtocolError, "more than 64 informational responses", 1.0, others=1)


def test_content_without_end(loop: str) -> None:
    server = saying(BEGIN + HEAD, data(1, b"x" * 10000))
    assert_bad(loop, server, ContentTooLarge, "content of more than", 1.0, others=1)


@pytest.mark.parametrize(
    ("octets", "message", "others"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "begins with SETTINGS", 0),
        (b"\x15\x03\x01\x00\x02\x02\x28" * 4, "begins with SETTINGS", 0),
        (b"<html>hello</html>" * 3, "begins with SETTINGS", 0),
        (BEGIN + data(1, b"hello", end=True), "machine remote is in state HEAD", 1),
        (BEGIN + headers(2, OK), "HEADERS on stream 2", 0),
        (BEGIN + headers(1, b"\xff\xff\xff\xff\xff\xff"), "RFC 7541", 0),
        (BEGIN + frame(5, 0x4, 1, b"\x00\x00\x00\x02" + OK), "PUSH_PROMISE, which is not enabled", 0),
        (BEGIN + goaway(1, 2, b"no"), "has closed the connection", 0),
    ],
    ids=["HTTP/1.1", "TLS", "HTML", "data first", "other stream", "bad block", "push", "goaway"],
)
def test_what_no_server_says(loop: str, octets: bytes, message: str, others: int) -> None:
    assert_bad(loop, saying(octets, end=True), RemoteProtocolError, message, 0.5, others=others)


def test_a_stream_that_is_reset(loop: str) -> None:
    server = saying(BEGIN + headers(1, LENGTH, end=False) + data(1, b"hel") + rst_stream(1, 2), end=True)
    assert_bad(loop, server, RemoteProtocolError, "INTERNAL_ERROR", 0.5)
