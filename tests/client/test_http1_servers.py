"""A client's connection of HTTP/1.1 with servers that do not behave: slow, lying, chopping, endless."""

import pytest
from tests.client.conversing import (
    HELLO,
    NEVER,
    answering,
    ask,
    content,
    converse,
    get,
)
from tests.client.wire import Wire, passing, seconds

from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import InformationalResponse
from interlock.http.limits import Limits
from interlock.net.errors import ReadError, ReadTimeout

# -- servers that do not behave


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "Server disconnected without sending a response."),
        (b"HTTP/1.1 200 OK\r\nConte", "peer unexpectedly closed connection"),
        (HELLO[:-2], r"without sending complete message body \(received 3 bytes, expected 5\)"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "incomplete chunked read"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "incomplete chunked read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "more than one Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n", "bad chunk size"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "illegal|bad|status line"),
    ],
)
def test_a_server_that_breaks_off_or_breaks_the_rules(answer: bytes, message: str) -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(RemoteProtocolError, match=message):
            await ask(connection)
        assert connection.is_closed()
        assert seconds() < 1

    converse(answering(*([answer] if answer else []), end=True), program)


def test_the_content_before_an_error_is_delivered_before_it() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZ\r\n"

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(get())
        assert response.exchange.take_rest() is None
        assert await response.exchange.read_block() == b"hello"
        for _ in range(2):
            with pytest.raises(RemoteProtocolError, match="bad chunk size"):
                await response.exchange.read_block()
        assert connection.is_closed()

    converse(answering(answer), program)


def test_a_server_that_resets() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO[:-2])
        await passing(1)
        wire.reset()
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(ReadError, match="reset"):
            await ask(connection)
        assert connection.is_closed()

    converse(script, program)


def test_a_server_that_is_silent() -> None:
    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(ReadTimeout):
            await ask(connection)
        assert seconds() == 5
        assert connection.is_closed()

    converse(answering(), program)


def test_a_head_that_takes_too_long() -> None:
    """Each octet comes in time, but not all of them."""

    async def script(wire: Wire) -> None:
        await wire.take()
        await passing(4)
        for octet in HELLO:
            wire.send(bytes([octet]))
            await passing(1)
            if wire.end_of_client:
                break

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(ReadTimeout, match=r"head of the response was not complete within 5.0"):
            await ask(connection)
        assert seconds() == 9

    converse(script, program)


def test_a_head_may_take_its_time_where_there_is_no_timeout() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        for octet in HELLO:
            wire.send(bytes([octet]))
            await passing(100)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        assert await content(await connection.send(get(timeouts=NEVER))) == b"hello"

    converse(script, program)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50, b"HTTP/1.1 200 "]
)
def test_a_head_without_end(head: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(head)
        for _ in range(20):
            wire.send(b"B: c\r\n" * 1000 if head.endswith(b"\n") else b"x" * 1000)
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(RemoteProtocolError):
            await ask(connection)
        assert connection.is_closed()

    converse(script, program, Limits(head=5000, request_line=5000))


def test_content_that_is_slower_than_it_may_be() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not wire.end_of_client:
            wire.send(b"x")
            await passing(1)

    async def program(connection: ClientHTTP1Connection) -> None:
        slow = ClientTimeouts(read=5.0, body_grace=10.0, body_rate=2.0)
        response = await connection.send(get(timeouts=slow))
        with pytest.raises(ReadTimeout, match=r"less than 2.0 octets a second"):
            await content(response)
        assert 15 < seconds() < 25
        assert connection.is_closed()

    converse(script, program)


def test_the_time_that_nobody_reads_does_not_count() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for _ in range(6):
            await passing(1)
            wire.send(b"x")
        await wire.gone()

    async def program(connection: ClientHTTP1Connection) -> None:
        rated = ClientTimeouts(read=5.0, body_grace=4.0, body_rate=2.0)
        response = await connection.send(get(timeouts=rated))
        for _ in range(6):
            assert await response.exchange.read_block()
            await passing(100)

    converse(script, program)


def test_informational_responses_are_told_and_bounded() -> None:
    seen: list[InformationalResponse] = []
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def program(connection: ClientHTTP1Connection) -> None:
        response = await connection.send(get(on_informational=seen.append))
        assert await content(response) == b"hello"
        assert [hint.status_code for hint in seen] == [103, 103]

    converse(answering(hints, hints + HELLO), program)

    async def bad(connection: ClientHTTP1Connection) -> None:
        with pytest.raises(RemoteProtocolError, match="more than 64 informational responses"):
            await ask(connection)
        assert connection.is_closed()

    converse(answering(hints * 65 + HELLO), bad)


def test_an_informational_response_is_no_part_of_the_next_head() -> None:
    """The time for a head runs from its own first octet."""

    async def script(wire: Wire) -> None:
        await wire.take()
        for _ in range(4):
            wire.send(b"HTTP/1.1 102 Processing\r\n")
            await passing(3)
            wire.send(b"\r\n")
        wire.send(HELLO)
        await wire.gone()

    assert converse(script, ask) == b"hello"
