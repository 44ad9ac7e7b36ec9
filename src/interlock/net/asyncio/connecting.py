"""Which of a host's addresses answers first (RFC 8305), on asyncio.

The loop's own ``create_connection`` can do that in asyncio, but not in uvloop.
"""

import asyncio
import socket
from collections.abc import Sequence

from interlock.net.sockets import ATTEMPT_DELAY, Address, in_turn, new_socket, numeric
from interlock.net.stream import SocketOption

__all__ = ["connect_socket"]


async def connect_socket(
    loop: asyncio.AbstractEventLoop, host: str, port: int, local_address: str | None, options: Sequence[SocketOption]
) -> socket.socket:
    """A socket that is connected, and never blocks.  Raises :class:`OSError` with why the first address failed."""
    addresses = numeric(host, port) or in_turn(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    if len(addresses) == 1:
        return await _attempt(loop, addresses[0], local_address, options)
    attempts: list[asyncio.Task[socket.socket]] = []
    errors: list[BaseException] = []
    try:
        while addresses or len(errors) < len(attempts):
            if addresses:
                attempts.append(loop.create_task(_attempt(loop, addresses.pop(0), local_address, options)))
            running = [attempt for attempt in attempts if not attempt.done()]
            done, _ = await asyncio.wait(
                running, timeout=ATTEMPT_DELAY if addresses else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    attempts.remove(attempt)
                    return attempt.result()
                errors.append(error)
        raise errors[0]
    finally:
        await _give_up(attempts)


async def _attempt(
    loop: asyncio.AbstractEventLoop, address: Address, local_address: str | None, options: Sequence[SocketOption]
) -> socket.socket:
    sock = new_socket(address, local_address, options)
    try:
        await loop.sock_connect(sock, address[4])
    except BaseException:
        sock.close()
        raise
    return sock


async def _give_up(attempts: list[asyncio.Task[socket.socket]]) -> None:
    """Let go of attempts that are not wanted, be they connected or not."""
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()
