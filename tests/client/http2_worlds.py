"""asyncio and trio, with clocks that are turned, for programs that use a server in memory."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import trio
import trio.testing
from tests.client.http2_server import Server
from tests.net.virtual_clock import VirtualClockLoop

from interlock.net.asyncio.network import AsyncioNetwork
from interlock.net.trio.network import TrioNetwork

Call = Callable[[], Coroutine[Any, Any, Any]]


class World:
    """asyncio or trio, with a clock that is turned."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.network: Any = AsyncioNetwork() if name == "asyncio" else TrioNetwork()

    def run(self, call: Call) -> Any:
        if self.name == "trio":
            return trio.run(call, clock=trio.testing.MockClock(autojump_threshold=0))
        loop = VirtualClockLoop()
        try:
            result = loop.run_until_complete(call())
            loop.settle()
            assert not asyncio.all_tasks(loop)
            assert loop.errors == []
            return result
        finally:
            loop.close()

    async def together(self, *calls: Call) -> None:
        if self.name == "trio":
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call)
        else:
            await asyncio.gather(*[call() for call in calls])

    async def settle(self) -> None:
        """Let everybody get as far as they can."""
        if self.name == "trio":
            await trio.testing.wait_all_tasks_blocked()
        else:
            for _ in range(20):
                await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        await self.network.event().wait(seconds)

    async def start(self, call: Call) -> "Started":
        """Have a task begin, and let it get as far as it can."""
        started = Started(self, call)
        await self.settle()
        return started


class Started:
    """A task that a test may cancel, and waits for."""

    def __init__(self, world: World, call: Call) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._world = world
        self._scope = trio.CancelScope()
        self._done = world.network.event()

        async def run() -> None:
            try:
                with self._scope if world.name == "trio" else contextlib.nullcontext():
                    self.result = await call()
            except Exception as error:
                self.error = error
            finally:
                self._done.set()

        if world.name == "trio":
            trio.lowlevel.spawn_system_task(run)
        else:
            self._task = asyncio.ensure_future(run())

    def cancel(self) -> None:
        if self._world.name == "trio":
            self._scope.cancel()
        else:
            self._task.cancel()

    async def wait(self) -> Any:
        await self._done.wait()
        if self._world.name == "asyncio":
            await asyncio.wait([self._task])
        if self.error is not None:
            raise self.error
        return self.result


Program = Callable[[Server], Awaitable[None]]


def play(world: World, program: Program, script: Any = None, **options: Any) -> Server:
    """Run ``program`` with a server in memory."""
    servers = []

    async def main() -> None:
        servers.append(Server(script, network=world.network, **options))
        await program(servers[0])

    world.run(main)
    return servers[0]
