"""A server of WebSocket on asyncio on a virtual clock: when it gives a connection up, and that nothing is left then."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.virtual_clock import EPOCH, MemoryTransport, VirtualClockLoop

from interlock.net.asyncio.websocket_connection import ClientConnection, State
from interlock.net.asyncio.websocket_options import Options
from interlock.net.asyncio.websocket_server import Handshakes, Server, ServerConnection
from interlock.net.asyncio.websocket_stream import WebSocketStream

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
#: From a client, with a mask that changes nothing.
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
HELLO = b"\x81\x85\0\0\0\0hello"


class Side:
    """A server, with clients in memory."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.loop = loop
        self.connections: list[ServerConnection] = []
        self.received: list[Any] = []
        #: Until when handlers, and ``process_request``, go on.
        self.go_on = loop.create_future()
        self.configure()

    def configure(self, *, process_request: Any = None, handler: Any = None, **options: Any) -> None:
        """Begin anew with these options."""
        chosen = {
            "compression": None,
            "open_timeout": 10,
            "ping_interval": None,
            "ping_timeout": None,
            "close_timeout": 5,
            "max_size": 2**20,
            "max_queue": 16,
            "write_limit": 32768,
        }
        handshakes = Handshakes(
            origins=None,
            subprotocols=None,
            select_subprotocol=None,
            process_request=process_request,
            process_response=None,
            server_header=None,
            create_connection=ServerConnection,
        )
        self.server = Server(self.loop, handler or self._handle, handshakes, Options(**(chosen | options)))  # type: ignore[arg-type]

    async def close(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for message in connection:
            self.received.append(message)

    def connect(self, octets: bytes = b"") -> MemoryTransport:
        """A new client, which sends ``octets``."""
        transport = MemoryTransport(self.loop, self.server.protocol(), {"peername": ("192.0.2.7", 50123)})
        self.loop.settle()
        if octets:
            transport.send(octets)
            self.loop.settle()
        return transport


@pytest.fixture
def side() -> Iterator[Side]:
    """A server; at the end nothing may be left of it."""
    loop = VirtualClockLoop()
    try:
        side = Side(loop)
        yield side
        side.go_on.cancel()
        loop.run_until_complete(side.close())
        loop.settle()
        assert asyncio.all_tasks(loop) == set()
        assert loop.timers() == []
        gc.collect()
        assert loop.errors == []
    finally:
        loop.close()


def at(when: float | None) -> float | None:
    """Seconds since the clock began."""
    return None if when is None else when - EPOCH


def test_who_says_nothing_is_let_go(side: Side) -> None:
    client = side.connect()
    side.loop.advance(9.9)
    assert client.closed_at is None
    side.loop.advance(3)
    assert client.received == b""
    assert at(client.eof_at) == 10


def test_a_head_that_does_not_end(side: Side) -> None:
    client = side.connect(b"GET / ")
    for _ in range(30):
        side.loop.advance(0.5)
        if client.eof_at is None:
            client.send(b"x")
    assert client.received.startswith(b"HTTP/1.1 408 ")
    assert at(client.eof_at) == 10
    assert at(client.closed_at) == 12  # it lingers


def test_who_was_refused_and_goes_is_not_waited_for(side: Side) -> None:
    client = side.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.received.startswith(b"HTTP/1.1 426 ")
    client.send(b"more" * 100_000)
    assert len(client.protocol._received) == 0
    side.loop.advance(1)
    assert client.closed_at is None
    client.send_eof()
    side.loop.settle()
    assert at(client.closed_at) == 1


def test_who_was_refused_and_takes_nothing(side: Side) -> None:
    client = MemoryTransport(side.loop, side.server.protocol(), {})
    client.take_nothing()
    side.loop.settle()
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    side.loop.advance(4)
    assert client.closed_at is not None
    assert client.received == b""


def test_a_response_that_the_application_does_not_make(side: Side) -> None:
    async def process_request(connection: Any, request: Any) -> None:
        await side.go_on

    side.configure(process_request=process_request)
    client = side.connect(HANDSHAKE)
    side.loop.advance(9.9)
    assert client.received == b""
    side.loop.advance(0.1)
    assert client.received.startswith(b"HTTP/1.1 408 ")


def test_who_sends_before_it_is_open_is_held(side: Side) -> None:
    async def process_request(connection: Any, request: Any) -> None:
        await asyncio.shield(side.go_on)

    side.configure(process_request=process_request, max_queue=None)
    client = side.connect(HANDSHAKE)
    for _ in range(1000):
        client.send(HELLO * 100)
    assert not client.reading
    assert client.unreceived > 900 * len(HELLO) * 100
    side.go_on.set_result(None)
    side.loop.settle()
    side.loop.settle()
    client.send(CLOSE)
    client.send_eof()
    side.loop.advance(1)
    assert side.received == ["hello"] * 100_000
    assert client.closed_at is not None


def test_who_has_closed_and_reset_in_the_handshake(side: Side) -> None:
    async def process_request(connection: Any, request: Any) -> None:
        await asyncio.shield(side.go_on)

    side.configure(process_request=process_request)
    closed, reset, said = side.connect(HANDSHAKE), side.connect(HANDSHAKE), side.connect(HANDSHAKE)
    closed.send_eof()
    reset.reset_by_peer()
    said.send(CLOSE)
    said.send_eof()
    side.loop.settle()
    side.go_on.set_result(None)
    side.loop.settle()
    side.loop.settle()
    assert closed.received.startswith(b"HTTP/1.1 101 ")
    assert closed.closed_at is not None
    assert reset.received == b""
    assert said.received.endswith(b"\x88\x02\x03\xe8")
    assert [connection.close_code for connection in side.connections] == [1006, 1000]


def test_a_stream_that_broke_is_not_one_that_ended(side: Side) -> None:
    broken, ended = WebSocketStream(side.loop, 1000), WebSocketStream(side.loop, 1000)
    transports = [MemoryTransport(side.loop, stream, {}) for stream in (broken, ended)]
    transports[0].reset_by_peer()
    transports[1].send(b"last")
    transports[1].send_eof()
    side.loop.settle()
    with pytest.raises(ConnectionResetError, match="reset by peer"):
        side.loop.run_until_complete(broken.receive_some())
    with pytest.raises(ConnectionResetError):
        broken.send_all(b"x")
    assert side.loop.run_until_complete(ended.receive_some()) == b"last"
    assert side.loop.run_until_complete(ended.receive_some()) == b""
    ended.abort()


def test_who_does_not_answer_our_close(side: Side) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send("bye")

    side.configure(handler=handler)
    client = side.connect(HANDSHAKE)
    assert client.received.endswith(b"\x81\x03bye\x88\x02\x03\xe8")
    side.loop.advance(4.9)
    assert client.closed_at is None
    side.loop.advance(0.1)
    assert at(client.closed_at) == 5


def test_who_takes_nothing(side: Side) -> None:
    async def handler(connection: ServerConnection) -> None:
        while True:
            await connection.send(bytes(10_000))

    side.configure(handler=handler)
    client = side.connect()
    client.take_nothing()
    client.send(HANDSHAKE)
    side.loop.advance(29.9)
    assert client.closed_at is None
    assert client.most_waiting < 50_000
    side.loop.advance(0.1)
    assert at(client.closed_at) == 30


@pytest.mark.parametrize(("write_limit", "bounds"), [((1000, 100), (100, 1000)), (1000, (250, 1000))])
def test_how_much_may_wait_to_be_sent(side: Side, write_limit: Any, bounds: Any) -> None:
    side.configure(write_limit=write_limit)
    assert side.connect().get_write_buffer_limits() == bounds


def test_who_connects_to_a_server_that_is_closed(side: Side) -> None:
    side.server.close()
    client = side.connect(HANDSHAKE)
    assert client.closed_at is not None
    assert client.received == b""


def test_what_is_known_before_the_handshake_is_done(side: Side) -> None:
    connection = ClientConnection(side.connect())
    assert connection.state is State.CONNECTING
    assert (connection.subprotocol, connection.latency) == (None, 0.0)
    assert (connection.close_code, connection.close_reason) == (None, None)
    assert (connection.local_close, connection.remote_close) == (None, None)
    with pytest.raises(RuntimeError):
        _ = connection.session
    connection.transport.abort()
    assert connection.state is State.CLOSED
