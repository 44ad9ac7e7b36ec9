"""WebSockets on trio with a far end that a test plays: an engine, and the other half of streams in memory.

Time is virtual: where nothing can happen any more, the clock jumps to what is due next.
"""

import functools
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from interlock.http.errors import RemoteProtocolError
from interlock.http.events import ConnectionClosed, Event
from interlock.net.trio.websocket import WebSocketConnection
from interlock.net.trio.websocket_options import Settings
from interlock.ws import CLIENT, NEED_DATA, SERVER, Connection


def on_trio(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Have a test that is a coroutine run on trio, with a virtual clock; what it leaves unclosed is an error."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trio.run(functools.partial(test, *args, **kwargs), clock=MockClock(autojump_threshold=0))
            gc.collect()

    return run


async def pass_time(seconds: float) -> None:
    """Let this much time pass, and all happen that is due."""
    await trio.sleep_until(trio.current_time() + seconds)
    await wait_all_tasks_blocked()


class FarEnd:
    """The peer.  It does what a test tells it, and nothing else."""

    def __init__(self, role: Any, stream: Any, **options: Any) -> None:
        self.engine = Connection(role, **options)
        self.stream = stream
        self.heard: list[Event] = []
        self.ended = False

    async def say(self, *events: Event) -> None:
        """Send these, in one piece, and let what comes of it happen."""
        await self.write(b"".join(self.engine.send(event) for event in events))

    async def write(self, octets: bytes) -> None:
        await self.stream.send_all(octets)
        await wait_all_tasks_blocked()

    async def hear(self) -> list[Event]:
        """Take in what was sent.  Returns what is new of it; the last is ConnectionClosed at the end of the stream."""
        await wait_all_tasks_blocked()
        before = len(self.heard)
        while not self.ended:
            with trio.move_on_after(1e-6) as scope:
                data = await self.stream.receive_some()
                self.ended = not data
                self.engine.receive_data(bytes(data))
            if scope.cancelled_caught:
                break
        while True:
            try:
                event = self.engine.next_event()
            except RemoteProtocolError:
                continue
            if event is NEED_DATA:
                return self.heard[before:]
            self.heard.append(event)

    async def answer(self) -> list[Event]:
        """Hear, and send what the engine has to say to it: above all its Close."""
        heard = await self.hear()
        await self.write(self.engine.data_to_send())
        return heard

    async def end(self) -> None:
        """End this side of the stream."""
        await self.stream.send_eof()
        await wait_all_tasks_blocked()

    async def finish(self) -> None:
        """Close well: answer, and end this side, as the engine would have it."""
        await self.answer()
        await self.end()

    @property
    def closed(self) -> bool:
        """Whether the stream has been closed at the other end; asked when all was heard."""
        return self.ended and isinstance(self.heard[-1], ConnectionClosed)


class Wire:
    """A stream in memory, of which a test can see what was done to it, and which can be stopped."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.done: list[str] = []
        #: While this is set, nothing is taken of what is sent.
        self.stuck: trio.Event | None = None
        self.broken = False
        #: How long it takes until something is taken.
        self.delay = 0.0
        #: Whether it was closed as gently as can be.
        self.gently = False
        #: How long sending takes to stop when it is cancelled, and whether it goes on.
        self.lag = 0.0
        #: How often it was asked for octets.
        self.asked = 0
        self.sending = False

    async def send_all(self, data: Any) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise trio.BrokenResourceError
        await trio.sleep_until(trio.current_time() + self.delay)
        if self.stuck is not None:
            half = len(data) // 2
            await self.stream.send_all(bytes(data[:half]))
            self.sending = True
            try:
                await self.stuck.wait()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep_until(trio.current_time() + self.lag)
                self.sending = False
            data = data[half:]
        await self.stream.send_all(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, most: int | None = None) -> bytes:
        self.asked += 1
        return bytes(await self.stream.receive_some(most))

    async def send_eof(self) -> None:
        self.done.append("send_eof")
        await self.stream.send_eof()

    async def aclose(self) -> None:
        self.done.append("aclose")
        await self.stream.aclose()
        self.gently = True

    def release(self) -> None:
        """Take what is sent again."""
        stuck, self.stuck = self.stuck, None
        assert stuck is not None
        stuck.set()


class HalfCloseable(Wire, trio.abc.HalfCloseableStream):
    """As TCP."""


class Whole(Wire, trio.abc.Stream):
    """As TLS: it cannot be ended at one side only."""

    send_eof = None  # type: ignore[assignment]


class Both:
    """A connection, its peer, and what is between."""

    def __init__(
        self, connection: WebSocketConnection, far: FarEnd, wire: Wire, tasks: trio.Nursery, nursery: trio.Nursery
    ) -> None:
        self.connection = connection
        self.far = far
        self.wire = wire
        #: The connection's own tasks, and those of the test.
        self.tasks = tasks
        self.nursery = nursery

    def closes(self) -> tuple[int | None, int | None, int | None]:
        """The codes of our Close, of theirs, and what ``closed`` says."""
        connection = self.connection
        return tuple(  # type: ignore[return-value]
            None if reason is None else reason.code
            for reason in (connection.local_close, connection.remote_close, connection.closed)
        )


@asynccontextmanager
async def both(
    role: Any, *, owned: bool = True, half_closeable: bool = True, far_options: Any = None, **options: Any
) -> AsyncIterator[Both]:
    """A connection that is open, and its far end.  At the end of the block nothing of the connection may be left."""
    near, far = memory_stream_pair()
    wire = (HalfCloseable if half_closeable else Whole)(near)
    settings = Settings(**options)
    engine = settings.engine(role)
    engine.start()
    peer = FarEnd(SERVER if role is CLIENT else CLIENT, far, **(far_options or {}))
    peer.engine.start()
    async with trio.open_nursery() as nursery, trio.open_nursery() as tasks:
        connection = WebSocketConnection(
            wire,
            engine,
            settings,
            owned=owned,
            path="/",
            handshake_headers=(),  # type: ignore[arg-type]
        )
        connection._start(tasks)
        await wait_all_tasks_blocked()
        yield Both(connection, peer, wire, tasks, nursery)
        with trio.fail_after(3600):
            await connection.aclose()
        await wait_all_tasks_blocked()
        assert not tasks.child_tasks, tasks.child_tasks
        nursery.cancel_scope.cancel()
    assert connection.closed is not None
    assert ("aclose" in wire.done) == owned


async def cancelled_at(step: int, call: Callable[[], Awaitable[Any]]) -> tuple[bool, Any]:
    """Cancel ``call`` in its wait of that number; 0 is before it.  Returns whether it was cancelled, and what it gave."""

    class Cancel(trio.abc.Instrument):
        steps = 0

        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            if task is mine:
                self.steps += 1
                if self.steps == step:
                    scope.cancel()

    mine = trio.lowlevel.current_task()
    instrument = Cancel()
    result: Any = None
    with trio.CancelScope() as scope:
        trio.lowlevel.add_instrument(instrument)
        try:
            if step == 0:
                scope.cancel()
            result = await call()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught, result
