"""HTTP/2 for clients: responses that come early, requests that may be made again, and how many there may be.

Against a server of raw frames in memory.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.client.http2_server import Server, answering, answering_later, ask, content_of, request, scripted
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Frame

from interlock.client.errors import ConnectionNotAvailable
from interlock.http.errors import RemoteProtocolError
from interlock.http.limits import Limits
from interlock.net.errors import ReadError
from interlock.net.stream import run


def head(server: Server, stream: int = 1) -> list[tuple[str, str]]:
    return server.requests[stream]


# -- early responses


def endless_blocks() -> Iterator[bytes]:
    while True:
        yield bytes(1000)


def test_an_early_response_and_a_reset_that_says_no_error() -> None:  # RFC 9113 §8.1
    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.DATA and len(server.content[1]) == 5000:
            server.respond(1, (":status", "200"), content=b"enough")
            server.send(raw.rst_stream(1, raw.NO_ERROR))

    server = Server(script)
    assert run(ask(server.connection, b"POST", content=endless_blocks())) == (200, b"enough")
    assert len(server.content[1]) == 5000
    assert not any("RST" in told for told in server.told())


@pytest.mark.parametrize("end", [True, False])
def test_an_early_response_that_refuses(end: bool) -> None:
    """Content that it is not interested in is sent no further, whether it says so or not."""

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.DATA and len(server.content[1]) == 5000:
            server.respond(1, (":status", "413"), content=b"no", end=end)
            if not end:
                server.later(1, raw.data(1, b"!", end=True))

    server = Server(script)
    assert run(ask(server.connection, b"POST", content=endless_blocks())) == (413, b"no" if end else b"no!")
    assert len(server.content[1]) <= 6000
    assert server.told()[-1] == "RST_STREAM 1 NO_ERROR"
    assert server.connection.idle_since() is not None


def test_content_both_ways() -> None:
    """A server that echoes: the response has come long before the content is over."""

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS:
            server.respond(1, end=False)
        elif frame.kind == raw.DATA:
            server.send(raw.window_update(0, 1000), raw.window_update(1, 1000))
            server.send(raw.data(1, frame.payload, end=bool(frame.flags & raw.END_STREAM)))

    server = Server(script, settings=((raw.INITIAL_WINDOW_SIZE, 1000),))
    blocks = [bytes([number]) * 1000 for number in range(200)]
    assert run(ask(server.connection, b"POST", content=iter(blocks))) == (200, b"".join(blocks))
    assert server.told()[-1] == "DATA 1 END"


# -- Expect: 100-continue


@pytest.mark.parametrize("content", [b"abc", [b"abc"]])
def test_content_that_is_asked_for(content: Any) -> None:
    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS:
            server.later(3, raw.headers(1, raw.block([(":status", "100")]), end=False))
        answering(server, frame)

    server = Server(script)
    assert run(ask(server.connection, b"POST", content=content, expect_continue=4.0)) == (200, b"1: 3")
    assert ("expect", "100-continue") in head(server)
    assert server.network.clock == 1003


@pytest.mark.parametrize("content", [b"abc", [b"abc"]])
def test_content_that_is_not_asked_for_in_time(content: Any) -> None:
    server = Server(answering)
    assert run(ask(server.connection, b"POST", content=content, expect_continue=4.0)) == (200, b"1: 3")
    assert server.network.clock == 1004


@pytest.mark.parametrize("status", ["200", "417"])
def test_content_that_is_not_wanted(status: str) -> None:
    def script(server: Server) -> None:
        server.later(1, raw.headers(1, raw.block([(":status", status)]), end=False))
        server.later(5.5, raw.data(1, b"no", end=True))

    server = scripted(script)
    assert run(ask(server.connection, b"POST", content=[b"abc"], expect_continue=4.0)) == (int(status), b"no")
    assert server.told() == ["HEADERS 1", "RST_STREAM 1 NO_ERROR"]


def test_a_response_that_was_complete_before_the_request() -> None:
    """Nobody has to send the rest, and nobody is told of an error."""
    server = Server(lambda server, frame: frame.kind == raw.HEADERS and server.respond(1, content=b"x"))

    async def program() -> None:
        response = await server.connection.send(request(b"POST", content=endless_blocks()))
        assert response.exchange.take_rest() is None
        await response.exchange.aclose()
        assert server.told()[-1] == "RST_STREAM 1 NO_ERROR"

    run(program())


# -- requests that may be made again


def refuse(server: Server) -> None:
    server.send(raw.rst_stream(server.frames[-1].stream, raw.REFUSED_STREAM))


@pytest.mark.parametrize("content", [None, b"abc", [b"abc"]])
def test_a_stream_that_is_refused(content: Any) -> None:  # RFC 9113 §8.7
    server = scripted(refuse, answering_later)
    with pytest.raises(ConnectionNotAvailable, match="REFUSED_STREAM"):
        run(ask(server.connection, b"POST", content=content))
    assert run(ask(server.connection)) == (200, b"later")


def test_content_that_cannot_be_had_again() -> None:
    server = Server(lambda server, frame: frame.kind == raw.DATA and refuse(server))
    with pytest.raises(RemoteProtocolError, match="REFUSED_STREAM"):
        run(ask(server.connection, b"POST", content=iter([b"abc", b"def"])))


def test_a_stream_above_the_last_one() -> None:  # RFC 9113 §6.8
    server = scripted(lambda server: server.send(raw.goaway(0)))
    with pytest.raises(ConnectionNotAvailable, match="tried again"):
        run(ask(server.connection, b"POST"))
    assert server.connection.is_closed()
    assert server.stream.closed == "closed"


def test_streams_below_the_last_one_go_on() -> None:
    server = scripted(lambda server: server.respond(1, content=b"abc", end=False))

    async def program() -> None:
        response = await server.connection.send(request())
        server.send(raw.goaway(1), raw.data(1, b"def"))
        assert await response.exchange.read_block() == b"abc"
        assert await response.exchange.read_block() == b"def"
        assert server.connection.room() == 0
        assert server.connection.is_closed()
        assert not server.stream.closed
        with pytest.raises(ConnectionNotAvailable):
            await server.connection.send(request())
        server.send(raw.data(1, b"ghi", end=True))
        assert await content_of(response) == b"ghi"
        assert server.stream.closed == "closed"
        assert server.told()[-1] == "GOAWAY 0 NO_ERROR"

    run(program())


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize(
    ("method", "content", "again"),
    [(b"GET", None, True), (b"PUT", b"abc", True), (b"POST", b"abc", False), (b"PUT", iter([b"abc"]), False)],
)
def test_a_connection_that_was_closed_before_the_first_octet(
    how: str, method: bytes, content: Any, again: bool
) -> None:
    end = b"" if how == "end" else ReadError("reset by the server")
    server = scripted(lambda server: server.respond(1), lambda server: server.stream.end(end))
    run(ask(server.connection))
    expected = ConnectionNotAvailable if again else ReadError if how == "reset" else RemoteProtocolError
    with pytest.raises(expected):
        run(ask(server.connection, method, content=content))
    assert server.connection.is_closed()


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("what", [lambda: b"", lambda: ReadError("reset"), lambda: raw.goaway(1)])
def test_an_idle_connection_that_has_ended(what: Callable[[], Any], asked: bool) -> None:
    """A POST, too, goes elsewhere: it is looked before anything is sent."""
    server = scripted(lambda server: server.respond(1))
    run(ask(server.connection))
    server.told()
    end = what()
    if end and isinstance(end, bytes):
        server.send(end)
    else:
        server.stream.end(end)
    if asked:
        assert server.connection.has_ended()
        assert server.stream.closed
        assert server.connection.idle_since() is not None
    with pytest.raises(ConnectionNotAvailable):
        run(ask(server.connection, b"POST", content=iter([b"abc"])))
    assert "HEADERS 3" not in server.told()
    assert server.stream.closed


@pytest.mark.parametrize("asked", [True, False])
def test_what_a_server_says_to_an_idle_connection(asked: bool) -> None:
    server = scripted(lambda server: server.respond(1))
    run(ask(server.connection))
    server.told()
    server.send(raw.ping(b"12345678"), raw.settings((raw.MAX_CONCURRENT_STREAMS, 2)), raw.window_update(0, 1))
    if asked:
        assert not server.connection.has_ended()
    server.script = answering
    assert run(ask(server.connection)) == (200, b"3: 0")
    assert server.told() == ["PING 0", "HEADERS 3 END"]
    assert server.connection.room() == 2


# -- room


def test_room() -> None:
    server = Server(lambda server, frame: frame.kind == raw.HEADERS and server.respond(frame.stream, end=False))
    told: list[int] = []
    server.settings = ((raw.MAX_CONCURRENT_STREAMS, 2),)
    server.connection.on_change = lambda: told.append(server.connection.room())

    async def program() -> None:
        connection = server.connection
        assert connection.room() == 100
        first = await connection.send(request())
        assert connection.room() == 1
        second = await connection.send(request())
        assert connection.room() == 0
        with pytest.raises(ConnectionNotAvailable, match="no more requests now"):
            await connection.send(request())
        del told[:]
        await first.exchange.aclose()
        assert told == [1]
        await connection.send(request())
        server.send(raw.settings((raw.MAX_CONCURRENT_STREAMS, 0)), raw.data(3, end=True))
        assert await content_of(second) == b""
        assert connection.room() == 0

    run(program())


def test_no_more_than_our_own_limit() -> None:
    server = Server(settings=((raw.MAX_CONCURRENT_STREAMS, 1000),), limits=Limits(streams=3))
    server.script = answering
    run(ask(server.connection))
    assert server.connection.room() == 3


def test_a_connection_that_is_retired() -> None:
    """It ends with its last exchange; at once, if there is none."""
    server = scripted(lambda server: server.respond(1, content=b"abc", end=False))
    connection = server.connection

    async def program() -> None:
        response = await connection.send(request())
        connection.retire()
        assert connection.is_closed()
        with pytest.raises(ConnectionNotAvailable):
            await connection.send(request())
        server.send(raw.data(1, b"def", end=True))
        assert await content_of(response) == b"abcdef"
        assert server.stream.closed == "closed"

    run(program())
    server = Server()
    server.connection.retire()
    assert server.stream.closed == "aborted"
