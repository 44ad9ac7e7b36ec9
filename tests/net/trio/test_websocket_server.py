"""Serving WebSockets on trio over real sockets, with a clock that jumps: handlers, listeners, and clients of all kinds."""

import socket
import ssl
import struct
from typing import Any

import pytest
import trio
import trustme
from tests.net.trio.far_end import both, on_trio, pass_time
from tests.net.trio.test_websocket_client import HOST, echo, served
from tests.net.trio.test_websocket_opening import REQUEST
from trio.testing import wait_all_tasks_blocked

from interlock.net.trio import (
    ConnectionClosed,
    ConnectionRejected,
    Endpoint,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketServer,
    connect_websocket,
    open_websocket,
    serve_websocket,
)
from interlock.ws import SERVER

# -- handlers


@on_trio
async def test_a_handler_that_returns() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await request.accept()

    async with served(handler) as server, open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
        with pytest.raises(ConnectionClosed) as raised:
            await connection.get_message()
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1000


@on_trio
async def test_a_handler_that_does_not_answer() -> None:
    async def handler(request: WebSocketRequest) -> None:
        pass

    async with served(handler) as server:
        with pytest.raises(ConnectionRejected) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                pass
        assert raised.value.status_code == 403


@on_trio
async def test_a_handler_that_fails() -> None:
    """The client is told 1011, and the error goes on to the nursery."""

    async def handler(request: WebSocketRequest) -> None:
        await request.accept()
        raise ZeroDivisionError

    reasons = []
    with pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesGroup(ZeroDivisionError)))):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_websocket, handler, HOST, 0, None)
            with trio.CancelScope(shield=True):
                async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                    with pytest.raises(ConnectionClosed) as raised:
                        await connection.get_message()
                    reasons.append(raised.value.reason)
    assert [reason.code for reason in reasons if reason] == [1011]


@on_trio
async def test_a_handler_that_fails_before_it_answers() -> None:
    async def handler(request: WebSocketRequest) -> None:
        raise ZeroDivisionError

    with pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesGroup(ZeroDivisionError)))):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_websocket, handler, HOST, 0, None)
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                pass


@on_trio
async def test_a_client_that_goes_does_not_end_the_server() -> None:
    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        while True:
            await connection.send_message(await connection.get_message())

    async with served(handler) as server:
        for _ in range(3):
            async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"


@on_trio
async def test_the_end_of_another_connection_is_an_error() -> None:
    async with both(SERVER) as other:
        await other.far.end()

        async def handler(request: WebSocketRequest) -> None:
            await request.accept()
            await other.connection.get_message()

        with pytest.RaisesGroup(
            pytest.RaisesGroup(pytest.RaisesGroup(pytest.RaisesGroup(ConnectionClosed))), allow_unwrapped=False
        ):
            async with trio.open_nursery() as nursery:
                server = await nursery.start(serve_websocket, handler, HOST, 0, None)
                with trio.CancelScope(shield=True):
                    async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                        with pytest.raises(ConnectionClosed):
                            await connection.get_message()
                assert connection.closed is not None
                assert connection.closed.code == 1011


@on_trio
async def test_handlers_in_another_nursery() -> None:
    async with trio.open_nursery() as handlers:
        async with served(handler_nursery=handlers) as server:
            connection = await connect_websocket(handlers, HOST, server.port, "/", use_ssl=False)
            await connection.send_message("hello")
            assert await connection.get_message() == "hello"
        # The server has gone, its connections have not.
        await connection.send_message("still here")
        assert await connection.get_message() == "still here"
        await connection.aclose()
        await wait_all_tasks_blocked()
        assert not handlers.child_tasks


@on_trio
async def test_a_server_that_is_cancelled() -> None:
    async with served() as server, trio.open_nursery() as nursery:
        connection = await connect_websocket(nursery, HOST, server.port, "/", use_ssl=False)
        await connection.send_message("hello")
        assert await connection.get_message() == "hello"
        server_nursery = trio.lowlevel.current_task().child_nurseries[0]
        server_nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), pytest.raises(ConnectionClosed):
            await connection.get_message()
        assert connection.closed is not None
        assert connection.closed.code == 1006


# -- listeners


@on_trio
async def test_listeners() -> None:
    with pytest.raises(ValueError, match="needs a listener"):
        WebSocketServer(echo, [])
    first, second = await trio.open_tcp_listeners(0, host=HOST), await trio.open_tcp_listeners(0, host=HOST)
    server = WebSocketServer(echo, [*first, *second])
    async with trio.open_nursery() as nursery:
        assert await nursery.start(server.run) is server
        with pytest.raises(RuntimeError, match="more than one listener"):
            _ = server.port
        ports = [listener.port for listener in server.listeners if isinstance(listener, Endpoint)]
        assert ports == [listener.socket.getsockname()[1] for listener in (*first, *second)]
        for port in ports:
            async with open_websocket(HOST, port, "/", use_ssl=False) as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
        nursery.cancel_scope.cancel()


@on_trio
async def test_a_listener_of_another_family(tmp_path_factory: Any) -> None:
    with socket.socket(socket.AF_UNIX) as unbound, trio.socket.from_stdlib_socket(unbound) as made:
        await made.bind(str(tmp_path_factory.mktemp("unix") / "socket"))
        made.listen()
        listener = trio.SocketListener(made)
        server = WebSocketServer(echo, [listener])
        assert server.listeners == [repr(listener)]
        with pytest.raises(RuntimeError, match="has no port"):
            _ = server.port
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            stream = await trio.open_unix_socket(made.getsockname())
            from interlock.net.trio import wrap_client_stream

            async with trio.open_nursery() as inner:
                connection = await wrap_client_stream(inner, stream, "localhost", "/")
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
                assert isinstance(connection.remote, str)
                await connection.aclose()
            await stream.aclose()
            nursery.cancel_scope.cancel()


def test_endpoints() -> None:
    assert Endpoint("127.0.0.1", 80, False).url == "ws://127.0.0.1"
    assert Endpoint("127.0.0.1", 443, False).url == "ws://127.0.0.1:443"
    assert Endpoint("127.0.0.1", 443, True).url == "wss://127.0.0.1"
    assert Endpoint("::1", 80, True).url == "wss://[::1]:80"
    assert repr(Endpoint("::1", 80, True)) == 'Endpoint(address="::1", port=80, is_ssl=True)'


# -- clients


@on_trio
async def test_a_client_that_asks_for_nothing() -> None:
    async with trio.open_nursery() as handlers, served(handler_nursery=handlers, connect_timeout=7) as server:
        stream = await trio.open_tcp_stream(HOST, server.port)
        await wait_all_tasks_blocked()
        assert len(handlers.child_tasks) == 1
        await pass_time(6.5)
        assert len(handlers.child_tasks) == 1
        await pass_time(3)  # it may take a moment to see that it is left
        assert not handlers.child_tasks
        assert await stream.receive_some() == b""
        await stream.aclose()


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"x" * 100_000, REQUEST.replace(b": 13", b": 12") + b"\r\n"],
)
@on_trio
async def test_a_client_that_speaks_something_else(octets: bytes) -> None:
    async with served() as server:
        stream = await trio.open_tcp_stream(HOST, server.port)
        async with stream:
            await stream.send_all(octets)
            answer = b""
            async for data in stream:
                answer += data
        assert answer.startswith(b"HTTP/1.1 4")
        async with open_websocket(HOST, server.port, "/", use_ssl=False):
            pass


@pytest.mark.parametrize("sent", [b"", REQUEST, REQUEST + b"\r\n", REQUEST + b"\r\n\x81\x85\x00\x00"])
@pytest.mark.parametrize("reset", [False, True])
@on_trio
async def test_a_client_that_goes_at_any_stage(sent: bytes, reset: bool) -> None:
    async with trio.open_nursery() as handlers, served(handler_nursery=handlers) as server:
        stream = await trio.open_tcp_stream(HOST, server.port)
        if sent:
            await stream.send_all(sent)
        await wait_all_tasks_blocked()
        if reset:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        await pass_time(0.1)
        assert not handlers.child_tasks


@on_trio
async def test_a_client_without_tls() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    async with served(context=context) as server:
        stream = await trio.open_tcp_stream(HOST, server.port)
        async with stream:
            await stream.send_all(REQUEST + b"\r\n")
            while await stream.receive_some():
                pass
        assert isinstance(server.listeners[0], Endpoint)
        assert server.listeners[0].is_ssl


@on_trio
async def test_a_client_that_does_not_answer_our_close() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await request.accept()

    async with (
        trio.open_nursery() as handlers,
        served(handler, handler_nursery=handlers, disconnect_timeout=7) as server,
    ):
        stream = await trio.open_tcp_stream(HOST, server.port)
        await stream.send_all(REQUEST + b"\r\n")
        await pass_time(6.5)
        assert len(handlers.child_tasks) == 1
        await pass_time(1)
        assert not handlers.child_tasks
        await stream.aclose()


@on_trio
async def test_a_client_that_fails_the_connection_with_much_under_way() -> None:
    """Our Close reaches it all the same."""
    closed: list[WebSocketConnection] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        closed.append(connection)
        with pytest.raises(ConnectionClosed):
            await connection.get_message()

    async with served(handler, max_message_size=1000) as server:
        with pytest.raises(ConnectionClosed) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                while True:
                    await connection.send_message(bytes(100_000))
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1009
        assert closed[0].closed is not None
        assert closed[0].closed.code == 1009
