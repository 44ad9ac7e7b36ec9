"""Files as content: by sendfile from the page cache to the socket where that is possible, else in blocks."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import IO, Final

__all__ = ["FileRange", "read_block", "send_range"]

#: A file is read in blocks of this many octets where sendfile is not possible.
_BLOCK: Final = 262144


class FileRange:
    """Stands for octets of a file in a Data event: the engine only asks for its length."""

    __slots__ = ("_octets",)

    def __init__(self, octets: int) -> None:
        self._octets: Final = octets

    def __len__(self) -> int:
        return self._octets


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


async def read_block(loop: asyncio.AbstractEventLoop, file: IO[bytes], offset: int, count: int) -> bytes:
    """The first of ``count`` octets of ``file`` from ``offset``, read in a thread: a slow disk does not stop the loop.

    Raises :class:`EOFError` where the file is shorter than that.
    """
    data = await loop.run_in_executor(None, _read, file, offset, min(count, _BLOCK))
    if not data:
        raise EOFError(f"the file is {count} octets too short")
    return data


def _read(file: IO[bytes], offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
