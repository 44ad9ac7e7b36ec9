"""The proxy of ``interlock explain``: octets pass unchanged, whatever is found wrong with them, and every end is passed on."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
from tests.cli.explain_recorded import events, problems
from tests.net.virtual_clock import VirtualClockLoop

from interlock.cli import explain_proxy
from interlock.cli.explain_follow import Settings
from interlock.cli.explain_proxy import Proxy, _Link
from interlock.cli.explain_steps import Problem, Step
from interlock.http.limits import Limits

SETTINGS = Settings(limits=Limits(), recorded=False)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Items = list[Step | Problem]
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 60))


@contextlib.asynccontextmanager
async def proxied(answer: Answer, items: Items, *, once: bool = False) -> AsyncIterator[tuple[str, int]]:
    """A server that does ``answer`` for each connection, and the proxy in front of it: where that listens."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[:2], SETTINGS, items.append, idle=60, once=once)
    ready: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(proxy.serve(("127.0.0.1", 0), ready.set_result))
    try:
        yield await ready
        if once:
            await serving
    finally:
        proxy.stop()
        await serving
        server.close()
        await server.wait_closed()


async def exchange(place: tuple[str, int], octets: bytes, *, end: bool = True) -> bytes:
    """What comes back for ``octets``."""
    reader, writer = await asyncio.open_connection(*place)
    writer.write(octets)
    if end:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_an_exchange_passes_and_is_explained() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def main() -> None:
        async with proxied(answer, items, once=True) as place:
            assert await exchange(place, GET, end=False) == OK

    items: Items = []
    run(main())
    assert problems(items) == []
    assert events(items)[:6] == [
        "client Request",
        "client EndOfMessage",
        "server Response",
        "server Data",
        "server EndOfMessage",
        "start_next_cycle",
    ]
    assert {item.connection for item in items} == {1}


def test_what_is_wrong_passes_unchanged() -> None:
    seen = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read())
        writer.write(bytes(reversed(seen)))

    async def main() -> None:
        async with proxied(answer, items, once=True) as place:
            assert await exchange(place, wrong) == wrong[::-1]

    wrong = b"GET /\x00\r\n" + bytes(range(256)) * 2000
    items: Items = []
    run(main())
    assert seen == wrong
    assert [problem.sender for problem in problems(items)] == ["client", "server"]


def test_a_side_that_closes_leaves_the_other_open() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == GET  # and its end
        writer.write(OK)

    async def main() -> None:
        async with proxied(answer, items, once=True) as place:
            assert await exchange(place, GET) == OK

    items: Items = []
    run(main())
    assert problems(items) == []
    assert events(items).index("client ConnectionClosed") < events(items).index("server Response")


def test_connections_are_numbered_and_told_as_they_come() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def main() -> None:
        async with proxied(answer, items) as place:
            for number in (1, 2, 3):
                assert await exchange(place, GET, end=False) == OK
                assert items[-1].connection == number
                assert number in {item.connection for item in items}

    items: Items = []
    run(main())
    assert {item.connection for item in items} == {1, 2, 3}


def test_a_connection_that_the_server_breaks_off_is_broken_off() -> None:
    """A plain end would say that a response without a length is complete."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def main() -> None:
        async with proxied(answer, items, once=True) as place:
            with pytest.raises(ConnectionError):
                await exchange(place, GET, end=False)

    items: Items = []
    run(main())
    assert "lost" in {item.event for item in items if isinstance(item, Step)}


def test_a_server_that_is_not_there() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            nowhere = unused.getsockname()
        proxy = Proxy(nowhere, SETTINGS, items.append, idle=60, once=True)
        ready: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(proxy.serve(("127.0.0.1", 0), ready.set_result))
        with contextlib.suppress(ConnectionError):
            assert await exchange(await ready, GET, end=False) == b""
        await serving

    items: Items = []
    run(main())
    assert [item.event for item in items if isinstance(item, Step)] == ["unreachable"]


def test_running_connections_end_with_the_proxy() -> None:
    class Told(Items):
        def append(self, item: Step | Problem) -> None:
            super().append(item)
            told.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async def main() -> None:
        async with proxied(answer, items) as place:
            reader, writer = await asyncio.open_connection(*place)
            writer.write(GET)
            await told.wait()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    told = asyncio.Event()
    items = Told()
    run(main())


def test_what_waits_too_long_to_be_read_still_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that pipelines without end, to a server that says nothing: no more of it is kept than so much."""
    monkeypatch.setattr(explain_proxy, "_MOST_PENDING", 100)
    seen = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read())

    async def main() -> None:
        async with proxied(answer, items, once=True) as place:
            assert await exchange(place, GET * 20000) == b""

    items: Items = []
    run(main())
    assert seen == GET * 20000
    assert [item.event for item in items if isinstance(item, Step) and item.protocol == "TCP"] == ["unread"]
    assert items[-1].protocol == "TCP"


class Writer:
    """The side of a stream that is written to, in memory."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.aborted = False
        self.transport = self

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True


def test_a_connection_on_which_nothing_comes_is_ended() -> None:
    loop = VirtualClockLoop()
    try:
        streams: dict[str, Any] = {end: (asyncio.StreamReader(loop=loop), Writer()) for end in ("client", "server")}
        items: Items = []

        async def begin() -> asyncio.Task[None]:
            return asyncio.create_task(_Link(1, streams, SETTINGS, items.append, 30).run())

        running = loop.run_until_complete(begin())
        loop.advance(29)
        streams["server"][0].feed_data(OK)  # which counts for both
        loop.advance(29)
        assert not running.done()
        assert streams["client"][1].written == OK
        loop.advance(2)
        assert running.done()
        assert running.exception() is None
        assert items[-1].event == "lost"  # type: ignore[union-attr]
        assert all(writer.aborted for _, writer in streams.values())
        assert loop.errors == []
    finally:
        loop.close()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_by_a_signal(number: int) -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            while b"\r\n\r\n" not in connection.recv(1000):
                pass
            connection.sendall(OK)
            connection.recv(1000)  # its end

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        to = f"127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "interlock", "explain", "--listen", "0", "--to", to]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as proxy:
            assert proxy.stderr is not None
            port = int(proxy.stderr.readline().partition(",")[0].rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(GET)
                got = b""
                while not got.endswith(b"ok"):
                    got += client.recv(1000)
                proxy.send_signal(number)
                told, wrong = proxy.communicate(timeout=60)
        serving.join()
    assert got == OK
    assert (proxy.returncode, wrong) == (0, "")
    assert "[1] server 0-37          Response              HTTP/1.1 200 OK" in told


def test_a_place_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "interlock", "explain", "--listen", port, "--to", "127.0.0.1:1"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr
