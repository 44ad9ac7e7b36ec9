"""Clients and servers of WebSocket on asyncio with each other, over real sockets: handshakes that fail, and what is chosen."""

import asyncio
import contextlib
import logging
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.net.loopback import EACH_LOOP, contexts_of, runner
from tests.net.virtual_clock import living

from interlock.net import asyncio as library
from interlock.net.asyncio import Response, State, connect, serve, unix_connect, unix_serve
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.asyncio.websocket_client import backoff, process_exception
from interlock.net.asyncio.websocket_messages import Headers, MultipleValuesError
from interlock.net.asyncio.websocket_stream import WebSocketStream
from interlock.ws import Connection as Engine
from interlock.ws import Step

#: Seconds after which a test that waits is taken to have failed.
PATIENCE = 20


@pytest.fixture(**EACH_LOOP)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on each kind of event loop; it may leave no task behind, and report no error."""
    return runner(request.param, PATIENCE)


async def echo(connection: library.ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def url(server: library.Server, target: str = "/") -> str:
    return f"ws://127.0.0.1:{port(server)}{target}"


def port(server: library.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def answering(octets: bytes, *, close: bool = True) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each request with these octets.  Gives its URL, and the requests."""
    requests: list[bytes] = []
    tasks: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(octets)
            if not close:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)


async def until(condition: Callable[[], Any]) -> None:
    """Let all else happen until this holds."""
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never holds")


async def raw(server: library.Server, octets: bytes) -> bytes:
    """All that a server says to these octets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
    writer.write(octets)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


# -- what a connection is


def test_a_connection_from_its_beginning_to_its_end(run: Any) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(connection: library.ServerConnection) -> None:
            seen.extend((connection, connection.state, connection.request, connection.response))
            await echo(connection)

        async with serve(handler, "127.0.0.1", 0) as server:
            number = port(server)
            assert server.is_serving()
            assert server.get_loop() is asyncio.get_running_loop()
            async with connect(url(server, "/chat?x=1")) as connection:
                assert connection.state is State.OPEN
                assert connection.id == connection.id
                await connection.send("hello")
                assert await connection.recv() == "hello"
                assert server.connections == {seen[0]}
                assert (connection.close_code, connection.close_reason) == (None, None)
                assert connection.remote_address == seen[0].local_address
                assert connection.local_address == seen[0].remote_address
            assert connection.state is State.CLOSED
            assert (connection.close_code, connection.close_reason) == (1000, "")
            assert connection.local_close is not None
            assert connection.remote_close is not None
        assert not server.is_serving()
        assert not server._connections
        served, state, request, response = seen
        assert state is State.OPEN
        assert served.state is State.CLOSED
        assert served.server is server
        assert (request.path, request.headers["HOST"]) == (
            "/chat?x=1",
            f"127.0.0.1:{number}",
        )
        assert request.headers["user-agent"] == "interlock"
        assert (response.status_code, response.reason_phrase) == (101, "Switching Protocols")
        assert response.headers["server"] == "interlock"
        assert "date" in response.headers
        assert repr(served).startswith("<ServerConnection CLOSED (")

    run(main())


def test_what_is_received_can_be_converted(run: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server, connect(url(server)) as connection:
            await connection.send("é")
            assert await connection.recv(decode=False) == "é".encode()
            await connection.send("é".encode())
            assert await connection.recv(decode=True) == "é"
            await connection.send("é".encode(), text=True)
            assert await connection.recv() == "é"
            await connection.send("é", text=False)
            assert await connection.recv() == "é".encode()
            await connection.send([b"a", b"b"], text=True)
            assert await connection.recv() == "ab"

            async def pieces() -> AsyncIterator[str]:
                yield "a"
                yield "b"

            await connection.send(pieces(), text=False)
            assert await connection.recv() == b"ab"

    run(main())


def test_pieces_of_binary_can_be_decoded_wherever_they_are_cut(run: Any) -> None:
    async def handler(connection: library.ServerConnection) -> None:
        await connection.send(["é".encode()[:1], "é".encode()[1:]])
        await connection.send(["é", "è"])

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0) as server, connect(url(server)) as connection:
            assert "".join([str(piece) async for piece in connection.recv_streaming(decode=True)]) == "é"
            pieces = [piece async for piece in connection.recv_streaming(decode=False)]
            assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == "éè".encode()

    run(main())


def test_two_tasks_do_not_receive_from_one_connection(run: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server, connect(url(server)) as connection:
            receiving = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            with pytest.raises(library.ConcurrencyError):
                await connection.recv()
            with pytest.raises(RuntimeError):
                await anext(connection.recv_streaming())
            await connection.send("one")
            assert await receiving == "one"
            await connection.send("two")
            assert await connection.recv() == "two"

    run(main())


def test_the_same_ping_twice(run: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server, connect(url(server)) as connection:
            pong = await connection.ping("x")
            with pytest.raises(library.ConcurrencyError):
                await connection.ping(b"x")
            await pong
            await connection.pong("x")

    run(main())


def test_an_error_in_the_body_closes_with_1011(run: Any) -> None:
    codes = []

    async def handler(connection: library.ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0) as server:
            with pytest.raises(KeyError):
                async with connect(url(server)):
                    raise KeyError
            with pytest.raises(KeyError):
                async with await connect(url(server)):
                    raise KeyError
            async with await connect(url(server)):
                pass

    run(main())
    assert codes == [1011, 1011, 1000]


# -- clients


@pytest.mark.parametrize("uri", ["http://x", "ws://", "ws://x/#y", "ws://a%3Ab:c@x/"])
def test_a_url_that_is_none(uri: str) -> None:
    with pytest.raises(library.InvalidURI, match=re.escape(uri)) as raised:
        connect(uri)
    assert raised.value.uri == uri


def test_credentials_and_further_headers(run: Any) -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n") as (host, requests):
            for options in (
                {"additional_headers": [("X-A", "1"), ("X-A", "2")]},
                {"additional_headers": {"authorization": "mine"}, "user_agent_header": None},
            ):
                with pytest.raises(library.InvalidStatus):
                    await connect(f"ws://me:secret@{host}/", origin="https://o", subprotocols=["a", "b"], **options)  # type: ignore[arg-type]
            first, second = requests
            assert b"Authorization: Basic bWU6c2VjcmV0\r\n" in first
            assert b"User-Agent: interlock\r\n" in first
            assert b"X-A: 1\r\nX-A: 2\r\n" in first
            assert b"Origin: https://o\r\n" in first
            assert b"Sec-WebSocket-Protocol: a, b\r\n" in first
            assert b"authorization: mine\r\n" in second
            assert b"Basic" not in second
            assert b"User-Agent" not in second

    run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"additional_headers": {"Connection": "close"}}, library.InvalidHandshake),
        ({"additional_headers": {"Sec-WebSocket-Key": "x"}}, library.InvalidHandshake),
        ({"additional_headers": {"X": "a\r\nb"}}, library.InvalidHandshake),
        ({"subprotocols": ["a b"]}, library.InvalidHandshake),
    ],
)
def test_what_may_not_stand_in_a_request(run: Any, options: Any, error: Any) -> None:
    async def main() -> None:
        async with answering(b"") as (host, requests):
            with pytest.raises(error):
                await connect(f"ws://{host}", **options)
            assert requests == []

    run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"max_queue": 0},
        {"ssl": ssl.create_default_context()},
        {"ssl": True},
        {"proxy": "http://p", "sock": None},
    ],
)
def test_options_that_make_no_sense(options: Any) -> None:
    with pytest.raises(ValueError):
        connect("ws://x", **options)


@pytest.mark.parametrize("ssl", [False])
def test_a_secure_url_needs_tls(ssl: Any) -> None:
    with pytest.raises(ValueError):
        connect("wss://x", ssl=ssl)


def test_a_proxy_that_is_none() -> None:
    with pytest.raises(library.InvalidProxy):
        connect("ws://x", proxy="socks5://y")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 404, b"nope"),
        (b"HTTP/1.1 302 \r\nLocation: ws://y/\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, b"abc"),
        (b"HTTP/1.1 500 \r\n\r\nuntil the end", 500, b"until the end"),
        (b"HTTP/1.1 500 \r\nContent-Length: 100\r\n\r\ncut", 500, b"cut"),
        (b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", 503, b""),
        (b"HTTP/1.1 500 \r\n\r\n" + bytes(100_000), 500, bytes(65536)),
    ],
    ids=str,
)
def test_a_rejection(run: Any, answer: bytes, status: int, body: bytes) -> None:
    async def main() -> None:
        async with answering(answer) as (host, _):
            with pytest.raises(library.InvalidStatus, match=str(status)) as raised:
                await connect(f"ws://{host}")
            response = raised.value.response
            assert (response.status_code, response.body) == (status, body)

    run(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", library.InvalidMessage),
        (b"HTTP/1.1 101 ", library.InvalidMessage),
        (b"SSH-2.0-OpenSSH\r\n\r\n", library.InvalidMessage),
        (b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", library.InvalidUpgrade),
        (
            b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            library.InvalidUpgrade,
        ),
        (b"HTTP/1.1 101 \r\nX: " + b"x" * 100_000 + b"\r\n\r\n", library.InvalidMessage),
        (b"HTTP/1.1 100 \r\n\r\n" * 10, library.InvalidMessage),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_answer(run: Any, answer: bytes, error: Any) -> None:
    async def main() -> None:
        async with answering(answer) as (host, _):
            with pytest.raises(error):
                await connect(f"ws://{host}")

    run(main())


def test_a_rejection_that_does_not_end(run: Any) -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 500 \r\n\r\n" + bytes(100_000), close=False) as (host, _):
            with pytest.raises(library.InvalidStatus):
                await connect(f"ws://{host}")

    run(main())


def test_reconnecting_closes_the_last_connection(run: Any) -> None:
    async def main() -> None:
        made: list[library.ClientConnection] = []
        async with serve(echo, "127.0.0.1", 0) as server:
            async for connection in connect(url(server)):
                assert [last.state for last in made] == [State.CLOSED] * len(made)
                made.append(connection)
                if len(made) == 3:
                    break

    run(main())


def test_a_server_that_does_not_answer(run: Any) -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 101 ", close=False) as (host, _):
            with pytest.raises(TimeoutError):
                await connect(f"ws://{host}", open_timeout=0.01)

    run(main())


def test_nobody_is_there(run: Any) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            number = unused.getsockname()[1]
        with pytest.raises(OSError):
            await connect(f"ws://127.0.0.1:{number}")

    run(main())


def test_cancelling_while_it_opens(run: Any) -> None:
    async def main() -> None:
        async with answering(b"", close=False) as (host, requests):
            opening = asyncio.ensure_future(asyncio.wait_for(connect(f"ws://{host}"), PATIENCE))
            await until(lambda: requests)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await asyncio.sleep(0)

    run(main())


def test_what_comes_right_behind_the_handshake(run: Any) -> None:
    async def main() -> None:
        async with serve(hello_at_once, "127.0.0.1", 0) as server:
            async with connect(url(server)) as connection:
                assert [message async for message in connection] == ["hello"]
            assert (await raw(server, HANDSHAKE + b"\x88\x82\0\0\0\0\x03\xe8")).endswith(b"\r\n\r\n\x88\x02\x03\xe8")

    run(main())


async def hello_at_once(connection: library.ServerConnection) -> None:
    await connection.send("hello")


def test_reconnecting(run: Any) -> None:
    async def main() -> None:
        times = 0
        refused = 0

        def refuse(connection: library.ServerConnection, request: Any) -> Response | None:
            nonlocal refused
            refused += 1
            return connection.respond(503, "") if refused % 2 else None

        async with serve(hello_at_once, "127.0.0.1", 0, process_request=refuse) as server:
            async for connection in connect(url(server), reconnect_delays=lambda: [0] * 9):
                assert await connection.recv() == "hello"
                times += 1
                if times == 3:
                    await connection.close()
                    break
        assert refused == 6

    run(main())


def test_reconnecting_ends_with_other_errors(run: Any) -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n") as (host, requests):
            with pytest.raises(library.InvalidStatus):
                async for _ in connect(f"ws://{host}"):
                    pass
            with pytest.raises(KeyError):
                async for _ in connect(f"ws://{host}", process_exception=lambda _: KeyError()):
                    pass
            assert len(requests) == 2

    run(main())


def test_when_to_try_again() -> None:
    headers = Headers()
    assert process_exception(OSError()) is None
    assert process_exception(TimeoutError()) is None
    assert process_exception(library.InvalidStatus(Response(503, "", headers))) is None
    for error in (library.InvalidStatus(Response(403, "", headers)), ssl.SSLCertVerificationError(), ValueError()):
        assert process_exception(error) is error
    delays = backoff()
    made = [next(delays) for _ in range(12)]
    assert 0 <= made[0] <= 5
    assert made[1] == 3
    assert made[1:] == sorted(made[1:])
    assert made[-1] == 90


# -- proxies


@contextlib.asynccontextmanager
async def proxy(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that connects to where it is told.  Gives its port and the heads of its requests."""
    heads: list[bytes] = []
    tasks: set[Any] = set()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        host, _, number = head.split()[1].decode().rpartition(":")
        further = await asyncio.open_connection("127.0.0.1", int(number))
        writer.write(b"HTTP/1.1 200 \r\n\r\n")
        await asyncio.gather(forward(reader, further[1]), forward(further[0], writer))
        tasks.discard(asyncio.current_task())

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        for task in list(tasks):
            await asyncio.wait([task])


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server, and for a client that trusts it."""
    return contexts_of("localhost")


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("secure_proxy", [False, True])
def test_by_way_of_a_proxy(
    run: Any, contexts: tuple[ssl.SSLContext, ssl.SSLContext], secure: bool, secure_proxy: bool
) -> None:
    async def main() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, ssl=contexts[0] if secure else None) as server,
            proxy(contexts[0] if secure_proxy else None) as (number, heads),
        ):
            async with connect(
                f"{'wss' if secure else 'ws'}://localhost:{port(server)}/",
                ssl=contexts[1] if secure else None,
                proxy=f"{'https' if secure_proxy else 'http'}://me:secret@localhost:{number}",
                proxy_ssl=contexts[1],
                proxy_headers={"X-Proxy": "yes"},
                additional_headers={"X-Server": "yes"},
            ) as connection:
                await connection.send("hello" * 10_000)
                assert await connection.recv() == "hello" * 10_000
        assert len(heads) == 1
        assert heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % port_of(heads[0]))
        assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in heads[0]
        assert b"X-Proxy: yes\r\n" in heads[0]
        assert b"X-Server" not in heads[0]

    run(main())


def port_of(head: bytes) -> int:
    return int(head.split()[1].rpartition(b":")[2])


@pytest.mark.parametrize(
    ("environment", "uri", "found"),
    [
        ({"https_proxy": "http://p:1"}, "wss://x", "p"),
        ({"wss_proxy": "http://w:1", "https_proxy": "http://p:1"}, "wss://x", "w"),
        ({"http_proxy": "http://h:1"}, "ws://x", "h"),
        ({"http_proxy": "http://h:1"}, "wss://x", None),
        ({"http_proxy": "http://h:1", "no_proxy": "x"}, "ws://x", None),
        ({}, "ws://x", None),
    ],
)
def test_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], uri: str, found: str | None
) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen = connect(uri, proxy=True)._proxy
    assert (chosen.host if chosen else None) == found
    assert connect(uri)._proxy is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 \r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 \r\n\r\nand more",
        b"HTTP/1.1 101 \r\n\r\n",
        b"",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_proxy_that_does_not_connect_us(run: Any, answer: bytes) -> None:
    async def main() -> None:
        async with answering(answer) as (host, _):
            with pytest.raises(library.ProxyError):
                await connect("wss://example.com", proxy=f"http://{host}")

    run(main())


# -- servers


@pytest.mark.parametrize(
    ("request_", "status", "fields"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, [b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, [b"Allow: GET"]),
        (HANDSHAKE.replace(b"13", b"8"), 426, [b"Sec-WebSocket-Version: 13"]),
        (HANDSHAKE.replace(b"dGhl", b""), 400, []),
        (HANDSHAKE.replace(b"1.1", b"1.0"), 400, []),
        (HANDSHAKE.replace(b"Host: x", b"Host: x\r\nContent-Length: 5"), 400, []),
        (b"nonsense\r\n\r\n", 400, []),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000, 431, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_requests_that_are_refused(run: Any, request_: bytes, status: int, fields: list[bytes]) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            answer = await raw(server, request_)
            head = answer.partition(b"\r\n\r\n")[0]
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            for field in (*fields, b"connection: close", b"Server: interlock"):
                assert field in head
            async with connect(url(server)) as connection:  # and it goes on
                await connection.send("x")
                assert await connection.recv() == "x"

    run(main())


def test_who_connects_and_goes(run: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port(server))
            writer.close()
            await writer.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["http://a", "http://b"], "http://b", True),
        (["http://a"], "http://b", False),
        (["http://a"], None, False),
        (["http://a", None], None, True),
        ([None], "http://a", False),
        ([re.compile(r"https?://.*\.a")], "http://x.a", True),
        ([re.compile(r"https?://.*\.a")], "http://x.a.b", False),
        (None, "http://a", True),
        ([], "http://a", False),
    ],
)
def test_origins(run: Any, origins: Any, origin: str | None, allowed: bool) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, origins=origins) as server:
            if allowed:
                await (await connect(url(server), origin=origin)).close()
                return
            with pytest.raises(library.InvalidStatus) as raised:
                await connect(url(server), origin=origin)
            assert raised.value.response.status_code == 403

    run(main())


@pytest.mark.parametrize(
    ("options", "offered", "chosen"),
    [
        ({"subprotocols": ["b", "a"]}, ["a", "b", "c"], "b"),
        ({"subprotocols": ["b"]}, ["a"], 400),
        ({"subprotocols": ["b"]}, [], 400),
        ({}, ["a"], None),
        ({"select_subprotocol": lambda connection, offered: offered[-1]}, ["a", "b"], "b"),
        ({"select_subprotocol": lambda connection, offered: None}, ["a", "b"], None),
        ({"select_subprotocol": lambda connection, offered: "z"}, ["a"], 500),
    ],
)
def test_subprotocols(run: Any, options: Any, offered: list[str], chosen: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, **options) as server:
            if isinstance(chosen, int):
                with pytest.raises(library.InvalidStatus) as raised:
                    await connect(url(server), subprotocols=offered)
                assert raised.value.response.status_code == chosen
                return
            async with connect(url(server), subprotocols=offered) as connection:
                assert connection.subprotocol == chosen

    run(main())


def test_what_the_application_responds(run: Any) -> None:
    async def process_request(connection: library.ServerConnection, request: library.Request) -> Response | None:
        await asyncio.sleep(0)
        assert connection.state is State.CONNECTING
        with pytest.raises(RuntimeError):
            await connection.send("too early")
        if request.path == "/health":
            return connection.respond(200, "fine\n")
        if request.path == "/bare":
            return Response(204, "No Content", Headers(), b"")
        if request.path == "/fail":
            raise KeyError
        return None

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, process_request=process_request) as server:
            answer = await raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nfine\n")
            assert b"Connection: close\r\n" in answer
            assert (await raw(server, b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"\r\n\r\n")
            assert (await raw(server, b"GET /bare HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 204 No Content")
            assert (await raw(server, b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 500 ")
            async with connect(url(server)) as connection:
                await connection.send("x")
                assert await connection.recv() == "x"

    run(main())


def test_what_the_application_makes_of_the_response(run: Any) -> None:
    def process_response(
        connection: library.ServerConnection, request: library.Request, response: Response
    ) -> Response | None:
        if request.path == "/no":
            return connection.respond(403, "no\n")
        response.headers["X-More"] = "yes"
        del response.headers["Server"]
        return None

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, process_response=process_response) as server:
            async with connect(url(server)) as connection:
                assert connection.response is not None
                assert connection.response.headers["x-more"] == "yes"
                assert "server" not in connection.response.headers
                await connection.send("x")
                assert await connection.recv() == "x"
            with pytest.raises(library.InvalidStatus):
                await connect(url(server, "/no"))

    run(main())


def test_a_handler_that_fails_is_logged_once(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(connection: library.ServerConnection) -> None:
        await connection.recv()
        raise KeyError("this")

    async def main() -> None:
        async with serve(fail, "127.0.0.1", 0) as server:
            async with connect(url(server)) as connection:
                await connection.send("x")
                with pytest.raises(library.ConnectionClosedError) as raised:
                    await connection.recv()
                assert raised.value.code == 1011
            async with connect(url(server)):
                pass  # which makes recv() raise

    with caplog.at_level(logging.INFO, "interlock"):
        run(main())
    assert [record.message for record in caplog.records] == ["a handler failed"]


def test_closing_a_server(run: Any) -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0, open_timeout=None)
        connection = await connect(url(server))
        await connection.send("x")
        await connection.recv()
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"GET / HTTP/1.1\r\n")
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port(server))
        await until(lambda: len(server._openings) == 2)
        forever = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0)
        server.close(code=1012, reason="back soon")
        with pytest.raises(library.ConnectionClosedError) as raised:
            await connection.recv()
        assert (raised.value.code, raised.value.reason) == (1012, "back soon")
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        assert (await idle_reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        idle_writer.close()
        await connection.wait_closed()
        await server.wait_closed()
        await forever
        await server.start_serving()
        assert not server.is_serving()

    run(main())


def test_closing_a_server_again_and_again(run: Any) -> None:
    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port(server))
            await until(lambda: server._openings)
            for _ in range(5):
                server.close()
                await asyncio.sleep(0)
            writer.close()

    run(main())


def test_a_server_that_waits_for_its_handlers(run: Any) -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0)
        async with connect(url(server)) as connection:
            await connection.send("x")
            await connection.recv()
            server.close(close_connections=False)
            waiting = asyncio.create_task(server.wait_closed())
            await connection.send("y")
            assert await connection.recv() == "y"
            assert not waiting.done()
        await waiting

    run(main())


def test_cancelling_a_server_that_serves_forever(run: Any) -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0, start_serving=False)
        forever = asyncio.create_task(server.serve_forever())
        await until(server.is_serving)
        connection = await connect(url(server))
        forever.cancel()
        assert [message async for message in connection] == []
        assert connection.close_code == 1001
        with pytest.raises(asyncio.CancelledError):
            await forever

    run(main())


def test_a_handler_that_is_cancelled(run: Any) -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0)
        connection = await connect(url(server))
        await connection.send("x")
        await connection.recv()
        for task in server._tasks:
            task.cancel()
        assert [message async for message in connection] == []
        assert connection.close_code == 1001
        await connection.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_unix_sockets(run: Any, tmp_path: Path, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        async with unix_serve(echo, path), unix_connect(path) as connection:
            await connection.send("x")
            assert await connection.recv() == "x"
            assert connection.request is not None
            assert connection.request.headers["Host"] == "localhost"
        path = str(tmp_path / "secure")
        async with unix_serve(echo, path, ssl=contexts[0]), unix_connect(path, ssl=contexts[1]) as connection:
            await connection.send("x")
            assert await connection.recv() == "x"

    run(main())


def test_sockets_of_ones_own(run: Any) -> None:
    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        async with serve(echo, sock=listening) as server:
            sock = socket.create_connection(("127.0.0.1", port(server)))
            sock.setblocking(False)
            async with connect("ws://example.com/", sock=sock) as connection:
                assert connection.request is not None
                assert connection.request.headers["Host"] == "example.com"
                await connection.send("x")
                assert await connection.recv() == "x"

    run(main())


def test_connections_of_ones_own(run: Any) -> None:
    class Mine(library.ClientConnection):
        pass

    class Theirs(library.ServerConnection):
        async def greet(self) -> None:
            await self.send("hello")

    async def handler(connection: library.ServerConnection) -> None:
        assert isinstance(connection, Theirs)
        await connection.greet()

    async def main() -> None:
        async with (
            serve(handler, "127.0.0.1", 0, create_connection=Theirs) as server,
            connect(url(server), create_connection=Mine) as connection,
        ):
            assert isinstance(connection, Mine)
            assert await connection.recv() == "hello"

    run(main())


@pytest.mark.parametrize("secure", [False, True])
def test_cancelling_a_client_wherever_it_is(
    run: Any, contexts: tuple[ssl.SSLContext, ssl.SSLContext], secure: bool
) -> None:
    """After any number of turns of the loop; nothing is left of it, and the server goes on."""
    before = living(WebSocketSession, WebSocketStream, Engine)
    done = 0

    async def client(target: str, options: dict[str, Any]) -> None:
        nonlocal done
        async with connect(target, **options) as connection:
            await connection.send(["frag", "ment"])
            assert await connection.recv() == "fragment"
            await (await connection.ping())
        done += 1

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, ssl=contexts[0] if secure else None) as server:
            target = f"{'wss' if secure else 'ws'}://localhost:{port(server)}/"
            options = {"ssl": contexts[1]} if secure else {}
            for turns in range(60):
                task = asyncio.create_task(client(target, options))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await client(target, options)
            assert done

    run(main())
    assert living(WebSocketSession, WebSocketStream, Engine) <= before


# -- headers


def test_headers() -> None:
    headers = Headers({"A": "1", "B": "2"})
    headers["a"] = "3"
    assert headers["b"] == "2"
    assert "B" in headers
    assert 1 not in headers
    assert headers.get_all("A") == ["1", "3"]
    assert headers.get("c") is None
    with pytest.raises(MultipleValuesError):
        headers["A"]
    with pytest.raises(KeyError):
        headers["C"]
    assert list(headers.raw_items()) == [("A", "1"), ("B", "2"), ("a", "3")]
    assert len(headers) == 2
    del headers["a"]
    assert list(headers) == ["B"]
    assert repr(headers) == "Headers([('B', '2')])"


def test_who_looks_on_is_told_of_all_that_a_connection_goes_through(run: Any) -> None:
    async def main() -> None:
        steps: list[Step] = []
        async with serve(echo, "127.0.0.1", 0) as server, connect(url(server), trace=steps.append) as connection:
            await (await connection.ping(b"there?"))
        assert [step.event for step in steps] == [
            "server.Accept",
            "client.Ping",
            "server.Pong",
            "client.Close",
            "server.Close",
            "server.EndOfStream",
            "client.EndOfStream",
        ]

    run(main())
