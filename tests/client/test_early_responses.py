"""Responses that come before the content of the request is out, on real sockets: asyncio, uvloop, trio and threads."""

import socket
from typing import Any

import pytest
from tests.client.conversing import content
from tests.net.networks import WORLDS, World, far_end

from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Request
from interlock.client.timeouts import ClientTimeouts

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much"
LARGE = b"x" * 20_000_000


def blocks() -> Any:
    while True:
        yield b"x" * 50_000


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def refuse(world: World, handler: Any, sent: Any) -> None:
    async def main() -> None:
        connection = ClientHTTP1Connection(world.network, await world.network.connect_tcp("127.0.0.1", port, 20.0))
        timeouts = ClientTimeouts(read=20.0, write=20.0)
        response = await connection.send(
            Request(b"PUT", b"http", "127.0.0.1", port, b"/", content=sent, timeouts=timeouts)
        )
        assert response.status_code == 413
        assert await content(response) == b"too much"
        assert connection.is_closed()

    with far_end(handler) as port:
        world.run(main)


@pytest.mark.parametrize("many", [False, True], ids=["octets", "blocks"])
def test_a_server_that_reads_on(world: World, many: bool) -> None:
    """It does not have to read all of it."""
    received = []

    def handler(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(REFUSAL)
        received.append(0)
        while data := _receive(sock):
            received[0] += len(data)

    refuse(world, handler, blocks() if many else LARGE)
    assert received[0] < len(LARGE)


@pytest.mark.parametrize("many", [False, True], ids=["octets", "blocks"])
def test_a_server_that_closes_its_side(world: World, many: bool) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(REFUSAL)
        sock.shutdown(socket.SHUT_WR)
        while _receive(sock):
            pass

    refuse(world, handler, blocks() if many else LARGE)


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""
