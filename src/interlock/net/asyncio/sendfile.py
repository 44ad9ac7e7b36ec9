"""Files as content: by sendfile from the page cache to the socket where that is possible, else in blocks."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import IO

__all__ = ["read_block", "send_range"]


async def send_range(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    file: IO[bytes],
    offset: int,
    count: int,
    progress: Callable[[int], None],
    until: Callable[[], "asyncio.Future[None]"],
) -> None:
    """Send ``count`` octets of ``file`` from ``offset`` to a non-blocking socket, from where the kernel has them.

    ``progress`` is told of each piece.  ``until`` makes a future to wait by while the socket takes nothing; failing
    it ends the wait.  Raises :class:`OSError` when the connection is lost, and
    :class:`EOFError` where the file is shorter than that.
    """
    # A descriptor of our own: the loop watches the transport's for reading, and would refuse a second watcher.
    descriptor = os.dup(sock.fileno())
    try:
        source = file.fileno()
        while count:
            try:
                sent = os.sendfile(descriptor, source, offset, min(count, 1 << 30))
            except BlockingIOError:
                await _until_writable(loop, descriptor, until())
                continue
            if not sent:
                raise EOFError(f"the file is {count} octets too short")
            offset += sent
            count -= sent
            progress(sent)
    finally:
        os.close(descriptor)


async def _until_writable(loop: asyncio.AbstractEventLoop, descriptor: int, ready: "asyncio.Future[None]") -> None:
    loop.add_writer(descriptor, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def read_block(loop: asyncio.AbstractEventLoop, file: IO[bytes], offset: int, count: int) -> Awaitable[bytes]:
    """Read ``count`` octets of ``file`` from ``offset`` in a thread, so that a slow disk does not stop the loop."""
    return loop.run_in_executor(None, _read, file, offset, count)


def _read(file: IO[bytes], offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
