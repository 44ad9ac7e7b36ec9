"""A connection with a delegate over real sockets: asyncio, uvloop, trio, threads, TLS, and what users have already."""

import asyncio
import contextlib
import functools
import socket
import threading
from typing import Any

import pytest
import trio
from tests.net.http1_peer import Notes
from tests.net.networks import ENOUGH, WORLDS, World, certificates, far_end, until_end

from interlock.net.blocking.stream import BlockingStream
from interlock.net.http1 import HTTP1Connection, RequestStartLine, ResponseStartLine
from interlock.net.stream import Stream, run

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def content(connection: HTTP1Connection) -> Notes:
    """A delegate that sends back what it gets, as it comes."""

    async def head(_: Notes, start_line: RequestStartLine, headers: Any) -> None:
        await connection.write_headers(OK, {"Content-Type": "text/plain"})

    async def data(_: Notes, chunk: bytes) -> None:
        await connection.write(chunk)

    async def finish(_: Notes, trailers: Any) -> None:
        await connection.finish(trailers)

    return Notes(headers_received=head, data_received=data, finish=finish)


async def reusable(connection: HTTP1Connection, notes: Notes) -> None:
    assert await connection.read_response(notes)


def serve_in_thread(sock: socket.socket) -> None:
    """A server of our own, on a socket that blocks."""
    run(HTTP1Connection(BlockingStream(sock.dup(), "the client"), False).serve(content))


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
def test_a_client_and_a_server_in_a_thread(world: World, size: int) -> None:
    async def main() -> None:
        connection = HTTP1Connection(await world.connect(port), True)
        sent = min(size, 100_000) if world.name == "blocking" else size

        async def write() -> None:
            for start in range(0, sent, 50_000):
                await connection.write(bytes(min(50_000, sent - start)))
            await connection.finish([("t", "u")])

        for _ in range(2):
            notes = Notes()
            connection.write_headers(RequestStartLine("POST", "/"), {"Host": "a"})
            if world.name == "blocking":  # one thread does one thing after the other
                await write()
                assert await connection.read_response(notes)
            else:
                await world.together(write, functools.partial(reusable, connection, notes))
            assert len(notes.content) == sent
            assert notes.start_line == OK
            assert list(notes.trailers) == [(b"t", b"u")]
        await connection.close()

    with far_end(serve_in_thread) as port:
        world.run(main)


def test_over_tls(world: World) -> None:
    def far(sock: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(1000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
        until_end(sock)

    async def main() -> None:
        connection = HTTP1Connection(await world.connect(port, tls=True), True)
        await connection.write_headers(RequestStartLine("GET", "/"), {"Host": "a"})
        await connection.finish()
        notes = Notes()
        assert await connection.read_response(notes)
        assert len(notes.content) == 100_000
        await connection.close()

    with far_end(far, tls=True) as port:
        world.run(main)


def ask(port: int, answers: list[bytes]) -> None:
    """A client that wants to see its last response although it is still sending."""
    with socket.create_connection(("127.0.0.1", port), timeout=ENOUGH) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        sock.sendall(b"GET / HTTP/9.9\r\n" + bytes(200_000))
        answers.append(until_end(sock))


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_server_of_asyncio(tls: bool) -> None:
    """With what ``asyncio.start_server`` hands over."""
    errors: list[Any] = []
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await HTTP1Connection((reader, writer), False).serve(content)
        writer.close()
        await writer.wait_closed()
        asyncio.get_running_loop().call_soon(over.set)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=certificates().server if tls else None)
        port = server.sockets[0].getsockname()[1]
        async with server:
            world = World("asyncio")
            connection = HTTP1Connection(await world.connect(port, tls=tls), True)
            for size in (10, 500_000):
                notes = Notes()
                async with asyncio.TaskGroup() as group:
                    connection.write_headers(RequestStartLine("POST", "/"), {"Host": "a"}, bytes(size))
                    connection.finish()
                    group.create_task(connection.read_response(notes))
                assert notes.content == bytes(size)
            await connection.close()
            await over.wait()
            await asyncio.sleep(0)

    asyncio.run(main())
    assert errors == []


def test_a_server_of_trio() -> None:
    """With what ``trio.serve_tcp`` hands over; and a client that sees why it was refused."""
    answers: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        await HTTP1Connection(stream, False).serve(content)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, handle, 0)
            port = listeners[0].socket.getsockname()[1]
            await trio.to_thread.run_sync(ask, port, answers)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert b"\r\nhello\r\n" in answers[0]
    assert b"HTTP/1.1 505 " in answers[0]


def test_leaving_http_with_a_reader_and_a_writer() -> None:
    async def main() -> None:
        with far_end(upgrade) as port:
            pair = await asyncio.open_connection("127.0.0.1", port)
            connection = HTTP1Connection(pair, True)
            await connection.write_headers(
                RequestStartLine("GET", "/"), {"Host": "a", "Upgrade": "x", "Connection": "upgrade"}
            )
            await connection.finish()
            assert not await connection.read_response(Notes())
            stream: Stream = connection.detach()
            assert await stream.read(100, ENOUGH) == b"at once"
            await stream.write(b"ping")
            assert await stream.read(100, ENOUGH) == b"ping"
            await stream.aclose()

    asyncio.run(main())


def upgrade(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nat once")
    while data := sock.recv(100):
        sock.sendall(data)


def test_a_server_in_a_thread_that_waits_for_nobody() -> None:
    """A response from another thread: blocking sockets have no close callback, but the response is waited for."""
    connections: list[HTTP1Connection] = []
    asked = threading.Event()

    def far(sock: socket.socket) -> None:
        connection = HTTP1Connection(BlockingStream(sock.dup(), "the client"), False)
        connections.append(connection)
        run(connection.serve(lambda _: Notes(finish=lambda *_: asked.set())))

    def answer() -> None:
        assert asked.wait(ENOUGH)
        connections[0].write_headers(OK, {"Content-Length": "2", "Connection": "close"}, b"ok")
        connections[0].finish()

    thread = threading.Thread(target=answer)
    thread.start()
    with far_end(far) as port, socket.create_connection(("127.0.0.1", port), timeout=ENOUGH) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert until_end(sock).endswith(b"\r\n\r\nok")
    thread.join()
