"""Many requests through httpx over few connections, to an origin that drops, refuses and delays at random.

None is lost, none is made twice that may not be, and each has its own answer or an error that somebody answers for.
Some hundreds by default; ``INTERLOCK_REQUESTS=10000`` for the whole.
"""

import asyncio
import collections
import contextlib
import os
import threading

import httpx
import pytest
import trio
from tests.interop.faulty_origin import FAILING, STREAMS, FaultyOrigin, content_of

import interlock.httpx

REQUESTS = int(os.environ.get("INTERLOCK_REQUESTS", "400"))
CONNECTIONS = 20
#: Requests that one connection of HTTP/2 may have taken at once: those that are refused, too.
AT_ONCE = 4 * STREAMS
#: Longer than any answer takes: what waits so long was lost.
TIMEOUT = 30.0


class Asked:
    """What there is to ask, and what came of it."""

    def __init__(self, urls):
        self.urls = urls
        self.numbers = iter(range(1, REQUESTS + 1))
        self.outcomes = collections.defaultdict(list)
        self.lock = threading.Lock()

    def take(self):
        """The number of the next request and its arguments, None when there is no more."""
        with self.lock:
            number = next(self.numbers, None)
        if number is None:
            return None
        content = None if method_of(number) == b"GET" else b"x" * (number % 5 * 1000 + 1)
        return (
            number,
            (method_of(number).decode(), f"{self.urls[number % len(self.urls)]}{number}"),
            {"content": content},
        )

    def answered(self, number, response):
        expected = b"" if response.status_code == 503 else content_of(number, method_of(number))
        assert response.content == expected, f"another's answer to {number}"
        self.outcomes[number].append(response.status_code)

    def failed(self, number, error):
        self.outcomes[number].append(error)


def method_of(number):
    return b"GET" if number % 2 else b"POST"


def options(http2):
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return {"limits": limits, "http1": not http2, "http2": http2}


def in_threads(asked, http2, workers):
    errors = []

    def work():
        try:
            while (request := asked.take()) is not None:
                number, arguments, named = request
                try:
                    asked.answered(number, client.request(*arguments, **named))
                except httpx.TransportError as error:
                    asked.failed(number, error)
        except BaseException as error:
            errors.append(error)

    with httpx.Client(transport=interlock.httpx.Transport(**options(http2)), timeout=TIMEOUT) as client:
        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


async def work(asked, client):
    while (request := asked.take()) is not None:
        number, arguments, named = request
        try:
            asked.answered(number, await client.request(*arguments, **named))
        except httpx.TransportError as error:
            asked.failed(number, error)


def asynchronous(http2):
    return httpx.AsyncClient(transport=interlock.httpx.AsyncTransport(**options(http2)), timeout=TIMEOUT)


def on_asyncio(asked, http2, workers):
    async def main():
        async with asynchronous(http2) as client:
            await asyncio.gather(*(work(asked, client) for _ in range(workers)))

    asyncio.run(main())


def on_trio(asked, http2, workers):
    async def main():
        async with asynchronous(http2) as client, trio.open_nursery() as nursery:
            for _ in range(workers):
                nursery.start_soon(work, asked, client)

    trio.run(main)


@pytest.mark.timeout(600 if REQUESTS > 1000 else 120)
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("run", [in_threads, on_asyncio, on_trio])
def test_none_is_lost_and_none_is_doubled(run, http2):
    workers = CONNECTIONS * (STREAMS if http2 else 1)
    # a connection of HTTP/2 takes many requests: there are as many as there are origins
    with contextlib.closing(FaultyOrigin(5, http2, CONNECTIONS if http2 else 1)) as origin:
        asked = Asked(origin.urls)
        run(asked, http2, workers)
    outcomes = asked.outcomes
    assert set(outcomes) == set(range(1, REQUESTS + 1))
    assert all(len(outcome) == 1 for outcome in outcomes.values())
    assert CONNECTIONS / 2 < origin.most_open <= 2 * CONNECTIONS  # some are being closed
    unexplained, doubled = [], 0
    for number, [outcome] in outcomes.items():
        method, done, processed = method_of(number), origin.done[number], origin.processed[number]
        assert not isinstance(outcome, httpx.TimeoutException), outcome
        if outcome == 200:
            assert processed >= 1
        elif outcome == 503:
            assert done[-1] == "unavailable"
        elif not FAILING & set(done):
            unexplained.append(number)
        if method == b"POST":
            assert processed <= 1, f"{number} was made {processed} times: {done}"
        else:  # it is made again where nothing had come of an answer
            doubled += max(0, processed - 1 - done.count("lost") - done.count("reset"))
    # a connection that is closed takes with it what was asked on it, and no more
    closed = origin.closed_at_once + origin.closed_idle + origin.closed_for_all
    assert len(unexplained) + doubled <= closed * (AT_ONCE if http2 else 1)
    if not http2:
        assert doubled == 0
        assert sum(method_of(number) == b"GET" for number in unexplained) <= origin.closed_at_once
    assert sum(outcome == [200] for outcome in outcomes.values()) > REQUESTS / 2
