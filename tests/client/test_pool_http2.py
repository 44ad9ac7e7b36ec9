"""A pool whose origins may speak HTTP/2: who waits for what a connection turns out to be, and how many requests share one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.client.conversing import content
from tests.client.test_pool import serve
from tests.client.wire import Context, Script, Wire, WireNetwork, passing, run, seconds

from interlock import h2
from interlock.client.errors import PoolTimeout
from interlock.client.messages import Request
from interlock.client.pool import Pool
from interlock.client.timeouts import ClientTimeouts
from interlock.net.errors import ConnectError

TIMEOUTS = ClientTimeouts(connect=5.0, read=60.0, write=60.0, pool=10.0)


class FarHTTP2:
    """The server's end of HTTP/2 on a wire: each request is answered with its target, after the seconds that it says."""

    def __init__(self, wire: Wire, streams: int) -> None:
        self.wire = wire
        self.engine = h2.Connection(h2.SERVER, limits=h2.Limits(streams=streams))
        self.open = 0
        self.most = 0

    def flush(self) -> None:
        if not self.wire.end_of_client and (octets := self.engine.data_to_send()):
            self.wire.send(octets)

    async def answer(self, request: h2.Request) -> None:
        await passing(float(request.target[1:].partition(b"-")[0] or 0))
        if self.wire.end_of_client:
            return
        length = [(b"content-length", b"%d" % len(request.target))]
        for event in (h2.Response(status_code=200, headers=length), h2.Data(request.target), h2.EndOfMessage()):
            self.engine.queue(event, request.stream_id)
        self.open -= 1
        self.flush()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self.flush()
            while octets := await self.wire.take(b""):
                self.engine.receive_data(octets)
                while isinstance(event := self.engine.next_event(), h2.Event):
                    if isinstance(event, h2.Request):
                        self.open += 1
                        self.most = max(self.most, self.open)
                        group.create_task(self.answer(event))
                self.flush()


def speaking(streams: int = 100) -> tuple[Script, list[FarHTTP2]]:
    """A far end for both versions, and those of HTTP/2 so far."""
    far: list[FarHTTP2] = []

    async def script(wire: Wire) -> None:
        while not wire.received and not wire.end_of_client:
            await wire._change()
        if wire.received.startswith(b"PRI"):
            far.append(FarHTTP2(wire, streams))
            await far[-1].run()
        else:
            await serve(wire)

    return script, far


def pooled(
    program: Callable[[Pool, WireNetwork], Awaitable[Any]],
    script: Script,
    network: dict[str, Any] | None = None,
    agree: dict[str | None, str | None] | None = None,
    **options: Any,
) -> None:
    async def main() -> None:
        under = WireNetwork(script, **(network or {}))
        under.agree = agree or {}
        pool = Pool(under, ssl_context=Context(), **options)  # type: ignore[arg-type]
        try:
            await program(pool, under)
        finally:
            await pool.aclose()
            assert pool.connections() == []
            assert (pool._members, pool._origins, pool._idle, pool._queues, pool._waiting) == (set(), {}, {}, set(), 0)
            await under.finish()

    run(main)


def get(target: bytes, scheme: bytes = b"https", host: str = "a.example") -> Request:
    return Request(b"GET", scheme, host, 443, target, timeouts=TIMEOUTS)


async def fetch(pool: Pool, number: int, wait: int = 1, **more: Any) -> None:
    target = b"/%d-%d" % (wait, number)
    response = await pool.send(get(target, **more))
    assert await content(response) == target


def test_many_requests_share_one_connection_that_is_still_being_made() -> None:
    script, far = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        await asyncio.gather(*[fetch(pool, number) for number in range(50)])
        assert len(network.wires) == 1
        assert far[0].most == 50
        assert seconds() == 3  # two for the connection, one for all requests
        assert network.wires[0].tls == [("a.example", ["h2", "http/1.1"])]
        await fetch(pool, 1)
        assert len(network.wires) == 1

    pooled(program, script, {"connecting": 2.0})


def test_where_it_turns_out_to_be_http1_the_others_get_their_own() -> None:
    script, far = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        await asyncio.gather(*[fetch(pool, number) for number in range(5)])
        assert len(network.wires) == 5
        assert far == []
        assert seconds() == 5  # two for the first connection, then two for the others
        await asyncio.gather(*[fetch(pool, number) for number in range(6)])
        assert len(network.wires) == 6

    pooled(program, script, {"connecting": 2.0}, {"a.example": "http/1.1"})


def test_where_it_fails_the_others_do_not_fail_one_after_the_other() -> None:
    script, _ = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        calls = [fetch(pool, number) for number in range(4)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectError] * 4
        assert seconds() == 4

    pooled(program, script, {"connecting": 2.0, "refuse": range(4)})


def test_who_is_cancelled_while_others_wait_for_its_connection() -> None:
    script, _ = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        tasks = [asyncio.ensure_future(fetch(pool, number)) for number in range(3)]
        await passing(1)
        tasks[0].cancel()
        await asyncio.gather(*tasks[1:])
        assert tasks[0].cancelled()
        assert len(network.wires) == 1

    pooled(program, script, {"connecting": 2.0})


def test_more_requests_than_streams_need_another_connection() -> None:
    script, far = speaking(streams=10)

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0)  # by then the server has said how many it takes
        await asyncio.gather(*[fetch(pool, number) for number in range(25)])
        assert [end.most for end in far] == [10, 10, 5]

    pooled(program, script)


def test_those_who_wait_get_a_stream_when_one_is_over() -> None:
    script, far = speaking(streams=2)

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0, wait=0)
        await asyncio.gather(*[fetch(pool, number) for number in range(6)])
        assert seconds() == 3
        assert [end.most for end in far] == [2]

    pooled(program, script, max_connections=1)


def test_waiting_for_a_stream_has_its_time() -> None:
    script, far = speaking(streams=1)

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0, wait=0)
        first = asyncio.ensure_future(fetch(pool, 0, wait=20))
        await passing(1)
        with pytest.raises(PoolTimeout):
            await fetch(pool, 1)
        assert seconds() == 11
        await first

    pooled(program, script, max_connections=1)


def test_a_connection_that_goes_away_is_kept_until_its_last_request_is_over() -> None:
    script, far = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        slow = asyncio.ensure_future(fetch(pool, 0, wait=3))
        await passing(1)
        far[0].engine.shutdown()
        far[0].flush()
        await passing(0.5)
        await fetch(pool, 1, wait=0)
        assert len(network.wires) == 2
        assert len(pool.connections()) == 2
        await slow
        assert seconds() == 3
        assert network.wires[0].end_of_client
        assert len(pool.connections()) == 1

    pooled(program, script)


def test_an_idle_connection_makes_room_for_another_origin_and_a_busy_one_does_not() -> None:
    script, _ = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0)
        await fetch(pool, 0, host="b.example")
        assert [bool(wire.end_of_client) for wire in network.wires] == [True, False]
        await asyncio.gather(fetch(pool, 1, host="b.example"), fetch(pool, 2))
        assert seconds() == 4

    pooled(program, script, max_connections=1)


def test_idle_connections_grow_old() -> None:
    script, _ = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0)
        await passing(6)
        await fetch(pool, 0)
        assert [bool(wire.end_of_client) for wire in network.wires] == [True, False]

    pooled(program, script, keepalive_expiry=5.0)


@pytest.mark.parametrize(
    ("options", "scheme", "offered", "http2"),
    [
        ({}, b"https", ["h2", "http/1.1"], True),
        ({}, b"wss", ["http/1.1"], False),
        ({"http2": False}, b"https", ["http/1.1"], False),
        ({"http1": False}, b"https", ["h2"], True),
        ({"http1": False}, b"http", None, True),
        ({"http1": False}, b"ws", None, False),
        ({}, b"http", None, False),
    ],
)
def test_what_is_spoken(options: dict[str, bool], scheme: bytes, offered: list[str] | None, http2: bool) -> None:
    script, far = speaking()

    async def program(pool: Pool, network: WireNetwork) -> None:
        await fetch(pool, 0, scheme=scheme)
        assert network.wires[0].tls == ([] if offered is None else [("a.example", offered)])
        assert bool(far) is http2

    pooled(program, script, **options)


def test_a_server_that_says_goodbye_to_every_connection_is_asked_more_and_more_seldom() -> None:
    async def script(wire: Wire) -> None:
        engine = h2.Connection(h2.SERVER)
        engine.receive_data(await wire.take(b""))
        engine.queue(h2.GoAway(0, 0))
        wire.send(engine.data_to_send())

    async def program(pool: Pool, network: WireNetwork) -> None:
        begun = asyncio.create_task(fetch(pool, 1))
        await passing(1.0)
        assert 3 <= len(network.wires) <= 8
        with pytest.raises(h2.RemoteProtocolError, match="goes away"):
            await begun
        assert pool.connections() == []

    pooled(program, script, http1=False)
