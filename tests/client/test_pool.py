"""Who gets which connection of a pool, and what becomes of connections: limits, turns, keep-alive, retries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.client.conversing import HELLO, content
from tests.client.wire import Script, Wire, WireNetwork, passing, run, seconds

from interlock.client.errors import PoolClosed, PoolTimeout, TooManyConnections, UnsupportedProtocol
from interlock.client.messages import Request, Response
from interlock.client.pool import Pool
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.net.errors import ConnectError, ReadError

TIMEOUTS = ClientTimeouts(connect=5.0, read=60.0, write=60.0, pool=10.0)


def get(target: bytes = b"/", host: str = "a.example", method: bytes = b"GET", **more: Any) -> Request:
    more.setdefault("timeouts", TIMEOUTS)
    return Request(method, b"http", host, 80, target, **more)


async def serve(wire: Wire) -> None:
    """Answer each request with its target, after the seconds that it says."""
    while True:
        head = await take_request(wire)
        if not head:
            return
        target = head.split(b" ")[1]
        await passing(float(target[1:].partition(b"-")[0] or 0))
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


async def take_request(wire: Wire) -> bytes:
    """The next head, or b"" when the client is gone."""
    while b"\r\n\r\n" not in wire.received[wire.taken :] and not wire.end_of_client:
        await wire._change()
    return b"" if wire.end_of_client else await wire.take()


def pooled(
    program: Callable[[Pool, WireNetwork], Awaitable[Any]], script: Script = serve, network: Any = None, **options: Any
) -> Any:
    """What ``program`` gives with a pool; at the end nothing may be left of it."""

    async def main() -> Any:
        under = WireNetwork(script, **(network or {}))
        pool = Pool(under, http2=False, **options)
        try:
            return await program(pool, under)
        finally:
            await pool.aclose()
            assert pool.connections() == []
            assert (pool._members, pool._origins, pool._idle, pool._queues, pool._waiting) == (set(), {}, {}, set(), 0)
            await under.finish()

    return run(main)


async def fetch(pool: Pool, request: Request) -> bytes:
    return await content(await pool.send(request))


async def begin(pool: Pool, target: bytes = b"/large", host: str = "a.example") -> Response:
    """A response whose content nobody has read, so that it keeps its connection."""
    return await pool.send(get(target, host))


def start(*calls: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    return [asyncio.ensure_future(call) for call in calls]


async def large(wire: Wire) -> None:
    """Answer each request with content that never ends by itself."""
    while await take_request(wire):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")


# -- keeping connections


def test_a_connection_is_used_again() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        for number in range(3):
            assert await fetch(pool, get(b"/0-%d" % number)) == b"/0-%d" % number
        assert len(network.wires) == 1

    pooled(program)


def test_the_latest_connection_is_used_first() -> None:
    """So the others grow old, and go."""

    async def program(pool: Pool, network: WireNetwork) -> None:
        await asyncio.gather(*[fetch(pool, get(b"/%d" % number)) for number in (1, 2, 3)])
        await fetch(pool, get(b"/0"))
        await fetch(pool, get(b"/0"))
        assert [wire.received.count(b"GET") for wire in network.wires] == [1, 1, 3]

    pooled(program)


def test_connections_grow_old() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, get(b"/0"))
        await passing(4)
        await fetch(pool, get(b"/0"))
        await passing(6)
        await fetch(pool, get(b"/0"))
        assert len(network.wires) == 2
        assert network.wires[0].end_of_client
        await passing(6)
        await fetch(pool, get(b"/0", "b.example"))  # whoever comes by clears up
        assert network.wires[1].end_of_client
        assert len(pool.connections()) == 1

    pooled(program, keepalive_expiry=5.0)


def test_idle_connections_are_bounded() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        await asyncio.gather(*[fetch(pool, get(b"/%d" % number)) for number in (1, 2, 3, 4)])
        assert [bool(wire.end_of_client) for wire in network.wires] == [True, True, False, False]

    pooled(program, max_keepalive_connections=2)


def test_none_may_be_kept_at_all() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get(b"/0")) == b"/0"
        assert pool.connections() == []

    pooled(program, max_keepalive_connections=0)


@pytest.mark.parametrize("end", ["end", "send", "reset"])
def test_a_connection_that_has_ended_while_it_was_idle_is_not_used(end: str) -> None:
    async def script(wire: Wire) -> None:
        if wire.number:
            await serve(wire)
            return
        await wire.take()
        wire.send(HELLO)
        await passing(1)
        if end == "send":
            wire.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        else:
            getattr(wire, end)()
        await wire.gone()

    async def program(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get()) == b"hello"
        await passing(2)
        assert await fetch(pool, get(b"/0", method=b"POST")) == b"/0"
        assert len(network.wires) == 2
        assert network.wires[0].received.count(b"HTTP/1.1") == 1

    pooled(program, script)


def test_what_differs_in_scheme_host_port_or_name_shares_nothing() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        for request in (
            get(b"/0"),
            get(b"/0", "b.example"),
            Request(b"GET", b"http", "a.example", 81, b"/0"),
            Request(b"GET", b"ws", "a.example", 80, b"/0"),
            Request(b"GET", b"http", "a.example", 80, b"/0", server_hostname="x"),
        ):
            await fetch(pool, request)
        assert len(network.wires) == 5

    pooled(program)


# -- limits, and who waits


def test_requests_wait_in_order() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        done = []

        async def one(number: int) -> None:
            assert await fetch(pool, get(b"/1-%d" % number)) == b"/1-%d" % number
            done.append((number, seconds()))

        await asyncio.gather(*[one(number) for number in range(6)])
        assert done == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)]
        assert len(network.wires) == 2

    pooled(program, max_connections=2)


def test_the_limit_for_one_host_keeps_nobody_else_waiting() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        done = []

        async def one(host: str, number: int) -> None:
            await fetch(pool, get(b"/1-%d" % number, host))
            done.append((host[0], seconds()))

        calls = [one("a.example", number) for number in range(3)] + [one("b.example", 0)]
        await asyncio.gather(*calls)
        assert sorted(done) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]

    pooled(program, max_connections_per_host=1)


def test_the_limit_for_one_host_holds_behind_a_connection_that_has_grown_old() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, get(b"/0"))
        await passing(6)
        await asyncio.gather(fetch(pool, get(b"/1-a")), fetch(pool, get(b"/1-b")))
        assert seconds() == 8
        assert len(network.wires) == 2

    pooled(program, max_connections_per_host=1)


def test_idle_connections_of_others_make_room() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, get(b"/0", "a.example"))
        await passing(1)
        await fetch(pool, get(b"/0", "b.example"))
        await fetch(pool, get(b"/0", "c.example"))
        assert [bool(wire.end_of_client) for wire in network.wires] == [True, False, False]

    pooled(program, max_connections=2)


def test_who_waits_longest_gets_the_room_although_it_is_another_hosts() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        order = []

        async def one(host: str) -> None:
            await fetch(pool, get(b"/1", host))
            order.append(host[0])

        await asyncio.gather(one("a.example"), one("b.example"), one("a.example"))
        assert order == ["a", "b", "a"]
        assert len(network.wires) == 3

    pooled(program, max_connections=1)


def test_waiting_has_its_time() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        response = await begin(pool)
        with pytest.raises(PoolTimeout):
            await begin(pool)
        assert seconds() == 10
        await response.exchange.aclose()
        response = await begin(pool)
        assert len(network.wires) == 2

    pooled(program, large, max_connections=1)


def test_those_who_wait_can_be_bounded() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        response = await begin(pool)
        waiting = start(begin(pool), begin(pool))
        await passing(1)
        with pytest.raises(TooManyConnections, match="no more than 2 requests"):
            await begin(pool)
        with pytest.raises(TooManyConnections):
            await begin(pool, host="b.example")
        assert set(pool._origins) == {(b"http", "a.example", 80, None)}
        await response.exchange.aclose()
        for task in waiting:
            await (await task).exchange.aclose()

    pooled(program, large, max_connections=1, max_waiting=2)


def test_who_is_cancelled_while_waiting_loses_no_connection() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        response = await begin(pool)
        first, second, third = start(begin(pool), begin(pool), begin(pool))
        await passing(1)
        first.cancel()
        await passing(1)
        # It is given the connection, and cancelled in the same turn of the loop.
        await response.exchange.aclose()
        second.cancel()
        await (await third).exchange.aclose()
        assert first.cancelled()
        assert second.cancelled()

    pooled(program, large, max_connections=1)


def test_who_is_cancelled_while_connecting_lets_others_do_it() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        first, second = start(fetch(pool, get(b"/0-1")), fetch(pool, get(b"/0-2")))
        await passing(1)
        first.cancel()
        assert await second == b"/0-2"
        assert len(network.wires) == 1

    pooled(program, network={"connecting": 2.0}, max_connections=1)


def test_a_response_that_is_not_read_is_closed_with_its_connection() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        response = await begin(pool)
        await response.exchange.aclose()
        assert pool.connections() == []

    pooled(program, large)


# -- errors, and what is made again


def test_a_request_is_made_again_where_its_connection_had_ended() -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        wire.send(HELLO)
        await wire.take()
        if wire.number:
            wire.send(HELLO)
        else:
            wire.end()
        await wire.gone()

    async def program(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get()) == b"hello"
        assert await fetch(pool, get()) == b"hello"
        assert len(network.wires) == 2
        assert await fetch(pool, get(method=b"POST")) == b"hello"

    pooled(program, script)

    async def post(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get()) == b"hello"
        with pytest.raises(RemoteProtocolError, match="without sending a response"):
            await fetch(pool, get(method=b"POST", content=b"abc"))
        assert len(network.wires) == 1

    pooled(post, script)


def test_a_request_that_is_made_again_has_not_lost_its_turn() -> None:
    async def script(wire: Wire) -> None:
        if not wire.number:
            await wire.take()
            wire.send(HELLO)
            await wire.take()
            await passing(1)
            wire.end()
            await wire.gone()
        await serve(wire)

    async def program(pool: Pool, network: WireNetwork) -> None:
        done = []

        async def one(number: int) -> None:
            await fetch(pool, get(b"/1-%d" % number))
            done.append(number)

        await fetch(pool, get())
        await asyncio.gather(one(0), one(1), one(2), one(3))
        assert done == [1, 0, 2, 3]  # the next one got the place before it was known that the first one needs it again

    pooled(program, script, max_connections=1)


def test_connecting_fails() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        with pytest.raises(ConnectError):
            await fetch(pool, get(b"/0"))
        assert pool._members == set()
        assert await fetch(pool, get(b"/0")) == b"/0"

    pooled(program, network={"refuse": [0]}, max_connections=1)


def test_connecting_is_tried_again() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get(b"/0")) == b"/0"
        assert network.slept == [0.0, 0.5, 1.0]
        with pytest.raises(ConnectError):
            await fetch(pool, get(b"/0", "b.example"))
        assert network.slept[3:] == [0.0, 0.5, 1.0]

    pooled(program, network={"refuse": [0, 1, 2, 4, 5, 6, 7]}, retries=3)


def test_a_request_that_is_none_costs_no_connection() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        for _ in range(3):
            with pytest.raises(LocalProtocolError):
                await fetch(pool, get(b"no slash"))
        assert await fetch(pool, get(b"/0")) == b"/0"
        assert len(network.wires) == 1

    pooled(program, max_connections=1)


@pytest.mark.parametrize("scheme", [b"", b"ftp", b"\xff"])
def test_a_scheme_that_is_not_spoken(scheme: bytes) -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        with pytest.raises(UnsupportedProtocol, match=r"http://|\\xff|ftp"):
            await pool.send(Request(b"GET", scheme, "a.example", 80, b"/"))
        assert pool._origins == {}

    pooled(program)


def test_arguments_that_make_no_pool() -> None:
    network = WireNetwork(serve)
    for options in ({"http1": False, "http2": False}, {"max_connections": 0}, {"max_connections_per_host": 0}):
        with pytest.raises(ValueError):
            Pool(network, **options)
    with pytest.raises(ValueError):
        Pool(network, proxy="http://proxy.example", uds="/socket")
    with pytest.raises(ValueError):
        Pool(network, proxy="proxy.example")


# -- closing


def test_closing_fails_what_is_in_progress_and_what_waits() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        response = await begin(pool)
        (waiting,) = start(begin(pool))
        await passing(1)
        await pool.aclose()
        with pytest.raises(ReadError):
            await content(response)
        with pytest.raises(PoolClosed):
            await waiting
        with pytest.raises(PoolClosed):
            await begin(pool)

    pooled(program, large, max_connections=1)


def test_closing_while_a_connection_is_made() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        (connecting,) = start(begin(pool))
        await passing(1)
        await pool.aclose()
        with pytest.raises(PoolClosed):
            await connecting
        assert [wire.end_of_client for wire in network.wires] == ["aborted"]

    pooled(program, large, network={"connecting": 2.0})


# -- where connections go


def test_a_unix_socket() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, get(b"/0"))
        assert network.wires[0].where == ("/run/socket",)
        assert b"Host: a.example\r\n" in network.wires[0].received

    pooled(program, uds="/run/socket")
