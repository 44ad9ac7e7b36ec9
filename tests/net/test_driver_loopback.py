"""Clients that go, at every stage and in both ways, over real sockets and on both event loops: nothing stays behind."""

import asyncio
import contextlib
import gc
import os
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from tests.net.loopback import EACH_LOOP, runner

from interlock.http.events import Data, EndOfMessage, InformationalResponse, Request, Response
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio import Connections, ExchangeRecord
from interlock.net.asyncio.exchange import DrivenExchange
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.exchange import Disconnected

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"
RESET = struct.pack("ii", 1, 0)
BLOCK = bytes(32768)


@pytest.fixture(**EACH_LOOP)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine on each kind of event loop; it may leave no task behind, and report no error."""
    return runner(request.param)


class Application:
    """Takes the content, and then says hello; or, as its path says, thinks until it is told, or never ends."""

    def __init__(self, exchange: Any, server: "Server") -> None:
        self.exchange = exchange
        self.server = server
        self.path = exchange.request.target
        self.ended = False
        server.reach("head")
        if exchange.expects_continue and self.path == b"/continue":
            exchange.send(InformationalResponse(status_code=100))
        if self.path == b"/early":
            self.respond()

    def data_received(self, data: bytes) -> None:
        self.server.reach("content")
        self.exchange.consumed(len(data))

    def end_received(self, trailers: object) -> None:
        if self.path == b"/think":
            self.server.reach("thinking")
        elif self.path == b"/endless":
            self.exchange.send(Response(status_code=200))
            self.writable()
        elif self.path != b"/early":
            self.respond()

    def respond(self) -> None:
        content = b"hello" if self.path != b"/large" else BLOCK * 100
        response = Response(status_code=200, headers=[("Content-Length", str(len(content)))])
        with contextlib.suppress(Disconnected):
            self.exchange.send(response, Data(content), EndOfMessage())
        self.server.reach("responded")

    def writable(self) -> None:
        with contextlib.suppress(Disconnected):
            while self.exchange.writable:
                self.exchange.send(Data(BLOCK))
        self.server.reach("writing")

    def eof_received(self) -> None:
        if self.path == b"/think":
            self.respond()

    def connection_lost(self, reason: str) -> None:
        assert not self.ended
        self.ended = True


class Server:
    def __init__(self, **timeouts: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.records: list[ExchangeRecord] = []
        self.connections = Connections(
            lambda exchange: Application(exchange, self),  # type: ignore[arg-type,return-value]
            limits=Limits(),
            timeouts=Timeouts(**{"linger": 0.1} | timeouts),
            on_exchange_end=self.records.append,
        )
        self.port = 0
        self._reached: dict[str, asyncio.Event] = {}

    def reach(self, stage: str) -> None:
        self._reached.setdefault(stage, asyncio.Event()).set()

    async def at(self, stage: str) -> None:
        await self._reached.setdefault(stage, asyncio.Event()).wait()

    async def connected(self, count: int = 1) -> None:
        for _ in range(10_000):
            if len(self.connections) >= count:
                return
            await asyncio.sleep(0)
        raise AssertionError

    def connect(self, octets: bytes = b"", receive_buffer: int = 0) -> socket.socket:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(octets)
        sock.setblocking(False)
        return sock


def left() -> dict[str, int]:
    """What there is now of all that a connection could leave behind."""
    gc.collect()
    kinds = (HTTPProtocol, DrivenExchange, Application, Request, asyncio.TimerHandle)
    found = [type(thing) for thing in gc.get_objects()]
    counts = {kind.__name__: found.count(kind) for kind in kinds}
    counts["descriptors"] = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    counts["threads"] = threading.active_count()
    counts["tasks"] = len(asyncio.all_tasks())
    return counts


@contextlib.asynccontextmanager
async def serving(**timeouts: float) -> AsyncIterator[Server]:
    served = Server(**timeouts)
    server = await served.loop.create_server(served.connections.protocol, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        served.connections.abort()


async def read(sock: socket.socket, until: int = -1) -> bytes:
    """What comes until so many octets, or the end."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while until < 0 or len(received) < until:
        octets = await loop.sock_recv(sock, 262144)
        if not octets:
            break
        received += octets
    return bytes(received)


def post(path: bytes, sent: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Length: 100000", *lines, b"", sent))


#: Where a client goes: what it has sent, and what has happened by then.
STAGES: dict[str, tuple[bytes, str]] = {
    "after connecting": (b"", ""),
    "in the head": (GET[:10], ""),
    "before the content": (post(b"/", b""), "head"),
    "before 100 (Continue) is sent": (post(b"/", b"", b"Expect: 100-continue"), "head"),
    "after 100 (Continue) was sent": (post(b"/continue", b"", b"Expect: 100-continue"), "head"),
    "in the content": (post(b"/", b"x" * 50_000), "content"),
    "in chunked content": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe",
        "content",
    ),
    "in content that nobody wants": (post(b"/early", b"x" * 50_000), "responded"),
    "while the application thinks": (GET.replace(b"/ ", b"/think ", 1), "thinking"),
    "with more requests sent": (GET.replace(b"/ ", b"/think ", 1) + GET * 100, "thinking"),
    "within the response": (GET.replace(b"/ ", b"/endless ", 1), "writing"),
    "within a response made at once": (GET.replace(b"/ ", b"/large ", 1), "responded"),
    "within many responses": (GET.replace(b"/ ", b"/large ", 1) * 100, "responded"),
    "within a response to HTTP/1.0": (b"GET /endless HTTP/1.0\r\n\r\n", "writing"),
    "after the response": (GET, "responded"),
    "after an error": (b"GET / HTTP/1.1\r\n\r\n" + b"x" * 50_000, ""),
}


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_goes_leaves_nothing(run: Any, stage: str, how: str) -> None:
    octets, reached = STAGES[stage]

    async def main() -> None:
        async with serving() as served:
            before = left()
            for _ in range(3):
                sock = served.connect(octets)
                await served.connected()
                if reached:
                    await served.at(reached)
                if how == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if how == "half-close":
                    sock.shutdown(socket.SHUT_WR)
                    if "endless" not in str(octets) and "more" not in stage:
                        with contextlib.suppress(ConnectionResetError):
                            await read(sock)
                sock.close()
                if stage == "with more requests sent":
                    served.connections.abort()  # reading is paused: nobody can tell
                await served.connections.wait_closed()
                served._reached.clear()
            reports = [(record.status, record.error) for record in served.records]
            if "errors" in stage or stage in {"after connecting", "in the head"}:
                assert len(reports) <= 3
            elif "many" not in stage and "more" not in stage:
                assert len(reports) == 3, reports
            served.records.clear()
            for _ in range(5):
                await asyncio.sleep(0)
            after = left()
            assert {what: count for what, count in after.items() if count > before[what]} == {}

    run(main())


def test_many_clients_that_go_leave_nothing(run: Any) -> None:
    async def main() -> None:
        async with serving() as served:
            before = left()
            for at in range(200):
                octets, _ = list(STAGES.values())[at % len(STAGES)]
                sock = served.connect(octets)
                if at % 3:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if at % 2:
                    await asyncio.sleep(0)
                sock.close()
            with served.connect(GET) as last:
                assert await read(last, len(HELLO)) == HELLO  # they are accepted in their order: all of them by now
            served.connections.drain()
            served.connections.abort()
            await served.connections.wait_closed()
            served.records.clear()
            for _ in range(5):
                await asyncio.sleep(0)
            after = left()
            assert {what: count for what, count in after.items() if count > before[what]} == {}

    run(main())


def test_a_client_that_still_sends_reads_the_error(run: Any) -> None:
    """RFC 9112 §9.6: a close with octets unread would be a reset, which takes the response with it."""

    async def main() -> None:
        async with serving(linger=1) as served:
            for _ in range(10):
                sock = served.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n")
                sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(sock, BLOCK * 100))
                await sending
                sock.shutdown(socket.SHUT_WR)
                assert (await read(sock)).startswith(b"HTTP/1.1 400 ")
                sock.close()

    run(main())


def test_a_client_that_uploads_too_much_reads_the_response(run: Any) -> None:
    async def main() -> None:
        async with serving(linger=1) as served:
            for _ in range(10):
                head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3276800\r\n\r\n"
                sock = served.connect(head)
                await asyncio.get_running_loop().sock_sendall(sock, BLOCK * 100)
                sock.shutdown(socket.SHUT_WR)
                assert await read(sock) == HELLO
                sock.close()

    run(main())


def test_a_response_until_close_that_breaks_off_ends_with_a_reset(run: Any) -> None:
    async def main() -> None:
        async with serving() as served:
            sock = served.connect(b"GET /endless HTTP/1.0\r\n\r\n", receive_buffer=4096)
            await served.at("writing")
            (protocol,) = served.connections._connections
            protocol.break_off("the application failed")  # type: ignore[attr-defined]
            with pytest.raises(ConnectionResetError):
                await read(sock)
            sock.close()

    run(main())


def test_28_megabytes_of_pipelined_requests_are_answered_within_bounds(run: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        count = 20_000
        async with serving() as served:
            sock = served.connect()
            flood = GET * count

            sending = loop.create_task(loop.sock_sendall(sock, flood))
            assert len(await read(sock, len(HELLO) * count)) == len(HELLO) * count
            await sending
            sock.close()
            await served.connections.wait_closed()
            # And now nobody reads: sending comes to a stop, and nothing is made for later.
            sock = served.connect(receive_buffer=4096)
            answered = len(served.records)
            sending = loop.create_task(loop.sock_sendall(sock, GET * 1_000_000))
            await served.connected()
            (protocol,) = served.connections._connections
            seen, turns = -1, 0
            while turns < 1000:  # of the loop, in which nothing happens
                turns = turns + 1 if protocol.write_paused and seen == len(served.records) else 0
                seen = len(served.records)
                await asyncio.sleep(0)
            assert not sending.done()
            assert len(served.records) - answered < 200_000
            assert protocol.write_paused
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            sock.close()

    run(main())


def test_1000_idle_connections_and_their_end(run: Any) -> None:
    async def main() -> None:
        import resource

        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2200:
            pytest.skip("too few descriptors are allowed")
        async with serving() as served:
            before = left()
            socks = []
            for _ in range(1000):
                socks.append(served.connect(GET))
                assert await read(socks[-1], len(HELLO)) == HELLO
            assert len(served.connections) == 1000
            served.connections.drain()
            await served.connections.wait_closed()
            for sock in socks:
                assert await read(sock) == b""
                sock.close()
            served.records.clear()
            await asyncio.sleep(0)
            after = left()
            assert {what: count for what, count in after.items() if count > before[what]} == {}

    run(main())
