"""asyncio, or a loop that does as asyncio does, as a network: how streams begin there, and how one waits."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar, cast, final

from interlock.net.asyncio.connecting import connect_socket
from interlock.net.asyncio.stream import AsyncioStream
from interlock.net.asyncio.waiters import wake
from interlock.net.errors import connect_error, connect_timeout
from interlock.net.sockets import peer_name
from interlock.net.stream import Event, Network, SocketOption, Stream

__all__ = ["AsyncioNetwork"]

T = TypeVar("T")

#: There are no threads to keep apart.
_NO_MUTEX: Final[AbstractContextManager[object]] = contextlib.nullcontext()


@final
class AsyncioEvent(Event):
    """Something to wait for, in one loop."""

    __slots__ = ("_happened", "_waiters")

    def __init__(self) -> None:
        self._happened = False
        self._waiters: list[asyncio.Future[None]] = []

    def set(self) -> None:
        self._happened = True
        wake(self._waiters)

    def is_set(self) -> bool:
        return self._happened

    async def wait(self, timeout: float | None = None) -> bool:
        if self._happened:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = None if timeout is None else loop.call_later(timeout, wake, [waiter])
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        return self._happened


class AsyncioNetwork(Network):
    """The loop that runs when it is asked for something."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        loop = asyncio.get_running_loop()
        peer = peer_name((host, port))
        what = f"connecting to {peer}"
        try:
            async with asyncio.timeout(timeout):
                sock = await connect_socket(loop, host, port, local_address, tuple(socket_options))
                return await _stream(loop, peer, sock)
        except TimeoutError as error:
            # The system has a timeout of its own.
            raise (connect_timeout(what, timeout) if error.errno is None else connect_error(what, error)) from error
        except (OSError, UnicodeError, OverflowError) as error:
            raise connect_error(what, error) from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] = ()
    ) -> Stream:
        loop = asyncio.get_running_loop()
        what = f"connecting to {path}"
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                for level, name, value in socket_options:
                    sock.setsockopt(level, name, value)
                async with asyncio.timeout(timeout):
                    await loop.sock_connect(sock, path)
                    return await _stream(loop, path, sock)
            except BaseException:
                sock.close()
                raise
        except TimeoutError as error:
            raise connect_timeout(what, timeout) from error
        except (OSError, ValueError) as error:
            raise connect_error(what, error) from error

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def event(self) -> Event:
        return AsyncioEvent()

    def mutex(self) -> AbstractContextManager[object]:
        return _NO_MUTEX

    async def until(self, event: Event, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        happened = loop.create_task(_happened(event))
        meanwhile = loop.create_task(call())
        try:
            await asyncio.wait((happened, meanwhile), return_when=asyncio.FIRST_COMPLETED)
            if meanwhile.done():
                meanwhile.result()
                await happened
        finally:
            happened.cancel()
            meanwhile.cancel()
            await asyncio.gather(happened, meanwhile, return_exceptions=True)

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(call())
        timer = loop.call_later(seconds, task.cancel)
        cancelled: BaseException | None = None
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
        timer.cancel()
        if cancelled is not None:
            if not task.cancelled():
                task.exception()  # it is known now; being cancelled comes first
            raise cancelled
        return None if task.cancelled() else task.result()


async def _happened(event: Event) -> None:
    await event.wait()


async def _stream(loop: asyncio.AbstractEventLoop, peer: str, sock: socket.socket) -> AsyncioStream:
    """The stream of a socket that is connected."""
    stream = AsyncioStream(loop, peer)
    try:
        await loop.create_connection(lambda: cast(asyncio.Protocol, stream), sock=sock)
    except BaseException:
        sock.close()
        raise
    return stream
