"""Sockets that block as a network: how streams begin there, and how a thread waits.

Its coroutines never suspend: :func:`interlock.net.stream.run` runs them.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from interlock.net.blocking.connecting import connect_socket
from interlock.net.blocking.deadline import DeadlinePassed, deadline_after, remaining, within
from interlock.net.blocking.stream import BlockingStream
from interlock.net.errors import connect_error, connect_timeout
from interlock.net.sockets import peer_name
from interlock.net.stream import Event, Network, SocketOption, Stream

__all__ = ["BlockingNetwork"]

T = TypeVar("T")


class BlockingEvent(Event):
    """Something that a thread waits for."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Final = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self, timeout: float | None = None) -> bool:
        deadline = deadline_after(timeout)
        if not self._event.wait(remaining(deadline)) and timeout is None:
            remaining(math.inf)  # it was the thread's own deadline
        return self._event.is_set()


class BlockingNetwork(Network):
    """The thread that calls."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        peer = peer_name((host, port))
        what = f"connecting to {peer}"
        try:
            sock = connect_socket(host, port, deadline_after(timeout), local_address, tuple(socket_options))
        except (OSError, UnicodeError, OverflowError) as error:
            raise connect_error(what, error) from error
        if sock is None:
            raise connect_timeout(what, timeout)
        return BlockingStream(sock, peer)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] = ()
    ) -> Stream:
        what = f"connecting to {path}"
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                for level, name, value in socket_options:
                    sock.setsockopt(level, name, value)
                sock.settimeout(remaining(deadline_after(timeout)))
                sock.connect(path)
            except BaseException:
                sock.close()
                raise
        except TimeoutError:
            remaining(math.inf)
            raise connect_timeout(what, timeout) from None
        except (OSError, ValueError) as error:
            raise connect_error(what, error) from error
        return BlockingStream(sock, path)

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        time.sleep(remaining(deadline_after(seconds)) or 0.0)  # noqa: ASYNC251 - blocking is what is wanted
        remaining(math.inf)

    def event(self) -> Event:
        return BlockingEvent()

    def mutex(self) -> AbstractContextManager[object]:
        return threading.Lock()

    async def until(self, event: Event, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await event.wait()

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        try:
            with within(seconds):
                return await call()
        except DeadlinePassed:
            return None
