"""An exchange without a socket: what a bridge sends goes through a real engine, and is kept for the test to look at."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import IO, Any

import pytest

from interlock import h1
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.fields import Headers
from interlock.net.exchange import Disconnected, PeerInfo
from interlock.server.asgi import ASGIApplication, ASGIHandler
from interlock.server.context import ServerContext

#: What was asserted in vain within the applications of this test.
failures: list[BaseException] = []

CLIENT = ("192.0.2.1", 5000)
SERVER = ("192.0.2.2", 80)


class FakeExchange:
    """Records calls of ``send`` as tuples of events; ``content`` joins what was sent as Data and from files."""

    def __init__(self, method="GET", target="/", headers=(), http_version="1.1", peer=None):
        fields = [(b"host", b"example.org"), *headers]
        self.request = Request(method=method, target=target, headers=fields, http_version=http_version)
        self.peer = peer or PeerInfo("http", CLIENT, SERVER)
        self.engine = h1.Connection(h1.SERVER)
        head = b"%s %s HTTP/%s\r\n" % (self.request.method, self.request.target, self.request.http_version)
        lines = b"".join(b"%s: %s\r\n" % field for field in self.request.headers)
        self.engine.receive_data(head + lines + b"\r\n")
        assert isinstance(self.engine.next_event(), Request)
        self.calls: list[tuple[Event, ...]] = []
        self.octets = b""
        self.content = b""
        self.files: list[tuple[int, int]] = []
        self.taken = 0
        self.aborted = 0
        #: How often it was told that the application has ended.
        self.endings = 0
        self.writable = True
        self.expects_continue = (b"expect", b"100-continue") in self.request.headers
        self.gone = False
        self.handler: ASGIHandler | None = None

    # -- what a bridge calls

    def send(self, *events: Event) -> None:
        if self.gone:
            raise Disconnected("gone")
        assert events
        assert not self.over, "sent after the end of the exchange"
        for event in events:
            self.octets += self.engine.send(event) or b""
            if isinstance(event, Data):
                self.content += event.data
            if isinstance(event, InformationalResponse):
                self.expects_continue = False
        self.calls.append(events)

    async def send_file(self, file: IO[bytes], offset: int, count: int) -> None:
        if self.gone:
            raise Disconnected("gone")
        self.files.append((offset, count))
        position = file.tell()
        file.seek(offset)
        data = file.read(count)
        file.seek(position)
        assert len(data) == count
        self.octets += self.engine.send(Data(data)) or b""
        self.content += data
        await asyncio.sleep(0)

    def leaves_at_once(self, octets: int) -> bool:
        raise AssertionError("for threads")

    def consumed(self, octets: int) -> None:
        assert octets > 0
        self.taken += octets

    def abort(self) -> None:
        self.aborted += 1

    def ended(self) -> None:
        self.endings += 1

    def call_threadsafe(self, callback: Callable[..., object], *args: object) -> None:
        raise AssertionError("not for ASGI")

    # -- what a test does

    def request_ends(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.handler.data_received(piece)
        self.handler.end_received(Headers())

    def lose(self) -> None:
        self.gone = True
        self.handler.connection_lost("the client has gone")

    def drain(self) -> None:
        self.writable = True
        self.handler.writable()

    # -- what a test looks at

    @property
    def events(self) -> list[Event]:
        return [event for call in self.calls for event in call]

    @property
    def over(self) -> bool:
        return any(isinstance(event, EndOfMessage) for event in self.events)

    @property
    def response(self) -> Response:
        (head,) = (event for event in self.events if isinstance(event, Response))
        return head

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        (end,) = (event for event in self.events if isinstance(event, EndOfMessage))
        return list(end.headers)


def start(app, exchange: FakeExchange, *, context: ServerContext | None = None, **options: Any) -> ASGIApplication:
    """Start the task that serves ``exchange``, as a driver does."""
    options.setdefault("state", None)

    async def checked(scope, receive, send):
        # A bridge reports what an application raises, and goes on: what a test asserts in there has to get out.
        try:
            await app(scope, receive, send)
        except (AssertionError, pytest.fail.Exception) as error:
            failures.append(error)
            raise

    application = ASGIApplication(checked, context or ServerContext(), **options)
    exchange.handler = application(exchange)
    return application


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def finish(application: ASGIApplication) -> None:
    """Wait for the tasks, and see that nothing is left of them."""
    tasks = application.tasks
    if tasks:
        await asyncio.wait(tasks)
    assert application.tasks == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def serve(app, exchange: FakeExchange, *pieces: bytes, **options: Any) -> FakeExchange:
    """Serve ``exchange`` with a request that is complete at once."""
    application = start(app, exchange, **options)
    exchange.request_ends(*pieces)
    await finish(application)
    assert exchange.handler.exchange is None
    assert exchange.endings == 1
    return exchange


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine, and raise what was asserted in vain within an application."""
    failures.clear()
    result = asyncio.run(coroutine)
    if failures:
        raise failures[0]
    return result


def responder(*messages: dict[str, Any], status: int = 200, headers=(), **more: Any):
    """An application that sends a head and these messages."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": headers, **more})
        for message in messages:
            await send(message)

    return app


def body(data: bytes = b"", more_body: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more_body}
