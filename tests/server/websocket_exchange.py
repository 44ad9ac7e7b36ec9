"""The bridge for WebSocket without a driver: an exchange that leaves HTTP, and an application that is the test itself.

The loop's clock is a virtual one: who waits for what never happens fails at once, and timers take no time.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from tests.net.virtual_clock import VirtualClockLoop, living
from tests.server.asgi_fakes import CLIENT, SERVER, settle
from tests.ws import raw
from tests.ws.raw import Frame

from interlock import h1
from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.fields import Headers
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.exchange import Disconnected, PeerInfo
from interlock.server.asgi import ASGIApplication
from interlock.server.asgi_websocket import WebSocketHandler, WebSocketSettings
from interlock.server.context import ServerContext
from interlock.ws.deflate import PerMessageDeflate

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = [
    (b"Host", b"example.org"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Key", KEY),
    (b"Sec-WebSocket-Version", b"13"),
]


def handshake(version: str, *fields: tuple[bytes, bytes], target: bytes = b"/", without: bytes = b"") -> Request:
    """A request for a WebSocket; ``without``: the name of a field that it lacks."""
    if version == "1":
        basic = [field for field in HANDSHAKE if field[0] != without]
        return Request(method=b"GET", target=target, headers=[*basic, *fields], http_version=b"1.1")
    basic = [field for field in (HANDSHAKE[0], HANDSHAKE[4]) if field[0] != without]
    return Request(
        method=b"CONNECT",
        target=target,
        headers=[*basic, *fields],
        http_version=b"2",
        stream_id=1,
        scheme=b"https",
        protocol=b"websocket",
    )


class TunnelExchange:
    """What a driver gives, of either version: it keeps what is sent, and the test plays the client."""

    def __init__(self, request: Request, peer: PeerInfo | None = None) -> None:
        self.request = request
        self.peer = peer or PeerInfo("http", CLIENT, SERVER)
        self.handler: Any = None
        self.events: list[Event] = []
        #: How many events each call of send() had.
        self.calls: list[int] = []
        #: Octets of the other protocol that were sent, and of those that came, how many were taken.
        self.octets = b""
        self.taken = 0
        #: Whether what is sent is taken.
        self.takes = True
        self.pending = 0
        self.aborted = False
        self.gone = False
        self.endings = 0

    # -- what the bridge calls

    @property
    def writable(self) -> bool:
        if self.complete:
            return self.gone or self.status != 101  # which is over when the client has closed its side too
        return self.takes or not self.pending

    def leaves_at_once(self, octets: int) -> bool:
        return self.writable

    def unsent(self) -> int:
        return self.pending

    @property
    def expects_continue(self) -> bool:
        return False

    def send(self, *events: Event) -> None:
        if self.gone:
            raise Disconnected("gone")
        assert events
        self.calls.append(len(events))
        for event in events:
            assert not self.complete, "sent after the end"
            if isinstance(event, (Response, InformationalResponse)):
                assert self.head is None
            elif self.head is None:
                raise LocalProtocolError("no head")
            elif isinstance(event, Data):
                assert event.data, "an empty write"
                self.octets += event.data
                if not self.takes:
                    self.pending += len(event.data)
            self.events.append(event)
        if self.complete and self.status != 101 and self.request.http_version == b"1.1":
            engine = h1.Connection(h1.SERVER)  # is it a response?
            engine.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            engine.next_event()
            for event in self.events:
                engine.send(event)

    def consumed(self, octets: int) -> None:
        assert octets > 0
        self.taken += octets

    def abort(self) -> None:
        if not self.complete and not self.gone:
            self.aborted = True
            self.lose("aborted")

    def ended(self) -> None:
        self.endings += 1

    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        raise AssertionError("not for ASGI")

    async def send_file(self, file: Any, offset: int, count: int) -> None:
        raise AssertionError("not for WebSocket")

    # -- what a test does

    def client(self, *frames: Frame) -> None:
        """Frames of the client come, in one piece."""
        self.handler.data_received(raw.octets_of(frames, True))

    def client_ends(self) -> None:
        self.handler.end_received(Headers())

    def lose(self, why: str = "connection lost") -> None:
        self.gone = True
        self.handler.connection_lost(why)

    def over(self) -> None:
        """Both sides are closed."""
        assert self.complete
        self.gone = True
        self.handler.writable()

    def take(self) -> None:
        """The peer takes what waits."""
        full = not self.writable
        self.takes, self.pending = True, 0
        if full:
            self.handler.writable()

    # -- what a test looks at

    @property
    def head(self) -> Any:
        return next((event for event in self.events if isinstance(event, (Response, InformationalResponse))), None)

    @property
    def status(self) -> int:
        return 0 if self.head is None else self.head.status_code

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(self.head.headers)

    @property
    def complete(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], EndOfMessage)

    @property
    def frames(self) -> list[Frame]:
        return raw.read(self.octets, False)

    @property
    def close(self) -> tuple[int, str] | None:
        frames = self.frames
        if not frames or frames[-1].opcode != raw.CLOSE:
            return None
        payload = frames[-1].payload
        return int.from_bytes(payload[:2], "big") if payload else 1005, payload[2:].decode()


class Opened:
    """One WebSocket as its application has it, which is the test."""

    def __init__(self, exchange: TunnelExchange) -> None:
        self.exchange = exchange
        self.scope: dict[str, Any] = {}
        self.receive: Any = None
        self.send: Any = None
        self.bridge: ASGIApplication
        self._go: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        await self._go

    async def accept(self, **more: Any) -> "Opened":
        """Receive the connect, and accept it."""
        assert await self.receive() == {"type": "websocket.connect"}
        await self.send({"type": "websocket.accept", **more})
        return self

    async def text(self, data: str) -> None:
        await self.send({"type": "websocket.send", "text": data})

    async def soon(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin what will have to wait."""
        task = asyncio.ensure_future(coroutine)
        await settle()
        return task

    async def returns(self) -> None:
        """The application returns."""
        self._go.set_result(None)
        await settle()

    async def raises(self, error: BaseException) -> None:
        """The application raises."""
        self._go.set_exception(error)
        await settle()

    async def disconnected(self) -> tuple[int, str]:
        """What it is told of the end."""
        message = await self.receive()
        assert message.pop("type") == "websocket.disconnect"
        assert set(message) == {"code", "reason"}
        return message["code"], message["reason"]


@contextlib.asynccontextmanager
async def opened(
    request: str | Request = "1",
    *,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    deflate: PerMessageDeflate | None = None,
    peer: PeerInfo | None = None,
    **options: Any,
) -> AsyncIterator[Opened]:
    """Begin a WebSocket; at the end nothing may be left of it."""
    if isinstance(request, str):
        request = handshake(request)
    exchange = TunnelExchange(request, peer)
    ws = Opened(exchange)
    context = ServerContext(date_header=False, server_header=False)
    settings = WebSocketSettings(limits or Limits(), timeouts or Timeouts(ping_interval=0), deflate)
    options = {"state": None, "websocket": settings} | options
    ws.bridge = ASGIApplication(ws, context, **options)
    exchange.handler = ws.bridge(exchange)  # type: ignore[arg-type]
    await settle()
    yield ws
    if not ws._go.done():
        await ws.returns()
    if not exchange.complete and not exchange.gone:
        exchange.abort()
    elif exchange.status == 101 and not exchange.gone:
        exchange.over()
    await settle()
    assert ws.bridge.tasks == set()
    assert exchange.endings == 1


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a test on a virtual clock; at the end nothing may be left of it."""
    before = living(WebSocketHandler, WebSocketSession)
    loop = VirtualClockLoop()
    try:
        result = loop.run_until_complete(coroutine)
        assert asyncio.all_tasks(loop) == set()
        assert loop.timers() == []
        assert loop.errors == []
    finally:
        loop.close()
    gc.collect()
    assert living(WebSocketHandler, WebSocketSession) <= before
    return result
