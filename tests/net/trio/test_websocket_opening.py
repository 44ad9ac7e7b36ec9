"""The opening handshake of a WebSocket on trio, octet by octet, over streams in memory: both roles, well and otherwise."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from tests.net.trio.far_end import HalfCloseable, cancelled_at, on_trio, pass_time
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from interlock.http.errors import LocalProtocolError
from interlock.net.trio import (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    HandshakeError,
    PerMessageDeflate,
    WebSocketRequest,
    wrap_client_stream,
    wrap_server_stream,
)
from interlock.ws.handshake import accept_key

KEY = base64.b64encode(bytes(16))
REQUEST = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + accept_key(KEY)
    + b"\r\n"
)


class Opening:
    """One end that opens, in a task, and the other half of its stream."""

    def __init__(self, wire: HalfCloseable, far: Any) -> None:
        self.wire = wire
        self.far = far
        self.done = trio.Event()
        self.result: Any = None
        self.error: Exception | None = None

    async def call(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            self.result = await call()
        except Exception as error:
            self.error = error
        finally:
            self.done.set()

    async def ask(self, octets: bytes) -> None:
        await self.far.send_all(octets)
        await wait_all_tasks_blocked()

    async def told(self) -> bytes:
        await wait_all_tasks_blocked()
        with trio.move_on_after(1e-6):
            return bytes(await self.far.receive_some())
        return b""

    async def head(self) -> tuple[bytes, dict[bytes, bytes]]:
        """The start line that was sent, and the fields."""
        start, *lines = (await self.told()).removesuffix(b"\r\n\r\n").split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        return start, {name.lower(): value for name, value in fields.items()}


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Opening]:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        it = Opening(HalfCloseable(near), far)

        async def connect() -> Any:
            return await wrap_client_stream(nursery, it.wire, "example.org", "/chat?room=1", **options)  # type: ignore[arg-type]

        nursery.start_soon(it.call, connect)
        yield it
        nursery.cancel_scope.cancel()
    assert it.wire.done == []  # the stream is its owner's


@asynccontextmanager
async def server(**options: Any) -> AsyncIterator[Opening]:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        it = Opening(HalfCloseable(near), far)

        async def request() -> Any:
            return await wrap_server_stream(nursery, it.wire, **options)  # type: ignore[arg-type]

        nursery.start_soon(it.call, request)
        yield it
        nursery.cancel_scope.cancel()
    assert it.wire.done == []


def answer_to(fields: dict[bytes, bytes], further: bytes = b"") -> bytes:
    """The response that accepts a request with these fields."""
    accept = accept_key(fields[b"sec-websocket-key"])
    return ACCEPTED.replace(accept_key(KEY), accept) + further + b"\r\n"


# -- the client


@on_trio
async def test_what_a_client_asks_for() -> None:
    headers = [(b"Origin", b"https://example.org"), (b"X-Test", b"yes")]
    async with client(subprotocols=["a", "b"], extra_headers=headers, deflate=PerMessageDeflate()) as it:
        start, fields = await it.head()
        assert start == b"GET /chat?room=1 HTTP/1.1"
        assert len(base64.b64decode(fields.pop(b"sec-websocket-key"))) == 16
        assert fields.pop(b"sec-websocket-extensions").startswith(b"permessage-deflate")
        assert fields == {
            b"host": b"example.org",
            b"upgrade": b"websocket",
            b"connection": b"Upgrade",
            b"sec-websocket-version": b"13",
            b"sec-websocket-protocol": b"a, b",
            b"origin": b"https://example.org",
            b"x-test": b"yes",
        }


@on_trio
async def test_a_client_is_accepted() -> None:
    async with client(subprotocols=["a", "b"]) as it:
        _, fields = await it.head()
        further = b"Sec-WebSocket-Protocol: b\r\nServer: test\r\nX-Two: 1\r\nX-Two: 2\r\n"
        await it.ask(answer_to(fields, further) + b"\x81\x05early")
        connection = it.result
        assert connection.is_client
        assert connection.subprotocol == "b"
        assert connection.path == "/chat?room=1"
        assert connection.handshake_headers == ((b"server", b"test"), (b"x-two", b"1"), (b"x-two", b"2"))
        assert await connection.get_message() == "early"


@on_trio
async def test_a_response_in_single_octets_behind_others() -> None:
    async with client() as it:
        _, fields = await it.head()
        for octet in b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer_to(fields):
            assert it.result is it.error is None
            await it.ask(bytes([octet]))
        assert it.result.closed is None


@on_trio
async def test_a_client_is_rejected() -> None:
    async with client() as it:
        await it.head()
        await it.ask(b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 5\r\n\r\n")
        assert it.error is None
        await it.ask(b"no")
        await it.ask(b"...")
        error = it.error
        assert isinstance(error, ConnectionRejected)
        assert (error.status_code, error.body) == (403, b"no...")
        assert error.headers == ((b"x-why", b"because"), (b"content-length", b"5"))
        assert repr(error) == "ConnectionRejected<status_code=403>"


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + bytes(100_000), bytes(65536)),
    ],
)
@on_trio
async def test_the_content_of_a_rejection(response: bytes, body: bytes) -> None:
    async with client(receive_buffer_size=None) as it:
        await it.head()
        await it.ask(response)
        assert isinstance(it.error, ConnectionRejected)
        assert it.error.body == body


@on_trio
async def test_a_rejection_that_is_cut_short() -> None:
    async with client() as it:
        await it.head()
        await it.ask(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nbegin")
        await it.far.send_eof()
        await it.done.wait()
        assert isinstance(it.error, ConnectionRejected)
        assert it.error.body == b"begin"


@on_trio
async def test_nothing_but_an_informational_response() -> None:
    async with client() as it:
        await it.head()
        await it.ask(b"HTTP/1.1 102 Processing\r\n\r\n")
        await it.far.send_eof()
        await it.done.wait()
        assert isinstance(it.error, ConnectionRejected)
        assert (it.error.status_code, it.error.body) == (102, None)


@pytest.mark.parametrize(
    "response",
    [
        ACCEPTED + b"\r\n",  # of another key
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK",
        b"",
    ],
)
@on_trio
async def test_what_is_no_answer(response: bytes) -> None:
    async with client() as it:
        await it.head()
        if response:
            await it.ask(response)
        if it.error is None:
            await it.far.send_eof()
        await it.done.wait()
        assert type(it.error) is HandshakeError


@pytest.mark.parametrize(
    "further", [b"Sec-WebSocket-Protocol: c\r\n", b"Sec-WebSocket-Extensions: permessage-deflate\r\n"]
)
@on_trio
async def test_an_answer_to_what_was_not_asked_for(further: bytes) -> None:
    async with client(subprotocols=["a"]) as it:
        _, fields = await it.head()
        await it.ask(answer_to(fields, further))
        assert type(it.error) is HandshakeError


@on_trio
async def test_a_stream_that_breaks_as_a_client_opens() -> None:
    async with client() as it:
        it.wire.stream.receive_stream.close()
        await it.done.wait()
        assert type(it.error) is HandshakeError


@on_trio
async def test_a_server_that_never_answers() -> None:
    async with client(connect_timeout=7) as it:
        await it.head()
        await it.ask(b"HTTP/1.1 101 Switching Pro")
        await pass_time(6.9)
        assert it.error is None
        await pass_time(0.2)
        assert isinstance(it.error, ConnectionTimeout)


@on_trio
async def test_opening_as_a_client_may_be_cancelled_at_any_step() -> None:
    for step in range(20):
        near, far = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            it = Opening(HalfCloseable(near), far)

            async def respond(it: Opening = it) -> None:
                _, fields = await it.head()
                if fields:
                    await it.ask(answer_to(fields))

            async def connect(it: Opening = it, nursery: trio.Nursery = nursery) -> Any:
                return await wrap_client_stream(nursery, it.wire, "example.org", "/")  # type: ignore[arg-type]

            async with trio.open_nursery() as other:
                other.start_soon(respond)
                cancelled, connection = await cancelled_at(step, connect)
            assert cancelled == (connection is None)
            assert it.wire.done == []
            assert len(nursery.child_tasks) == (0 if cancelled else 2)
            nursery.cancel_scope.cancel()
    assert not cancelled


# -- the server


@on_trio
async def test_what_a_server_is_asked_for() -> None:
    async with server() as it:
        await it.ask(REQUEST + b"Sec-WebSocket-Protocol: a, b\r\nX-Test: yes\r\nOrigin: null\r\n\r\n")
        request = it.result
        assert isinstance(request, WebSocketRequest)
        assert request.path == "/chat?room=1"
        assert request.url == "ws://example.org/chat?room=1"
        assert request.headers[0] == (b"host", b"example.org")
        assert request.headers[-2:] == [(b"x-test", b"yes"), (b"origin", b"null")]
        assert dict(request.headers)[b"sec-websocket-key"] == KEY
        assert request.proposed_subprotocols == ("a", "b")
        assert isinstance(request.local, str)
        assert isinstance(request.remote, str)


@on_trio
async def test_a_server_accepts() -> None:
    async with server() as it:
        masked = b"\x81\x85" + bytes(4) + b"early"
        await it.ask(REQUEST + b"Sec-WebSocket-Protocol: a, b\r\nX-Test: yes\r\n\r\n" + masked)
        connection = await it.result.accept(subprotocol="b", extra_headers=[(b"X-Extra", b"1"), (b"X-Extra", b"2")])
        assert await it.told() == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept_key(KEY)
            + b"\r\nSec-WebSocket-Protocol: b\r\nX-Extra: 1\r\nX-Extra: 2\r\n\r\n"
        )
        assert connection.is_server
        assert connection.subprotocol == "b"
        assert connection.path == "/chat?room=1"
        assert connection.handshake_headers == ((b"x-test", b"yes"),)
        assert await connection.get_message() == "early"


@on_trio
async def test_a_server_agrees_on_compression_where_it_was_asked_to() -> None:
    for deflate, answered in ((PerMessageDeflate(), True), (None, False)):
        async with server(deflate=deflate) as it:
            await it.ask(REQUEST + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
            await it.result.accept()
            assert (b"permessage-deflate" in await it.told()) == answered


@pytest.mark.parametrize("body", [None, b"", b"no"])
@on_trio
async def test_a_server_rejects(body: bytes | None) -> None:
    async with server() as it:
        await it.ask(REQUEST + b"\r\n")
        await it.result.reject(403, extra_headers=[(b"X-Why", b"because")], body=body)
        told = await it.told()
        assert told == b"HTTP/1.1 403 \r\nX-Why: because\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body or b""),
            body or b"",
        )
        assert it.result._connection.closed.code == 1006


@on_trio
async def test_a_request_is_answered_once() -> None:
    async with server() as it:
        await it.ask(REQUEST + b"\r\n")
        await it.result.accept()
        for again in (it.result.accept, lambda: it.result.reject(403)):
            with pytest.raises(LocalProtocolError, match="ACCEPTED"):
                await again()
        assert it.result._connection.closed is None  # nothing has come of it
    async with server() as it:
        await it.ask(REQUEST + b"\r\n")
        await it.result.reject(403)
        for again in (it.result.accept, lambda: it.result.reject(403)):
            with pytest.raises(LocalProtocolError, match="REJECTED"):
                await again()


@on_trio
async def test_what_may_not_be_answered_can_still_be_answered() -> None:
    async with server() as it:
        await it.ask(REQUEST + b"Sec-WebSocket-Protocol: a\r\n\r\n")
        for wrong in (
            lambda: it.result.accept(subprotocol="b"),
            lambda: it.result.accept(extra_headers=[(b"Upgrade", b"h2c")]),
            lambda: it.result.accept(extra_headers=[(b"X", b"a\r\nb")]),
            lambda: it.result.reject(101),
            lambda: it.result.reject(204, body=b"content"),
        ):
            with pytest.raises(LocalProtocolError):
                await wrong()
        assert await it.told() == b""
        assert (await it.result.accept(subprotocol="a")).subprotocol == "a"


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", 426),
        (REQUEST.replace(b": 13", b": 8") + b"\r\n", 426),
        (REQUEST.replace(b"GET", b"POST") + b"\r\n", 405),
        (REQUEST.replace(KEY, b"short") + b"\r\n", 400),
        (REQUEST + b"Sec-WebSocket-Protocol: a, a\r\n\r\n", 400),
        (REQUEST + b"X: " + bytes(10), 400),
        (REQUEST + b"X: " + b"x" * 70_000, 431),
        (b"\x16\x03\x01\x02\x00\x01", 400),
    ],
)
@on_trio
async def test_what_is_no_opening_handshake(octets: bytes, status: int) -> None:
    async with server() as it:
        await it.ask(octets)
        await it.done.wait()
        assert type(it.error) is HandshakeError
        told = await it.told()
        assert told.startswith(b"HTTP/1.1 %d " % status)
        if status == 426:
            assert b"Sec-WebSocket-Version: 13" in told


@on_trio
async def test_no_request_at_all() -> None:
    for octets in (b"", b"GET / HT"):
        async with server() as it:
            if octets:
                await it.ask(octets)
            await it.far.send_eof()
            await it.done.wait()
            assert type(it.error) is HandshakeError
            assert "has closed the stream" in str(it.error)


@pytest.mark.parametrize(("octets", "told"), [(b"", b""), (REQUEST, b"HTTP/1.1 408 Request Timeout\r\n")])
@on_trio
async def test_a_client_that_never_asks(octets: bytes, told: bytes) -> None:
    async with server(connect_timeout=7) as it:
        if octets:
            await it.ask(octets)
        await pass_time(6.9)
        assert it.error is None
        await pass_time(0.2)
        assert isinstance(it.error, ConnectionTimeout)
        assert (await it.told()).partition(b"\n")[0] + b"\n" * bool(told) == told


@on_trio
async def test_a_client_that_never_asks_and_takes_nothing() -> None:
    async with server(connect_timeout=7) as it:
        await it.ask(REQUEST)
        it.wire.stuck = trio.Event()
        await pass_time(8)
        assert it.error is None
        await pass_time(2)
        assert isinstance(it.error, ConnectionTimeout)


@pytest.mark.parametrize("answer", ["accept", "reject"])
@on_trio
async def test_a_client_that_is_gone_when_it_is_answered(answer: str) -> None:
    async with server() as it:
        await it.ask(REQUEST + b"\r\n")
        it.wire.broken = True
        with pytest.raises(ConnectionClosed) as raised:
            await (it.result.accept() if answer == "accept" else it.result.reject(403))
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1006


@on_trio
async def test_accepting_may_be_cancelled_at_any_step() -> None:
    """Either nothing has happened, or the connection is lost, or it is open."""
    outcomes = set()
    for step in range(10):
        async with server() as it:
            await it.ask(REQUEST + b"\r\n")
            cancelled, connection = await cancelled_at(step, it.result.accept)
            told = await it.told()
            assert cancelled == (connection is None)
            closed = it.result._connection.closed
            if cancelled:
                assert closed is not None
                assert closed.code == 1006
            else:
                assert closed is None
                assert told.endswith(b"\r\n\r\n")
            outcomes.add(cancelled)
    assert outcomes == {True, False}
