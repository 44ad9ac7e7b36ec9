"""Files as content, over real sockets: all of it arrives, a slow reader is waited for, and a lost one ends the wait."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.net.loopback import EACH_LOOP, contexts_of, runner
from tests.net.virtual_clock import TurnedClock

from interlock.http.events import Data, EndOfMessage, Response
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio import Connections
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.unsent import unsent
from interlock.net.exchange import Disconnected

#: Seconds after which a test that waits is taken to have failed.
PATIENCE = 20

SIZE = 10_000_000
CONTENT = (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]
#: Octets of the head of a response.
HEAD = len(b"HTTP/1.1 200 \r\nContent-Length: 10000000\r\n\r\n")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(**EACH_LOOP)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on each kind of event loop; it may leave no task behind, and report no error."""
    return runner(request.param, PATIENCE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


class FileHandler:
    """Sends a part of a file, and notes how that ended."""

    def __init__(self, exchange: Any, server: "FileServer") -> None:
        self.exchange = exchange
        self.server = server
        self.lost = False

    def end_received(self, trailers: object) -> None:
        self.server.tasks.append(asyncio.get_running_loop().create_task(self.respond()))
        self.server.begun.set()

    def connection_lost(self, reason: str) -> None:
        self.lost = True

    def eof_received(self) -> None:
        pass

    def writable(self) -> None:
        pass

    async def respond(self) -> None:
        server = self.server
        with server.path.open("rb") as file:
            fields = [("Content-Length", str(server.count))] if server.with_length else []
            try:
                self.exchange.send(Response(status_code=200, headers=fields), *server.first)
                await self.exchange.send_file(
                    file, server.offset, server.count - sum(len(d.data) for d in server.first)
                )
                self.exchange.send(EndOfMessage())
            except Disconnected:
                server.ends.append("disconnected")
            except EOFError:
                server.ends.append("too short")
                self.exchange.abort()
            else:
                server.ends.append("sent")


class FileServer:
    def __init__(self, path: Path, timeouts: Timeouts) -> None:
        self.path = path
        self.offset = 0
        self.count = SIZE
        self.with_length = True
        self.first: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.begun = asyncio.Event()
        self.ends: list[str] = []
        self.connections = Connections(lambda e: FileHandler(e, self), limits=Limits(), timeouts=timeouts)  # type: ignore[arg-type,return-value]
        self.clock = TurnedClock(asyncio.get_running_loop())
        self.port = 0

    def connect(self, octets: bytes = GET, receive_buffer: int = 0) -> socket.socket:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(octets)
        sock.setblocking(False)
        return sock


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@contextlib.asynccontextmanager
async def serving(path: Path, tls: ssl.SSLContext | None = None, **timeouts: float) -> AsyncIterator[FileServer]:
    loop = asyncio.get_running_loop()
    served = FileServer(path, Timeouts(**{"linger": 0.1} | timeouts))
    factory = lambda: HTTPProtocol(served.connections, served.clock)  # noqa: E731
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=tls)  # type: ignore[arg-type]
    served.port = server.sockets[0].getsockname()[1]
    before = descriptors()
    try:
        yield served
        if served.tasks:
            await asyncio.wait(served.tasks)
        served.connections.drain()
        await served.connections.wait_closed()
        await asyncio.sleep(0)  # the loop closes the descriptor behind connection_lost()
        await asyncio.sleep(0)
        assert descriptors() <= before
        served.tasks.clear()
        gc.collect()
        assert not [found for found in gc.get_objects() if type(found) is HTTPProtocol]
    finally:
        server.close()


async def read(sock: socket.socket, until: int = -1, piece: int = 262144) -> bytes:
    """What comes until so many octets, or the end."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while until < 0 or len(received) < until:
        octets = await loop.sock_recv(sock, piece)
        if not octets:
            break
        received += octets
    return bytes(received)


def test_a_whole_file_and_the_next_request(run: Any, file: Path) -> None:
    async def main() -> None:
        async with serving(file) as served:
            with served.connect(GET * 2) as sock:
                first = await read(sock, 2 * (SIZE + HEAD))
                assert first[:HEAD] == first[SIZE + HEAD :][:HEAD]
                assert first[HEAD : SIZE + HEAD] == first[SIZE + 2 * HEAD :] == CONTENT
            assert served.ends == ["sent", "sent"]

    run(main())


@pytest.mark.parametrize(("offset", "count"), [(0, 1), (SIZE - 1, 1), (1_000_000, 70_000), (5, 0)])
def test_a_part_of_a_file(run: Any, file: Path, offset: int, count: int) -> None:
    async def main() -> None:
        async with serving(file) as served:
            served.offset, served.count = offset, count
            with served.connect() as sock:
                head = b"HTTP/1.1 200 \r\nContent-Length: %d\r\n\r\n" % count
                received = await read(sock, len(head) + count)
                assert received == head + CONTENT[offset : offset + count]

    run(main())


def test_a_file_behind_other_content(run: Any, file: Path) -> None:
    async def main() -> None:
        async with serving(file) as served:
            served.first = [Data(b"y" * 300_000)]
            with served.connect() as sock:
                received = await read(sock, SIZE + HEAD)
                assert received[HEAD:] == b"y" * 300_000 + CONTENT[: SIZE - 300_000]

    run(main())


def test_a_file_as_one_chunk(run: Any, file: Path) -> None:
    async def main() -> None:
        async with serving(file) as served:
            served.with_length = False
            served.count = 70_000
            with served.connect(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as sock:
                received = await read(sock)
                _, _, content = received.partition(b"\r\n\r\n")
                assert content == b"11170\r\n" + CONTENT[:70_000] + b"\r\n0\r\n\r\n"

    run(main())


def test_a_file_over_tls(run: Any, file: Path) -> None:
    tls, trusting = contexts_of("127.0.0.1")

    async def main() -> None:
        async with serving(file, tls) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting)
            writer.write(GET)
            assert (await reader.readexactly(SIZE + HEAD))[HEAD:] == CONTENT
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            assert served.ends == ["sent"]

    run(main())


def test_a_file_that_is_too_short_ends_visibly_broken(run: Any, file: Path) -> None:
    async def main() -> None:
        async with serving(file) as served:
            served.count = SIZE + 1
            with served.connect() as sock:
                assert len(await read(sock)) == SIZE + HEAD
            assert served.ends == ["too short"]

    run(main())


def test_a_client_that_reads_nothing_is_cut(run: Any, file: Path) -> None:
    """And the file is closed, the task ended, the descriptor gone: nothing waits for a socket that nobody closes."""

    async def main() -> None:
        async with serving(file) as served:
            with served.connect(receive_buffer=4096) as sock:
                await served.begun.wait()
                began = served.clock.now
                while not served.tasks[0].done():
                    served.clock.turn(1)
                    await asyncio.sleep(0)
                assert 30 <= served.clock.now - began < 90
                assert served.ends == ["disconnected"]
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in {0, 104}
                with contextlib.suppress(ConnectionResetError):
                    assert len(await read(sock)) < SIZE

    run(main())


@pytest.mark.parametrize("how", ["close", "reset", "abort"])
def test_a_client_that_goes_ends_the_sending(run: Any, file: Path, how: str) -> None:
    async def main() -> None:
        async with serving(file) as served:
            with served.connect(receive_buffer=4096) as sock:
                assert await read(sock, 100_000)
                if how == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if how == "abort":
                    served.connections.abort()
                else:
                    sock.close()
                await asyncio.wait(served.tasks)
                assert served.ends == ["disconnected"]

    run(main())


def test_a_slow_but_steady_reader_gets_all_of_it(run: Any, file: Path) -> None:
    """The system lets the driver write again only when megabytes were read: until then it is not the reader's fault."""

    async def main() -> None:
        async with serving(file, write=0.4, write_rate=100_000) as served:
            with served.connect(receive_buffer=100_000) as sock:
                received = 0
                while received < 2_500_000:
                    received += len(await read(sock, 40_000, 40_000))
                    served.clock.turn(0.04)
                received += len(await read(sock, SIZE + HEAD - received))
                assert received == SIZE + HEAD
            assert served.ends == ["sent"]

    run(main())


class Closing(asyncio.Protocol):
    """Says when its connection is closed."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


def test_what_the_peer_has_not_taken_counts_as_unsent(run: Any, file: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        transport, protocol = await loop.create_connection(Closing, sock=ours)
        assert unsent(transport) == 0
        transport.write(b"x" * 50_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() == 0
        full = unsent(transport)
        assert full >= 50_000 or full == 0  # where the system does not tell
        theirs.setblocking(False)
        await read(theirs, 50_000)
        assert unsent(transport) == 0
        transport.abort()
        await protocol.closed
        assert unsent(transport) == 0
        theirs.close()

    run(main())
