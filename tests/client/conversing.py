"""One connection of HTTP/1.1 and its far end, on a virtual clock: what the tests of connections share."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.client.wire import Script, Wire, WireNetwork, passing, run

from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Request, Response
from interlock.client.timeouts import ClientTimeouts
from interlock.http.limits import Limits

TIMEOUTS = ClientTimeouts(read=5.0, write=7.0)
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
NEVER = ClientTimeouts(connect=None, read=None, write=None, pool=None, body_rate=None)

Program = Callable[[ClientHTTP1Connection], Awaitable[Any]]


def get(target: bytes = b"/", **more: Any) -> Request:
    return request(b"GET", target, **more)


def request(method: bytes = b"GET", target: bytes = b"/", content: Any = None, **more: Any) -> Request:
    more.setdefault("timeouts", TIMEOUTS)
    return Request(method, b"http", "a.example", 80, target, content=content, **more)


def converse(script: Script, program: Program, limits: Limits | None = None) -> Any:
    """What ``program`` gives, on one connection to a far end that does ``script``."""

    async def main() -> Any:
        network = WireNetwork(script)
        connection = ClientHTTP1Connection(network, await network.connect_tcp("a.example", 80), limits=limits)
        try:
            return await program(connection)
        finally:
            await connection.aclose()
            await network.finish()

    return run(main)


async def content(response: Response) -> bytes:
    blocks = []
    while block := await response.exchange.read_block():
        blocks.append(block)
    return b"".join(blocks)


def answering(*pieces: bytes, end: bool = False) -> Script:
    """A far end that takes the head of a request, and answers with these pieces."""

    async def script(wire: Wire) -> None:
        await wire.take()
        for piece in pieces:
            wire.send(piece)
            await passing(0.1)
        if end:
            wire.end()
        await wire.gone()

    return script


async def ask(connection: ClientHTTP1Connection) -> bytes:
    return await content(await connection.send(get()))
