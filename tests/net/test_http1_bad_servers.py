"""A connection with a delegate, and servers that are slow, lie, chop, or never end: a clear error in time, and it is closed.

On asyncio and on trio, whose clocks are turned.
"""

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
    repeating,
    resetting_after,
    run_on,
    saying,
    slowly,
)

from interlock import h1
from interlock.net.errors import ReadError, ReadTimeout
from interlock.net.http1 import HTTP1Connection, HTTP1ConnectionParameters, HTTPMessageDelegate, RequestStartLine

PARAMETERS = HTTP1ConnectionParameters(header_timeout=5.0, body_timeout=60.0, max_body_size=500_000)


class Notes(HTTPMessageDelegate):
    """Takes the content, and counts the ends."""

    def __init__(self) -> None:
        self.content = b""
        self.ends: list[str] = []

    def data_received(self, chunk: bytes) -> None:
        self.content += chunk

    def finish(self, trailers: h1.Headers) -> None:
        self.ends.append("finish")

    def on_connection_close(self) -> None:
        self.ends.append("close")


@pytest.fixture(params=("asyncio", "trio"))
def loop(request: pytest.FixtureRequest) -> str:
    """The loop that a test runs on."""
    return str(request.param)


async def get(connection: HTTP1Connection, notes: Notes) -> bool:
    """Make a request.  Returns whether there may be another."""
    await connection.write_headers(RequestStartLine("GET", "/"), [("Host", "bad.example")])
    await connection.finish()
    return await connection.read_response(notes)


def assert_bad(loop: str, server: Server, error: type[Exception], message: str, within: float) -> None:
    """A request to ``server`` ends in an ``error`` within so many seconds, and the connection is closed."""

    async def test(network: VirtualNetwork) -> None:
        connection = HTTP1Connection(await network.connect_tcp("bad.example", 80), True, PARAMETERS)
        notes = Notes()
        begin = network.now()
        with pytest.raises(error, match=message):
            await get(connection, notes)
        assert network.now() - begin <= within
        assert notes.ends == ["close"]
        await network.pass_time(1)
        assert network.connections[0].is_over()

    run_on(loop, [server], test)


def then(head: bytes, octets: bytes) -> Server:
    """A server that sends ``head`` at once, and then an octet each second."""

    async def server(far: Far) -> None:
        await far.request()
        await far.send(head)
        await far.chop(octets, 1)

    return server


@pytest.mark.parametrize(
    ("server", "message", "within"),
    [
        (saying(), "the first octet of a head has not come in time", 75.5),
        (saying(GOOD[:-1]), "the content has not come in time", 30.5),
        (saying(HEAD), "a head has not come in time", 5.5),
        (slowly(GOOD), "a head has not come in time", 6.5),
        (repeating(HEAD + b"X: ", b"y", 1), "a head has not come in time", 5.5),
        (then(HEAD + b"Content-Length: 100000\r\n\r\n", b"x" * 100_000), "the content has not come in time", 11.5),
        (then(CHUNKED, b"5;" + b"a" * 200), "the content has not come in time", 11.5),
        (then(CHUNKED + b"0\r\n", b"X: " + b"y" * 200), "the content has not come in time", 11.5),
        (repeating(HEAD + b"\r\n", b"x" * 1000, 1), "the content has not come in time", 60.5),
    ],
    ids=["nothing", "stops", "half", "head", "field", "content", "extension", "trailer", "at a good rate"],
)
def test_a_slow_server(loop: str, server: Server, message: str, within: float) -> None:
    assert_bad(loop, server, ReadTimeout, message, within)


@pytest.mark.parametrize(
    ("server", "error", "message"),
    [
        (
            closing_after(HEAD + b"Content-Length: 10\r\n\r\nhello"),
            h1.RemoteProtocolError,
            "received 5 bytes, expected 10",
        ),
        (resetting_after(HEAD + b"Content-Length: 10\r\n\r\nhello"), ReadError, "reset"),
        (closing_after(CHUNKED + b"a\r\nhello"), h1.RemoteProtocolError, "incomplete chunked read"),
        (saying(CHUNKED + b"4\r\nhello\r\n0\r\n\r\n"), h1.RemoteProtocolError, "chunk line too long"),
    ],
    ids=["length", "reset", "chunk", "short chunk"],
)
def test_a_server_that_lies(loop: str, server: Server, error: type[Exception], message: str) -> None:
    assert_bad(loop, server, error, message, 0.5)


@pytest.mark.parametrize(
    ("begin", "again", "message"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n", "octets of informational responses"),
        (HEAD, b"X: y\r\n", "more than 100 fields"),
        (HEAD + b"X: ", b"y" * 1000, "field section too long"),
        (CHUNKED + b"5;", b"a" * 1000, "chunk line too long"),
        (CHUNKED, b"1;a\r\nx\r\n", "more framing than content"),
        (CHUNKED + b"0\r\n", b"X: y\r\n", "more than 100 fields"),
        (CHUNKED, b"2710\r\n" + b"x" * 10000 + b"\r\n", "content of more than 500000 octets"),
        (HEAD + b"\r\n", b"x" * 10000, "content of more than 500000 octets"),
    ],
)
def test_a_server_without_end(loop: str, begin: bytes, again: bytes, message: str) -> None:
    assert_bad(loop, repeating(begin, again), h1.RemoteProtocolError, message, 1.0)


@pytest.mark.parametrize("response", [GOOD, WITH_TRAILERS], ids=["length", "chunked"])
def test_a_server_that_chops(loop: str, response: bytes) -> None:
    servers = [end(response[:at]) for at in range(len(response)) for end in (closing_after, resetting_after)]

    async def server(far: Far) -> None:
        for _ in range(2):
            await far.request()
            await far.chop(response, 0.01)

    async def test(network: VirtualNetwork) -> None:
        for _ in servers:
            notes = Notes()
            connection = HTTP1Connection(await network.connect_tcp("bad.example", 80), True, PARAMETERS)
            with pytest.raises((h1.RemoteProtocolError, ReadError)):
                await get(connection, notes)
            assert notes.ends == ["close"]
        connection = HTTP1Connection(await network.connect_tcp("bad.example", 80), True, PARAMETERS)
        for _ in range(2):
            notes = Notes()
            assert await get(connection, notes)
            assert (notes.content, notes.ends) == (b"hello", ["finish"])
        await connection.close()

    run_on(loop, [*servers, server], test)
