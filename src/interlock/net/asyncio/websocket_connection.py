"""What an application has of a WebSocket on asyncio, by the names that users of the websockets library know."""

import asyncio
import uuid
from codecs import getincrementaldecoder
from collections.abc import AsyncIterable, Iterable
from enum import IntEnum
from types import TracebackType
from typing import Any, Final, Self

from interlock.net.asyncio.websocket import Data, WebSocketSession
from interlock.net.asyncio.websocket_errors import ConcurrencyError, ConnectionClosed, ConnectionClosedOK
from interlock.net.asyncio.websocket_messages import Request, Response
from interlock.ws.output import Closing

__all__ = ["ClientConnection", "Connection", "State"]


class State(IntEnum):
    """Where a connection is, as far as messages can be sent or received."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Connection:
    """A WebSocket.  Iterating gives its messages, until it has been closed as it should.

    Every method that waits can be cancelled, and then it has done nothing, with one exception: a message in fragments
    that is broken off closes the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport: Final = transport
        #: The messages of the opening handshake, as far as it has come.
        self.request: Request | None = None
        self.response: Response | None = None
        self._session: WebSocketSession | None = None
        self._id: uuid.UUID | None = None
        self._receiving = False

    def open(self, session: WebSocketSession) -> None:
        """The opening handshake is done; ``session`` drives the connection from now on."""
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state.name} {self.remote_address}>"

    # -- what is known

    @property
    def session(self) -> WebSocketSession:
        """What drives it.  Raises :class:`RuntimeError` as long as the opening handshake is not done."""
        if self._session is None:
            raise RuntimeError("the opening handshake is not done")
        return self._session

    @property
    def id(self) -> uuid.UUID:
        """A name for this connection, for logs."""
        if self._id is None:
            self._id = uuid.uuid4()
        return self._id

    @property
    def local_address(self) -> Any:
        """Our address, in the form that its family has."""
        return self.transport.get_extra_info("sockname")

    @property
    def remote_address(self) -> Any:
        """The other end's address, in the form that its family has."""
        return self.transport.get_extra_info("peername")

    @property
    def state(self) -> State:
        """CLOSING: one end has sent its Close, or has failed the connection; CLOSED: nothing can come any more."""
        session = self._session
        if session is None:
            return State.CLOSED if self.transport.is_closing() else State.CONNECTING
        return State.OPEN if session.open else State.CLOSED if session.closed else State.CLOSING

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that both ends have agreed on, if any."""
        return None if self._session is None else self._session.subprotocol

    @property
    def latency(self) -> float:
        """Seconds that the latest answered ping took; 0.0 before there was one."""
        return 0.0 if self._session is None else self._session.latency

    @property
    def close_code(self) -> int | None:
        """The code of the other end's Close, 1005 without one, 1006 without a Close; None as long as that is open."""
        return None if self._session is None else self._session.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason in the other end's Close; None as long as :attr:`close_code` is."""
        return None if self._session is None else self._session.close_reason

    @property
    def local_close(self) -> Closing | None:
        """Our Close, once it is sent: code, reason, and when."""
        return None if self._session is None else self._session.local_close

    @property
    def remote_close(self) -> Closing | None:
        """The other end's Close, once it has come: code, reason, and when."""
        return None if self._session is None else self._session.remote_close

    # -- receiving

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """The next message: a string for text, otherwise bytes.

        ``decode``: True: always a string; False: always bytes.  Raises :class:`ConnectionClosed` after the last message,
        and :class:`ConcurrencyError` while another task receives.
        """
        self._begin_receiving()
        try:
            message = await self.session.receive()
        finally:
            self._receiving = False
        return message if decode is None else _as(message, decode)

    def recv_streaming(self, decode: bool | None = None) -> "Fragments":
        """The next message in pieces, as they come: an asynchronous iterator.  What is not taken of it is dropped."""
        return Fragments(self, decode)

    def __aiter__(self) -> "Connection":
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    def _begin_receiving(self) -> None:
        if self._receiving:
            raise ConcurrencyError("another task is receiving from this connection")
        self._receiving = True

    # -- sending

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data], text: bool | None = None) -> None:
        """Send a message: text if it is a string, otherwise binary; fragments of one if it is an iterable of such.

        ``text``: True: bytes, which have to be UTF-8, are sent as text; False: a string is sent as binary.  Waits while
        the other end takes too little.  Raises :class:`ConnectionClosed` where the connection has ended.
        """
        if text is not None:
            message = _given_as(message, text)
        await self.session.send(message)

    async def ping(self, data: str | bytes | None = None) -> "asyncio.Future[float]":
        """Send a ping.  Returns what can be waited for: it gives the seconds until the pong.

        ``data``: at most 125 octets that no ping has which waits for its pong; None: such are chosen.
        """
        session = self.session
        try:
            return await session.ping(data.encode() if isinstance(data, str) else data)
        except ValueError as error:
            raise ConcurrencyError(str(error)) from None

    async def pong(self, data: str | bytes = b"") -> None:
        """Send a pong that nobody asked for; ``data``: at most 125 octets."""
        await self.session.pong(data.encode() if isinstance(data, str) else data)

    # -- ends

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, if it is not closed, and wait until it is gone, for ``close_timeout`` at most."""
        await self.session.close(code, reason)

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        await self.session.wait_closed()


class ClientConnection(Connection):
    """A client's end of a WebSocket, as :func:`~interlock.net.asyncio.websocket_client.connect` makes it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection; with 1011 where that is because of an error."""
        await self.close(1000 if exc_type is None else 1011)


class Fragments:
    """The pieces of one message."""

    def __init__(self, connection: Connection, decode: bool | None) -> None:
        self._connection: Final = connection
        self._decode: Final = decode
        self._decoder: Final = getincrementaldecoder("utf-8")()
        self._begun = False
        self._ended = False

    def __aiter__(self) -> "Fragments":
        return self

    async def __anext__(self) -> str | bytes:
        if self._ended:
            raise StopAsyncIteration
        connection = self._connection
        connection._begin_receiving()
        try:
            if not self._begun:
                await connection.session.skip_message()
            message = await connection.session.receive_fragment()
        except ConnectionClosed:
            self._ended = True
            raise
        finally:
            connection._receiving = False
        self._begun = True
        self._ended = message.final
        data: str | bytes = message.data
        if self._decode is None:
            return data
        if isinstance(data, bytes) and self._decode:
            return self._decoder.decode(data, message.final)  # a character may be in two pieces
        return _as(data, self._decode)


def _as(message: Any, decode: bool) -> str | bytes:
    if decode:
        return message if isinstance(message, str) else message.decode()
    return message.encode() if isinstance(message, str) else message


def _given_as(message: Any, text: bool) -> Any:
    if isinstance(message, str):
        return message if text else message.encode()
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message).decode() if text else message
    if isinstance(message, AsyncIterable):
        return _Converted(message, text)
    if isinstance(message, Iterable) and not isinstance(message, dict):
        return (_given_as(fragment, text) for fragment in message)
    return message


class _Converted:
    """What an asynchronous iterable gives, all as text or all as binary."""

    def __init__(self, fragments: AsyncIterable[Any], text: bool) -> None:
        self._fragments: Final = aiter(fragments)
        self._text: Final = text

    def __aiter__(self) -> "_Converted":
        return self

    async def __anext__(self) -> Any:
        return _given_as(await anext(self._fragments), self._text)
