"""A client's connection of HTTP/1.1: one exchange after the other, other protocols, what may be made again."""

import asyncio

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
from tests.client.wire import Wire, passing

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Request
from interlock.http.errors import RemoteProtocolError
from interlock.net.errors import ReadError

# -- the common case


def test_one_write_one_read_and_the_connection_is_free_at_once() -> None:
    async def script(wire: Wire) -> None:
        for _ in range(2):
            assert await wire.take() == b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
            wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        told = []
        connection.on_change = lambda: told.append(connection.room())
        for number in (1, 2):
            assert connection.room() == 1
            assert connection.idle_since() is not None
            response = await connection.send(get())
            assert (response.status_code, response.reason, response.http_version) == (200, b"OK", b"1.1")
            assert told == [1] * number  # before anybody has read the content
            assert response.exchange.take_rest() == b"hello"
            assert await response.exchange.read_block() == b""
            assert response.exchange.trailers is not None
            await response.exchange.aclose()
        assert not connection.is_closed()

    converse(script, program)


def test_a_connection_takes_one_request_at_a_time() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO[:-1])
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(get())
        assert response.exchange.take_rest() is None
        assert connection.room() == 0
        assert connection.idle_since() is None
        with pytest.raises(ConnectionNotAvailable):
            await connection.send(get())
        await response.exchange.aclose()
        assert connection.is_closed()
        with pytest.raises(ConnectionNotAvailable):
            await connection.send(get())
        with pytest.raises(ReadError, match="closed before all of it was read"):
            await content(response)

    converse(script, program)


@pytest.mark.parametrize(
    ("answer", "expected", "again"),
    [
        (HELLO, b"hello", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (HELLO + b"HTTP/1.1 200 OK\r\n", b"hello", False),  # what nobody has asked for
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_whether_the_connection_is_used_again(answer: bytes, expected: bytes, again: bool, cut: bool) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        for piece in [answer[at : at + 1] for at in range(len(answer))] if cut else [answer]:
            wire.send(piece)
        if again:
            await wire.take()
            wire.send(HELLO)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == expected
        usable = connection.room() == 1 and not connection.has_ended()
        assert usable is again
        if again:
            assert await ask(connection) == b"hello"
        elif not cut:
            assert connection.is_closed()

    converse(script, program)


def test_content_until_the_end_of_the_connection() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == b"hello"
        assert connection.is_closed()

    converse(answering(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", end=True), program)


def test_trailers() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nChecksum: 7\r\n\r\n"

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(get())
        assert response.exchange.trailers is None
        assert await content(response) == b"hello"
        assert response.exchange.trailers == [(b"checksum", b"7")]

    converse(answering(answer[:60], answer[60:]), program)


def test_what_was_sent_unasked_ends_an_idle_connection() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await passing(1)
        wire.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == b"hello"
        assert not connection.has_ended()
        await passing(2)
        assert connection.has_ended()

    converse(script, program)


# -- other protocols


def test_an_upgrade_hands_over_the_stream() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst")
        wire.send(await wire.take(b"!"))
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        fields = [(b"Upgrade", b"echo"), (b"Connection", b"upgrade")]
        response = await connection.send(get(headers=fields))
        assert response.status_code == 101
        assert await response.exchange.read_block() == b""
        assert connection.room() == 0
        assert not connection.is_closed()
        stream = response.exchange.network_stream
        assert stream is not None
        assert stream.get_extra_info("is_readable")
        assert await stream.read(2) == b"fi"
        assert await stream.read(100) == b"rst"
        await stream.write(b"hello!")
        assert await stream.read(100) == b"hello!"
        await response.exchange.aclose()
        assert connection.is_closed()

    converse(script, program)


def test_a_tunnel_and_one_that_is_refused() -> None:
    async def script(wire: Wire) -> None:
        assert await wire.take() == b"CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n"
        wire.send(b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno")
        await wire.take()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        refused = await connection.send(request(b"CONNECT", b"b.example:443"))
        assert await content(refused) == b"no"
        response = await connection.send(request(b"CONNECT", b"b.example:443"))
        assert response.exchange.take_rest() is None or response.exchange.take_rest() == b""
        stream = response.exchange.network_stream
        assert stream is not None
        assert await stream.read(100) == b"hello"

    converse(script, program)


def test_a_switch_that_nobody_has_asked_for() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(RemoteProtocolError):
            await ask(connection)

    converse(answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n"), program)


# -- what may be made again


async def leaving(wire: Wire) -> None:
    """Answer once, and be gone when the next request comes."""
    await wire.take()
    wire.send(HELLO)
    await wire.take()
    wire.end()
    await wire.gone()


@pytest.mark.parametrize(
    ("again", "safe"),
    [
        (get(), True),
        (request(b"PUT", content=b"abc"), True),
        (request(b"DELETE"), True),
        (request(b"PUT", content=[b"abc"]), True),
        (request(b"POST", content=b"abc"), False),
        (request(b"PATCH", content=b"abc"), False),
        (request(b"PUT", content=iter([b"abc"])), False),
        (request(b"PUT", content=b"abc", trailers=list), False),
    ],
)
def test_a_connection_that_has_ended_meanwhile(again: Request, safe: bool) -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == b"hello"
        with pytest.raises(ConnectionNotAvailable if safe else RemoteProtocolError):
            await connection.send(again)
        assert connection.is_closed()

    converse(leaving, program)


def test_a_connection_that_has_answered_a_little() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await wire.take()
        wire.send(b"H")
        wire.end()
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == b"hello"
        with pytest.raises(RemoteProtocolError):
            await ask(connection)

    converse(script, program)


def test_a_response_on_a_connection_that_takes_no_request_any_more() -> None:
    """It may say why.  Whether the request was read nobody knows, so there is no other on this connection."""

    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await passing(1)
        wire.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        wire.reset()
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await ask(connection) == b"hello"
        await passing(2)
        response = await connection.send(get())
        assert response.status_code == 408
        assert await content(response) == b""
        assert connection.is_closed()

    converse(script, program)


# -- cancelling


@pytest.mark.parametrize("after", [1.0, 2.5])
def test_a_request_that_is_cancelled_leaves_nothing(after: float) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        await passing(2)
        wire.send(HELLO[:-1])
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        changes: list[bool] = []
        connection.on_change = lambda: changes.append(connection.is_closed())
        task = asyncio.ensure_future(ask(connection))
        await passing(after)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert connection.is_closed()
        assert changes == [True]

    converse(script, program)


def test_closing_the_connection_fails_what_is_in_progress() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(get())
        await connection.aclose()
        with pytest.raises(ReadError, match="connection was closed"):
            await content(response)

    converse(answering(HELLO[:-1]), program)
