"""A network within memory, on a loop with a virtual clock: each connection's far end is a coroutine that a test writes.

What it does at which second is the script's to say, so slow, silent and broken servers take no time.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from tests.net.virtual_clock import EPOCH, VirtualClockLoop

from interlock.net.asyncio.network import AsyncioEvent, AsyncioNetwork
from interlock.net.errors import ConnectError, ReadError, ReadTimeout, WriteError, WriteTimeout
from interlock.net.stream import Event, Network, SocketOption, Stream

T = TypeVar("T")

#: Octets that wait for the far end to take them, before a write waits.
HIGH_WATER = 65536


class Wire:
    """One connection, as its far end sees it."""

    def __init__(self, number: int, where: tuple[Any, ...]) -> None:
        self.number = number
        #: What was connected to: host and port, or a path.
        self.where = where
        #: All that has come, and how much of it was taken.
        self.received = bytearray()
        self.taken = 0
        #: Whether the client has closed it, and how: "closed" or "aborted".
        self.end_of_client = ""
        #: For each TLS handshake: the name that was asked for, and the protocols that were offered.
        self.tls: list[tuple[str | None, list[str]]] = []
        #: By name, what the far end chooses of these; h2 for a name that is not here.
        self.agree: dict[str | None, str | None] = {}
        self._outgoing: list[bytes | Exception] = []
        self._changed = asyncio.Event()

    # -- for the far end

    async def take(self, until: bytes = b"\r\n\r\n") -> bytes:
        """What comes, up to ``until``, which has to come; with b"", what is there, at least an octet."""
        while True:
            waiting = bytes(self.received[self.taken :])
            if until in waiting and waiting:
                end = waiting.index(until) + len(until) if until else len(waiting)
                self.taken += end
                self._wake()
                return waiting[:end]
            if not until and self.end_of_client:
                return b""
            assert not self.end_of_client, f"the client is gone, with {waiting!r} before it"
            await self._change()

    async def take_all(self) -> bytes:
        """All that comes, until the client is gone."""
        start = self.taken
        while not self.end_of_client:
            self.taken = len(self.received)
            self._wake()
            await self._change()
        self.taken = len(self.received)
        return bytes(self.received[start:])

    def send(self, octets: bytes) -> None:
        """Send octets."""
        self._outgoing.append(octets)
        self._wake()

    def end(self) -> None:
        """End the far end's side."""
        self._outgoing.append(b"")
        self._wake()

    def reset(self) -> None:
        """Break the connection: both reading and writing fail."""
        self._outgoing.append(ReadError("reset by the far end"))
        self._wake()

    async def gone(self) -> None:
        """Wait until the client has closed it."""
        while not self.end_of_client:
            await self._change()

    # -- within

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()

    @property
    def broken(self) -> bool:
        return any(isinstance(piece, Exception) for piece in self._outgoing)


class Context:
    """An SSLContext that only knows what it offers."""

    def __init__(self) -> None:
        self.offered: list[str] = []

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        self.offered = list(protocols)


class Agreed:
    """An ssl object that says what was agreed on."""

    def __init__(self, protocol: str | None) -> None:
        self._protocol = protocol

    def selected_alpn_protocol(self) -> str | None:
        return self._protocol


class WireStream(Stream):
    """The client's end.  TLS on it is only noted."""

    def __init__(self, wire: Wire, agreed: Agreed | None = None) -> None:
        self.wire = wire
        self.agreed = agreed
        self._reading = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        wire = self.wire
        assert not self._reading, "two read at once"
        self._reading = True
        try:
            async with asyncio.timeout(timeout):
                while not wire._outgoing and not wire.end_of_client:
                    await wire._change()
        except TimeoutError:
            raise ReadTimeout(f"nothing for {timeout} seconds") from None
        finally:
            self._reading = False
        if wire.end_of_client:
            raise ReadError("closed here")
        piece = wire._outgoing[0]
        if isinstance(piece, Exception):
            raise piece
        if len(piece) > max_bytes:
            wire._outgoing[0] = piece[max_bytes:]
        elif piece:
            del wire._outgoing[0]
        return piece[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        wire = self.wire
        assert isinstance(buffer, bytes)
        if wire.end_of_client or wire.broken:
            raise WriteError("closed")
        wire.received += buffer
        wire._wake()
        try:
            async with asyncio.timeout(timeout):
                while len(wire.received) - wire.taken > HIGH_WATER:
                    await wire._change()
                    if wire.end_of_client or wire.broken:
                        raise WriteError("closed")
        except TimeoutError:
            raise WriteTimeout(f"nothing taken for {timeout} seconds") from None

    async def aclose(self) -> None:
        self._finish("closed")

    def abort(self) -> None:
        self._finish("aborted")

    def _finish(self, how: str) -> None:
        if not self.wire.end_of_client:
            self.wire.end_of_client = how
            self.wire._wake()

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        self.wire.tls.append((server_hostname, ssl_context.offered))
        agreed = self.wire.agree.get(server_hostname, "h2")
        return WireStream(self.wire, Agreed(agreed if agreed in ssl_context.offered else None))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self.wire._outgoing) or bool(self.wire.end_of_client)
        if info == "ssl_object":
            return self.agreed
        return info == "cancelled_write_is_whole" or None


Script = Callable[[Wire], Coroutine[Any, Any, None]]


class WireNetwork(Network):
    """``script``: what the far end of each connection does; it may ask for its number.  Runs on a :class:`VirtualClockLoop`."""

    def __init__(self, script: Script, refuse: Iterable[int] = (), connecting: float = 0.0) -> None:
        #: As :attr:`Wire.agree`, for all wires.
        self.agree: dict[str | None, str | None] = {}
        self._script = script
        #: The numbers of connections that do not come about.
        self.refuse = set(refuse)
        #: Seconds that connecting takes.
        self.connecting = connecting
        self.wires: list[Wire] = []
        self._loop = AsyncioNetwork()
        self.slept: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._attempts = 0

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        return await self._connect((host, port))

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] = ()
    ) -> Stream:
        return await self._connect((path,))

    async def _connect(self, where: tuple[Any, ...]) -> Stream:
        attempt = self._attempts
        self._attempts += 1
        if self.connecting:
            await passing(self.connecting)
        if attempt in self.refuse:
            raise ConnectError("refused")
        wire = Wire(len(self.wires), where)
        self.wires.append(wire)
        self._tasks.append(asyncio.get_running_loop().create_task(self._script(wire)))
        wire.agree = self.agree
        return WireStream(wire)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await passing(seconds)

    def event(self) -> Event:
        return AsyncioEvent()

    def mutex(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        return await self._loop.shielded(call, seconds)

    async def finish(self) -> None:
        """Wait for the far ends, whose errors come out here."""
        for wire in self.wires:
            assert wire.end_of_client, f"connection {wire.number} is still open"
        await asyncio.gather(*self._tasks)


async def passing(seconds: float) -> None:
    """Let so much virtual time pass."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    timer = loop.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


def seconds() -> float:
    """Seconds since the clock began."""
    return asyncio.get_running_loop().time() - EPOCH


def run(program: Callable[[], Awaitable[T]]) -> T:
    """The result of ``program``, on a loop of its own.  Nothing may be left running."""

    async def main() -> T:
        return await program()

    loop = VirtualClockLoop()
    try:
        result = loop.run_until_complete(main())
        loop.settle()
        assert asyncio.all_tasks(loop) == set()
        assert loop.errors == []
        return result
    finally:
        loop.close()
