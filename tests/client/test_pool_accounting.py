"""Whatever requests, servers and those who cancel do: a pool loses no connection, and no request is lost or made twice."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.conversing import content
from tests.client.test_pool import take_request
from tests.client.wire import Wire, WireNetwork, passing, run

from interlock.client.errors import PoolTimeout
from interlock.client.messages import Request
from interlock.client.pool import Pool
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import RemoteProtocolError
from interlock.net.errors import NetworkError, TimeoutException

#: What a request may come to.
EXPECTED = (PoolTimeout, TimeoutException, NetworkError, RemoteProtocolError)

#: What a server does with a request: what it sends, and how the connection goes on.
ANSWERS = ("length", "chunked", "close", "cut", "garbage", "nothing", "silent", "reset", "extra", "leave")


@dataclass
class Plan:
    """One request: when it is made, what its server does and how long that takes, and what its caller does."""

    at: int
    host: str
    method: bytes
    answer: str
    seconds: int
    read: bool
    cancel: int | None


PLANS = st.lists(
    st.builds(
        Plan,
        at=st.integers(0, 20),
        host=st.sampled_from(["a.example", "b.example", "c.example"]),
        method=st.sampled_from([b"GET", b"POST"]),
        answer=st.sampled_from(ANSWERS),
        seconds=st.integers(0, 6),
        read=st.booleans(),
        cancel=st.none() | st.integers(0, 12),
    ),
    min_size=1,
    max_size=25,
)
OPTIONS = st.fixed_dictionaries(
    {
        "max_connections": st.integers(1, 4),
        "max_connections_per_host": st.none() | st.integers(1, 3),
        "max_keepalive_connections": st.integers(0, 4),
        "keepalive_expiry": st.sampled_from([None, 0.0, 3.0]),
        "retries": st.integers(0, 1),
    }
)


class Far:
    """All servers: what they were asked, how often, and how many connections there were at a time."""

    def __init__(self, most: int, most_per_host: int | None) -> None:
        self.most = most
        self.most_per_host = most_per_host
        self.asked: dict[bytes, int] = {}
        self.wires: list[Wire] = []

    async def __call__(self, wire: Wire) -> None:
        self.wires.append(wire)
        hosts = [each.where[0] for each in self.wires if not each.end_of_client]
        assert len(hosts) <= self.most
        assert self.most_per_host is None or hosts.count(wire.where[0]) <= self.most_per_host
        while head := await take_request(wire):
            await self.serve(wire, head.split(b" ")[1])

    async def serve(self, wire: Wire, target: bytes) -> None:
        self.asked[target] = self.asked.get(target, 0) + 1
        _, answer, wait, _ = target.decode().split("/")
        await passing(int(wait))
        if wire.end_of_client:
            return
        length = b"Content-Length: %d\r\n" % len(target)
        if answer in {"length", "extra", "leave"}:
            wire.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + target)
            if answer == "extra":
                wire.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            elif answer == "leave":
                await passing(1)
                wire.end()
        elif answer == "chunked":
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(target))
            await passing(1)
            wire.send(target + b"\r\n0\r\n\r\n")
        elif answer == "close":
            wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n" + target)
        elif answer == "cut":
            wire.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + target[:-1])
            wire.end()
        elif answer == "garbage":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
        elif answer == "nothing":
            wire.end()
        elif answer == "reset":
            wire.reset()


async def make(pool: Pool, plan: Plan, number: int) -> bytes | None:
    await passing(plan.at)
    target = f"/{plan.answer}/{plan.seconds}/{number}".encode()
    timeouts = ClientTimeouts(connect=4.0, read=4.0, write=4.0, pool=8.0)
    request = Request(plan.method, b"http", plan.host, 80, target, content=b"abc", timeouts=timeouts)
    response = await pool.send(request)
    assert response.status_code == 200
    try:
        if not plan.read:
            return None
        whole = await content(response)
        assert whole == target
        return whole
    finally:
        await response.exchange.aclose()


@settings(max_examples=60)
@given(PLANS, OPTIONS, st.sets(st.integers(0, 10), max_size=5), st.integers(0, 2))
def test_nothing_is_lost(plans: list[Plan], options: dict[str, Any], refuse: set[int], connecting: int) -> None:
    async def main() -> None:
        far = Far(options["max_connections"], options["max_connections_per_host"])
        network = WireNetwork(far, refuse, connecting)
        pool = Pool(network, http2=False, **options)
        tasks = [asyncio.ensure_future(make(pool, plan, number)) for number, plan in enumerate(plans)]
        loop = asyncio.get_running_loop()
        for task, plan in zip(tasks, plans, strict=True):
            if plan.cancel is not None:
                loop.call_later(plan.at + plan.cancel, task.cancel)
        await asyncio.wait(tasks)
        for number, (task, plan) in enumerate(zip(tasks, plans, strict=True)):
            if task.cancelled():
                assert plan.cancel is not None
                continue
            error = task.exception()
            assert error is None or isinstance(error, EXPECTED), error
            times = far.asked.get(f"/{plan.answer}/{plan.seconds}/{number}".encode(), 0)
            assert times <= 1 or plan.method == b"GET" or (plan.answer in {"nothing", "reset"} and times == 1)
            if error is None:
                assert times >= 1
        assert pool._waiting == 0
        assert not pool._queues
        assert set(pool._idle) == pool._members  # nobody has one any more
        assert sum(origin.members for origin in pool._origins.values()) == len(pool._members)
        assert all(origin.members and not origin.opening for origin in pool._origins.values())
        open_wires = [wire for wire in network.wires if not wire.end_of_client]
        assert len(open_wires) == len(pool._members)
        # All of it can be had again.
        again = [make(pool, Plan(0, "d.example", b"GET", "length", 0, True, None), -n - 1) for n in range(6)]
        if not refuse:
            await asyncio.gather(*again)
        else:
            await asyncio.gather(*again, return_exceptions=True)
        await pool.aclose()
        assert (pool._members, pool._origins, pool._idle) == (set(), {}, {})
        await network.finish()

    run(main)
