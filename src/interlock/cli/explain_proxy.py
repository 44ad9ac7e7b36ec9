"""A proxy that only looks on: octets pass unchanged between clients and a server, and are explained as they come.

What is found wrong changes nothing of what passes.  Everything waits for a limited time, and a connection that is lost on
one side is ended on the other.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Final

from interlock.cli.explain_follow import Conversation, Settings
from interlock.cli.explain_steps import ENDS, Problem, Step, other_end
from interlock.net.asyncio.closing import half_close, reset_on_close

__all__ = ["Place", "Proxy"]

#: A host and a port.
Place = tuple[str, int]

#: Octets that are read at a time, and octets that may wait to be explained before that is given up.
_PIECE: Final = 65536
_MOST_PENDING: Final = 1 << 20
#: Connections at a time.
_MOST: Final = 100
#: Seconds for connecting to the server, and for a peer that takes nothing.
_CONNECT: Final = 10.0
_WRITE: Final = 30.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Listens, and passes every connection on to ``to``.

    ``tell``: what to do with each step.  ``idle``: seconds without an octet in either direction before a connection is
    ended.  ``once``: whether to stop behind the first connection.
    """

    def __init__(
        self, to: Place, settings: Settings, tell: Callable[[Step | Problem], None], *, idle: float, once: bool
    ) -> None:
        self._to: Final = to
        self._settings: Final = settings
        self._tell: Final = tell
        self._idle: Final = idle
        self._once: Final = once
        self._numbered = 0
        self._running: Final[set[asyncio.Task[None]]] = set()
        self._stopped: Final = asyncio.Event()

    async def serve(self, listen: Place, ready: Callable[[Place], None]) -> None:
        """Listen until told to :meth:`stop`, or by SIGINT or SIGTERM.  ``ready``: is told where, once it does."""
        server = await asyncio.start_server(self._accept, *listen, limit=_PIECE)
        loop = asyncio.get_running_loop()
        signals = []
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # not here, or not in this thread
                loop.add_signal_handler(number, self.stop)
                signals.append(number)
        try:
            ready(server.sockets[0].getsockname()[:2])
            await self._stopped.wait()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            server.close()
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def stop(self) -> None:
        """Take no more connections, and break off those that there are."""
        self._stopped.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._running) >= _MOST or (self._once and self._numbered):
            writer.transport.abort()
            return
        self._numbered += 1
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._connect(self._numbered, (reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()  # it was us who have cancelled it: nobody waits for more
        finally:
            self._running.discard(task)
            if self._once:
                self.stop()

    async def _connect(self, number: int, client: Streams) -> None:
        try:
            async with asyncio.timeout(_CONNECT):
                server = await asyncio.open_connection(*self._to, limit=_PIECE)
        except (OSError, TimeoutError) as error:
            why = str(error) or f"no answer for {_CONNECT:g} seconds"
            self._tell(Step("server", "TCP", "unreachable", summary=why, connection=number))
            client[1].transport.abort()
            return
        try:
            await _Link(number, {"client": client, "server": server}, self._settings, self._tell, self._idle).run()
        finally:
            for _, writer in (client, server):
                await _close(writer)


class _Link:
    """One client's connection, and ours to the server."""

    def __init__(
        self,
        number: int,
        streams: dict[str, Streams],
        settings: Settings,
        tell: Callable[[Step | Problem], None],
        idle: float,
    ) -> None:
        self._number: Final = number
        self._streams: Final = streams
        self._conversation: Conversation | None = Conversation(ENDS, settings, number)
        self._tell: Final = tell
        self._idle: Final = idle
        self._heard = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Pass on what either end sends, until both have ended or one is lost."""
        tasks = [asyncio.create_task(self._pass(sender)) for sender in ENDS]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                error = task.exception()
                if isinstance(error, OSError):  # timeouts are, too
                    told = str(error) or f"nothing was heard for {self._idle:g} seconds"
                    self._tell(Step("", "TCP", "lost", summary=told, connection=self._number))
                    for _, writer in self._streams.values():
                        reset_on_close(writer.transport)  # a plain end would say that all has come
                        writer.transport.abort()
                elif error is not None:
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, sender: str) -> None:
        reader = self._streams[sender][0]
        writer = self._streams[other_end(sender)][1]
        while True:
            data = await self._read(reader)
            if data:
                writer.write(data)
            else:
                half_close(writer.transport)
            self._explain(sender, data)  # before anything else can come that answers it
            if not data:
                return
            async with asyncio.timeout(_WRITE):
                await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next octets.  Raises :class:`TimeoutError` when neither end has said anything for too long."""
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(reader.read(_PIECE))
        try:
            while True:
                left = self._heard + self._idle - loop.time()
                if left <= 0:
                    raise TimeoutError
                done, _ = await asyncio.wait((task,), timeout=left)
                if done:
                    return task.result()
        finally:
            task.cancel()

    def _explain(self, sender: str, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        conversation = self._conversation
        if conversation is None:
            self._heard = now
            return
        conversation.passed(now - self._heard)
        self._heard = now
        for item in conversation.feed(sender, data):
            self._tell(item)
        if conversation.pending > _MOST_PENDING:
            told = f"more than {_MOST_PENDING} octets wait for the other end to go on: they pass, and are not explained"
            self._tell(Step("", "TCP", "unread", summary=told, connection=self._number))
            self._conversation = None


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a stream, be it lost or not."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_WRITE):
            await writer.wait_closed()
