"""One WebSocket between the lines that are typed and the messages that come, from its opening to how it has ended."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

from interlock.cli.ws_closing import MACHINES, explained, table
from interlock.cli.ws_commands import COMMANDS, Said, read
from interlock.cli.ws_console import Console
from interlock.cli.ws_text import escaped, lines_of, preview, quoted
from interlock.http.errors import LocalProtocolError
from interlock.net.asyncio import ClientConnection, ConcurrencyError, ConnectionClosed, ConnectionClosedOK, connect
from interlock.ws import Close, Message, Ping, Pong, Step

__all__ = ["Conversation"]

_PINGS: Final = {
    "client.Ping": "ping sent",
    "client.Pong": "pong sent",
    "server.Ping": "ping received",
    "server.Pong": "pong received",
}


class Conversation:
    """What is said and heard.  ``wait``: seconds in which answers are awaited after the end of an input that is piped.

    ``binary``: whether lines are sent as binary messages.  ``verbose``: whether pings and pongs are shown.
    """

    def __init__(self, console: Console, *, wait: float, binary: bool, verbose: bool) -> None:
        self._console: Final = console
        self._wait: Final = wait
        self._binary: Final = binary
        self._verbose: Final = verbose
        self._connection: ClientConnection | None = None
        #: What the machines went through.
        self.steps: Final[list[Step]] = []
        #: Whether a line was no message and no command.
        self.wrong = False
        #: The signal that has asked for the end; 0 for none.
        self.signal = 0

    def trace(self, step: Step) -> None:
        """Keep what the machines go through, and show pings and pongs."""
        if step.event in _PINGS:
            if self._verbose:
                payload = f": {quoted(step.payload)}" if step.payload else ""
                self._console.note(f"{_PINGS[step.event]}{payload}")
        elif any(step.before[name] != step.after[name] for name in MACHINES):
            self.steps.append(step)

    async def run(self, opener: connect, name: str) -> bool:
        """Open the connection, talk until it has ended, and tell how.  Returns whether it was closed as it should be.

        Raises what ``opener`` raises, and :class:`asyncio.CancelledError` where a signal has ended that.
        """
        with self._interruptible():
            connection = self._connection = await opener
            self._tell_of_opening(connection, name)
            try:
                await self._talk()
            except BrokenPipeError:  # who reads has seen enough
                await connection.close(1001)
                raise
            finally:
                connection.session.abort()  # which has no effect where it has ended
        closed = connection.session.closed_error()
        self._console.note(*explained(closed, self.steps), "", *table(self.steps))
        return isinstance(closed, ConnectionClosedOK)

    def _tell_of_opening(self, connection: ClientConnection, name: str) -> None:
        extensions = connection.response.headers.get_all("Sec-WebSocket-Extensions") if connection.response else []
        subprotocol = [] if connection.subprotocol is None else [f"subprotocol {connection.subprotocol}"]
        hint = "; /help lists commands, Ctrl-D closes" if self._console.interactive else ""
        self._console.note(escaped(", ".join((f"open: {name}", *subprotocol, *extensions)) + hint))

    async def _talk(self) -> None:
        assert self._connection is not None
        receiving = asyncio.create_task(self._receive(self._connection))
        sending = asyncio.create_task(self._send(self._connection))
        try:
            await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            await receiving
            await self._connection.wait_closed()
        finally:
            sending.cancel()
            receiving.cancel()

    # -- what comes

    async def _receive(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await connection.recv()
                shown = lines_of(message) if isinstance(message, str) else f"binary, {preview(message)}"
                self._console.show(shown)

    # -- what is typed

    async def _send(self, connection: ClientConnection) -> None:
        async for line in self._console.lines():
            try:
                said = read(line, binary=self._binary)
                await self._say(connection, said)
                if isinstance(said, Close):
                    return
            except ConnectionClosed:
                self._console.note("not sent: the connection has been closed")
                return
            except (LocalProtocolError, ConcurrencyError, ValueError) as error:
                self.wrong = True
                self._console.note(f"not sent: {escaped(str(error))}")
        if not self._console.interactive and self._wait:
            await asyncio.sleep(self._wait)
        connection.session.start_closing()

    async def _say(self, connection: ClientConnection, said: Said) -> None:
        if isinstance(said, Message):
            await connection.send(said.data)
        elif isinstance(said, Ping):
            answer = await connection.ping(said.payload or None)
            answer.add_done_callback(self._answered)
        elif isinstance(said, Pong):
            await connection.pong(said.payload)
        elif isinstance(said, Close):
            assert said.code is not None
            connection.session.start_closing(said.code, said.reason)
        else:
            width = max(map(len, COMMANDS))
            self._console.note(*(f"{command.ljust(width)}  {what}" for command, what in COMMANDS.items()))

    def _answered(self, answer: "asyncio.Future[float]") -> None:
        if not answer.cancelled() and answer.exception() is None:
            self._console.note(f"the pong took {answer.result() * 1000:.1f} ms")

    # -- signals

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """SIGINT and SIGTERM close the connection, and end at once when they come again."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            if self._connection is None:
                task.cancel()
            else:
                self._console.note("closing; interrupt again to end at once")
                self._connection.session.start_closing()

        def interrupted(number: int, _: FrameType | None) -> None:
            if self.signal:
                raise KeyboardInterrupt
            self.signal = number
            loop.call_soon_threadsafe(interrupt)

        handlers = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
