"""What the tests of a connection with a delegate share: a peer that plays a script, delegates that take notes, a clock.

The stream is in memory and time is virtual, on asyncio and on trio.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import trio
import trio.testing
from tests.net.virtual_clock import VirtualClockLoop

from interlock.net.errors import read_error, read_timeout, write_error, write_timeout
from interlock.net.networks import present_network
from interlock.net.stream import Stream

WORLDS = ["asyncio", "trio"]


def run(world: str, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The result of ``main``, on a virtual clock."""
    if world == "trio":
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    loop = VirtualClockLoop()
    try:
        result = loop.run_until_complete(main())
        assert asyncio.all_tasks(loop) == set()
        assert loop.errors == []
        return result
    finally:
        loop.close()


async def pass_time(seconds: float) -> None:
    """Let so much time pass, on the clock that is virtual."""
    await present_network().event().wait(seconds)


class Peer(Stream):
    """Plays ``script``: octets that come, seconds that pass before the next, an error at the end.

    Without ``ends`` nothing more comes behind it.  ``takes``: octets that can be written before the peer takes no more.
    """

    def __init__(self, *script: bytes | float | Exception, ends: bool = True, takes: int | None = None) -> None:
        self.script = list(script)
        self.ends = ends
        self.takes = takes
        self.received = bytearray()
        self.eof = self.closed = self.aborted = False
        self.writing = False
        self.reads = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        network = present_network()
        self.reads += 1
        await network.sleep(0)
        while True:
            if self.closed:
                raise read_error("the peer")
            if not self.script:
                if self.ends:
                    return b""
                await network.event().wait(timeout)
                raise read_timeout("the peer", timeout)
            item = self.script[0]
            if isinstance(item, Exception):
                raise read_error("the peer", item) from item
            if isinstance(item, bytes):
                self.script[:1] = [item[max_bytes:]] if len(item) > max_bytes else []
                return item[:max_bytes]
            wait = item if timeout is None else min(item, timeout)
            await pass_time(wait)
            self.script[:1] = [item - wait] if item > wait else []
            if item > wait:
                raise read_timeout("the peer", timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert not self.writing, "two write at once"
        self.writing = True
        await present_network().sleep(0)
        self.writing = False
        if self.closed:
            raise write_error("the peer")
        self.received += buffer
        if self.takes is not None and len(self.received) > self.takes:
            await present_network().event().wait(timeout)
            raise write_timeout("the peer", timeout)

    async def send_eof(self) -> None:
        self.eof = True

    async def aclose(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.aborted or not self.closed
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        return None


class Notes:
    """A delegate that takes notes.  Whatever it has an ``on_...`` for is called with itself and the arguments."""

    def __init__(self, connection: Any = None, *, sync: bool = False, **actions: Callable[..., Any]) -> None:
        self.connection = connection
        self.actions = actions
        self.notes: list[str] = []
        self.start_line: Any = None
        self.headers: Any = None
        self.content = bytearray()
        self.chunks: list[int] = []
        self.trailers: Any = None
        self.informational: list[Any] = []
        for name in ("headers_received", "informational_received", "data_received", "finish", "on_connection_close"):
            setattr(self, name, self._plain(name) if sync else self._coroutine(name))

    def _note(self, name: str, args: tuple[Any, ...]) -> Any:
        self.notes.append(name)
        if name == "headers_received":
            self.start_line, self.headers = args
        elif name == "informational_received":
            self.informational.append(args[0])
        elif name == "data_received":
            self.content += args[0]
            self.chunks.append(len(args[0]))
        elif name == "finish":
            self.trailers = args[0]
        action = self.actions.get(name)
        return action(self, *args) if action else None

    def _plain(self, name: str) -> Callable[..., Any]:
        def callback(*args: Any) -> None:
            self._note(name, args)

        return callback

    def _coroutine(self, name: str) -> Callable[..., Any]:
        async def callback(*args: Any) -> None:
            result = self._note(name, args)
            if inspect.isawaitable(result):
                await result
            await present_network().sleep(0)

        return callback
