"""An exchange without a connection: what a bridge sends is recorded, and held to the rules of the contract."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.fields import EXPECT_CONTINUE
from interlock.net.exchange import Disconnected, Handler, HandlerFactory, PeerInfo
from interlock.server.threads import ThreadPool

#: Seconds after which a test that waits is taken to have failed.
PATIENCE = 10.0

PEER = PeerInfo("http", ("192.0.2.7", 50123), ("192.0.2.1", 8080))


def request(
    target: str = "/",
    *fields: tuple[str, str],
    method: str = "GET",
    http_version: str = "1.1",
    host: str | None = "example.org",
) -> Request:
    """A request head."""
    headers = list(fields)
    if host is not None:
        headers.insert(0, ("Host", host))
    return Request(method=method, target=target, headers=headers, http_version=http_version)


class FakeExchange:
    """An exchange on a real event loop."""

    def __init__(self, head: Request, loop: asyncio.AbstractEventLoop, peer: PeerInfo = PEER) -> None:
        self.request = head
        self.peer = peer
        self.loop = loop
        self.handler: Handler | None = None
        self.events: list[Event] = []
        #: How many events each call of send had.
        self.calls: list[int] = []
        self.consumed_octets = 0
        self.aborted = False
        #: How often it was told that the application has ended.
        self.endings = 0
        self.lost = False
        self.continue_sent = False
        self.files: list[tuple[Any, int, int]] = []
        #: Octets of content after which it is not writable.
        self.high_water: int | None = None
        self.pending = 0
        #: Raised by the next send.
        self.failure: Exception | None = None
        #: send_file waits until this is set.
        self.file_gate: asyncio.Event | None = None
        #: Set when the exchange is over: EndOfMessage sent, or aborted.
        self.over = threading.Event()
        self.changed = threading.Condition()

    # The driver's side of the contract.

    @property
    def writable(self) -> bool:
        self._on_loop()
        return self.high_water is None or self.pending < self.high_water

    def leaves_at_once(self, octets: int) -> bool:
        return octets <= 65536 and (self.high_water is None or self.pending + octets < self.high_water)

    @property
    def expects_continue(self) -> bool:
        self._on_loop()
        return bool(self.request.headers.flags & EXPECT_CONTINUE) and not self.continue_sent and not self.head

    def send(self, *events: Event) -> None:
        self._on_loop()
        if self.lost:
            raise Disconnected("lost")
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        for event in events:
            self._take(event)
        self._changed(lambda: self.calls.append(len(events)))
        if self.complete:
            self.over.set()

    async def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        self._on_loop()
        self._changed(lambda: self.files.append((file, offset, count)))
        if self.file_gate is not None:
            await self.file_gate.wait()
        if self.lost:
            raise Disconnected("lost")
        file.seek(offset)
        self.send(Data(file.read(count)))

    def consumed(self, octets: int) -> None:
        self._on_loop()
        assert octets > 0

        def add() -> None:
            self.consumed_octets += octets

        self._changed(add)

    def abort(self) -> None:
        self._on_loop()
        assert not self.over.is_set()
        self.aborted = True
        self.over.set()

    def ended(self) -> None:
        self._changed(self._count_ending)

    def _count_ending(self) -> None:
        self.endings += 1

    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        self.loop.call_soon_threadsafe(callback, *args)

    # For tests.

    @property
    def head(self) -> Response | None:
        """The final response's head, if it was sent."""
        return next((event for event in self.events if isinstance(event, Response)), None)

    @property
    def status(self) -> int:
        """Its status code."""
        assert self.head is not None
        return self.head.status_code

    @property
    def fields(self) -> dict[bytes, bytes]:
        """Its fields."""
        assert self.head is not None
        return dict(self.head.headers)

    @property
    def content(self) -> bytes:
        """What content was sent."""
        return b"".join(bytes(event.data) for event in self.events if isinstance(event, Data))  # type: ignore[call-overload]

    @property
    def complete(self) -> bool:
        """Whether the response has its end."""
        return bool(self.events) and isinstance(self.events[-1], EndOfMessage)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition()`` is true; it is looked at whenever something was sent or taken."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE)

    def finish(self) -> "FakeExchange":
        """Wait until the exchange is over."""
        assert self.over.wait(PATIENCE), self.events
        return self

    def _take(self, event: Event) -> None:
        if self.over.is_set() or self.complete:
            raise LocalProtocolError("the exchange is over")
        if isinstance(event, InformationalResponse):
            if self.head is not None:
                raise LocalProtocolError("the head is out")
            self.continue_sent = self.continue_sent or event.status_code == 100
        elif isinstance(event, Response):
            if self.head is not None:
                raise LocalProtocolError("the head is out")
        elif isinstance(event, Data):
            if self.head is None:
                raise LocalProtocolError("no head")
            assert event.data
            self.pending += len(event.data)  # type: ignore[arg-type]
        elif self.head is None:
            raise LocalProtocolError("no head")
        self.events.append(event)

    def _changed(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def _on_loop(self) -> None:
        assert asyncio.get_running_loop() is self.loop


class FakeDriver:
    """An event loop in a thread, on which exchanges are made for a bridge."""

    def __init__(self, factory: HandlerFactory, loop: asyncio.AbstractEventLoop) -> None:
        self.factory = factory
        self.loop = loop

    def call(self, function: Callable[..., Any], *args: object) -> Any:
        """``function(*args)``, on the loop's thread."""

        async def run() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    def begin(self, head: Request, *, peer: PeerInfo = PEER, **settings: Any) -> FakeExchange:
        """An exchange whose handler has been made, and told nothing yet; ``settings``: attributes of the exchange."""
        exchange = FakeExchange(head, self.loop, peer)
        for name, value in settings.items():
            setattr(exchange, name, value)

        def make() -> None:
            exchange.handler = self.factory(exchange)

        self.call(make)
        return exchange

    def feed(self, exchange: FakeExchange, *pieces: bytes, end: bool = False) -> None:
        """Bring these pieces of content, and the end of the request."""
        handler = exchange.handler
        assert handler is not None

        def bring() -> None:
            for piece in pieces:
                handler.data_received(piece)
            if end:
                handler.end_received(Request(method="GET", target="/", headers=[("Host", "a")]).headers)

        self.call(bring)

    def lose(self, exchange: FakeExchange) -> None:
        """Lose the connection."""
        assert exchange.handler is not None

        def lose() -> None:
            assert exchange.handler is not None
            exchange.lost = True
            exchange.handler.connection_lost("the client has gone")

        self.call(lose)

    def drain(self, exchange: FakeExchange) -> None:
        """The peer takes what waits to be sent."""
        assert exchange.handler is not None

        def drain() -> None:
            assert exchange.handler is not None
            full = not exchange.writable
            exchange.pending = 0
            if full:
                exchange.handler.writable()

        self.call(drain)

    def run(self, head: Request, *pieces: bytes, peer: PeerInfo = PEER) -> FakeExchange:
        """A whole exchange."""
        exchange = self.begin(head, peer=peer)
        self.feed(exchange, *pieces, end=True)
        return exchange.finish()


def all_free(pool: ThreadPool) -> None:
    """Returns when every thread of the pool can run a job again."""
    barrier = threading.Barrier(pool.threads + 1)
    for _ in range(pool.threads):
        pool.submit(lambda: barrier.wait(PATIENCE))
    barrier.wait(PATIENCE)


@contextlib.contextmanager
def loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="event-loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
