"""One WebSocket connection on trio: the engine and the stream below it, and the waits in between.

It decides nothing about the protocol: what may be sent and when the connection is to end is the engine's to say, and it
obeys.  One task reads the stream and one writes it, both in the nursery that the connection was given; with pings that
keep it alive there is a third.  So no call of the application ever holds a half-sent frame or a half-taken message: it
may be cancelled wherever it waits, and what it has begun to send goes out whole all the same.
"""

import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, Final

import trio

from interlock.http.errors import RemoteProtocolError
from interlock.http.events import Event
from interlock.http.limits import Timeouts
from interlock.http.sentinels import CLIENT, NEED_DATA
from interlock.net.trio.endpoint import Endpoint, endpoint_of_stream
from interlock.net.trio.websocket_errors import CloseReason, ConnectionClosed
from interlock.net.trio.websocket_options import Settings
from interlock.net.websocket import Pings
from interlock.ws.actions import Action
from interlock.ws.connection import Connection
from interlock.ws.events import ABNORMAL, Close, CloseReceived, Message, Ping, Pong
from interlock.ws.output import Closing

__all__ = ["WebSocketConnection"]

#: Octets that are given to the stream at once: each that the peer has taken is a sign of life.
_SLICE: Final = 65536
#: The code of our Close when the peer answers no ping (IANA).
_INTERNAL_ERROR: Final = 1011
#: The codes of a Close that says that all is well; 1005 is a Close without a code.
_OK: Final = (1000, 1001, 1005)

#: Turns until who was woken has had its own, and the writer its own after that; the order within one is anybody's.
_TURNS: Final = 4

_TIMEOUTS: Final = Timeouts()


class _Answer:
    """What somebody waits for who has sent a ping."""

    __slots__ = ("come", "event")

    def __init__(self) -> None:
        self.event: Final = trio.Event()
        self.come = False


class WebSocketConnection(trio.abc.AsyncResource):
    """A WebSocket connection.

    It is made by the functions and the server of this package.  All methods may be cancelled wherever they wait: a
    message that was not given to the caller stays there for the next call, and what has begun to be sent goes out whole.
    """

    CONNECTION_ID: ClassVar = itertools.count()

    def __init__(
        self,
        stream: trio.abc.Stream,
        engine: Connection,
        settings: Settings,
        *,
        owned: bool,
        path: str,
        handshake_headers: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        self._id: Final = next(self.CONNECTION_ID)
        self._stream: Final = stream
        self._engine: Final = engine
        self._settings: Final = settings
        #: Whether the stream is ours to end and to close.
        self._owned: Final = owned
        self._local: Final = endpoint_of_stream(stream, local=True)
        self._remote: Final = endpoint_of_stream(stream, local=False)
        self._path: Final = path
        self._handshake_headers: Final = handshake_headers
        # -- what was received
        self._messages: Final[deque[str | bytes]] = deque()
        self._arrived: Final = trio.lowlevel.ParkingLot()
        self._taken: Final = trio.lowlevel.ParkingLot()
        #: Whether what comes is dropped, since we are closing and nobody takes it.
        self._dropping = False
        #: Whether the other end's Close came before ours.
        self._theirs_first = False
        self._handlers: Final[dict[type[Event], Callable[[Any], Awaitable[None]]]] = {
            Message: self._handle_message_event,
            Ping: self._handle_ping_event,
            Pong: self._handle_pong_event,
            CloseReceived: self._handle_close_event,
        }
        # -- what is to be sent: who may, how many events were given to the writer, how many it has written
        self._turn: Final = trio.StrictFIFOLock()
        self._outgoing: list[bytes] = []
        self._given = 0
        self._written = 0
        self._progress: Final = trio.lowlevel.ParkingLot()
        self._work = trio.Event()
        #: Whether our side of the stream is to be ended, behind what is to be written.
        self._end_due = False
        #: Whether the stream takes nothing more.
        self._broken = False
        # -- ends
        self._started = False
        self._reader: trio.lowlevel.Task | None = None
        self._reading: Final = trio.CancelScope()
        self._writing: Final = trio.CancelScope()
        self._living: Final = trio.CancelScope()
        #: Around all that the connection does; its deadline is that of the closing handshake.
        self._scope: Final = trio.CancelScope()
        self._writer_done: Final = trio.Event()
        self._finished: Final = trio.Event()
        #: Whether the other end has not answered our Close in time.
        self.timed_out = False
        # -- pings: all that wait for their pongs, and the payloads of those whose callers wait
        self._pings: Final[Pings[_Answer]] = Pings(settings.timeouts())
        self._pinging: Final[set[bytes]] = set()

    def __str__(self) -> str:
        return f"{'client' if self.is_client else 'server'}-{self._id}"

    # -- what is known

    @property
    def is_client(self) -> bool:
        """Whether this end is the client."""
        return self._engine.our_role is CLIENT

    @property
    def is_server(self) -> bool:
        """Whether this end is the server."""
        return not self.is_client

    @property
    def local(self) -> Endpoint | str:
        """Our end of the stream; what ``repr`` says of the stream where it has no address."""
        return self._local

    @property
    def remote(self) -> Endpoint | str:
        """The other end of the stream, likewise."""
        return self._remote

    @property
    def path(self) -> str:
        """Path and query that the client has asked for."""
        return self._path

    @property
    def subprotocol(self) -> str | None:
        """What both ends have agreed on, if anything."""
        return self._engine.subprotocol

    @property
    def handshake_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields of the other end's part in the opening handshake, without those that the handshake itself needs.

        Names are in lower case.
        """
        return self._handshake_headers

    @property
    def latency(self) -> float:
        """Seconds that the latest answered ping took; 0.0 before there was one."""
        return self._pings.latency

    @property
    def closed(self) -> CloseReason | None:
        """Why the connection is closed or being closed: what the Close says that came first; None while it is open.

        Without any Close the code is 1006.  It is there as soon as anything raises :class:`ConnectionClosed`.
        """
        theirs = self.remote_close
        if theirs is not None and self._theirs_first:
            return theirs
        if self._engine.local_close is not None:
            return self.local_close
        if self._engine.over:
            return CloseReason(ABNORMAL, None)
        if not self._engine.accepted and not self._engine.connecting:
            return CloseReason(ABNORMAL, "the opening handshake did not succeed")
        return None

    @property
    def local_close(self) -> CloseReason | None:
        """Our Close, once it is sent."""
        return _reason(self._engine.local_close)

    @property
    def remote_close(self) -> CloseReason | None:
        """The other end's Close, once it has come."""
        return _reason(self._engine.remote_close)

    @property
    def trailing_data(self) -> bytes:
        """What was received behind the other end's Close: it belongs to the stream's next user."""
        return self._engine.trailing_data[0]

    # -- receiving

    async def get_message(self) -> str | bytes:
        """The next message, ``str`` for text and ``bytes`` for binary.

        What the other end sent before its Close can still be received after it; what waits when we close, or comes
        then, is dropped.  Raises :class:`ConnectionClosed` after the last.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while not self._messages:
            if self._dropping or not self._engine.readable:
                raise ConnectionClosed(self.closed)
            await self._arrived.park()
            waited = True
        message = self._messages.popleft()
        self._taken.unpark_all()
        if not waited:  # others have had no turn
            await trio.lowlevel.cancel_shielded_checkpoint()
        return message

    def __aiter__(self) -> "WebSocketConnection":
        return self

    async def __anext__(self) -> str | bytes:
        """The next message, until the connection has closed; where it ends otherwise than well, that is raised."""
        try:
            return await self.get_message()
        except ConnectionClosed as error:
            if error.reason is not None and error.reason.code in _OK:
                raise StopAsyncIteration from None
            raise

    # -- sending

    async def send_message(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a message: text for ``str``, else binary.  Returns when the stream has taken it.

        Raises :class:`ConnectionClosed` where it cannot be sent, and :class:`ValueError` for another type.  Cancelled
        before it is its turn, nothing of it is sent, and afterwards all of it.
        """
        if not isinstance(message, (str, bytes, bytearray, memoryview)):
            raise ValueError(f"a message is a string or bytes, not {type(message).__name__}")  # noqa: TRY004 - as known
        await self._send(Message(message))

    async def ping(self, payload: bytes | None = None) -> None:
        """Send a ping, and wait for the pong that answers it or a later one.  ``payload``: at most 125 octets.

        Raises :class:`ConnectionClosed` where no answer can come, and :class:`ValueError` for the payload of a ping that
        waits for its pong.
        """
        if payload is None:
            payload = self._pings.payload()
        elif payload in self._pinging:
            raise ValueError(f"a ping with the payload {payload!r} waits for its pong already")
        event = Ping(payload)
        answer = _Answer()
        self._pinging.add(payload)
        try:
            await self._take_turn()
            try:
                self._pings.sent(payload, trio.current_time(), answer)
                await self._write(event)
            finally:
                self._turn.release()
            await answer.event.wait()
        finally:
            self._pinging.discard(payload)
        if not answer.come:
            raise ConnectionClosed(self.closed)

    async def pong(self, payload: bytes | None = None) -> None:
        """Send a pong that nobody asked for, of at most 125 octets (RFC 6455 §5.5.3)."""
        await self._send(Pong(payload or b""))

    async def _send(self, event: Message | Ping | Pong | Close) -> None:
        await self._take_turn()
        try:
            await self._write(event)
        finally:
            self._turn.release()

    async def _take_turn(self) -> None:
        """Wait until all is written that was given to the writer: so no more than one message ever waits there."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()
        try:
            while self._written < self._given and not self._writer_done.is_set():
                await self._progress.park()
            if not self._engine.writable or self.closed is not None:
                raise ConnectionClosed(self.closed)
        except BaseException:
            self._turn.release()
            raise

    async def _write(self, event: Message | Ping | Pong | Close) -> None:
        """Give ``event`` to the writer, whatever happens then, and wait until it is written."""
        mine = self._give(event)
        while self._written < mine and not self._writer_done.is_set():
            await self._progress.park()
        if self._written < mine:
            await self._finished.wait()  # which is in progress: then it is known how the other end has closed
            raise ConnectionClosed(self.closed)

    def _give(self, event: Message | Ping | Pong | Close) -> int:
        self._engine.now = trio.current_time()
        self._outgoing.append(self._engine.send(event))
        self._given += 1
        self._settle()
        return self._given

    # -- ends

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection, if that has not begun, and wait until all is done.

        Raises :class:`~interlock.http.errors.LocalProtocolError` for a code or reason that may not be sent.  Where it is
        cancelled, or the other end does not answer in time, the connection ends without the closing handshake.

        A stream that was opened for this connection is closed; one that somebody has wrapped stays open, and may be
        used for something else (:attr:`trailing_data` was received of it), if both ends have sent their Close.
        """
        engine = self._engine
        engine.now = trio.current_time()
        first = self.closed is None
        engine.close(code, reason or "")
        if first:
            self._dropping = True
            self._messages.clear()
            self._arrived.unpark_all()
            self._taken.unpark_all()
        self._settle()
        if not self._started:
            await self._leave(forcefully=False)
            await trio.lowlevel.checkpoint()
        elif trio.lowlevel.current_task() is not self._reader:  # who runs in the reader cannot wait for its end
            try:
                await self._finished.wait()
            except BaseException:
                self._abort()
                with trio.CancelScope(shield=True):
                    await self._finished.wait()
                raise

    def _abort(self) -> None:
        """Let go of the stream at once."""
        self._engine.connection_lost()
        self._scope.cancel()

    def _stop(self) -> None:
        """Nothing more is read; what is to be written goes out, and then all is done."""
        self._reading.cancel()
        self._living.cancel()
        self._work.set()

    async def _leave(self, *, forcefully: bool) -> None:
        """Close the stream, if it is ours, and tell those who wait that all is done."""
        try:
            if self._owned:
                if forcefully:
                    await trio.aclose_forcefully(self._stream)
                else:
                    await self._close_stream()
        finally:
            self._finished.set()

    async def _close_stream(self) -> None:
        with suppress(trio.BrokenResourceError), trio.move_on_after(_TIMEOUTS.linger):
            await self._stream.aclose()

    def _settle(self) -> None:
        """Do what the engine wants done beside writing, have the rest written, and tell those who wait."""
        engine = self._engine
        for action in engine.next_actions():
            if action is Action.START_CLOSING_TIMER:
                self._end_by(self._settings.disconnect_timeout)
            elif action is Action.STOP_CLOSING_TIMER:
                self._scope.deadline = math.inf
            elif action is Action.END_STREAM:
                self._end_due = self._owned
            elif action is Action.TEAR_DOWN:
                self._end_due = False
                self._end_by(_TIMEOUTS.closing)
                self._stop()
        if not engine.writable:
            self._living.cancel()
        if not engine.readable:
            self._arrived.unpark_all()
            for answer in self._pings.end():
                answer.event.set()
            if engine.over:
                self._end_by(_TIMEOUTS.closing)
            if not self._owned and not engine.connecting:
                self._stop()  # what comes now is for the stream's next user
        self._work.set()

    def _end_by(self, seconds: float) -> None:
        """All is to be done in this time."""
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)

    # -- the tasks

    def _start(self, nursery: trio.Nursery) -> None:
        """The opening handshake has succeeded."""
        self._started = True
        self._settle()
        nursery.start_soon(self._reader_task)
        nursery.start_soon(self._writer_task)
        if self._settings.ping_interval:
            nursery.start_soon(self._keep_alive_task)

    async def _reader_task(self) -> None:
        """Read until nothing more is to come, and see to the end of all."""
        self._reader = trio.lowlevel.current_task()
        engine = self._engine
        try:
            with self._scope:
                with self._reading:
                    await self._receive()
                self._stop()
                await self._writer_done.wait()
        finally:
            late = self._scope.cancelled_caught and not self._broken
            self.timed_out = late and engine.local_close is not None and not engine.over
            clean = engine.over and not self._scope.cancelled_caught and not self._broken
            if not clean:
                engine.connection_lost()
            self._stop()
            self._settle()
            self._writing.cancel()
            try:
                with trio.CancelScope(shield=True):
                    await self._writer_done.wait()
            finally:
                await self._leave(forcefully=not clean)

    async def _receive(self) -> None:
        """Take events from the engine, and octets from the stream where it wants more."""
        engine = self._engine
        while True:
            engine.now = trio.current_time()
            ours_first = engine.local_close is not None
            try:
                event = engine.next_event()
            except RemoteProtocolError:  # the engine has its answer ready
                continue
            if type(event) is CloseReceived:
                self._theirs_first = not ours_first
            self._settle()
            handler = self._handlers.get(type(event))
            if handler is not None:
                await handler(event)
            elif engine.holding:  # who has waited for a message can answer it before its connection ends
                await self._let_others_go_on()
                engine.patient = False
            elif event is NEED_DATA:
                if self._reading.cancel_called:
                    return
                if self._broken and len(self._messages) > self._settings.message_queue_size:
                    return
                try:
                    data = await self._stream.receive_some(self._settings.receive_buffer_size)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    engine.connection_lost()
                    return
                engine.receive_data(bytes(data))
                if engine.in_frame:
                    self._pings.progress(trio.current_time())

    async def _handle_message_event(self, event: Message) -> None:
        if self._dropping:
            return
        self._messages.append(event.data)
        if self._arrived.unpark():
            self._engine.patient = True
        if len(self._messages) > self._settings.message_queue_size:
            self._pings.hold(True, trio.current_time())
            while len(self._messages) > self._settings.message_queue_size and not self._broken:
                await self._taken.park()
            self._pings.hold(False, trio.current_time())

    async def _handle_ping_event(self, event: Ping) -> None:
        """The engine has answered it, and the writer was told: each is answered, as long as that can write."""
        await self._let_others_go_on()

    async def _let_others_go_on(self) -> None:
        """Give who was woken a turn to say something, and the writer one to take it."""
        for _ in range(_TURNS):
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def _handle_pong_event(self, event: Pong) -> None:
        for answer, _ in self._pings.answered(event.payload, trio.current_time()):
            answer.come = True
            answer.event.set()

    async def _handle_close_event(self, event: CloseReceived) -> None:
        """The engine has answered it, and the writer was told."""

    async def _writer_task(self) -> None:
        """Write what is to be written, and end our side of the stream behind it."""
        try:
            with self._writing:
                while True:
                    self._work = trio.Event()
                    given = self._given
                    octets = self._next_octets()
                    if octets:
                        await self._send_all(octets)
                    self._written = given
                    self._progress.unpark_all()
                    if octets:
                        continue
                    if self._end_due:
                        self._end_due = False
                        await self._end_stream()
                    elif self._reading.cancel_called:
                        break
                    else:
                        await self._work.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._cannot_write()
        finally:
            self._writer_done.set()
            self._progress.unpark_all()

    def _next_octets(self) -> bytes:
        outgoing = self._outgoing
        octets = self._engine.data_to_send()
        if octets:
            outgoing.append(octets)
        self._outgoing = []
        return outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)

    async def _send_all(self, octets: bytes) -> None:
        if len(octets) <= _SLICE:
            await self._send_piece(octets)
            return
        with memoryview(octets) as whole:
            for begin in range(0, len(octets), _SLICE):
                with whole[begin : begin + _SLICE] as piece:
                    await self._send_piece(piece)
                self._pings.progress(trio.current_time())

    async def _send_piece(self, piece: bytes | memoryview) -> None:
        timeout = self._settings.write_timeout
        if timeout is None:
            await self._stream.send_all(piece)
            return
        with trio.move_on_after(timeout) as scope:
            await self._stream.send_all(piece)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("the other end takes too little of what is sent")

    async def _end_stream(self) -> None:
        """End our side of the stream.  A stream that knows no half is closed, once theirs has nothing more to say."""
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()
        elif self._engine.over:
            self._stop()
        else:  # we have failed the connection: what is under way is read, lest it costs them our Close
            self._end_by(_TIMEOUTS.linger)

    def _cannot_write(self) -> None:
        """The stream takes nothing more: what has come before that, perhaps their Close, is still read."""
        self._broken = True
        self._taken.unpark_all()
        self._end_by(_TIMEOUTS.linger)

    async def _keep_alive_task(self) -> None:
        """Send pings, and fail the connection when one is not answered in time."""
        pings = self._pings
        engine = self._engine
        interval = self._settings.ping_interval or math.inf
        pings.begin(trio.current_time())
        with self._living:
            while True:
                await trio.sleep_until(min(pings.deadline(), trio.current_time() + interval))
                now = trio.current_time()
                if pings.overdue(now):
                    engine.now = now
                    engine.fail(_INTERNAL_ERROR, "no answer to a ping")
                    self._settle()
                elif pings.due(now):
                    self._give(Ping(pings.probe(now)))


def _reason(closing: Closing | None) -> CloseReason | None:
    return None if closing is None else CloseReason(closing.code, closing.reason or None)
