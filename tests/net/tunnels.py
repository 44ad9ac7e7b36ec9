"""WebSockets of a server in memory, over either version of HTTP: the bridge, the driver and a client that is a test.

The client's frames are made and read apart from the engine, and its HTTP/2 is another library's.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from tests.net.http2_client import Http2Client, Stream
from tests.net.virtual_clock import EPOCH, ServerSide, VirtualClockLoop, living
from tests.ws import raw
from tests.ws.raw import Frame

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.exchange import DrivenExchange, StreamExchange
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.http2 import HTTP2Protocol
from interlock.net.asyncio.tunnel import TunnelProtocol
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.exchange import Disconnected
from interlock.server.asgi import ASGIApplication
from interlock.server.asgi_websocket import Refused, WebSocketHandler, WebSocketSettings
from interlock.server.context import ServerContext
from interlock.ws.deflate import PerMessageDeflate
from interlock.ws.handshake import accept_key

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = [
    b"Host: example.org",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
]

#: What a WebSocket is made of.
LIVING = (
    HTTPProtocol,
    HTTP2Protocol,
    DrivenExchange,
    StreamExchange,
    TunnelProtocol,
    WebSocketHandler,
    WebSocketSession,
    Refused,
)


class Application:
    """An application that accepts, takes what comes, and returns at the end; unless its ``script`` is another."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        #: What was received.
        self.received: list[Any] = []
        #: Whether messages are sent back.
        self.echoes = False
        #: What a WebSocket waits for before it is accepted, and before the next message is taken.
        self.accepting = asyncio.Event()
        self.taking = asyncio.Event()
        self.accepting.set()
        self.taking.set()
        #: What send() has raised.
        self.refused: list[type[BaseException]] = []
        self.script: Any = self._take

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        await self.script(scope, receive, send)

    async def _take(self, scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await self.accepting.wait()
        try:
            await send({"type": "websocket.accept"})
        except Disconnected as error:
            self.refused.append(type(error))
        while True:
            await self.taking.wait()
            message = await receive()
            self.received.append(message)
            if message["type"] == "websocket.disconnect":
                return
            if self.echoes:
                await send({**message, "type": "websocket.send"})

    @property
    def messages(self) -> list[str | bytes]:
        """The messages received."""
        return [
            message["text"] if "text" in message else message["bytes"]
            for message in self.received
            if message["type"] == "websocket.receive"
        ]

    @property
    def ends(self) -> list[tuple[int, str]]:
        """The code and the reason of each disconnect."""
        return [
            (message["code"], message["reason"])
            for message in self.received
            if message["type"] == "websocket.disconnect"
        ]


class TunnelSide(ServerSide):
    """The drivers and the bridge for ASGI, with an application that a test scripts."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.app = Application()
        super().__init__(loop)

    def configure(
        self,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        deflate: PerMessageDeflate | None = None,
        *,
        websocket: bool = True,
    ) -> None:
        limits = limits or Limits()
        timeouts = timeouts or Timeouts(ping_interval=0)

        async def make() -> ConnectionRegistry:
            context = ServerContext(date_header=False, server_header=False)
            settings = WebSocketSettings(limits, timeouts, deflate)
            self.bridge = ASGIApplication(self.app, context, state=None, websocket=settings)
            return ConnectionRegistry(
                self._begin,
                limits=limits,
                timeouts=timeouts,
                on_exchange_end=self.records.append,
                websocket=websocket,
            )

        self.registry = self.loop.run_until_complete(make())

    def _begin(self, exchange: Any) -> Any:
        """The bridge is made for a loop that runs, and a test brings octets in between."""
        if self.loop.is_running():
            return self.bridge(exchange)
        asyncio._set_running_loop(self.loop)
        try:
            return self.bridge(exchange)
        finally:
            asyncio._set_running_loop(None)

    def open(self, version: str, path: str = "/", *fields: tuple[str, str], **options: Any) -> "Peer":
        """A client whose handshake has been sent."""
        return (Http1Peer if version == "1" else Http2Peer)(self, path, fields, **options)

    def do(self, coroutine: Any) -> Any:
        """Run what the application does."""
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 1000))


class Peer:
    """One WebSocket of a client."""

    side: TunnelSide
    #: The status of the response to the handshake, and its fields.
    status: int
    fields: dict[bytes, bytes]

    @property
    def octets(self) -> bytes:
        """What has come behind the handshake."""
        raise NotImplementedError

    @property
    def frames(self) -> list[Frame]:
        """The frames that have come."""
        return raw.read(self.octets, False)

    @property
    def content(self) -> list[bytes]:
        """The payloads of the messages that have come."""
        return [frame.payload for frame in self.frames if frame.opcode in {raw.TEXT, raw.BINARY}]

    @property
    def close(self) -> tuple[int, str] | None:
        """The code and the reason of the server's Close; only one may come, and nothing after it."""
        frames = self.frames
        closes = [frame for frame in frames if frame.opcode == raw.CLOSE]
        if not closes:
            return None
        assert frames.index(closes[0]) == len(frames) - 1
        payload = closes[0].payload
        return int.from_bytes(payload[:2], "big") if payload else 1005, payload[2:].decode()

    def send(self, *frames: Frame) -> None:
        self.send_octets(raw.octets_of(frames, True))

    def send_octets(self, octets: bytes) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Close the client's side."""
        raise NotImplementedError

    def reset(self) -> None:
        """Be gone."""
        raise NotImplementedError

    def take_nothing(self) -> None:
        """Take nothing from now on of what comes."""
        raise NotImplementedError

    def take_all(self) -> None:
        """Take what has come and all that comes."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Whether the server has closed its side."""
        raise NotImplementedError

    @property
    def was_reset(self) -> bool:
        """Whether the server has broken off."""
        raise NotImplementedError

    @property
    def over(self) -> bool:
        """Whether nothing is left of it at the server."""
        raise NotImplementedError


class Http1Peer(Peer):
    """Over a connection of HTTP/1.1 of its own.  ``behind``: octets that come in the same segment as the handshake."""

    def __init__(
        self,
        side: TunnelSide,
        path: str,
        fields: tuple[tuple[str, str], ...],
        *,
        behind: bytes = b"",
        lines: list[bytes] = HANDSHAKE,
        **extra: Any,
    ) -> None:
        self.side = side
        more = [f"{name}: {value}".encode() for name, value in fields]
        request = b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), *lines, *more, b"", b""])
        self.client = side.connect(**extra)
        self.transport = self.client.transport
        # what the client of plain HTTP does not need
        setattr(self.transport, "set_protocol", lambda protocol: setattr(self.transport, "protocol", protocol))  # noqa: B010
        self.transport.send(request + behind)
        side.loop.settle()

    @property
    def _parts(self) -> tuple[bytes, bytes]:
        head, _, rest = bytes(self.transport.received).partition(b"\r\n\r\n")
        return head, rest

    @property
    def status(self) -> int:  # type: ignore[override]
        head = self._parts[0]
        return int(head.split()[1]) if head else 0

    @property
    def fields(self) -> dict[bytes, bytes]:  # type: ignore[override]
        lines = self._parts[0].split(b"\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}

    @property
    def octets(self) -> bytes:
        if self.status == 101:
            assert self.fields[b"sec-websocket-accept"] == accept_key(KEY)
        return self._parts[1]

    def send_octets(self, octets: bytes) -> None:
        self.transport.send(octets)
        self.side.loop.settle()

    def end(self) -> None:
        self.transport.send_eof()
        self.side.loop.settle()

    def reset(self) -> None:
        self.transport.reset_by_peer()
        self.side.loop.settle()

    def take_nothing(self) -> None:
        self.transport.take_nothing()

    def take_all(self) -> None:
        self.transport.take(None)
        self.side.loop.settle()

    @property
    def ended(self) -> bool:
        return self.transport.eof_at is not None

    @property
    def was_reset(self) -> bool:
        return self.transport.reset or (self.over and not self.ended)

    @property
    def over(self) -> bool:
        return self.transport.closed_at is not None


class Http2Peer(Peer):
    """On one stream.  ``connection``: of other streams, instead of one of its own."""

    def __init__(
        self,
        side: TunnelSide,
        path: str,
        fields: tuple[tuple[str, str], ...],
        *,
        behind: bytes = b"",
        connection: Http2Client | None = None,
        settings: Any = None,
        version: str = "13",
        **extra: Any,
    ) -> None:
        self.side = side
        self.connection = connection or Http2Client(side, settings=settings, **extra)
        h2 = self.connection.h2
        self.stream_id = h2.get_next_available_stream_id()
        pseudo = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "example.org"),
            (":path", path),
        ]
        h2.send_headers(self.stream_id, [*pseudo, ("sec-websocket-version", version), *fields])
        self.connection.streams[self.stream_id] = Stream()
        if behind:
            self.connection.send(self.stream_id, behind)
        self.connection.turn()

    @property
    def stream(self) -> Stream:
        return self.connection.streams[self.stream_id]

    @property
    def status(self) -> int:  # type: ignore[override]
        self.connection.turn()
        return self.stream.status

    @property
    def fields(self) -> dict[bytes, bytes]:  # type: ignore[override]
        return dict(self.stream.fields)

    @property
    def octets(self) -> bytes:
        self.connection.turn()
        return bytes(self.stream.content)

    def send_octets(self, octets: bytes) -> None:
        self.connection.send(self.stream_id, octets)
        self.connection.turn()

    def end(self) -> None:
        self.connection.send(self.stream_id, end=True)

    def reset(self) -> None:
        self.connection.h2.reset_stream(self.stream_id, 8)
        self.connection.turn()

    def take_nothing(self) -> None:
        self.connection.takes = False

    def take_all(self) -> None:
        self.connection.turn()
        h2 = self.connection.h2
        self.connection.takes = True
        held = h2.local_settings.initial_window_size - h2.remote_flow_control_window(self.stream_id)
        if held > 0:
            h2.acknowledge_received_data(held, self.stream_id)
        self.connection.turn()

    @property
    def ended(self) -> bool:
        self.connection.turn()
        return self.stream.ended

    @property
    def was_reset(self) -> bool:
        self.connection.turn()
        return self.stream.reset not in {None, 0}

    @property
    def over(self) -> bool:
        self.connection.turn()
        return self.stream_id not in self.connection.protocol._exchanges


@contextlib.contextmanager
def tunnel_side() -> Iterator[TunnelSide]:
    """The drivers and the bridge on a virtual clock; at the end nothing may be left of them."""
    before = living(*LIVING)
    loop = VirtualClockLoop()
    try:
        side = TunnelSide(loop)
        yield side
        side.registry.abort()
        loop.settle()
        assert len(side.registry) == 0
        assert side.registry._per_ip == {}
        assert loop.timers() == []
        loop.run_until_complete(side.bridge.shutdown())
        assert side.bridge.tasks == set()
        assert asyncio.all_tasks(loop) == set()
        assert loop.errors == []
        side.records.clear()
    finally:
        loop.close()
    del side
    assert living(*LIVING) <= before


def seconds(at: float | None) -> float | None:
    """A time of the loop, in seconds since the clock began."""
    return None if at is None else at - EPOCH
