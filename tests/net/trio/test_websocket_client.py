"""Opening WebSockets on trio over real sockets, with a clock that jumps: addresses, URLs, TLS, proxies, and what goes wrong."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from tests.net.loopback import contexts_of
from tests.net.trio.far_end import cancelled_at, on_trio
from trio.testing import wait_all_tasks_blocked

from interlock.net import trio as trio_websocket
from interlock.net.trio import (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    Endpoint,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    connect_websocket,
    connect_websocket_url,
    open_websocket,
    open_websocket_url,
)
from interlock.ws import Ping

HOST = "127.0.0.1"


async def echo(request: WebSocketRequest) -> None:
    connection = await request.accept(extra_headers=[(b"X-Path", request.path.encode())])
    async for message in connection:
        await connection.send_message(message)


@asynccontextmanager
async def served(handler: Any = echo, context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Any]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(trio_websocket.serve_websocket, handler, HOST, 0, context, **options))
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw(handler: Callable[[trio.SocketStream], Any]) -> AsyncIterator[int]:
    """A server that knows nothing of WebSocket."""

    async def quietly(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await handler(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, quietly, 0, host=HOST))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server, and for a client that trusts it."""
    return contexts_of(HOST, "localhost")


# -- well


@on_trio
async def test_an_address_and_a_url() -> None:
    async with served() as server, trio.open_nursery() as nursery:
        for connecting in (
            open_websocket(HOST, server.port, "/a?b", use_ssl=False),
            open_websocket_url(f"ws://{HOST}:{server.port}/a?b"),
        ):
            async with connecting as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
                assert connection.path == "/a?b"
                assert connection.handshake_headers == ((b"x-path", b"/a?b"),)
                assert isinstance(connection.remote, Endpoint)
                assert connection.remote.url == f"ws://{HOST}:{server.port}"
            assert connection.closed is not None
            assert connection.closed.code == 1000
            assert connection.remote_close is not None
        for connection in (
            await connect_websocket(nursery, HOST, server.port, "/a?b", use_ssl=False),
            await connect_websocket_url(nursery, f"ws://{HOST}:{server.port}/a?b"),
        ):
            async with connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
        assert not nursery.child_tasks


@on_trio
async def test_an_address_of_ipv6() -> None:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    server = trio_websocket.WebSocketServer(echo, [listener])
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        async with open_websocket("::1", server.port, "/", use_ssl=False) as connection:
            assert isinstance(connection.remote, Endpoint)
            assert connection.remote.url == f"ws://[::1]:{server.port}"
        nursery.cancel_scope.cancel()


@on_trio
async def test_what_host_says() -> None:
    hosts: list[str] = []

    async def handler(request: WebSocketRequest) -> None:
        hosts.append(request.url)
        await request.accept()

    async with served(handler) as server:
        port = server.port
        async with open_websocket(HOST, port, "/", use_ssl=False):
            pass
    assert hosts == [f"ws://{HOST}:{port}/"]


@on_trio
async def test_a_user_and_a_password_in_the_url() -> None:
    async def handler(request: WebSocketRequest) -> None:
        headers = dict(request.headers)
        assert headers[b"authorization"] == b"Basic dXNlcjpwYXNz"
        assert headers[b"x-test"] == b"yes"
        await request.accept()

    async with (
        served(handler) as server,
        open_websocket_url(f"ws://user:pass@{HOST}:{server.port}/", extra_headers=[(b"X-Test", b"yes")]),
    ):
        pass


@on_trio
async def test_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with served(context=contexts[0]) as server:
        async with open_websocket_url(f"wss://{HOST}:{server.port}/x", contexts[1]) as connection:
            await connection.send_message(bytes(200_000))
            assert await connection.get_message() == bytes(200_000)
            assert isinstance(connection.local, Endpoint)
            assert connection.local.is_ssl
        assert connection.closed is not None
        assert connection.closed.code == 1000
        assert connection.remote_close is not None
        async with open_websocket(HOST, server.port, "/x", use_ssl=contexts[1]) as connection:
            await connection.aclose(3000, "bye")
        assert connection.remote_close is not None
        assert connection.remote_close.code == 3000


@on_trio
async def test_compression_is_agreed_on() -> None:
    options = {"deflate": trio_websocket.PerMessageDeflate()}
    async with served(**options) as server:
        url = f"ws://{HOST}:{server.port}/"
        async with open_websocket_url(url, **options) as connection:  # type: ignore[arg-type]
            assert connection._engine.agreed is not None
            await connection.send_message("x" * 100_000)
            assert await connection.get_message() == "x" * 100_000
        async with open_websocket_url(url) as connection:
            assert connection._engine.agreed is None


# -- proxies


@asynccontextmanager
async def proxied(requests: list[bytes], answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> AsyncIterator[int]:
    """A proxy for CONNECT, which notes what it is asked for."""

    async def relay(source: Any, sink: Any) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
            await sink.send_eof()

    async def handler(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        requests.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        await stream.send_all(answer)
        if b" 200 " in answer:
            target = await trio.open_tcp_stream(host, int(port))
            async with target, trio.open_nursery() as nursery:
                nursery.start_soon(relay, stream, target)
                nursery.start_soon(relay, target, stream)

    async with raw(handler) as port:
        yield port


@on_trio
async def test_by_way_of_a_proxy(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    requests: list[bytes] = []
    async with served() as plain, served(context=contexts[0]) as secure, proxied(requests) as proxy:
        ports = [plain.port, secure.port]
        for url, context in (
            (f"ws://{HOST}:{plain.port}/", None),
            (f"wss://{HOST}:{secure.port}/", contexts[1]),
        ):
            async with open_websocket_url(url, context, proxy=f"http://user:pass@{HOST}:{proxy}") as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
            assert connection.remote_close is not None
    assert [head.split(b"\r\n")[0] for head in requests] == [
        b"CONNECT %b:%d HTTP/1.1" % (HOST.encode(), port) for port in ports
    ]
    assert all(b"Proxy-Authorization: Basic dXNlcjpwYXNz" in head for head in requests)


@on_trio
async def test_by_way_of_a_proxy_with_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """TLS to the proxy, and in it TLS to the server."""
    requests: list[bytes] = []
    async with served(context=contexts[0]) as server, proxied(requests) as proxy:

        async def wrapped(stream: trio.SSLStream[trio.SocketStream]) -> None:
            inner = await trio.open_tcp_stream(HOST, proxy)

            async def relay(source: Any, sink: Any) -> None:
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    async for data in source:
                        await sink.send_all(data)
                nursery.cancel_scope.cancel()

            async with inner, trio.open_nursery() as nursery:
                nursery.start_soon(relay, stream, inner)
                nursery.start_soon(relay, inner, stream)

        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_ssl_over_tcp, wrapped, 0, contexts[0], host=HOST, https_compatible=True)
            listeners = await nursery.start(serve)
            port = listeners[0].transport_listener.socket.getsockname()[1]
            async with open_websocket(
                HOST, server.port, "/", use_ssl=contexts[1], proxy=f"https://{HOST}:{port}", proxy_ssl=contexts[1]
            ) as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n",
        b"220 mail.example.org\r\n",
    ],
)
@on_trio
async def test_a_proxy_that_does_not_connect_us(answer: bytes) -> None:
    async with served() as server, proxied([], answer) as proxy:
        with pytest.raises(HandshakeError):
            async with open_websocket_url(f"ws://{HOST}:{server.port}/", proxy=f"http://{HOST}:{proxy}"):
                pass


# -- otherwise


@on_trio
async def test_what_is_no_url() -> None:
    for url in ("http://example.org/", "ws:///x", "ws://example.org/#here", "ws://example.org/a b", "example.org"):
        with pytest.raises(ValueError):
            open_websocket_url(url)
    with pytest.raises(ValueError, match=r"^SSL context must be None for ws: URL scheme$"):
        open_websocket_url("ws://example.org/", ssl.create_default_context())
    async with trio.open_nursery() as nursery:
        with pytest.raises(TypeError, match="use_ssl"):
            await connect_websocket(nursery, HOST, 1, "/", use_ssl=1)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await connect_websocket(nursery, HOST, 1, "/", use_ssl=False, unheard_of=1)  # type: ignore[call-arg]


@on_trio
async def test_nobody_is_there() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(HandshakeError) as raised:
        async with open_websocket(HOST, port, "/", use_ssl=False):
            pass
    assert isinstance(raised.value.__cause__, OSError)
    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError):
            await connect_websocket(nursery, HOST, port, "/", use_ssl=False)


@on_trio
async def test_a_certificate_that_nobody_trusts(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with served(context=contexts[0]) as server:
        with pytest.raises(HandshakeError, match=r"no TLS with 127.0.0.1.*certificate verify failed"):
            async with open_websocket(HOST, server.port, "/", use_ssl=True):
                pass
        async with open_websocket(HOST, server.port, "/", use_ssl=contexts[1]):
            pass  # which has not ended the server


@on_trio
async def test_who_never_answers() -> None:
    async with raw(silent) as port:
        begun = trio.current_time()
        with pytest.raises(ConnectionTimeout):
            async with open_websocket(HOST, port, "/", use_ssl=False, connect_timeout=7):
                pass
        assert trio.current_time() - begun == pytest.approx(7, abs=0.1)
        with pytest.raises(ConnectionTimeout):
            async with open_websocket(HOST, port, "/", use_ssl=ssl.create_default_context(), connect_timeout=7):
                pass
    assert trio_websocket.CONN_TIMEOUT == 60


@on_trio
async def test_who_rejects() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await request.reject(401, extra_headers=[(b"WWW-Authenticate", b"Basic")], body=b"who?")

    async with served(handler) as server:
        with pytest.raises(ConnectionRejected) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                pass
    assert (raised.value.status_code, raised.value.body) == (401, b"who?")
    assert (b"www-authenticate", b"Basic") in raised.value.headers
    assert (b"connection", b"close") in raised.value.headers


@on_trio
async def test_who_does_not_answer_our_close() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await request.accept()
        await trio.sleep_forever()

    async with served(handler, message_queue_size=0) as server:
        begun = trio.current_time()
        with pytest.raises(DisconnectionTimeout):
            async with open_websocket(HOST, server.port, "/", use_ssl=False, disconnect_timeout=7) as connection:
                await connection.send_message("blocks the server's reader")
        assert trio.current_time() - begun == pytest.approx(7, abs=0.1)
        assert connection.closed is not None
        assert connection.closed.code == 1000
        # An error of the block stands behind that.
        error = ValueError("mine")
        with pytest.raises(DisconnectionTimeout) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False, disconnect_timeout=7) as connection:
                await connection.send_message("blocks the server's reader")
                raise error
        assert raised.value.__context__ is error


# -- what the block raises


@on_trio
async def test_the_errors_of_a_block_come_out_as_they_are() -> None:
    codes: list[int] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        with pytest.raises(ConnectionClosed) as raised:
            await connection.get_message()
        assert raised.value.reason is not None
        codes.append(raised.value.reason.code)

    async with served(handler) as server:
        error = ValueError("mine")
        with pytest.raises(ValueError) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                raise error
        assert raised.value is error
        assert error.__context__ is error.__cause__ is None
        with pytest.raises(ExceptionGroup) as group:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                raise ExceptionGroup("mine", [error])
        assert group.value.exceptions == (error,)
        # An error is not lost because the closing is cancelled.
        with trio.move_on_after(1), pytest.raises(ValueError) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                try:
                    await trio.sleep_forever()
                finally:
                    raise error
        assert raised.value is error
        with trio.move_on_after(1) as scope:
            async with open_websocket(HOST, server.port, "/", use_ssl=False):
                await trio.sleep_forever()
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()
    assert codes == [1011, 1011, 1006, 1006]


@pytest.mark.parametrize("own", [None, ValueError("mine")])
@on_trio
async def test_errors_of_the_tasks(own: ValueError | None) -> None:
    """They end the block.  With an error of the block, they stand behind it."""

    class Failing(WebSocketConnection):
        async def _handle_ping_event(self, event: Ping) -> None:
            raise ZeroDivisionError

    async def handler(request: WebSocketRequest) -> None:
        await (await request.accept()).ping()

    async with served(handler) as server:
        with pytest.raises((ZeroDivisionError, ValueError)) as raised:
            async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                connection.__class__ = Failing
                connection._handlers[Ping] = connection._handle_ping_event
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    if own is None:
                        raise
                    try:
                        raise KeyError
                    except KeyError:
                        raise own  # noqa: B904 - what stands behind it is what is tested
        if own is None:
            assert type(raised.value) is ZeroDivisionError
        else:
            assert raised.value is own
            behind = own.__context__
            assert isinstance(behind, BaseExceptionGroup)
            assert [type(error) for error in behind.exceptions] == [ZeroDivisionError, KeyError]


@on_trio
async def test_errors_of_the_tasks_while_we_close() -> None:
    class Failing(WebSocketConnection):
        async def _handle_ping_event(self, event: Ping) -> None:
            await trio.sleep_until(trio.current_time() + 1)
            raise ZeroDivisionError

    async def handler(request: WebSocketRequest) -> None:
        await (await request.accept()).ping()

    async with served(handler) as server:
        with pytest.raises(ZeroDivisionError):
            async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                connection.__class__ = Failing
                connection._handlers[Ping] = connection._handle_ping_event
                await wait_all_tasks_blocked()


@on_trio
async def test_all_of_it_may_be_cancelled_at_any_step() -> None:
    """Nothing is left, at either end, of a connection that was to be opened, used and closed."""
    async with served() as server:

        async def use() -> str:
            async with open_websocket(HOST, server.port, "/", use_ssl=False) as connection:
                await connection.send_message("hello")
                assert await connection.get_message() == "hello"
            return "done"

        result = None
        step = 0
        while result is None:
            cancelled, result = await cancelled_at(step, use)
            assert cancelled == (result is None)
            await wait_all_tasks_blocked()
            step += 1
        assert step > 8
        task = trio.lowlevel.current_task()
        # Only the server is left: its listener, and no connection.
        assert [type(nursery) for nursery in task.child_nurseries] == [trio.Nursery]
