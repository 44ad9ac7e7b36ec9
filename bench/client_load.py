"""The load of client.py: one client asks again and again.

    python bench/client_load.py CLIENT PORT CONCURRENCY SECONDS LOOP

Prints how many requests a second it had answers to, and the microseconds of its processor that each took.  CLIENT is a
name of ``CLIENTS``, and LOOP asyncio or uvloop.  A request is a GET, and a response is read whole and looked at.  What
asks concurrently are tasks, or threads for a client that blocks.
"""

# ruff: noqa: PLC0415  a client that is not measured need not be installed

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from apps import CONTENT

#: Seconds that a client is used for before it is measured.
WARM = 0.5


class Count:
    """Requests between two moments, and what of the processor went into them."""

    def __init__(self, seconds: float) -> None:
        self.begin = time.perf_counter() + WARM
        self.seconds = seconds
        self.requests = 0
        self.used_before = 0.0

    def goes_on(self) -> bool:
        """Called before each request."""
        passed = time.perf_counter() - self.begin
        if passed < 0:
            return True
        if not self.used_before:
            self.used_before = time.process_time()
        self.requests += 1
        return passed < self.seconds

    def told(self) -> str:
        used = time.process_time() - self.used_before
        return f"{self.requests / (time.perf_counter() - self.begin)} {used / max(self.requests, 1) * 1e6}"


def blocking(ask: Callable[[], bytes], concurrency: int, seconds: float) -> str:
    """Threads that call ``ask``."""
    count = Count(seconds)

    def work() -> None:
        while count.goes_on():
            if ask() != CONTENT:
                raise RuntimeError("another response")

    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count.told()


async def asking(ask: Callable[[], Awaitable[bytes]], concurrency: int, seconds: float) -> str:
    """Tasks that do."""
    count = Count(seconds)

    async def work() -> None:
        while count.goes_on():
            if await ask() != CONTENT:
                raise RuntimeError("another response")

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return count.told()


def httpx_blocking(transport: str, **options):
    def run(url: str, concurrency: int, seconds: float) -> str:
        import httpx

        with httpx.Client(transport=made(transport, options), trust_env=False) as client:
            return blocking(lambda: client.get(url).content, concurrency, seconds)

    return run


def httpx_asyncio(transport: str, **options):
    async def run(url: str, concurrency: int, seconds: float) -> str:
        import httpx

        async with httpx.AsyncClient(transport=made(transport, options), trust_env=False) as client:

            async def ask() -> bytes:
                return (await client.get(url)).content

            return await asking(ask, concurrency, seconds)

    return run


def made(transport: str, options: dict):
    module, _, name = transport.rpartition(".")
    return getattr(importlib.import_module(module), name)(**options)


def interlock(**options):
    async def run(url: str, concurrency: int, seconds: float) -> str:
        from interlock.client import AsyncClient

        async with AsyncClient(**options) as client:

            async def ask() -> bytes:
                return (await client.get(url)).content

            return await asking(ask, concurrency, seconds)

    return run


def interlock_blocking(**options):
    def run(url: str, concurrency: int, seconds: float) -> str:
        from interlock.client import Client

        with Client(**options) as client:
            return blocking(lambda: client.get(url).content, concurrency, seconds)

    return run


def httpcore(**options):
    async def run(url: str, concurrency: int, seconds: float) -> str:
        import httpcore

        async with httpcore.AsyncConnectionPool(max_connections=100, **options) as pool:

            async def ask() -> bytes:
                return (await pool.request("GET", url)).content

            return await asking(ask, concurrency, seconds)

    return run


def httpcore_blocking(**options):
    def run(url: str, concurrency: int, seconds: float) -> str:
        import httpcore

        with httpcore.ConnectionPool(max_connections=100, **options) as pool:
            return blocking(lambda: pool.request("GET", url).content, concurrency, seconds)

    return run


async def aiohttp(url: str, concurrency: int, seconds: float) -> str:
    from aiohttp import ClientSession

    async with ClientSession() as session:

        async def ask() -> bytes:
            async with session.get(url) as response:
                return await response.read()

        return await asking(ask, concurrency, seconds)


HTTP2 = {"http1": False, "http2": True}
#: By name: what runs it, and whether that is a coroutine.
CLIENTS = {
    "httpx-threads": (httpx_blocking("httpx.HTTPTransport"), False),
    "httpx-threads-interlock": (httpx_blocking("interlock.httpx.Transport"), False),
    "httpx-asyncio": (httpx_asyncio("httpx.AsyncHTTPTransport"), True),
    "httpx-asyncio-interlock": (httpx_asyncio("interlock.httpx.AsyncTransport"), True),
    "httpx-threads-h2": (httpx_blocking("httpx.HTTPTransport", **HTTP2), False),
    "httpx-threads-interlock-h2": (httpx_blocking("interlock.httpx.Transport", **HTTP2), False),
    "httpx-asyncio-h2": (httpx_asyncio("httpx.AsyncHTTPTransport", **HTTP2), True),
    "httpx-asyncio-interlock-h2": (httpx_asyncio("interlock.httpx.AsyncTransport", **HTTP2), True),
    "interlock": (interlock(), True),
    "interlock-h2": (interlock(**HTTP2), True),
    "interlock-threads": (interlock_blocking(), False),
    "httpcore": (httpcore(), True),
    "httpcore-h2": (httpcore(**HTTP2), True),
    "httpcore-threads": (httpcore_blocking(), False),
    "aiohttp": (aiohttp, True),
}


def main() -> None:
    name, port, concurrency, seconds, loop = sys.argv[1:]
    client, is_coroutine = CLIENTS[name]
    url = f"http://127.0.0.1:{port}/"
    if not is_coroutine:
        print(client(url, int(concurrency), float(seconds)))
    elif loop == "uvloop":
        import uvloop

        print(uvloop.run(client(url, int(concurrency), float(seconds))))
    else:
        print(asyncio.run(client(url, int(concurrency), float(seconds))))


if __name__ == "__main__":
    main()
