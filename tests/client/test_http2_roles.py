"""Who reads and who writes on a connection of HTTP/2 that many use at once, on asyncio and on trio: nobody waits for nobody.

The server is in memory, and clocks are turned.  Threads are in ``test_http2_servers.py``.
"""

import asyncio
import contextlib
import random
from typing import Any

import pytest
from tests.client.http2_server import OK, Server, answering, ask, content_of, request
from tests.client.http2_worlds import World, play
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Frame

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import RemoteProtocolError
from interlock.net.errors import ReadError, ReadTimeout, WriteError, WriteTimeout

#: For content that takes its time.
PATIENT = ClientTimeouts(body_rate=None)


@pytest.fixture(params=("asyncio", "trio"))
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


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
        first = await world.start(lambda: ask(server.connection, timeouts=ClientTimeouts(read=2.0, body_rate=None)))
        second = await world.start(lambda: ask(server.connection, timeouts=ClientTimeouts(read=10.0, body_rate=None)))
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
            await world.start(
                lambda seconds=seconds: ask(server.connection, timeouts=ClientTimeouts(read=seconds, body_rate=None))
            )
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
                server.send(raw.data(stream, bytes(5000)))
                await world.pass_time(2.5)
            server.send(raw.data(stream, end=True))
        for one in asks:
            assert await one.wait() == (200, bytes(30000))

    play(world, program)


@pytest.mark.parametrize("timeouts", [ClientTimeouts(), ClientTimeouts(read=None)])
def test_streams_that_get_next_to_nothing(world: World, timeouts: ClientTimeouts) -> None:
    """The one is no excuse for the other."""

    async def program(server: Server) -> None:
        asks = [await world.start(lambda: ask(server.connection, timeouts=timeouts)) for _ in range(2)]
        began = server.network.now()
        server.respond(1, end=False)
        server.respond(3, end=False)
        for _ in range(30):
            for stream in (1, 3) if timeouts.read is None else (3,):
                server.send(raw.data(stream, b"x"))
            await world.pass_time(0.5)
        for one in asks:
            with pytest.raises(ReadTimeout):
                await one.wait()
        assert server.network.now() - began == pytest.approx(15.0)

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


@pytest.mark.parametrize("whole", [True, False])
def test_content_that_is_given_up_goes_out_no_further(world: World, whole: bool) -> None:
    async def program(server: Server) -> None:
        await ask(server.connection)
        server.send(raw.window_update(0, 1 << 20))
        await ask(server.connection)
        server.stream.full = full = server.network.event()
        first = await world.start(lambda: ask(server.connection, b"POST", content=bytes(500000)))
        first.cancel()
        await world.settle()
        server.stream.full = None
        full.set()
        with contextlib.suppress(asyncio.CancelledError):
            await first.wait()
        assert await ask(server.connection) == (200, b"7: 0")
        assert len(server.content[5]) <= 65536
        assert "RST_STREAM 5 CANCEL" in server.told()

    play(world, program, answering, whole=whole, settings=((raw.INITIAL_WINDOW_SIZE, 1 << 20),))


def test_who_waits_for_another_to_write_does_not_read(world: World) -> None:
    """What it waits for is not the server, who says nothing before it has all."""

    def script(server: Server, frame: Frame) -> None:
        if frame.stream != 3:
            answering(server, frame)
        if 5 in server.ended:
            server.respond(3)

    async def program(server: Server) -> None:
        await ask(server.connection)
        server.stream.full = full = server.network.event()
        first = await world.start(lambda: ask(server.connection, b"POST", content=bytes(1000)))
        second = await world.start(lambda: ask(server.connection, b"POST", content=[b"abc"] * 3))
        server.stream.full = None
        full.set()
        assert await second.wait() == (200, b"5: 9")
        assert await first.wait() == (200, b"")

    play(world, program, script)


def test_a_writer_who_fails_leaves_reading_to_who_reads(world: World) -> None:
    """What the server has said before it went is not lost to anybody."""

    async def program(server: Server) -> None:
        first = await world.start(lambda: ask(server.connection))
        server.stream.broken = WriteError("broken pipe")
        second = await world.start(lambda: ask(server.connection))
        server.respond(1, content=b"x")
        server.stream.end()
        assert await first.wait() == (200, b"x")
        with pytest.raises((ConnectionNotAvailable, RemoteProtocolError)):
            await second.wait()
        assert server.stream.closed

    play(world, program)


def test_who_tells_the_server_why_is_cancelled(world: World) -> None:
    """The connection is closed all the same."""

    async def program(server: Server) -> None:
        first = await world.start(lambda: ask(server.connection))
        server.stream.full = server.network.event()
        server.send(raw.data(0, b"x"))
        await world.settle()
        assert not server.stream.closed
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError, RemoteProtocolError):
            await first.wait()
        await world.pass_time(10.0)
        assert server.stream.closed == "aborted"
        assert server.connection.idle_since() is not None

    play(world, program, whole=True)


def test_content_whose_source_is_cancelled(world: World) -> None:
    """It must not seem to have been complete."""

    async def blocks() -> Any:
        yield b"a"
        await world.network.event().wait()

    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.HEADERS:
            server.respond(1, end=False)

    async def program(server: Server) -> None:
        response = await server.connection.send(request(b"POST", content=blocks()))
        one = await world.start(response.exchange.read_block)
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one.wait()
        with pytest.raises(ReadError, match="could not be had"):
            await response.exchange.read_block()
        await response.exchange.aclose()
        assert server.ended == []
        assert server.told()[-1] == "RST_STREAM 1 CANCEL"

    play(world, program, script)


def test_extended_connect_waits_while_others_read(world: World) -> None:
    async def program(server: Server) -> None:
        first = await world.start(lambda: ask(server.connection))
        headers = [(":protocol", "websocket")]
        second = await world.start(lambda: server.connection.send(request(b"CONNECT", b"/chat", headers=headers)))
        assert 3 not in server.requests
        server.send(raw.settings((raw.ENABLE_CONNECT_PROTOCOL, 1)))
        await world.settle()
        assert (":protocol", "websocket") in server.requests[3]
        server.respond(3, end=False)
        server.respond(1)
        assert await first.wait() == (200, b"")
        assert (await second.wait()).status_code == 200

    play(world, program, settings=None)


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


def test_a_coroutine_that_is_dropped() -> None:
    """Its stream ends, and the others go on."""
    world = World("asyncio")

    async def program(server: Server) -> None:
        first = await world.start(lambda: ask(server.connection))
        dropped = server.connection.send(request())
        waiting = dropped.__await__()
        next(waiting)  # it lets others go on before it writes ...
        next(waiting)  # ... and waits for its response
        waiting.close()
        server.respond(1)
        assert await first.wait() == (200, b"")
        assert server.connection.room() == 100
        server.script = answering
        assert (await ask(server.connection))[0] == 200

    play(world, program, whole=True)
