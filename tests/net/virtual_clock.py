"""An event loop whose clock a test turns, and a transport in memory: whole connections, and nothing sleeps.

:class:`TurnedClock` is for a driver on a real loop and a real socket.

The far end of a :class:`MemoryTransport` is the test, which plays the client: it sends octets, takes as many of the
response's as it likes, closes its side, or resets the connection.
"""

import asyncio
import contextlib
import gc
import selectors
from collections.abc import Iterator
from typing import Any, cast

from interlock.http.events import Data, EndOfMessage, Event, Request, Response
from interlock.http.fields import Headers
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.connections import ConnectionRegistry, ExchangeRecord
from interlock.net.asyncio.exchange import DrivenExchange, StreamExchange
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.http2 import HTTP2Protocol
from interlock.net.asyncio.negotiation import NegotiatingProtocol

#: Where the clock begins: not at 0, so that nobody takes a time for a duration.
EPOCH = 1000.0


class _Selector(selectors.SelectSelector):
    """Waiting turns the clock, instead of taking time."""

    now = EPOCH

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        if timeout > 0:
            self.now += timeout
        return []


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to its next timer."""

    def __init__(self) -> None:
        self._turned = _Selector()
        super().__init__(self._turned)
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self._turned.now

    def advance(self, seconds: float) -> None:
        """Let this much time pass, and all happen that is due."""
        self.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    def settle(self) -> None:
        """Let all happen that is due now."""
        for _ in range(10):
            self.run_until_complete(asyncio.sleep(0))

    def timers(self) -> list[asyncio.TimerHandle]:
        """The timers that will still fire."""
        return [timer for timer in cast(Any, self)._scheduled if not timer.cancelled()]


class TurnedClock(asyncio.AbstractEventLoop):
    """A loop that runs, as a driver sees it, with a clock of its own that only :meth:`turn` moves on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = EPOCH
        self._timers: list[asyncio.TimerHandle] = []
        self.create_future = loop.create_future  # type: ignore[method-assign]
        self.run_in_executor = loop.run_in_executor  # type: ignore[assignment,method-assign]
        self.add_writer = loop.add_writer  # type: ignore[method-assign]
        self.remove_writer = loop.remove_writer  # type: ignore[method-assign]

    def get_debug(self) -> bool:
        return False

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers.append(timer)
        return timer

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        self._timers.remove(timer)

    def turn(self, seconds: float) -> None:
        """Move the clock on, and call what is due by then."""
        self.now += seconds
        while due := [timer for timer in self._timers if timer.when() <= self.now]:
            timer = min(due, key=asyncio.TimerHandle.when)
            self._timers.remove(timer)
            timer._run()  # type: ignore[attr-defined]


class MemoryTransport(asyncio.Transport):
    """A connection within memory.  What its client does not take stays in the write buffer."""

    def __init__(self, loop: VirtualClockLoop, protocol: Any, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self.loop = loop
        self.protocol = protocol
        self.received = bytearray()
        #: Octets that the client will still take; None: all.
        self.appetite: int | None = None
        #: When our side was closed, when the whole connection was, and whether by a reset.
        self.eof_at: float | None = None
        self.closed_at: float | None = None
        self.reset = False
        self.reading = True
        #: How often writing was paused.
        self.pauses = 0
        #: The most that ever waited.
        self.most_waiting = 0
        self._buffer = bytearray()
        self._eof_due = False
        self._closing = False
        self._high, self._low = 65536, 16384
        self._paused = False
        self._inbound: list[bytes] = []
        protocol.connection_made(self)

    # -- the transport's face

    def write(self, data: Any) -> None:
        assert data, "an empty write"
        assert not self._eof_due, "written after write_eof()"
        if self._closing:
            return
        self._buffer += data
        assert len(self._buffer) < 20_000_000, "far too much waits to be sent"
        self._flush()
        self.most_waiting = max(self.most_waiting, len(self._buffer))
        self._maybe_pause()

    def write_eof(self) -> None:
        if not self._closing:
            self._eof_due = True
            self._flush()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        assert not self._closing, "closed twice: with TLS it could not be aborted any more"
        self._closing = True
        self._flush()

    def abort(self) -> None:
        self._closing = True
        if self._buffer or self._inbound:
            self.reset = True
        self._buffer.clear()
        self._lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        assert not self._closing
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self._closing
        assert not self.reading, "resumed twice"
        self.reading = True
        self.loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return self.reading

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65536 if high is None else high
        self._low = self._high // 4 if low is None else low
        self._maybe_pause()

    # -- the client

    def send(self, octets: bytes) -> None:
        """Send octets, which are received at once unless reading is paused."""
        self._inbound.append(octets)
        self._deliver()

    def send_eof(self) -> None:
        """Close the client's side."""
        self._inbound.append(b"")
        self._deliver()

    def reset_by_peer(self) -> None:
        """The client is gone, and nobody will take anything more."""
        self._closing = True
        self._buffer.clear()
        self._lose(ConnectionResetError("reset by peer"))

    def take(self, octets: int | None) -> None:
        """Take this many octets more of what is sent; None: all from now on."""
        self.appetite = None if octets is None or self.appetite is None else self.appetite + octets
        self._flush()

    def take_nothing(self) -> None:
        """Take nothing from now on."""
        self.appetite = 0

    @property
    def unreceived(self) -> int:
        """Octets that the client has sent and the driver has not yet wanted."""
        return sum(map(len, self._inbound))

    # -- within

    def _deliver(self) -> None:
        while self._inbound and self.reading and not self._closing:
            octets = self._inbound.pop(0)
            if octets:
                self.protocol.data_received(octets)
            elif not self.protocol.eof_received() and not self._closing:
                self.close()

    def _flush(self) -> None:
        size = len(self._buffer) if self.appetite is None else min(self.appetite, len(self._buffer))
        if size:
            self.received += self._buffer[:size]
            del self._buffer[:size]
            if self.appetite is not None:
                self.appetite -= size
            if self._paused and len(self._buffer) <= self._low:
                self._paused = False
                self.loop.call_soon(self.protocol.resume_writing)
        if self._buffer:
            return
        if (self._eof_due or self._closing) and self.eof_at is None:
            self.eof_at = self.loop.time()
        if self._closing:
            self._lose(None)

    def _maybe_pause(self) -> None:
        if len(self._buffer) > self._high and not self._paused:
            self._paused = True
            self.pauses += 1
            self.protocol.pause_writing()

    def _lose(self, error: Exception | None) -> None:
        if self.closed_at is None:
            self.closed_at = self.loop.time()
            self.loop.call_soon(self.protocol.connection_lost, error)


class Handled:
    """A bridge that only takes notes.  The test acts for the application, by means of ``exchange``."""

    def __init__(self, exchange: Any, take: bool) -> None:
        self.exchange = exchange
        self.content = bytearray()
        #: What was told, in order: "end", "eof", "lost", "writable".
        self.told: list[str] = []
        self.trailers: list[tuple[bytes, bytes]] | None = None
        #: Why the connection was lost.
        self.reason = ""
        self._take = take

    def data_received(self, data: bytes) -> None:
        self.content += data
        if self._take:
            self.exchange.consumed(len(data))

    def end_received(self, trailers: Headers) -> None:
        self.trailers = list(trailers)
        self.told.append("end")

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, reason: str) -> None:
        self.told.append("lost")
        self.reason = reason

    def writable(self) -> None:
        self.told.append("writable")

    # For the application.

    def take(self) -> None:
        """Take all content so far."""
        self.exchange.consumed(len(self.content))

    def respond(self, content: bytes = b"hello", *fields: tuple[str, str], status: int = 200) -> None:
        """A whole response."""
        self.exchange.send(head(len(content), *fields, status=status), Data(content), EndOfMessage())


class Client:
    """One client and its connection to the driver."""

    def __init__(self, side: "ServerSide", **extra: Any) -> None:
        self.protocol = HTTPProtocol(side.registry, side.loop)
        self.transport = MemoryTransport(side.loop, self.protocol, side.extra | extra)
        side.loop.settle()

    @property
    def received(self) -> bytes:
        return bytes(self.transport.received)

    @property
    def closed_at(self) -> float | None:
        """When the connection was closed, in seconds since the clock began."""
        at = self.transport.closed_at
        return None if at is None else at - EPOCH

    @property
    def eof_at(self) -> float | None:
        """When the server has closed its side, in seconds since the clock began."""
        at = self.transport.eof_at
        return None if at is None else at - EPOCH


class ServerSide:
    """The driver, with notes of all that it does."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.loop = loop
        self.extra: dict[str, Any] = {"peername": ("192.0.2.7", 50123), "sockname": ("192.0.2.1", 80)}
        self.records: list[ExchangeRecord] = []
        #: The exchanges so far, as their bridge sees them.
        self.handled: list[Handled] = []
        #: Called with each new one.
        self.on_request: Any = None
        #: Whether applications take content as it comes.
        self.take = True
        self.configure()

    def configure(self, limits: Limits | None = None, timeouts: Timeouts | None = None) -> None:
        """Begin anew with these limits and timeouts."""

        async def make() -> ConnectionRegistry:
            return ConnectionRegistry(
                self._handle,
                limits=limits or Limits(),
                timeouts=timeouts or Timeouts(),
                on_exchange_end=self.records.append,
            )

        self.registry = self.loop.run_until_complete(make())

    def _handle(self, exchange: Any) -> Handled:
        handled = Handled(exchange, self.take)
        self.handled.append(handled)
        if self.on_request is not None:
            self.loop.call_soon(self.on_request, handled)
        return handled

    def connect(self, octets: bytes = b"", **extra: Any) -> Client:
        """A new client, which sends ``octets``."""
        client = Client(self, **extra)
        if octets:
            client.transport.send(octets)
            self.loop.settle()
        return client

    def pass_time(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @property
    def now(self) -> float:
        """Seconds since the clock began."""
        return self.loop.time() - EPOCH


def head(length: int | None = None, *fields: tuple[str, str], status: int = 200) -> Response:
    """The head of a response."""
    framing = [] if length is None else [("Content-Length", str(length))]
    return Response(status_code=status, headers=[*framing, *fields])


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OLD_GET = b"GET / HTTP/1.0\r\n\r\n"


def post(length: int, *lines: bytes) -> bytes:
    """The head of a request with content."""
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: x", b"Content-Length: %d" % length, *lines, b"", b""))


#: What connections are made of.
LIVING = (
    HTTPProtocol,
    HTTP2Protocol,
    NegotiatingProtocol,
    DrivenExchange,
    StreamExchange,
    Request,
    ExchangeRecord,
)


def living(*types: type) -> int:
    """How many objects of these types there are."""
    gc.collect()
    return sum(type(found) in types for found in gc.get_objects())


@contextlib.contextmanager
def server_side() -> Iterator[ServerSide]:
    """The driver on a virtual clock; at the end nothing may be left of it."""
    before = living(*LIVING)
    loop = VirtualClockLoop()
    try:
        side = ServerSide(loop)
        yield side
        registry = side.registry
        registry.abort()
        loop.settle()
        assert len(registry) == 0
        assert registry._per_ip == {}
        assert loop.timers() == []
        assert asyncio.all_tasks(loop) == set()
        assert loop.errors == []
        assert all(handled.told.count(what) <= 1 for handled in side.handled for what in ("end", "eof", "lost"))
        side.handled.clear()
        side.records.clear()
        side.on_request = None
    finally:
        loop.close()
    del side
    assert living(*LIVING) <= before


Events = tuple[Event, ...]
