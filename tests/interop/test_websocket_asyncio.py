"""Clients and servers of WebSocket on asyncio with the websockets library as the other end, over loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
from tests.net.loopback import EACH_LOOP, contexts_of, runner

from interlock.net import asyncio as ours

#: Seconds after which a test that waits is taken to have failed.
PATIENCE = 60

MEGABYTE = 2**20


@pytest.fixture(**EACH_LOOP)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on each kind of event loop; it may leave no task behind, and report no error."""
    return runner(request.param, PATIENCE)


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server, and for a client that trusts it."""
    return contexts_of("localhost")


async def echo(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


#: Which end is theirs.
ENDS = pytest.mark.parametrize("theirs", ["server", "client", "neither"])


@contextlib.asynccontextmanager
async def conversation(
    theirs: str,
    handler: Any = echo,
    *,
    client: dict[str, Any] | None = None,
    context: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    **server: Any,
) -> AsyncIterator[Any]:
    """A client that is connected to a server which runs ``handler``."""
    serve: Any = websockets.asyncio.server.serve if theirs == "server" else ours.serve
    connect: Any = websockets.asyncio.client.connect if theirs == "client" else ours.connect
    client = dict(client or {})
    if theirs == "client":
        client["proxy"] = None
    if context is not None:
        server["ssl"], client["ssl"] = context
    async with serve(handler, "localhost", 0, **server) as running:
        port = running.sockets[0].getsockname()[1]
        scheme = "ws" if context is None else "wss"
        async with connect(f"{scheme}://localhost:{port}/path?query", **client) as connection:
            yield connection


@ENDS
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_all_sizes(run: Any, theirs: str, compression: str | None) -> None:
    async def main() -> None:
        async with conversation(theirs, compression=compression, client={"compression": compression}) as connection:
            for size in (0, 1, 125, 126, 127, 65535, 65536, 200_000, MEGABYTE):
                for message in ("é" * (size // 2), bytes(range(256)) * (size // 256) + b"x" * (size % 256)):
                    await connection.send(message)
                    assert await connection.recv() == message

    run(main())


@ENDS
def test_permessage_deflate_is_agreed_on(run: Any, theirs: str) -> None:
    async def main() -> None:
        async with conversation(theirs) as connection:
            agreed = connection.response.headers["Sec-WebSocket-Extensions"]
            assert agreed.startswith("permessage-deflate")
        async with conversation(theirs, compression=None) as connection:
            assert "Sec-WebSocket-Extensions" not in connection.response.headers
            await connection.send("x" * 1000)
            assert await connection.recv() == "x" * 1000

    run(main())


@ENDS
@pytest.mark.parametrize(
    "options",
    [
        {"server_no_context_takeover": True},
        {"client_no_context_takeover": True},
        {"server_max_window_bits": 9},
        {"client_max_window_bits": 9},
    ],
    ids=lambda options: next(iter(options)),
)
def test_the_parameters_of_permessage_deflate(run: Any, theirs: str, options: dict[str, Any]) -> None:
    """We say what is to be, be it as a client or as a server."""

    async def main() -> None:
        how = ours.PerMessageDeflate(**options)
        client = {} if theirs == "client" else {"compression": how}
        server = {} if theirs == "server" else {"compression": how}
        async with conversation(theirs, client=client, **server) as connection:
            for _ in range(3):
                for message in ("something to be said again and again " * 500, "short", ""):
                    await connection.send(message)
                    assert await connection.recv() == message

    run(main())


@ENDS
@pytest.mark.parametrize("compression", ["deflate", None])
def test_fragments(run: Any, theirs: str, compression: str | None) -> None:
    async def forward(connection: Any) -> None:
        """Each message is sent back while it comes."""
        while True:
            await connection.send(connection.recv_streaming())

    async def pieces() -> AsyncIterator[str]:
        for piece in ("ä", "", "öü", "x" * 100_000):
            yield piece

    async def main() -> None:
        async with conversation(
            theirs, forward, compression=compression, client={"compression": compression}
        ) as connection:
            await connection.send(pieces())
            assert await connection.recv() == "äöü" + "x" * 100_000
            await connection.send([b"1", b"", b"2"])
            assert b"".join([piece async for piece in connection.recv_streaming()]) == b"12"
            await connection.send("whole")
            assert "".join([piece async for piece in connection.recv_streaming()]) == "whole"

    run(main())


@ENDS
def test_a_fragment_comes_before_the_next_is_sent(run: Any, theirs: str) -> None:
    async def forward(connection: Any) -> None:
        await connection.send(connection.recv_streaming())

    async def main() -> None:
        async with conversation(theirs, forward) as connection:
            heard = connection.recv_streaming()
            got = []

            async def pieces() -> AsyncIterator[str]:
                for piece in ("one", "two", "three"):
                    yield piece
                    got.append(await anext(aiter(heard)))

            await connection.send(pieces())
            assert got == ["one", "two", "three"]
            assert not any([piece async for piece in heard])

    run(main())


@ENDS
def test_subprotocols_headers_and_addresses(run: Any, theirs: str) -> None:
    async def main() -> None:
        async def tell(connection: Any) -> None:
            assert connection.subprotocol == "chat"
            assert connection.request.path == "/path?query"
            assert connection.request.headers["X-Test"] == "yes"
            assert connection.request.headers["origin"] == "http://example.com"
            await connection.send(repr(connection.remote_address[1]))

        async with conversation(
            theirs,
            tell,
            subprotocols=["chat", "other"],
            origins=["http://example.com"],
            client={
                "subprotocols": ["super", "other", "chat"],
                "origin": "http://example.com",
                "additional_headers": {"X-Test": "yes"},
            },
        ) as connection:
            assert connection.subprotocol == "chat"
            assert await connection.recv() == repr(connection.local_address[1])

    run(main())


@ENDS
def test_pings(run: Any, theirs: str) -> None:
    async def main() -> None:
        async with conversation(theirs) as connection:
            latency = await (await connection.ping())
            assert 0 <= latency < PATIENCE
            first, second = await connection.ping(b"1"), await connection.ping("2")
            assert await second >= 0
            assert await first >= 0
            await connection.pong()
            await connection.send("still here")
            assert await connection.recv() == "still here"

    run(main())


@ENDS
def test_pings_that_keep_the_connection_alive(run: Any, theirs: str) -> None:
    async def main() -> None:
        async with conversation(theirs, client={"ping_interval": 0.001}, ping_interval=0.001) as connection:
            message = bytes(MEGABYTE)  # takes longer than the milliseconds of uvloop's clock; a pong beside it, too
            while not connection.latency:
                await connection.send(message)
                assert await connection.recv() == message

    run(main())


@ENDS
def test_the_client_closes(run: Any, theirs: str) -> None:
    async def main() -> None:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def wait(connection: Any) -> None:
            try:
                await connection.recv()
            except BaseException as error:
                ended.set_result((type(error).__name__, error.rcvd.code, error.rcvd.reason, error.sent.code))

        async with conversation(theirs, wait) as connection:
            await connection.close(3000, "bye")
            assert (connection.close_code, connection.close_reason) in {(3000, ""), (3000, "bye")}
            assert connection.state == ours.State.CLOSED
        assert await ended == ("ConnectionClosedError", 3000, "bye", 3000)

    run(main())


@ENDS
def test_the_server_closes(run: Any, theirs: str) -> None:
    async def close(connection: Any) -> None:
        await connection.send("last")
        await connection.close(1001, "going")

    async def main() -> None:
        async with conversation(theirs, close) as connection:
            assert [message async for message in connection] == ["last"]
            with pytest.raises((ours.ConnectionClosedOK, websockets.exceptions.ConnectionClosedOK)) as raised:
                await connection.recv()
            assert raised.value.rcvd.code == 1001
            assert raised.value.rcvd.reason == "going"
            assert raised.value.rcvd_then_sent is True
            await connection.wait_closed()
            assert (connection.close_code, connection.close_reason) == (1001, "going")

    run(main())


@ENDS
def test_a_server_that_stops(run: Any, theirs: str) -> None:
    async def main() -> None:
        serve: Any = websockets.asyncio.server.serve if theirs == "server" else ours.serve
        connect: Any = websockets.asyncio.client.connect if theirs == "client" else ours.connect
        server = await serve(echo, "localhost", 0)
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://localhost:{port}") as connection:
            await connection.send("x")
            await connection.recv()
            assert len(server.connections) == 1
            server.close()
            with pytest.raises((ours.ConnectionClosedOK, websockets.exceptions.ConnectionClosedOK)) as raised:
                await connection.recv()
            assert raised.value.rcvd.code == 1001
            await server.wait_closed()
        assert not server.connections
        assert not server.sockets

    run(main())


@ENDS
def test_a_handler_that_fails(run: Any, theirs: str) -> None:
    async def fail(connection: Any) -> None:
        raise RuntimeError("handler")

    async def main() -> None:
        async with conversation(theirs, fail) as connection:
            with pytest.raises((ours.ConnectionClosedError, websockets.exceptions.ConnectionClosedError)) as raised:
                await connection.recv()
            assert raised.value.rcvd.code == 1011

    run(main())


@ENDS
def test_a_message_that_is_too_long(run: Any, theirs: str) -> None:
    async def main() -> None:
        async with conversation(theirs, max_size=1000) as connection:
            await connection.send("x" * 1001)
            with pytest.raises((ours.ConnectionClosedError, websockets.exceptions.ConnectionClosedError)) as raised:
                await connection.recv()
            assert raised.value.rcvd.code == 1009

    run(main())


@ENDS
def test_a_rejection(run: Any, theirs: str) -> None:
    def process_request(connection: Any, request: Any) -> Any:
        return connection.respond(401, "who?\n") if request.path != "/health" else connection.respond(200, "OK\n")

    async def main() -> None:
        with pytest.raises((ours.InvalidStatus, websockets.exceptions.InvalidStatus)) as raised:
            async with conversation(theirs, process_request=process_request):
                pass
        assert raised.value.response.status_code == 401
        assert bytes(raised.value.response.body) == b"who?\n"

    run(main())


@ENDS
def test_tls(run: Any, theirs: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        async with conversation(theirs, context=contexts) as connection:
            for message in ("hello", bytes(MEGABYTE)):
                await connection.send(message)
                assert await connection.recv() == message
            await connection.close()
            assert connection.close_code == 1000
        async with conversation(theirs, closes_at_once, context=contexts) as connection:
            assert [message async for message in connection] == []
            assert connection.close_code == 1000

    run(main())


async def closes_at_once(connection: Any) -> None:
    pass


@ENDS
def test_many_messages_both_ways_under_backpressure(run: Any, theirs: str) -> None:
    count = 200

    async def main() -> None:
        async def produce(connection: Any) -> None:
            for i in range(count):
                await connection.send(b"%d" % i + bytes(20_000))
            async for message in connection:
                assert len(message) > 20_000

        async with conversation(theirs, produce, max_queue=2, client={"max_queue": 2}) as connection:
            async with asyncio.TaskGroup() as group:
                group.create_task(send_all(connection, count))
                for i in range(count):
                    assert (await connection.recv()).startswith(b"%d" % i)

    async def send_all(connection: Any, count: int) -> None:
        for i in range(count):
            await connection.send(b"%d" % i + bytes(20_000))

    run(main())
