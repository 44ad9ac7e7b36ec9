"""Servers that are slow, lie, chop, or never end: each gives a clear error in time, and its connection is not used again.

On asyncio and on trio, whose clocks are turned.
"""

import re
import ssl
from collections.abc import Callable

import pytest
from tests.client.bad_server import (
    CHUNKED,
    GOOD,
    HEAD,
    WITH_TRAILERS,
    Far,
    Server,
    VirtualNetwork,
    closing_after,
    good,
    repeating,
    resetting_after,
    run_on,
    saying,
    slowly,
)

from interlock import h1
from interlock.client import (
    ClientTimeouts,
    ConnectError,
    ConnectTimeout,
    ContentTooLarge,
    Pool,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    Request,
    WriteTimeout,
)
from interlock.client.responses import AsyncResponse

LOOPS = ("asyncio", "trio")
#: Content has to come at 100 octets a second, after 10 seconds.
AT_RATE = ClientTimeouts()


def get(timeouts: ClientTimeouts, content: bytes | None = None, scheme: bytes = b"http") -> Request:
    method = b"GET" if content is None else b"PUT"
    return Request(method, scheme, "bad.example", 80, b"/", content=content, timeouts=timeouts)


async def read(pool: Pool, request: Request) -> bytes:
    """The content of the response to ``request``, of at most a million octets."""
    return await AsyncResponse(await pool.send(request), 1_000_000).read()


def assert_bad(
    loop: str,
    server: Server,
    error: type[Exception],
    message: str,
    within: float,
    timeouts: ClientTimeouts = AT_RATE,
    content: bytes | None = None,
    limits: h1.Limits | None = None,
) -> None:
    """A request to ``server`` ends in an ``error`` within so many seconds, and the next is made on a new connection."""

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False, limits=limits)
        begin = network.now()
        with pytest.raises(error) as caught:
            await read(pool, get(timeouts, content))
        assert network.now() - begin <= within
        assert re.search(message, str(caught.value)), str(caught.value)
        assert pool.connections() == []
        await network.pass_time(1)
        assert network.connections[0].is_over()
        assert await read(pool, get(timeouts)) == b"hello"
        assert len(network.connections) == 2
        await pool.aclose()

    run_on(loop, [server, good], test)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The loop that a test runs on."""
    return str(request.param)


def test_a_good_server(loop: str) -> None:
    """What all others are held against: its connection is used again."""

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False)
        for _ in range(3):
            assert await read(pool, get(AT_RATE)) == b"hello"
        assert len(network.connections) == 1
        await pool.aclose()

    run_on(loop, [good], test)


# -- slow


def test_a_head_that_comes_slowly(loop: str) -> None:
    assert_bad(loop, slowly(GOOD), ReadTimeout, "the head of the response was not complete within 5.0 seconds", 6.5)


def test_content_that_comes_slowly(loop: str) -> None:
    async def server(far: Far) -> None:
        await far.request()
        await far.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
        await far.chop(b"x" * 1_000_000, 1)

    assert_bad(loop, server, ReadTimeout, "at less than 100.0 octets a second", 10.5)


def test_content_that_stops_coming(loop: str) -> None:
    assert_bad(loop, saying(GOOD[:-1]), ReadTimeout, "has sent nothing for 5.0 seconds", 5.5)


@pytest.mark.parametrize(
    "octets",
    [
        CHUNKED + b"5;" + b"a" * 200,
        CHUNKED + b"0\r\nX: " + b"y" * 1000,
        HEAD + b"\r\n" + b"x" * 1000,
    ],
    ids=["extension", "trailer", "until close"],
)
def test_other_content_that_comes_slowly(loop: str, octets: bytes) -> None:
    async def server(far: Far) -> None:
        await far.request()
        head = octets.index(b"\r\n\r\n") + 4
        await far.send(octets[:head])
        await far.chop(octets[head:], 1)

    assert_bad(loop, server, ReadTimeout, "at less than 100.0 octets a second", 10.5)


@pytest.mark.parametrize("none", ["body_rate", "body_grace"])
def test_content_may_be_slow_where_no_rate_is_asked_for(loop: str, none: str) -> None:
    """As with httpx: what counts is the time between two pieces.  A grace without end is no rate either."""

    async def server(far: Far) -> None:
        await far.request()
        await far.send(HEAD + b"Content-Length: 60\r\n\r\n")
        await far.chop(b"x" * 60, 1)

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False)
        begin = network.now()
        assert await read(pool, get(ClientTimeouts(**{none: None}))) == b"x" * 60
        assert network.now() - begin >= 59
        await pool.aclose()

    run_on(loop, [server], test)


def test_a_server_that_takes_nothing(loop: str) -> None:
    async def server(far: Far) -> None:
        await far.wait(1000)

    assert_bad(loop, server, WriteTimeout, "bad.example", 5.5, content=b"x" * 10_000_000)


# -- lying


def test_a_length_that_is_too_long(loop: str) -> None:
    short = HEAD + b"Content-Length: 10\r\n\r\nhello"
    assert_bad(loop, closing_after(short), RemoteProtocolError, r"received 5 bytes, expected 10", 0.5)
    assert_bad(loop, resetting_after(short), ReadError, "reset", 0.5)
    assert_bad(loop, saying(short), ReadTimeout, "has sent nothing for 5.0 seconds", 5.5)


def test_a_chunk_size_that_is_too_long(loop: str) -> None:
    assert_bad(loop, closing_after(CHUNKED + b"a\r\nhello"), RemoteProtocolError, "incomplete chunked read", 0.5)
    assert_bad(loop, saying(CHUNKED + b"6\r\nhello\r\n0\r\n\r\n"), RemoteProtocolError, r"\(RFC 9112 §", 0.5)


def test_a_chunk_size_that_is_too_short(loop: str) -> None:
    assert_bad(loop, saying(CHUNKED + b"4\r\nhello\r\n0\r\n\r\n"), RemoteProtocolError, "chunk line too long", 0.5)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
@pytest.mark.parametrize("length", [b"Content-Length: 2\r\n\r\n", b"Content-Length: 0\r\n\r\n"])
def test_a_length_that_is_too_short(loop: str, length: bytes, seconds: float) -> None:
    """The message ends where it says; what is left over is nobody's, and the connection is not used again."""

    async def server(far: Far) -> None:
        await far.request()
        await far.send(HEAD + length + (b"he" if b"2" in length else b""))
        await far.wait(seconds)
        await far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False)
        assert await read(pool, get(AT_RATE)) == (b"he" if b"2" in length else b"")
        await network.pass_time(2)
        assert await read(pool, get(AT_RATE)) == b"hello"
        assert network.connections[0].is_over()
        assert len(network.connections) == 2
        await pool.aclose()

    run_on(loop, [server, good], test)


def test_a_length_that_is_too_short_in_one_piece(loop: str) -> None:
    """What is left over has come with the rest, and the connection is closed at once."""

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False)
        assert await read(pool, get(AT_RATE)) == b"hell"
        assert pool.connections() == []
        await network.pass_time(1)
        assert network.connections[0].is_over()
        await pool.aclose()

    run_on(loop, [saying(GOOD.replace(b"5", b"4", 1))], test)


# -- chopping


@pytest.mark.parametrize("response", [GOOD, WITH_TRAILERS], ids=["length", "chunked"])
def test_a_response_in_single_octets(loop: str, response: bytes) -> None:
    async def server(far: Far) -> None:
        for _ in range(2):
            await far.request()
            await far.chop(response, 0.01)

    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, http2=False)
        for _ in range(2):
            assert await read(pool, get(AT_RATE)) == b"hello"
        assert len(network.connections) == 1
        await pool.aclose()

    run_on(loop, [server], test)


@pytest.mark.parametrize("response", [GOOD, WITH_TRAILERS], ids=["length", "chunked"])
@pytest.mark.parametrize("ending", [closing_after, resetting_after])
def test_a_response_that_ends_at_each_octet(loop: str, response: bytes, ending: Callable[[bytes], Server]) -> None:
    servers = [server for at in range(len(response)) for server in (ending(response[:at]), good)]

    async def test(network: VirtualNetwork) -> None:
        for at in range(len(response)):
            pool = Pool(network, http2=False)
            expected = RemoteProtocolError if ending is closing_after else ReadError
            message = "without sending|unexpectedly closed" if ending is closing_after else "reset"
            with pytest.raises(expected, match=message):
                await read(pool, get(AT_RATE))
            assert pool.connections() == []
            assert await read(pool, get(AT_RATE)) == b"hello"
            assert len(network.connections) == 2 * (at + 1)
            await pool.aclose()

    run_on(loop, servers, test)


# -- never ending


def test_a_server_that_says_nothing(loop: str) -> None:
    assert_bad(loop, saying(), ReadTimeout, "has sent nothing for 5.0 seconds", 5.5)


@pytest.mark.parametrize(
    ("begin", "again", "message"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "informational responses"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "informational responses"),
        (b"HTTP/1.1 200 ", b"x" * 1000, "start line too long"),
        (b"HTTP/1.1 200", b"0" * 1000, "start line too long"),
        (HEAD, b"X: y\r\n", "more than 1000 fields"),
        (HEAD, b"X: " + b"y" * 1000 + b"\r\n", "field section too long"),
        (HEAD + b"X: ", b"y" * 1000, "field section too long"),
        (CHUNKED + b"5;", b"a" * 1000, "chunk line too long"),
        (CHUNKED, b"1;a=" + b"b" * 200 + b"\r\nx\r\n", "more framing than content"),
        (CHUNKED, b"1\r\nx\r\n" * 1000, "more framing than content"),
        (CHUNKED + b"0\r\n", b"X: y\r\n", "more than 1000 fields"),
        (CHUNKED + b"0\r\nX: ", b"y" * 1000, "field section too long"),
        (b"", b"\r\n", "an empty line"),
        (b"", b"\x00" * 1000, "illegal octet 0x00"),
    ],
)
def test_a_server_without_end(loop: str, begin: bytes, again: bytes, message: str) -> None:
    assert_bad(loop, repeating(begin, again), RemoteProtocolError, message, 1.0)


@pytest.mark.parametrize(
    ("begin", "again"),
    [(HEAD, b"X: y\r\n"), (HEAD + b"X: ", b"y"), (b"HTTP/1.1 200 ", b"x")],
    ids=["fields", "field", "reason"],
)
def test_a_head_without_end_that_comes_slowly(loop: str, begin: bytes, again: bytes) -> None:
    assert_bad(loop, repeating(begin, again, 4), ReadTimeout, "the head of the response was not complete", 6.0)


def test_informational_responses_without_end_that_come_slowly(loop: str) -> None:
    server = repeating(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 4)
    assert_bad(loop, server, RemoteProtocolError, "informational responses", 300.0)


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (HEAD + b"Content-Length: 100000000000\r\n\r\n", b"x" * 10000),
        (CHUNKED, b"2710\r\n" + b"x" * 10000 + b"\r\n"),
        (HEAD + b"\r\n", b"x" * 10000),
    ],
    ids=["length", "chunks", "until close"],
)
def test_content_without_end(loop: str, begin: bytes, again: bytes) -> None:
    assert_bad(loop, repeating(begin, again), ContentTooLarge, "content of (100000000000|more than)", 1.0)
    limits = h1.Limits(body=500_000)
    assert_bad(loop, repeating(begin, again), RemoteProtocolError, "content of more than 500000", 1.0, limits=limits)


# -- before HTTP


@pytest.mark.parametrize(
    ("server", "error", "within"),
    [
        (saying(), ConnectTimeout, 5.5),
        (saying(GOOD), ConnectError, 0.5),
        (closing_after(b""), ConnectError, 0.5),
        (slowly(b"\x16\x03\x03\x40\x00" + b"\x00" * 10000), (ConnectTimeout, ConnectError), 5.5),
    ],
    ids=["nothing", "no TLS", "closed", "slow"],
)
def test_a_server_that_does_not_speak_tls(
    loop: str, server: Server, error: type[Exception] | tuple[type[Exception], ...], within: float
) -> None:
    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, ssl_context=ssl.create_default_context())
        begin = network.now()
        with pytest.raises(error, match="TLS"):
            await pool.send(get(AT_RATE, scheme=b"https"))
        assert network.now() - begin <= within
        assert pool.connections() == []
        await network.pass_time(1)
        assert network.connections[0].is_over()
        await pool.aclose()

    run_on(loop, [server], test)


@pytest.mark.parametrize(
    "server",
    [saying(), slowly(GOOD), repeating(HEAD + b"X: ", b"y", 4)],
    ids=["nothing", "slow", "no end"],
)
def test_a_proxy_that_does_not_answer(loop: str, server: Server) -> None:
    async def test(network: VirtualNetwork) -> None:
        pool = Pool(network, proxy="http://proxy.example:3128")
        begin = network.now()
        with pytest.raises(ReadTimeout, match=r"proxy\.example has sent nothing|the head of the response"):
            await pool.send(get(AT_RATE, scheme=b"https"))
        assert network.now() - begin <= 7
        assert pool.connections() == []
        await network.pass_time(1)
        assert network.connections[0].is_over()
        await pool.aclose()

    run_on(loop, [server], test)
