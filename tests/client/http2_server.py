"""A server of HTTP/2 within memory for a client's connection, made of raw frames, and a network that waits for nothing.

On :class:`Turning` all waiting turns a clock, so the calls of a connection never suspend, and slow and silent servers take no
time.  :class:`MemoryStream` waits as its network does, so it serves over asyncio and trio, too.
"""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import hpack
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Field, Frame

from interlock.client.http2 import HTTP2Connection
from interlock.client.messages import Request, Response
from interlock.net.errors import ReadError, ReadTimeout, WriteError, WriteTimeout
from interlock.net.stream import Event, Network, Stream

T = TypeVar("T")

OK: list[Field] = [(":status", "200")]


class TurningEvent(Event):
    def __init__(self, network: "Turning") -> None:
        self._network = network
        self._happened = False

    def set(self) -> None:
        self._happened = True

    def is_set(self) -> bool:
        return self._happened

    async def wait(self, timeout: float | None = None) -> bool:
        network = self._network
        end = None if timeout is None else network.clock + timeout
        while not self._happened and network.turn(end):
            pass
        return self._happened


class Mutex:
    """Sees that it is taken once, and that nobody waits while it is."""

    def __init__(self) -> None:
        self.held = False

    def __enter__(self) -> object:
        assert not self.held
        self.held = True
        return self

    def __exit__(self, *_: object) -> None:
        self.held = False


class Turning(Network):
    """A network whose clock goes on when somebody waits."""

    def __init__(self) -> None:
        self.clock = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.locks: list[Mutex] = []

    def now(self) -> float:
        return self.clock

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something done then."""
        self.due.append((self.clock + seconds, call))
        self.due.sort(key=lambda entry: entry[0])

    def turn(self, end: float | None) -> bool:
        """Go on to what is due next, or to ``end``, and then return False."""
        assert not any(lock.held for lock in self.locks), "somebody waits, and holds the mutex"
        if self.due and (end is None or self.due[0][0] <= end):
            self.clock, call = self.due.pop(0)
            call()
            return True
        assert end is not None, "everything waits, and nothing will ever happen"
        self.clock = max(self.clock, end)
        return False

    def event(self) -> Event:
        return TurningEvent(self)

    def mutex(self) -> AbstractContextManager[object]:
        self.locks.append(Mutex())
        return self.locks[-1]

    def go_on(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.clock + seconds
        while self.turn(end):
            pass

    async def sleep(self, seconds: float) -> None:
        self.go_on(seconds)

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        return await call()


class MemoryStream(Stream):
    """``server``: gets what is written, at once, and says what is to be read."""

    def __init__(self, network: Network, server: "Server", whole: bool = False) -> None:
        self._network = network
        self._server = server
        self._event: Event | None = None
        self._octets = bytearray()
        self._end: Exception | bytes | None = None
        self._reads = self._writes = self._cut = False
        self.closed = ""
        #: At most so many octets for a read.
        self.piece = 1 << 30
        #: What writes raise, and what has to happen before they go on.
        self.broken: Exception | None = None
        self.full: Event | None = None
        #: Whether a write goes out whole although who writes is cancelled, as on asyncio.
        self.whole = whole

    def give(self, octets: bytes) -> None:
        """Octets from the server."""
        self._octets += octets
        self._wake()

    def end(self, how: Exception | bytes = b"") -> None:
        """Nothing more comes from the server."""
        self._end = how
        self._wake()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert not self._reads, "two read at once"
        self._reads = True
        try:
            while not self._octets and self._end is None and not self.closed:
                self._event = self._network.event()
                if not await self._event.wait(timeout):
                    raise ReadTimeout(f"nothing for {timeout} seconds")
        finally:
            self._reads = False
        if self.closed:
            raise ReadError("closed here")
        if not self._octets:
            if isinstance(self._end, Exception):
                raise self._end
            return b""
        size = min(max_bytes, self.piece)
        data = bytes(self._octets[:size])
        del self._octets[:size]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert not self._writes, "two write at once"
        assert isinstance(buffer, bytes)
        assert not self._cut, "something is written behind half a write"
        if self.closed:
            raise WriteError("closed here")
        if self.broken is not None:
            raise self.broken
        self._writes = True
        try:
            if self.full is not None:
                size = len(buffer) if self.whole else len(buffer) // 2
                self._server.receive(buffer[:size])
                buffer = buffer[size:]
                self._cut = not self.whole
                if not await self.full.wait(timeout):
                    raise WriteTimeout(f"nothing taken for {timeout} seconds")
                self._cut = False
        finally:
            self._writes = False
        self._server.receive(buffer)

    async def aclose(self) -> None:
        self._finish("closed")

    def abort(self) -> None:
        self._finish("aborted")

    def _finish(self, how: str) -> None:
        if not self.closed:
            self.closed = how
            self._wake()

    def get_extra_info(self, info: str) -> Any:
        if info == "cancelled_write_is_whole":
            return self.whole
        if info == "reads_at_once":
            return isinstance(self._network, Turning)
        if info == "is_readable":
            return bool(self._octets or self._end is not None or self.closed)
        return None


class Server:
    """What has come from the client, and what it is answered: ``script`` is called with each frame.

    ``settings``: the server's; None: it says nothing by itself.
    """

    def __init__(
        self,
        script: "Callable[[Server, Frame], object] | None" = None,
        settings: tuple[tuple[int, int], ...] | None = (),
        network: Network | None = None,
        *,
        whole: bool = False,
        **options: Any,
    ) -> None:
        self.network: Any = Turning() if network is None else network
        self.stream = MemoryStream(self.network, self, whole)
        self.connection = HTTP2Connection(self.network, self.stream, **options)
        self.script = script
        self.settings = settings
        #: All frames so far; ``requests``: the field lists of the heads, by stream; ``content``: what came for them.
        self.frames: list[Frame] = []
        self.requests: dict[int, list[tuple[str, str]]] = {}
        self.content: dict[int, bytes] = {}
        self.ended: list[int] = []
        self._octets = bytearray()
        self._preface = False
        self._decoder = hpack.Decoder()

    # -- from the client

    def receive(self, octets: bytes) -> None:
        self._octets += octets
        if not self._preface:
            if len(self._octets) < len(raw.PREFACE):
                return
            assert self._octets.startswith(raw.PREFACE)
            del self._octets[: len(raw.PREFACE)]
            self._preface = True
            if self.settings is not None:
                self.send(raw.settings(*self.settings), raw.settings_ack())
        while (frame := raw.take_frame(self._octets)) is not None:
            self.frames.append(frame)
            if frame.kind == raw.HEADERS:
                fields = self._decoder.decode(frame.payload, raw=True)
                self.requests.setdefault(frame.stream, []).extend((n.decode(), v.decode()) for n, v in fields)
            if frame.kind == raw.DATA:
                self.content[frame.stream] = self.content.get(frame.stream, b"") + frame.payload
            if frame.kind in {raw.HEADERS, raw.DATA} and frame.flags & raw.END_STREAM:
                self.ended.append(frame.stream)
            if self.script is not None:
                self.script(self, frame)

    def told(self) -> list[str]:
        """What has come, without what each connection begins with; and forget it."""
        frames = [frame for frame in self.frames if frame.kind != raw.SETTINGS]
        self.frames = []
        return [
            f"{frame.name} {frame.stream}"
            + (" END" if frame.kind in {raw.HEADERS, raw.DATA} and frame.flags & raw.END_STREAM else "")
            + (f" {raw.code_name(frame.number(0))}" if frame.kind == raw.RST_STREAM else "")
            + (f" {raw.code_name(frame.number(4))}" if frame.kind == raw.GOAWAY else "")
            for frame in frames
            if (frame.kind, frame.stream) != (raw.WINDOW_UPDATE, 0)
        ]

    # -- to the client

    def send(self, *frames: bytes) -> None:
        self.stream.give(b"".join(frames))

    def respond(self, stream: int, *fields: Field, content: bytes = b"", end: bool = True) -> None:
        head = raw.headers(stream, raw.block(fields or OK), end=end and not content)
        self.send(head, raw.data(stream, content, end=end) if content else b"")

    def later(self, seconds: float, *frames: bytes) -> None:
        self.network.later(seconds, lambda: self.send(*frames))


def answering(server: Server, frame: Frame) -> None:
    """A script: each request is answered once it is complete, with its number and how much content it had."""
    if frame.kind in {raw.HEADERS, raw.DATA} and frame.flags & raw.END_STREAM:
        length = len(server.content.get(frame.stream, b""))
        server.respond(frame.stream, content=f"{frame.stream}: {length}".encode())


def request(method: bytes = b"GET", target: bytes = b"/", **options: Any) -> Request:
    return Request(method, b"https", "example.com", 443, target, **options)


async def content_of(response: Response) -> bytes:
    """All of the content."""
    blocks = []
    while block := await response.exchange.read_block():
        blocks.append(block)
    return b"".join(blocks)


async def ask(connection: HTTP2Connection, method: bytes = b"GET", **options: Any) -> tuple[int, bytes]:
    """Make a request; the status and the content of its response."""
    response = await connection.send(request(method, **options))
    return response.status_code, await content_of(response)


def scripted(*actions: Callable[[Server], object], **options: Any) -> Server:
    """A server that does these, one by one, each behind a head of a request."""
    waiting = iter(actions)

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS:
            next(waiting, lambda _: None)(server)

    return Server(script, **options)


def answering_later(server: Server) -> None:
    stream = server.frames[-1].stream
    server.later(1, raw.headers(stream, raw.block(OK), end=False), raw.data(stream, b"later", end=True))
