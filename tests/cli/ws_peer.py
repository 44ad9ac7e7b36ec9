"""A server of WebSocket in a thread, for a client that is a command.  What a connection is to do is chosen by its path."""

import asyncio
import contextlib
import queue
import threading
from typing import Any, Self

from interlock.net.asyncio import ConnectionClosed, Request, Response, Server, ServerConnection, serve

#: How long anything may take, in seconds, before a test fails.
PATIENCE = 30


class Peer:
    """``requests`` and ``said``: what each connection asked for, and its messages and its end, in order."""

    def __init__(self, ssl: Any = None) -> None:
        self.requests: queue.SimpleQueue[Request]
        self.said: queue.SimpleQueue[Any]
        self.begin()
        self._scheme = "ws" if ssl is None else "wss"
        self._ssl = ssl
        #: Where each connection tells: what is still under way when a test ends is not the next one's.
        self._books: dict[ServerConnection, queue.SimpleQueue[Any]] = {}
        self._started: queue.SimpleQueue[Server] = queue.SimpleQueue()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        server = self._started.get(timeout=PATIENCE)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE)

    def begin(self) -> None:
        """Forget what was asked for and said before."""
        self.requests = queue.SimpleQueue()
        self.said = queue.SimpleQueue()

    def url(self, path: str = "/echo", host: str = "localhost") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def heard(self) -> Any:
        """The next message, or the end, as (code, reason)."""
        return self.said.get(timeout=PATIENCE)

    def asked(self) -> Request:
        return self.requests.get(timeout=PATIENCE)

    def push(self, message: str) -> None:
        """Send a message on the latest connection."""
        asyncio.run_coroutine_threadsafe(list(self._books)[-1].send(message), self._loop).result(PATIENCE)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        async with serve(
            self._handle,
            "localhost",
            0,
            ssl=self._ssl,
            process_request=self._choose,
            subprotocols=["chat", "talk"],
            select_subprotocol=lambda connection, offered: next(iter(offered), None),
            close_timeout=0.1,
        ) as server:
            self._started.put(server)
            await self._ended.wait()
            for connection in self._books:
                connection.transport.abort()

    def _choose(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.put(request)
        if request.path == "/refuse":
            return connection.respond(403, "not you\r\n\x1b[2Jnor \x9bnobody\n" + "x" * 2000)
        if request.path == "/moved":
            response = connection.respond(301, "")
            response.headers["Location"] = "/there"
            return response
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        self._books[connection] = self.said
        assert connection.request is not None
        with contextlib.suppress(ConnectionClosed):
            await getattr(self, connection.request.path[1:])(connection)
        await connection.wait_closed()
        self._hear(connection, (connection.close_code, connection.close_reason))

    def _hear(self, connection: ServerConnection, what: Any) -> None:
        self._books[connection].put(what)

    async def echo(self, connection: ServerConnection) -> None:
        """Answer each message with itself, and close when told."""
        async for message in connection:
            if message in {"bye", b"bye"}:
                await connection.close()
            else:
                self._hear(connection, message)
                await connection.send(message)

    async def mute(self, connection: ServerConnection) -> None:
        async for message in connection:
            self._hear(connection, message)

    async def bye(self, connection: ServerConnection) -> None:
        """Close, without waiting for anything."""
        await connection.close(1001, "so \x1b]0;long")

    async def fail(self, connection: ServerConnection) -> None:
        await connection.close(1011)

    async def ticks(self, connection: ServerConnection) -> None:
        """Answer when it is known that the client has nothing else to do, and close."""
        await connection.recv()
        await connection.send("one")
        await (await connection.ping())
        await connection.send("two")
        await connection.close()

    async def attack(self, connection: ServerConnection) -> None:
        await connection.send("a\x1b[2J\tb\r\n\u202ec\x07\x9b1m é")
        await connection.send(bytes(range(40)))
        await connection.send(b"")
        await connection.ping(b"\x1b[2J")
        await (await connection.ping(b"\xff\x00"))
        await connection.close()

    async def nonsense(self, connection: ServerConnection) -> None:
        """Break the protocol."""
        connection.transport.write(b"\xf1\x00")

    async def drop(self, connection: ServerConnection) -> None:
        """End without a Close."""
        connection.transport.close()

    async def deaf(self, connection: ServerConnection) -> None:
        """Take nothing any more."""
        connection.transport.pause_reading()
