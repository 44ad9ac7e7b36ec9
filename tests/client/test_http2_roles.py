"""Who reads and who writes on a connection of HTTP/2 that many use at once, on asyncio and on trio: nobody waits for nobody.

The server is in memory, and clocks are turned.  Threads are in ``test_http2_servers.py``.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import trio
import trio.testing
from tests.client.http2_server import OK, Server, answering, ask, content_of, request
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Frame
from tests.net.virtual_clock import VirtualClockLoop

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import RemoteProtocolError
from interlock.net.asyncio.network import AsyncioNetwork
from interlock.net.errors import ReadError, ReadTimeout, WriteTimeout
from interlock.net.trio.network import TrioNetwork

Call = Callable[[], Coroutine[Any, Any, Any]]


class World:
    """asyncio or trio, with a clock that is turned."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.network: Any = AsyncioNetwork() if name == "asyncio" else TrioNetwork()

    def run(self, call: Call) -> Any:
        if self.name == "trio":
            return trio.run(call, clock=trio.testing.MockClock(autojump_threshold=0))
        loop = VirtualClockLoop()
        try:
            result = loop.run_until_complete(call())
            loop.settle()
            assert not asyncio.all_tasks(loop)
            assert loop.errors == []
            return result
        finally:
            loop.close()

    async def together(self, *calls: Call) -> None:
        if self.name == "trio":
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call)
        else:
            await asyncio.gather(*[call() for call in calls])

    async def settle(self) -> None:
        """Let everybody get as far as they can."""
        if self.name == "trio":
            await trio.testing.wait_all_tasks_blocked()
        else:
            for _ in range(20):
                await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        await self.network.sleep(seconds)

    async def start(self, call: Call) -> "Started":
        """Have a task begin, and let it get as far as it can."""
        started = Started(self, call)
        await self.settle()
        return started


class Started:
    """A task that a test may cancel, and waits for."""

    def __init__(self, world: World, call: Call) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._world = world
        self._scope = trio.CancelScope()
        self._done = world.network.event()

        async def run() -> None:
            try:
                with self._scope if world.name == "trio" else contextlib.nullcontext():
                    self.result = await call()
            except Exception as error:
                self.error = error
            finally:
                self._done.set()

        if world.name == "trio":
            trio.lowlevel.spawn_system_task(run)
        else:
            self._task = asyncio.ensure_future(run())

    def cancel(self) -> None:
        if self._world.name == "trio":
            self._scope.cancel()
        else:
            self._task.cancel()

    async def wait(self) -> Any:
        await self._done.wait()
        if self._world.name == "asyncio":
            await asyncio.wait([self._task])
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture(params=("asyncio", "trio"))
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


Program = Callable[[Server], Awaitable[None]]


def play(world: World, program: Program, script: Any = None, **options: Any) -> Server:
    """Run ``program`` with a server in memory."""
    servers = []

    async def main() -> None:
        servers.append(Server(script, network=world.network, **options))
        await program(servers[0])

    world.run(main)
    return servers[0]


def test_who_reads_reads_for_all(world: World) -> None:
    async def program(server: Server) -> None:
        asks = [await world.start(lambda: ask(server.connection)) for _ in range(10)]
        await world.settle()
        for stream in reversed(range(1, 21, 2)):
            server.respond(stream, content=b"%d" % stream)
        assert [await one.wait() for one in asks] == [(200, b"%d" % stream) for stream in range(1, 21, 2)]

    play(world, program)


@pytest.mark.parametrize("order", [range(1, 9, 2), range(7, 0, -2)])
def test_the_role_of_the_reader_is_handed_over(world: World, order: range) -> None:
    async def program(server: Server) -> None:
        asks = {stream: await world.start(lambda: ask(server.connection)) for stream in range(1, 9, 2)}
        for stream in order:
            await world.settle()
            server.respond(stream)
            assert await asks[stream].wait() == (200, b"")

    play(world, program)


@pytest.mark.parametrize("cancelled", [(1,), (3,), (1, 3), (3, 5), (1, 3, 5)])
def test_who_reads_is_cancelled(world: World, cancelled: tuple[int, ...]) -> None:
    async def program(server: Server) -> None:
        asks = {stream: await world.start(lambda: ask(server.connection)) for stream in (1, 3, 5, 7)}
        await world.settle()
        for stream in cancelled:
            asks[stream].cancel()
        await world.settle()
        assert sorted(told for told in server.told() if "RST" in told) == [
            f"RST_STREAM {stream} CANCEL" for stream in cancelled
        ]
        for stream in {1, 3, 5, 7} - {*cancelled}:
            server.respond(stream, content=b"x")
            assert await asks[stream].wait() == (200, b"x")
        assert server.connection.idle_since() is not None
        server.script = answering
        assert await ask(server.connection) == (200, b"9: 0")

    play(world, program)


def test_who_reads_runs_out_of_time(world: World) -> None:
    async def program(server: Server) -> None:
        first = await world.start(lambda: ask(server.connection, timeouts=ClientTimeouts(read=2.0)))
        second = await world.start(lambda: ask(server.connection, timeouts=ClientTimeouts(read=10.0)))
        await world.pass_time(1.0)
        server.send(raw.ping())
        await world.pass_time(8.0)
        with pytest.raises(ReadTimeout, match=r"2.0 seconds"):
            await first.wait()
        server.respond(3, content=b"x")
        assert await second.wait() == (200, b"x")

    play(world, program)


def test_each_has_a_time_of_its_own(world: World) -> None:
    """Not how long the connection is silent counts, but each stream."""

    async def program(server: Server) -> None:
        began = server.network.now()
        asks = [
            await world.start(lambda seconds=seconds: ask(server.connection, timeouts=ClientTimeouts(read=seconds)))
            for seconds in (3.0, 1.0, 2.0, 5.0)
        ]
        for _ in range(10):
            await world.pass_time(0.5)
            server.send(raw.ping())
        for one in asks:
            with pytest.raises(ReadTimeout):
                await one.wait()
        assert server.network.now() - began == pytest.approx(5.0)
        assert not server.connection.is_closed()

    play(world, program)


def test_a_server_that_sends_one_after_the_other(world: World) -> None:  # RFC 9218 §10
    """Who has to wait until the others have all of theirs does not run out of time."""

    async def program(server: Server) -> None:
        asks = [await world.start(lambda: ask(server.connection)) for _ in range(10)]
        for stream in range(1, 21, 2):
            server.respond(stream, end=False)
        for stream in range(1, 21, 2):
            for _ in range(6):
                server.send(raw.data(stream, b"x"))
                await world.pass_time(0.5)
            server.send(raw.data(stream, end=True))
        for one in asks:
            assert await one.wait() == (200, b"xxxxxx")

    play(world, program)


def test_a_stream_for_which_nothing_comes_among_others(world: World) -> None:
    async def program(server: Server) -> None:
        first, second = [await world.start(lambda: ask(server.connection)) for _ in range(2)]
        server.respond(1, end=False)
        server.respond(3, end=False)
        for _ in range(10):
            server.send(raw.data(3, b"x"))
            await world.pass_time(2.0)
        with pytest.raises(ReadTimeout):
            await first.wait()
        server.send(raw.data(3, end=True))
        assert await second.wait() == (200, b"x" * 10)

    play(world, program)


def test_reading_a_block_may_be_cancelled(world: World) -> None:
    """Nothing is lost: who reads again gets all of it."""
    whole = bytes(range(256)) * 400

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS:
            server.respond(1, end=False)

    async def program(server: Server) -> None:
        response = await server.connection.send(request())
        received = b""
        window = 65535
        position = 0
        while len(received) < len(whole):
            one = await world.start(response.exchange.read_block)
            if position < len(whole) and random.random() < 0.6:
                piece = whole[position : position + min(9000, window)]
                server.send(raw.data(1, piece))
                position += len(piece)
            one.cancel()
            with contextlib.suppress(BaseException):
                block = await one.wait()
                received += block or b""
        assert received == whole
        server.send(raw.data(1, end=True))
        assert await content_of(response) == b""

    play(world, program, script)


@pytest.mark.parametrize("whole", [True, False])
def test_a_write_that_is_cancelled_goes_out_whole(world: World, whole: bool) -> None:
    """What has begun is finished, what others have queued behind it follows, and the stream that is given up is reset."""

    async def program(server: Server) -> None:
        await ask(server.connection)
        server.stream.full = full = server.network.event()
        first = await world.start(lambda: ask(server.connection, b"POST", content=bytes(60000)))
        second = await world.start(lambda: ask(server.connection))
        assert 5 not in server.requests
        first.cancel()
        await world.settle()
        server.stream.full = None
        full.set()
        assert await second.wait() == (200, b"5: 0")
        with contextlib.suppress(asyncio.CancelledError):
            await first.wait()
        assert "RST_STREAM 3 CANCEL" in server.told() or 3 in server.ended
        assert await ask(server.connection) == (200, b"7: 0")

    play(world, program, answering, whole=whole)


def test_a_write_that_cannot_be_finished(world: World) -> None:
    """No frame is left half done: the connection ends, and others are told."""

    async def program(server: Server) -> None:
        await ask(server.connection)
        server.stream.full = server.network.event()
        first = await world.start(
            lambda: ask(server.connection, b"POST", content=bytes(60000), timeouts=ClientTimeouts(write=2.0))
        )
        second = await world.start(lambda: ask(server.connection, b"POST"))
        first.cancel()
        with pytest.raises((ReadError, WriteTimeout)):
            await second.wait()
        assert server.stream.closed == "aborted"
        assert server.connection.is_closed()

    play(world, program, answering)


def test_a_stream_that_stalls_stops_nobody(world: World) -> None:
    """Content that nobody takes, and content that the server does not let us send."""
    answered = [0]

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS and frame.stream == 1:
            server.send(raw.headers(1, raw.block(OK), end=False), raw.data(1, bytes(16000)) * 4)
        elif frame.kind == raw.HEADERS and frame.stream > 3:
            server.respond(frame.stream, content=b"x" * 1000)
            answered[0] += 1

    async def program(server: Server) -> None:
        stalled = await server.connection.send(request())
        timeouts = ClientTimeouts(write=30.0)
        sending = await world.start(
            lambda: ask(server.connection, b"POST", content=[bytes(65536)] * 4, timeouts=timeouts)
        )
        await world.settle()
        server.send(raw.window_update(0, 1 << 20))

        async def get() -> None:
            for _ in range(20):
                assert await ask(server.connection) == (200, b"x" * 1000)

        await world.together(*[get] * 10)
        assert answered == [200]
        assert len(await stalled.exchange.read_block()) == 16000
        server.send(raw.window_update(3, 1 << 20))
        await world.settle()
        assert len(server.content[3]) == 4 * 65536
        server.respond(3)
        assert await sending.wait() == (200, b"")

    play(world, program, script)


def test_many_uploads_share_a_window(world: World) -> None:
    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.DATA and frame.payload:
            update = len(frame.payload)
            server.send(raw.window_update(0, update), raw.window_update(frame.stream, update))
        answering(server, frame)

    async def blocks() -> Any:
        for number in range(30):
            yield bytes([number]) * 5000

    async def program(server: Server) -> None:
        results = []

        async def put(kind: int) -> None:
            content: Any = (bytes(150000), [bytes(5000)] * 30, blocks())[kind]
            results.append(await ask(server.connection, b"PUT", content=content))

        await world.together(*[lambda kind=number % 3: put(kind) for number in range(30)])
        assert sorted(results) == sorted((200, b"%d: 150000" % stream) for stream in range(1, 61, 2))
        assert server.connection.idle_since() is not None

    play(world, program, script)


def test_the_connection_is_lost_to_all(world: World) -> None:
    async def program(server: Server) -> None:
        asks = [await world.start(lambda: ask(server.connection, b"POST")) for _ in range(5)]
        await world.settle()
        server.stream.end(ReadError("reset"))
        for one in asks:
            with pytest.raises(ReadError, match="reset"):
                await one.wait()

    play(world, program)


def test_closing_wakes_all(world: World) -> None:
    async def program(server: Server) -> None:
        asks = [await world.start(lambda: ask(server.connection)) for _ in range(5)]
        await world.settle()
        await server.connection.aclose()
        for one in asks:
            with pytest.raises(ReadError, match="closed here"):
                await one.wait()
        assert server.stream.closed == "closed"

    play(world, program)


@pytest.mark.parametrize("seed", range(8))
def test_anything_at_any_time(world: World, seed: int) -> None:
    """Requests, cancelled at random, with a server that answers, refuses, resets, pings, and goes away at random.

    Each has its answer, or an error that says why not, and nobody waits for ever.
    """
    chance = random.Random(seed)
    open_streams: dict[int, int] = {}

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.DATA and frame.payload:
            server.send(raw.window_update(0, len(frame.payload)), raw.window_update(frame.stream, len(frame.payload)))
        if frame.kind == raw.HEADERS:
            open_streams[frame.stream] = 0
        if frame.kind == raw.RST_STREAM:
            open_streams.pop(frame.stream, None)

    def act(server: Server) -> None:
        if server.stream.full is not None:
            server.stream.full.set()
        server.stream.full = world.network.event() if chance.random() < 0.2 else None
        server.stream.piece = chance.choice([1, 5, 50, 5000, 100000])
        for stream in list(open_streams):
            what = chance.random()
            if what < 0.3:
                continue
            if what < 0.4:
                server.send(raw.rst_stream(stream, chance.choice([raw.REFUSED_STREAM, raw.CANCEL, raw.NO_ERROR])))
                del open_streams[stream]
            elif open_streams[stream] == 0:
                server.send(raw.headers(stream, raw.block([*OK, ("number", str(stream))]), end=False))
                open_streams[stream] = 1
            elif open_streams[stream] < 4:
                server.send(raw.data(stream, b"%d;" % stream))
                open_streams[stream] += 1
            else:
                server.send(raw.data(stream, end=True))
                del open_streams[stream]
        server.send(raw.ping() if chance.random() < 0.2 else b"")

    async def program(server: Server) -> None:
        done = [0]
        over = [False]

        async def use() -> None:
            for _ in range(6):
                content = chance.choice([None, b"abc", [bytes(20000)] * 4])
                with contextlib.suppress(ConnectionNotAvailable, RemoteProtocolError, ReadTimeout, ReadError):
                    response = await server.connection.send(request(b"POST", content=content))
                    try:
                        if chance.random() < 0.3:
                            await response.exchange.read_block()
                        else:
                            number = response.headers.get(b"number") or b"?"
                            assert await content_of(response) == (number + b";") * 3
                    finally:
                        await response.exchange.aclose()
                done[0] += 1

        async def cancelled() -> None:
            while not over[0]:
                one = await world.start(use)
                await world.pass_time(chance.random())
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one.wait()

        async def serve() -> None:
            for _ in range(150):
                await world.pass_time(0.1)
                act(server)
            over[0] = True
            act(server)
            last = chance.choice([0, 1 << 30])
            server.send(raw.goaway(last))
            for _ in range(100):
                if not open_streams or server.stream.closed:
                    break
                act(server)
                await world.pass_time(0.1)
            act(server)
            server.stream.full = None
            if not server.stream.closed:
                server.stream.end()

        await world.together(serve, *[use] * 8, cancelled, cancelled)
        assert done[0] >= 48
        with pytest.raises(ConnectionNotAvailable):
            await server.connection.send(request())
        assert server.stream.closed
        assert server.connection.idle_since() is not None
        assert not server._octets, "a frame was cut"

    play(world, program, script, whole=seed % 2 == 1)
