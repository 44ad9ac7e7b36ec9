"""The networks, and what a test needs to run the same over each of them: a runner, two things at once, and far ends.

A far end is a thread with a plain socket, so it is the same for all, and knows nothing of what is tested.
"""

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
import trio
import trustme

from interlock.net import stream
from interlock.net.asyncio.network import AsyncioNetwork
from interlock.net.asyncio.pair import stream_of_pair
from interlock.net.blocking.network import BlockingNetwork
from interlock.net.stream import Network, Stream
from interlock.net.trio.network import TrioNetwork

Call = Callable[[], Coroutine[Any, Any, Any]]
Handler = Callable[[socket.socket], object]

#: Seconds that nothing takes in a test that passes.
ENOUGH = 20.0


class World:
    """A network, and how programs run on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_asyncio = name in {"asyncio", "uvloop", "pair"}
        self.network: Network
        if self.is_asyncio:
            self.network = AsyncioNetwork()
        else:
            self.network = TrioNetwork() if name == "trio" else BlockingNetwork()

    def run(self, call: Call) -> Any:
        """The result of ``call``."""
        if self.name in {"asyncio", "pair"}:
            return asyncio.run(call())
        if self.name == "uvloop":
            import uvloop

            return uvloop.run(call())
        if self.name == "trio":
            return trio.run(call)
        return stream.run(call())

    async def connect(self, port: int, *, tls: bool = False) -> Stream:
        """A connection to a far end; in the world of pairs it is a reader and a writer of asyncio's."""
        stream = await self.network.connect_tcp("127.0.0.1", port, timeout=ENOUGH)
        if self.name == "pair":
            sock = socket.socket(fileno=os.dup(stream.get_extra_info("socket").fileno()))
            stream.abort()
            stream = stream_of_pair(*await asyncio.open_connection(sock=sock))
        return await stream.start_tls(certificates().client, "localhost", ENOUGH) if tls else stream

    async def together(self, *calls: Call) -> None:
        """Run all of ``calls`` at once, to their ends."""
        if self.is_asyncio:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call())
        elif self.name == "trio":
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call)
        else:
            in_threads(*[functools.partial(stream.run, call()) for call in calls])

    async def turn(self) -> None:
        """Let others go on."""
        if self.is_asyncio:
            await asyncio.sleep(0)
        elif self.name == "trio":
            await trio.lowlevel.checkpoint()

    async def cancelled(self, call: Call, once: Callable[[], Awaitable[None]]) -> bool:
        """Run ``call``, and cancel it when ``once`` returns.  Whether it was cancelled, in the end."""
        if self.name == "trio":
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def cancel() -> None:
                        await once()
                        scope.cancel()

                    nursery.start_soon(cancel)
                    await call()
            return scope.cancelled_caught
        task = asyncio.ensure_future(call())
        await once()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()


def in_threads(*calls: Callable[[], Any]) -> None:
    """Run all of ``calls``, each in a thread, to their ends.  Raises what the first of them raises that does."""
    errors: list[BaseException] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


WORLDS = [
    pytest.param("asyncio"),
    pytest.param("uvloop"),
    pytest.param("trio"),
    pytest.param("pair"),
    pytest.param("blocking"),
]


class Certificates:
    """An authority, a server's certificate by it, and contexts for both ends."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1", "inner.test").configure_cert(self.server)
        self.server.set_alpn_protocols(["http/1.1"])
        self.client = ssl.create_default_context()
        self.client.set_alpn_protocols(["http/1.1"])
        authority.configure_trust(self.client)


@functools.cache
def certificates() -> Certificates:
    """The same for all tests: keys take their time."""
    return Certificates()


@contextlib.contextmanager
def far_end(handler: Handler, *, tls: bool = False, path: str = "") -> Iterator[int]:
    """A server for one connection, which ``handler`` gets.  Yields its port; what the handler raises comes out at the end."""
    errors: list[BaseException] = []
    if tls:
        certificates()  # before there are two threads that would make some
    listener = socket.create_server(path, family=socket.AF_UNIX) if path else socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            listener.settimeout(ENOUGH)
            sock, _ = listener.accept()
        except BaseException as error:
            errors.append(error)
            return
        try:
            sock.settimeout(ENOUGH)
            if tls:
                sock = certificates().server.wrap_socket(sock, server_side=True)
            handler(sock)
        except BaseException as error:
            errors.append(error)
        finally:
            sock.close()

    thread = threading.Thread(target=serve)
    with listener:
        thread.start()
        try:
            yield 0 if path else listener.getsockname()[1]
        finally:
            thread.join()
    if errors:
        raise errors[0]


def echo(sock: socket.socket) -> None:
    """Send back what comes, until the end."""
    while data := sock.recv(65536):
        sock.sendall(data)


def reset(sock: socket.socket) -> None:
    """End the connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def until_end(sock: socket.socket) -> bytes:
    """All that comes."""
    received = bytearray()
    while data := sock.recv(65536):
        received += data
    return bytes(received)


async def read_exactly(stream: Stream, size: int, most: int = 65536) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = await stream.read(min(most, size - len(received)), ENOUGH)
        assert data, "an early end"
        received += data
    return bytes(received)


def swallow(sock: socket.socket) -> None:
    """Take all that comes, and a reset for an end."""
    with contextlib.suppress(OSError):
        until_end(sock)
