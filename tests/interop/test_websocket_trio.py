"""Clients and servers of WebSocket on trio with the websockets library as the other end, over loopback."""

import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
import trio
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server
from tests.net.loopback import contexts_of

from interlock.net import trio as ours

#: Seconds after which a test that waits is taken to have failed.
PATIENCE = 60

MEGABYTE = 2**20

COMPRESSION = pytest.mark.parametrize("compression", [True, False])


@pytest.fixture
def run() -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    """Run a coroutine on trio, on a real clock: the other end has its own thread."""

    def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def watched() -> None:
            with trio.fail_after(PATIENCE):
                await main()

        trio.run(watched)

    return run


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server, and for a client that trusts it."""
    return contexts_of("localhost")


def echo(connection: websockets.sync.server.ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@contextlib.contextmanager
def their_server(handler: Any = echo, **options: Any) -> Iterator[int]:
    """A server of theirs, in a thread.  Gives its port."""
    with websockets.sync.server.serve(handler, "localhost", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join(PATIENCE)
            assert not thread.is_alive()


@contextlib.asynccontextmanager
async def our_server(handler: Any, context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """A server of ours.  Gives its port."""
    async with trio.open_nursery() as nursery:
        serve = partial(ours.serve_websocket, handler, "localhost", 0, context, **options)
        server = await nursery.start(serve)
        yield server.listeners[0].port
        nursery.cancel_scope.cancel()


async def our_echo(request: ours.WebSocketRequest) -> None:
    async for message in (connection := await request.accept()):
        await connection.send_message(message)


def messages() -> Iterator[str | bytes]:
    for size in (0, 1, 125, 126, 127, 65535, 65536, 200_000, MEGABYTE):
        yield "é" * (size // 2)
        yield bytes(range(256)) * (size // 256) + b"x" * (size % 256)


# -- we are the client


@COMPRESSION
def test_our_client_sends_messages_of_all_sizes(run: Any, compression: bool) -> None:
    async def main() -> None:
        deflate = ours.PerMessageDeflate() if compression else None
        url = f"ws://localhost:{port}/"
        async with ours.open_websocket_url(url, deflate=deflate, max_message_size=2 * MEGABYTE) as connection:
            assert (connection._engine.agreed is not None) == compression
            for message in messages():
                await connection.send_message(message)
                assert await connection.get_message() == message
            await connection.ping()
        assert connection.remote_close is not None
        assert connection.remote_close.code == 1000

    with their_server(max_size=2 * MEGABYTE) as port:
        run(main)


def test_our_client_over_tls(run: Any, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        async with ours.open_websocket_url(f"wss://localhost:{port}/", contexts[1]) as connection:
            await connection.send_message("x" * 500_000)
            assert await connection.get_message() == "x" * 500_000
        assert connection.remote_close is not None
        assert connection.remote_close.code == 1000

    with their_server(ssl=contexts[0]) as port:
        run(main)


def test_our_client_says_what_theirs_reads(run: Any) -> None:
    told: list[Any] = []

    def handler(connection: websockets.sync.server.ServerConnection) -> None:
        assert connection.request is not None
        told.extend((connection.request.path, connection.request.headers["X-Test"], connection.subprotocol))
        assert connection.ping("here?").wait(PATIENCE)
        connection.send("answered")
        with pytest.raises(websockets.exceptions.ConnectionClosed) as raised:
            connection.recv()
        assert raised.value.rcvd is not None
        told.extend((raised.value.rcvd.code, raised.value.rcvd.reason))

    async def main() -> None:
        headers = [(b"X-Test", b"yes")]
        url = f"ws://localhost:{port}/path?query"
        async with ours.open_websocket_url(url, subprotocols=["a", "b"], extra_headers=headers) as connection:
            assert connection.subprotocol == "b"
            assert dict(connection.handshake_headers)[b"server"].startswith(b"Python")
            assert await connection.get_message() == "answered"
            await connection.aclose(3000, "enough")
        assert connection.closed is not None
        assert (connection.closed.code, connection.closed.reason) == (3000, "enough")
        assert connection.remote_close is not None
        assert connection.remote_close.code == 3000

    with their_server(handler, subprotocols=["b"]) as port:
        run(main)
    assert told == ["/path?query", "yes", "b", 3000, "enough"]


def test_their_server_closes(run: Any) -> None:
    async def main() -> None:
        async with ours.open_websocket_url(f"ws://localhost:{port}/") as connection:
            assert await connection.get_message() == "last"
            with pytest.raises(ours.ConnectionClosed) as raised:
                await connection.get_message()
            assert raised.value.reason is not None
            assert (raised.value.reason.code, raised.value.reason.reason) == (4000, "bye")

    def handler(connection: websockets.sync.server.ServerConnection) -> None:
        connection.send(iter(["la", "st"]))
        connection.close(4000, "bye")

    with their_server(handler) as port:
        run(main)


def test_their_server_rejects(run: Any) -> None:
    async def main() -> None:
        with pytest.raises(ours.ConnectionRejected) as raised:
            async with ours.open_websocket_url(f"ws://localhost:{port}/"):
                pass
        assert (raised.value.status_code, raised.value.body) == (418, b"short and stout")

    def reject(connection: websockets.sync.server.ServerConnection, request: Any) -> Any:
        return connection.respond(418, "short and stout")

    with their_server(process_request=reject) as port:
        run(main)


# -- we are the server


@contextlib.contextmanager
def their_client(port: int, **options: Any) -> Iterator[websockets.sync.client.ClientConnection]:
    scheme = "wss" if "ssl" in options else "ws"
    with websockets.sync.client.connect(f"{scheme}://localhost:{port}/path?query", proxy=None, **options) as connection:
        yield connection


@COMPRESSION
def test_our_server_sends_messages_of_all_sizes(run: Any, compression: bool) -> None:
    def talk(port: int) -> None:
        with their_client(port, max_size=2 * MEGABYTE) as connection:
            assert connection.response is not None
            assert ("Sec-WebSocket-Extensions" in connection.response.headers) == compression
            for message in messages():
                connection.send(message)
                assert connection.recv(PATIENCE) == message
            connection.send(iter(["in ", "many", " pieces"]))
            assert connection.recv(PATIENCE) == "in many pieces"
            assert connection.ping().wait(PATIENCE)
        assert connection.close_code == 1000

    async def main() -> None:
        deflate = ours.PerMessageDeflate() if compression else None
        async with our_server(our_echo, deflate=deflate, max_message_size=2 * MEGABYTE) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)


def test_our_server_over_tls(run: Any, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    def talk(port: int) -> None:
        with their_client(port, ssl=contexts[1]) as connection:
            connection.send("x" * 500_000)
            assert connection.recv(PATIENCE) == "x" * 500_000
        assert connection.close_code == 1000

    async def main() -> None:
        async with our_server(our_echo, contexts[0]) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)


def test_our_server_reads_what_their_client_says(run: Any) -> None:
    told: list[Any] = []

    async def handler(request: ours.WebSocketRequest) -> None:
        told.extend((request.path, dict(request.headers)[b"x-test"], request.proposed_subprotocols))
        connection = await request.accept(subprotocol="b", extra_headers=[(b"X-Answer", b"42")])
        await connection.ping(b"here?")
        with pytest.raises(ours.ConnectionClosed) as raised:
            await connection.get_message()
        assert raised.value.reason is not None
        told.extend((raised.value.reason.code, raised.value.reason.reason))

    def talk(port: int) -> None:
        options: Any = {"subprotocols": ["a", "b"], "additional_headers": {"X-Test": "yes"}}
        with their_client(port, **options) as connection:
            assert connection.subprotocol == "b"
            assert connection.response is not None
            assert connection.response.headers["X-Answer"] == "42"
            with pytest.raises(TimeoutError):
                connection.recv(0.2)  # by then it has answered our ping
            connection.close(3000, "enough")
        assert connection.close_code == 3000

    async def main() -> None:
        async with our_server(handler) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)
    assert told == ["/path?query", b"yes", ("a", "b"), 3000, "enough"]


def test_our_server_closes(run: Any) -> None:
    async def handler(request: ours.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message("last")
        await connection.aclose(4000, "bye")

    def talk(port: int) -> None:
        with their_client(port) as connection:
            assert connection.recv(PATIENCE) == "last"
            with pytest.raises(websockets.exceptions.ConnectionClosed) as raised:
                connection.recv(PATIENCE)
            assert raised.value.rcvd is not None
            assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (4000, "bye")

    async def main() -> None:
        async with our_server(handler) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)


@pytest.mark.parametrize("size", [1001, 100_000, MEGABYTE])
def test_our_server_refuses_what_is_too_big(run: Any, size: int) -> None:
    def talk(port: int) -> None:
        with their_client(port, compression=None) as connection:
            with pytest.raises(websockets.exceptions.ConnectionClosed) as raised:
                while True:
                    connection.send(bytes(size))
                    connection.recv(PATIENCE)
            assert raised.value.rcvd is not None
            assert raised.value.rcvd.code == 1009

    async def main() -> None:
        async with our_server(our_echo, max_message_size=1000) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)


def test_our_server_rejects(run: Any) -> None:
    async def handler(request: ours.WebSocketRequest) -> None:
        await request.reject(418, body=b"short and stout")

    def talk(port: int) -> None:
        with pytest.raises(websockets.exceptions.InvalidStatus) as raised, their_client(port):
            pass
        assert raised.value.response.status_code == 418
        assert raised.value.response.body == b"short and stout"

    async def main() -> None:
        async with our_server(handler) as port:
            await trio.to_thread.run_sync(talk, port)

    run(main)
