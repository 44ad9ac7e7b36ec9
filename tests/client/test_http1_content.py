"""Content of requests over HTTP/1.1: how it is framed, responses before it is out, Expect: 100-continue."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.client.conversing import (
    HELLO,
    answering,
    ask,
    content,
    converse,
    get,
    request,
)
from tests.client.wire import Wire, passing, seconds

from interlock.client.http1 import ClientHTTP1Connection
from interlock.http.errors import LocalProtocolError
from interlock.net.errors import WriteTimeout

# -- content of requests


async def blocks(*pieces: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        if pause:
            await passing(pause)
        yield piece


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"hello", b"Content-Length: 5\r\n\r\nhello"),
        (None, b"Content-Length: 0\r\n\r\n"),
        (b"", b"Content-Length: 0\r\n\r\n"),
        ([b"he", b"", b"llo"], b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        ((b"hello",), b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ],
)
def test_content(sent: Any, expected: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        await connection.send(request(b"POST", content=sent))
        assert not connection.is_closed()

    received = []

    async def noting(wire: Wire) -> None:
        await script(wire)
        received.append(bytes(wire.received))

    converse(noting, program)
    assert received[0] == b"POST / HTTP/1.1\r\nHost: a.example\r\n" + expected


def test_content_that_comes_asynchronously_with_trailers() -> None:
    received = []

    async def script(wire: Wire) -> None:
        received.append(await wire.take(b"0\r\n"))
        received.append(await wire.take())
        wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(
            request(b"PUT", content=blocks(b"he", b"llo", pause=60), trailers=lambda: [(b"Sum", b"9")])
        )
        assert await content(response) == b"hello"
        assert connection.room() == 1

    converse(script, program)
    assert received[0].endswith(b"chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n")
    assert received[1] == b"Sum: 9\r\n\r\n"


def test_a_length_that_is_known_holds_for_blocks() -> None:
    async def script(wire: Wire) -> None:
        assert b"Transfer-Encoding" not in await wire.take()
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(LocalProtocolError, match="Too little data"):
            await connection.send(request(b"PUT", content=[b"abc"], headers=[(b"Content-Length", b"5")]))
        assert connection.is_closed()

    converse(script, program)


def test_large_content_goes_out_as_it_is_taken() -> None:
    large = bytes(range(256)) * 4096
    received = []

    async def script(wire: Wire) -> None:
        await wire.take()
        while len(wire.received) < len(large):
            await wire.take(b"")
        received.append(bytes(wire.received))
        wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await content(await connection.send(request(b"PUT", content=large))) == b"hello"
        assert connection.room() == 1

    converse(script, program)
    assert received[0].endswith(large)


def test_a_bad_head_leaves_the_connection_as_it_was() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        for bad in (get(b"no slash"), get(headers=[(b"A", b"b\nc")]), get(headers=[(b"Host", b"a"), (b"Host", b"b")])):
            with pytest.raises(LocalProtocolError):
                await connection.send(bad)
        assert await ask(connection) == b"hello"

    converse(answering(HELLO), program)


def test_content_that_raises_ends_the_connection() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ZeroDivisionError

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(ZeroDivisionError):
            await connection.send(request(b"PUT", content=failing()))
        assert connection.is_closed()

    converse(answering(), program)


def test_a_str_is_no_content() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(TypeError, match="encode a str first"):
            await connection.send(request(b"PUT", content=["abc"]))

    converse(answering(), program)


# -- responses before the content is out


@pytest.mark.parametrize("status", [413, 303])
def test_an_early_response_stops_the_content(status: int) -> None:
    given = []
    tidied: list[float] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                given.append(seconds())
                yield b"x" * 1000
                await passing(1)
        finally:
            tidied.append(seconds())

    async def script(wire: Wire) -> None:
        await wire.take()
        await passing(3.5)
        wire.send(b"HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\nno!" % status)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        source = endless()
        response = await connection.send(request(b"PUT", content=source))
        assert tidied == [4]
        assert response.status_code == status
        assert await content(response) == b"no!"
        assert connection.is_closed()  # as the request was not complete
        assert given == [0, 1, 2, 3, 4]

    converse(script, program)


def test_an_early_response_that_is_content_with_it_lets_the_content_go_on() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await wire.take(b"0\r\n\r\n")
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(request(b"PUT", content=blocks(b"a", b"b", b"c", pause=1)))
        assert await content(response) == b"hello"
        assert connection.room() == 1

    converse(script, program)


@pytest.mark.parametrize("reset", [False, True])
def test_a_response_in_front_of_a_closed_connection_is_read(reset: bool) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        if reset:
            wire.reset()
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(request(b"PUT", content=b"x" * 1_000_000))
        assert response.status_code == 413
        assert await content(response) == b"no"
        assert connection.is_closed()

    converse(script, program)


def test_a_server_that_takes_nothing() -> None:
    async def script(wire: Wire) -> None:
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(WriteTimeout):
            await connection.send(request(b"PUT", content=b"x" * 1_000_000))
        assert seconds() == 7
        assert connection.is_closed()

    converse(script, program)


def test_a_server_that_takes_nothing_and_says_why() -> None:
    async def script(wire: Wire) -> None:
        await passing(3)
        wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(request(b"PUT", content=b"x" * 1_000_000))
        assert response.status_code == 413
        assert await content(response) == b"no"
        assert connection.is_closed()

    converse(script, program)


# -- Expect: 100-continue


@pytest.mark.parametrize("answer", [True, False])
def test_content_waits_for_the_word_to_go_on_for_some_time(answer: bool) -> None:
    when = []

    async def script(wire: Wire) -> None:
        assert b"\r\nExpect: 100-continue\r\n" in await wire.take()
        if answer:
            await passing(0.5)
            wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await passing(0.5)
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await wire.take(b"hello") == b"hello"
        when.append(seconds())
        wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(request(b"PUT", content=b"hello", expect_continue=2.0))
        assert await content(response) == b"hello"
        assert connection.room() == 1

    converse(script, program)
    assert when == [1.0 if answer else 2.0]


def test_other_informational_responses_do_not_hold_the_content_back() -> None:
    when = []

    async def script(wire: Wire) -> None:
        await wire.take()
        while not wire.received.endswith(b"hello"):
            wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await passing(1.5)
        when.append(seconds())
        wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        await connection.send(request(b"PUT", content=b"hello", expect_continue=2.0))

    converse(script, program)
    assert when == [3.0]


def test_content_that_is_not_wanted_is_not_sent() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        assert await wire.take_all() == b""

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(request(b"PUT", content=b"hello", expect_continue=2.0))
        assert response.status_code == 417
        assert connection.is_closed()

    converse(script, program)
