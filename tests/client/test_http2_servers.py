"""Clients of HTTP/2 on real sockets, over asyncio, trio and threads: many requests at once, and servers that others wrote."""

import functools
import itertools
import random
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.client.http2_far_ends import Gathering, Random, contexts, far_ends, library
from tests.client.http2_server import content_of
from tests.net.networks import World

from interlock.client.http2 import HTTP2Connection
from interlock.client.messages import Request
from interlock.client.pool import Pool
from interlock.client.timeouts import ClientTimeouts

#: Nothing takes so long in a test that passes.
TIMEOUTS = ClientTimeouts(connect=60.0, read=60.0, write=60.0, pool=60.0)

worlds = pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio", "pair", "blocking"])


def request(method: bytes, port: int, target: bytes, content: Any = None) -> Request:
    return Request(method, b"http", "127.0.0.1", port, target, content=content, timeouts=TIMEOUTS)


async def blocks_of(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 7000):
        yield content[at : at + 7000]


@worlds
def test_many_requests_at_once(name: str) -> None:
    """On one connection, with content both ways, and some given up half way."""
    world = World(name)
    numbers = itertools.count()

    async def program(port: int) -> None:
        connection = HTTP2Connection(world.network, await world.connect(port))
        done = []

        async def use() -> None:
            chance = random.Random(next(numbers))
            for _ in range(20):
                size = chance.choice([0, 1, 10, 1000, 30000])
                content: Any = None
                if chance.random() < 0.5:
                    content = chance.randbytes(size)
                    given: Any = content
                    if chance.random() < 0.5:
                        given = [content[:100], content[100:]] if name == "blocking" else blocks_of(content)
                    response = await connection.send(request(b"POST", port, b"/0", given))
                else:
                    response = await connection.send(request(b"GET", port, b"/%d" % size))
                if chance.random() < 0.1:
                    await response.exchange.aclose()
                else:
                    assert await content_of(response) == (content or b"x" * size if content is None else content)
                done.append(size)

        await world.together(*[use] * 50)
        assert len(done) == 1000
        assert connection.room() == 100
        assert connection.idle_since() is not None
        await connection.aclose()

    with far_ends(library) as port:
        world.run(functools.partial(program, port))


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio", "pair"])
def test_many_that_give_up(name: str) -> None:
    """Whenever they are cancelled, the connection goes on, and nothing of them is left."""
    world = World(name)

    async def program(port: int) -> None:
        connection = HTTP2Connection(world.network, await world.connect(port))
        chance = random.Random(name)
        cancelled = []

        async def exchange() -> None:
            content = chance.randbytes(chance.choice([0, 10, 100000, 400000]))
            given: Any = chance.choice([content, blocks_of(content)])
            response = await connection.send(request(b"POST", port, b"/0", given))
            try:
                assert await content_of(response) == content
            finally:
                await response.exchange.aclose()

        async def use() -> None:
            for _ in range(15):
                turns = chance.choice([0, 1, 2, 5, 20, 100, 1000])

                async def once(turns: int = turns) -> None:
                    for _ in range(turns):
                        await world.turn()

                cancelled.append(await world.cancelled(exchange, once))

        await world.together(*[use] * 10)
        assert any(cancelled)
        assert not connection.is_closed()
        assert connection.idle_since() is not None
        assert connection.room() == 100
        await exchange()
        await connection.aclose()

    with far_ends(library) as port:
        world.run(functools.partial(program, port))


@worlds
def test_a_hundred_streams(name: str) -> None:
    """All are open before the first has its answer."""
    world = World(name)

    async def program(port: int) -> None:
        connection = HTTP2Connection(world.network, await world.connect(port))

        async def use(number: int) -> None:
            response = await connection.send(request(b"GET", port, b"/%d" % number))
            assert await content_of(response) == b"/%d" % number

        for _ in range(2):
            await world.together(*[functools.partial(use, number) for number in range(100)])
        await connection.aclose()

    with far_ends(Gathering(100)) as port:
        world.run(functools.partial(program, port))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "pair", "blocking"])
def test_an_idle_connection_whose_server_goes(name: str, tls: bool) -> None:
    """It is seen where nothing has to be waited for; on trio the next request sees it."""
    world = World(name)
    go = threading.Event()

    def handler(sock: Any) -> None:
        """Answers one request, and ends when it is told to."""
        library(sock, requests=1)
        go.wait()

    async def program(port: int) -> None:
        stream = await world.connect(port)
        if tls:
            stream = await stream.start_tls(contexts()[1], "localhost")
        connection = HTTP2Connection(world.network, stream)
        response = await connection.send(request(b"GET", port, b"/5"))
        assert await content_of(response) == b"xxxxx"
        while connection.stream.get_extra_info("is_readable"):  # what came behind the answer
            assert not connection.has_ended()
            await world.turn()
        assert not connection.has_ended()
        go.set()
        while not connection.has_ended():
            await world.turn()
        assert connection.is_closed()

    with far_ends(handler, tls=tls) as port:
        try:
            world.run(functools.partial(program, port))
        finally:
            go.set()


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio", "blocking"])
def test_more_requests_than_streams(name: str) -> None:
    """Those for which there is no stream wait for their turn; so do those that are refused, before the limit is known."""
    world = World(name)

    async def program(port: int) -> None:
        pool = Pool(world.network, http1=False, max_connections=2)

        async def use(number: int) -> None:
            for _ in range(10):
                response = await pool.send(request(b"GET", port, b"/%d" % number))
                assert await content_of(response) == b"/%d" % number

        await use(0)
        assert pool.connections()[0].room() == 5
        await world.together(*[functools.partial(use, number) for number in range(40)])
        assert len(pool.connections()) == 2
        await pool.aclose()

    with far_ends(Gathering(1, streams=5)) as port:
        world.run(functools.partial(program, port))


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio", "blocking"])
def test_over_tls(name: str) -> None:
    """HTTP/2 is what the two agree on; much comes, and more than fits into one record goes."""
    world = World(name)
    context = contexts()[1]

    async def program(port: int) -> None:
        pool = Pool(world.network, ssl_context=context)

        async def use(size: int) -> None:
            for _ in range(5):
                asked = Request(b"GET", b"https", "localhost", port, b"/%d" % size, timeouts=TIMEOUTS)
                response = await pool.send(asked)
                assert response.http_version == b"2"
                assert len(await content_of(response)) == size
                asked = Request(b"PUT", b"https", "localhost", port, b"/0", content=bytes(size), timeouts=TIMEOUTS)
                assert len(await content_of(await pool.send(asked))) == size

        await use(3)
        await world.together(*[functools.partial(use, size) for size in (1, 10, 1000, 100000, 300000)])
        assert len(pool.connections()) == 1
        await pool.aclose()

    with far_ends(library, tls=True) as port:
        world.run(functools.partial(program, port))


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio", "blocking"])
def test_none_lost_and_none_doubled(name: str) -> None:
    """A server that drops connections, refuses streams, and delays: each request has its answer, and was served once."""
    world = World(name)
    server = Random(seed=1)

    async def program(port: int) -> None:
        pool = Pool(world.network, http1=False, max_connections=20)
        numbers = itertools.count()

        async def use() -> None:
            for _ in range(60):
                number = next(numbers)
                method, content = (b"GET", None) if number % 3 else (b"PUT", b"x" * 1000)
                response = await pool.send(request(method, port, b"/%d" % number, content))
                assert response.status_code == 200
                assert await content_of(response) == b"/%d" % number
                await response.exchange.aclose()

        await world.together(*[use] * 20)
        assert sum(connection.idle_since() is None for connection in pool.connections()) == 0
        await pool.aclose()

    with far_ends(server) as port:
        world.run(functools.partial(program, port))
    assert server.served == {b"/%d" % number: 1 for number in range(1200)}
    assert server.refused > 0
    assert server.dropped > 0
