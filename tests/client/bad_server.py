"""Servers that misbehave, on sockets within this machine and a virtual clock: asyncio's and trio's, so that no second passes.

A server is a coroutine, which is given each connection as a :class:`Far`.
"""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import trio
from trio.testing import MockClock

from interlock.net.asyncio.network import AsyncioNetwork
from interlock.net.asyncio.stream import AsyncioStream
from interlock.net.stream import Event, Network, SocketOption, Stream
from interlock.net.trio.network import TrioNetwork, TrioStream

T = TypeVar("T")

#: Virtual seconds after which a test has failed.
_FOR_EVER = 100_000.0
#: Virtual seconds between two looks at a socket.
_SOON = 0.001


class Far:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, network: Network) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._network = network
        self._unread = 0

    async def wait(self, seconds: float) -> None:
        """Do nothing."""
        await self._network.sleep(seconds)

    async def request(self) -> bytes:
        """What the client sends next.  It is left in the socket until the next one, so that closing is a reset."""
        self._consume()
        while True:
            try:
                octets = self._socket.recv(65536, socket.MSG_PEEK)
            except BlockingIOError:
                await self.wait(_SOON)
            else:
                if not octets:
                    raise ConnectionResetError("the client has closed")
                self._unread = len(octets)
                return octets

    def _consume(self) -> None:
        if self._unread:
            self._socket.recv(self._unread)
            self._unread = 0

    async def send(self, octets: bytes) -> None:
        """Send all of ``octets``, as fast as the client takes them."""
        while octets:
            try:
                octets = octets[self._socket.send(octets) :]
            except BlockingIOError:
                await self.wait(_SOON)
        await self.wait(0)

    async def chop(self, octets: bytes, seconds: float = 0) -> None:
        """Send them one by one, with so many seconds between."""
        for at in range(len(octets)):
            await self.wait(seconds)
            await self.send(octets[at : at + 1])

    def end(self) -> None:
        """Send nothing more, and say so."""
        self._consume()
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with what the client has sent unread, which it is told as a reset."""
        assert self._unread
        self.close()

    def close(self) -> None:
        """Close both sides."""
        self._unread = 0
        self._socket.close()

    def is_over(self) -> bool:
        """Whether the connection is closed: by the client, unless it was reset from here."""
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True


#: What a server does with a connection.
Server = Callable[[Far], Coroutine[Any, Any, None]]


class VirtualNetwork(Network):
    """A network on which all hosts are a bad server: the first of ``servers`` has the first connection, and so on."""

    def __init__(self, below: Network, servers: Iterable[Server], start: Callable[[Server, Far], None]) -> None:
        self._below = below
        self._servers = iter(servers)
        self._start = start
        #: The server's ends of all connections so far.
        self.connections: list[Far] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        near, far = socket.socketpair()
        near.setblocking(False)
        self.connections.append(Far(far, self))
        self._start(next(self._servers), self.connections[-1])
        if isinstance(self._below, TrioNetwork):
            return TrioStream(trio.SocketStream(trio.socket.from_stdlib_socket(near)), host)
        loop = asyncio.get_running_loop()
        stream = AsyncioStream(loop, host)
        await loop.create_connection(lambda: cast(asyncio.Protocol, stream), sock=near)
        return stream

    def now(self) -> float:
        return self._below.now()

    async def sleep(self, seconds: float) -> None:
        await self._below.sleep(seconds)

    async def pass_time(self, seconds: float) -> None:
        """Let the servers go on for so long."""
        await self.sleep(seconds)

    def event(self) -> Event:
        return self._below.event()

    def mutex(self) -> AbstractContextManager[object]:
        return self._below.mutex()

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        return await self._below.shielded(call, seconds)


#: What a test does as the client.
Test = Callable[[VirtualNetwork], Coroutine[Any, Any, T]]


def run_on(loop: str, servers: Iterable[Server], test: Test[T]) -> T:
    """The result of ``test`` on "asyncio" or "trio", with the clock turned whenever everything waits."""
    if loop == "trio":
        return trio.run(_on_trio, servers, test, clock=MockClock(autojump_threshold=0))
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(_on_asyncio(servers, test))


async def _serve(server: Server, far: Far) -> None:
    with contextlib.suppress(OSError):  # the client has gone
        await server(far)


async def _on_trio(servers: Iterable[Server], test: Test[T]) -> T:
    with trio.fail_after(_FOR_EVER):
        async with trio.open_nursery() as nursery:
            network = VirtualNetwork(TrioNetwork(), servers, lambda *each: nursery.start_soon(_serve, *each))
            try:
                return await test(network)
            finally:
                nursery.cancel_scope.cancel()
                for far in network.connections:
                    far.close()


async def _on_asyncio(servers: Iterable[Server], test: Test[T]) -> T:
    tasks: list[asyncio.Task[None]] = []
    network = VirtualNetwork(AsyncioNetwork(), servers, lambda *each: tasks.append(asyncio.create_task(_serve(*each))))
    try:
        async with asyncio.timeout(_FOR_EVER):
            return await test(network)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for far in network.connections:
            far.close()


class _Selector(selectors.SelectSelector):
    """Real sockets, and a clock that is turned where none of them is ready."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits, and nothing will ever happen")
            self.now += max(0.0, timeout)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to its next timer when no socket is ready."""

    def __init__(self) -> None:
        self._turned = _Selector()
        super().__init__(self._turned)

    def time(self) -> float:
        return self._turned.now


# -- servers of HTTP/1.1

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WITH_TRAILERS = CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n"


async def good(far: Far) -> None:
    """A server that answers all requests as it should."""
    while True:
        await far.request()
        await far.send(GOOD)


def saying(*pieces: bytes) -> Server:
    """A server that says all this to its first request, and then nothing."""

    async def server(far: Far) -> None:
        await far.request()
        for piece in pieces:
            await far.send(piece)

    return server


def closing_after(octets: bytes) -> Server:
    """A server that closes in the middle."""

    async def server(far: Far) -> None:
        await far.request()
        await far.chop(octets)
        far.end()

    return server


def resetting_after(octets: bytes) -> Server:
    """A server that is gone in the middle."""

    async def server(far: Far) -> None:
        await far.request()
        await far.chop(octets)
        far.reset()

    return server


def repeating(begin: bytes, again: bytes, seconds: float = 0) -> Server:
    """A server that never ends."""

    async def server(far: Far) -> None:
        await far.request()
        await far.send(begin)
        while True:
            await far.send(again)
            await far.wait(seconds)

    return server


def slowly(octets: bytes, seconds: float = 1) -> Server:
    """A server that sends an octet now and then."""

    async def server(far: Far) -> None:
        await far.request()
        await far.chop(octets, seconds)

    return server
