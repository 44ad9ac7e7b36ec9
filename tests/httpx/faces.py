"""httpx.Client and httpx.AsyncClient behind one interface, so that a case is written once; and how a case is run.

A case is a coroutine.  With a client that blocks it never suspends.
"""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Iterator

import httpx
import trio

from interlock.net.stream import run

MODES = ("threads", "asyncio", "trio")


class Blocking:
    """What a case calls, with httpx.Client."""

    def __init__(self, transport, options):
        self.client = httpx.Client(transport=transport, **options)

    async def request(self, method, url, **arguments):
        return self.client.request(method, url, **arguments)

    @contextlib.asynccontextmanager
    async def stream(self, method, url, **arguments):
        with self.client.stream(method, url, **arguments) as response:
            yield response

    def content(self, *blocks) -> Iterator[bytes]:
        """Content that comes in blocks."""
        yield from blocks

    async def blocks(self, response):
        for block in response.iter_raw():
            yield block

    async def first_block(self, response):
        """It, and the iterator that has to be kept where the rest is still wanted."""
        blocks = response.iter_raw()
        return next(blocks), blocks

    async def read(self, response):
        return response.read()

    async def call(self, function, *arguments, **named):
        """A method of httpx or of the network stream: the other kind of client has it as a coroutine."""
        return function(*arguments, **named)

    async def close_stream(self, stream):
        stream.close()

    def tracer(self, into):
        return lambda name, info: into.append(name)

    async def close(self):
        self.client.close()


class Asynchronous:
    """The same with httpx.AsyncClient."""

    def __init__(self, transport, options):
        self.client = httpx.AsyncClient(transport=transport, **options)

    async def request(self, method, url, **arguments):
        return await self.client.request(method, url, **arguments)

    @contextlib.asynccontextmanager
    async def stream(self, method, url, **arguments):
        async with self.client.stream(method, url, **arguments) as response:
            yield response

    async def content(self, *blocks) -> AsyncIterator[bytes]:
        for block in blocks:
            yield block

    async def blocks(self, response):
        async for block in response.aiter_raw():
            yield block

    async def first_block(self, response):
        blocks = response.aiter_raw()
        return await anext(blocks), blocks

    async def read(self, response):
        return await response.aread()

    async def call(self, function, *arguments, **named):
        return await function(*arguments, **named)

    async def close_stream(self, stream):
        await stream.aclose()

    def tracer(self, into):
        async def trace(name, info):
            into.append(name)

        return trace

    async def close(self):
        await self.client.aclose()


def transport_of(kind, mode, options):
    """The transport under test."""
    if kind == "httpx":
        return (httpx.HTTPTransport if mode == "threads" else httpx.AsyncHTTPTransport)(**options)
    import interlock.httpx

    return (interlock.httpx.Transport if mode == "threads" else interlock.httpx.AsyncTransport)(**options)


def outcome(kind, mode, case, site):
    """What came of a case: what it gave, or what it raised, and what the origins saw."""
    site.take()
    with warnings.catch_warnings():
        if kind == "httpx":  # it leaves sockets open that did not connect
            warnings.simplefilter("ignore", ResourceWarning)
        result = result_of(kind, mode, case, site)
    return result, site.take()


def result_of(kind, mode, case, site):
    transport_options, client_options = case.options(site)

    async def whole():
        face = (Blocking if mode == "threads" else Asynchronous)(
            transport_of(kind, mode, transport_options), client_options
        )
        try:
            return await case.function(face, site)
        finally:
            await face.close()

    try:
        return {"threads": run, "asyncio": asyncio.run, "trio": run_trio}[mode](whole())
    except AssertionError:
        raise
    except Exception as error:
        return f"raises {type(error).__name__}"


def run_trio(coroutine):
    async def main():
        return await coroutine

    return trio.run(main)
