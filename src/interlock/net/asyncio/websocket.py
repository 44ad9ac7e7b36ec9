"""One WebSocket connection on asyncio: the engine and the link below it, and the waits in between.

It decides nothing about the protocol: what may be sent and when the connection is to end is the engine's to say, and it
obeys.  Nor does it know what the link is: a transport of its own, or one stream of HTTP/2.  It has no task; all happens
in calls of the link, of the application, and of one timer.
"""

import asyncio
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Final, final

from interlock.http.errors import RemoteProtocolError
from interlock.http.limits import Limits, Timeouts
from interlock.http.sentinels import NEED_DATA
from interlock.net import deadlines
from interlock.net.asyncio.waiters import wake, woken
from interlock.net.asyncio.websocket_errors import ConnectionClosed, closed
from interlock.net.asyncio.websocket_link import Link
from interlock.net.deadlines import NEVER, Wait
from interlock.net.websocket import Pings
from interlock.net.websocket_inbox import Inbox
from interlock.ws.actions import Action
from interlock.ws.connection import Connection
from interlock.ws.events import CloseReceived, Message, Ping, Pong
from interlock.ws.output import Closing

__all__ = ["Data", "WebSocketSession"]

#: What can be sent as one message that is not in fragments.
Data = str | bytes | bytearray | memoryview

#: The codes of our Close when the peer answers no ping, and when a message cannot be completed (RFC 6455 §7.4.1; IANA).
_INTERNAL_ERROR: Final = 1011
#: Messages that are sent before the loop has a turn.  Where the transport takes all that it is given, or drops it since
#: the peer is gone, who sends without end would wait for nothing, and nobody would be told of anything.
_IN_ONE_TURN: Final = 64


@final
class WebSocketSession:
    """One WebSocket connection whose opening handshake is done.

    ``engine``: which has accepted, or was accepted.  ``max_queue``: messages (or fragments of them, if the engine gives
    those) that wait for the application before reading pauses, as it does for ``limits.read_buffer`` octets of them.

    All methods may be cancelled wherever they wait: what was not received stays there for the next call, and what was to
    be sent is sent as a whole or not at all.
    """

    __slots__ = (
        "_blocked",
        "_closing_at",
        "_closing_unsent",
        "_enders",
        "_ending",
        "_engine",
        "_fragmenting",
        "_in_turn",
        "_inbox",
        "_link",
        "_loop",
        "_lost",
        "_pings",
        "_read_paused",
        "_receivers",
        "_senders",
        "_timeouts",
        "_timer",
        "_timer_at",
        "_whole",
        "_write_paused",
        "_write_size",
        "_write_wait",
        "error",
        "rcvd_then_sent",
    )

    def __init__(
        self,
        engine: Connection,
        link: Link,
        loop: asyncio.AbstractEventLoop,
        *,
        limits: Limits,
        timeouts: Timeouts,
        max_queue: int | None = 16,
    ) -> None:
        self._engine: Final = engine
        self._link: Final = link
        self._loop: Final = loop
        self._timeouts: Final = timeouts
        #: Why the connection ended other than by its closing handshake, if that is known.
        self.error: BaseException | None = None
        #: Whether the other end's Close came before ours; None unless there were both.
        self.rcvd_then_sent: bool | None = None
        # -- what was received
        self._inbox: Final = Inbox(limits, max_queue)
        #: How many wait for a whole message.
        self._whole = 0
        #: Whether the application has so much to take that the engine is not asked for more.
        self._blocked = False
        #: Whether the application is given time before the connection ends.
        self._ending = False
        self._read_paused = False
        # -- who waits: for something to receive, for a turn to send, for the end
        self._receivers: Final[list[asyncio.Future[None]]] = []
        self._senders: Final[list[asyncio.Future[None]]] = []
        self._enders: Final[list[asyncio.Future[None]]] = []
        self._write_paused = False
        #: Whether a message is being sent in fragments.
        self._fragmenting = False
        #: What was sent since the loop last had a turn, as far as that is known.
        self._in_turn = 0
        self._lost = False
        # -- deadlines
        self._pings: Final[Pings[asyncio.Future[float]]] = Pings(timeouts)
        self._write_wait: Final = Wait(timeouts)
        self._write_size = 0
        self._closing_at = NEVER
        self._closing_unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._pings.begin(loop.time())
        self._arm()

    # -- what is known

    @property
    def subprotocol(self) -> str | None:
        """What both ends have agreed on, if anything."""
        return self._engine.subprotocol

    @property
    def latency(self) -> float:
        """Seconds that the latest answered ping took; 0.0 before there was one."""
        return self._pings.latency

    @property
    def local_close(self) -> Closing | None:
        """Our Close, once it is sent."""
        return self._engine.local_close

    @property
    def remote_close(self) -> Closing | None:
        """The other end's Close, once it has come."""
        return self._engine.remote_close

    @property
    def close_code(self) -> int | None:
        """The code of the other end's Close, 1005 without one, 1006 without a Close; None as long as that is open."""
        code = self._engine.close_code
        return 1006 if code is None and not self._engine.readable else code

    @property
    def close_reason(self) -> str | None:
        """The reason in the other end's Close; None as long as :attr:`close_code` is."""
        return None if self.close_code is None else self._engine.close_reason

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return self._engine.writable

    @property
    def closed(self) -> bool:
        """Whether neither end will send anything more; the link may still be there."""
        return self._engine.over

    @property
    def lost(self) -> bool:
        """Whether the link is gone."""
        return self._lost

    def closed_error(self) -> ConnectionClosed:
        """The error that says how the connection has ended."""
        error = closed(self.remote_close, self.local_close, self.rcvd_then_sent)
        error.__cause__ = self.error
        return error

    # -- called by the owner of the link

    def data_received(self, data: bytes) -> None:
        """Octets from the peer."""
        engine = self._engine
        now = self._loop.time()
        engine.now = now
        self._in_turn = 0
        engine.receive_data(data)
        in_frame = engine.in_frame
        self._take_events()
        if in_frame or engine.in_frame:
            self._pings.progress(now)
        self._settle()

    def eof_received(self) -> None:
        """The peer has ended its side.  Ours ends when the engine says so: the link stays open until then."""
        if not self._lost:
            self._engine.now = self._loop.time()
            self._engine.receive_data(b"")
            self._take_events()
            self._settle()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The link is gone.  What was received before can still be taken; all who wait for anything else are told."""
        if self._lost:
            return
        self._lost = True
        engine = self._engine
        engine.now = self._loop.time()
        if self._blocked or engine.holding:
            self._blocked = engine.patient = False
            self._take_events()
        engine.connection_lost()
        engine.next_actions()
        if self.error is None:
            self.error = exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._pings.end():
            if not waiter.done():
                waiter.set_exception(self.closed_error())
                waiter.exception()  # it may be that nobody asks for it
        wake(self._receivers)
        wake(self._senders)
        wake(self._enders)

    def pause_writing(self) -> None:
        """More than the high-water mark waits to be sent."""
        self._write_paused = True
        if not self._lost:
            now = self._loop.time()
            self._write_size = self._link.unsent()
            self._write_wait.begin(deadlines.WRITE, now)
            self._pings.hold(True, now)
            self._arm()

    def resume_writing(self) -> None:
        """What waits to be sent has fallen below the low-water mark."""
        self._write_paused = False
        if not self._lost:
            if self._write_wait.what == deadlines.WRITE:
                self._write_wait.end()
            self._pings.hold(self._read_paused, self._loop.time())
            wake(self._senders)
            self._settle()
            self._arm()

    # -- receiving

    async def receive(self) -> str | bytes:
        """The next message, all of it.  Raises :class:`ConnectionClosed` after the last."""
        if self._inbox.within:
            await self.skip_message()
        while not self._inbox.complete:
            self._whole += 1
            try:
                await self._more()
            finally:
                self._whole -= 1
        message = self._inbox.take_message()
        self._unblock()
        return message

    async def receive_fragment(self) -> Message:
        """The next piece of a message, as the engine gives it; ``final`` says whether the message ends with it.

        A message of which not all was taken is skipped by :meth:`receive`.
        """
        while not self._inbox:
            await self._more()
        message = self._inbox.take()
        self._unblock()
        return message

    async def skip_message(self) -> None:
        """Wait for the end of a message that :meth:`receive_fragment` has given a part of, and drop the rest of it."""
        inbox = self._inbox
        inbox.skip()
        self._unblock()
        while inbox.within:
            await self._more()
            inbox.skip()
            self._unblock()

    async def _more(self) -> None:
        """Wait until more was received.  Raises :class:`ConnectionClosed` if nothing more can come."""
        if self._blocked and self._whole and not self._inbox.complete:
            self._go_on()  # the rest of a message that somebody waits for
            if self._inbox.complete:
                return
        if not self._engine.readable:
            raise self.closed_error()
        await woken(self._receivers)

    def _unblock(self) -> None:
        """Ask for more when there is little left to take."""
        if self._blocked and self._inbox.low:
            self._go_on()

    def _go_on(self) -> None:
        self._blocked = False
        self._engine.now = self._loop.time()
        self._take_events()
        self._settle()

    def _take_events(self) -> None:
        """Take events from the engine until it wants more octets, or the application has enough."""
        engine = self._engine
        while not self._blocked:
            ours_first = engine.local_close is not None
            try:
                event = engine.next_event()
            except RemoteProtocolError as error:
                self.error = error
                continue
            if event is NEED_DATA:
                break
            kind = type(event)
            if kind is Message:
                self._inbox.add(event, closing=not engine.writable)
                if engine.writable and not self._lost and (self._whole == 0 or self._inbox.complete):
                    self._blocked = self._inbox.full
                if self._receivers and not self._lost:
                    engine.patient = True
            elif kind is Ping:
                octets = b"" if self._write_paused or self._lost else engine.data_to_send()
                if octets:
                    self._link.write(octets)  # each of them is answered, as long as the peer takes the answers
            elif kind is Pong:
                for waiter, latency in self._pings.answered(event.payload, engine.now):
                    if not waiter.done():
                        waiter.set_result(latency)
                self._arm()
            elif kind is CloseReceived:
                self.rcvd_then_sent = not ours_first
        if engine.holding and not self._ending:  # who has waited for a message can answer it before its connection ends
            self._ending = True
            self._loop.call_soon(self._loop.call_soon, self._let_end)

    def _let_end(self) -> None:
        self._ending = self._engine.patient = False
        if not self._lost:
            self._take_events()
            self._settle()

    # -- sending

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data]) -> None:
        """Send a message: text if it is a string, otherwise binary; fragments of one, if it is an iterable of such.

        Waits while the link is above its high-water mark, and while another message is sent in fragments.  Raises
        :class:`ConnectionClosed` where the connection has ended.  If it is cancelled among fragments, the connection is
        closed with 1011, since the message can neither be completed nor taken back.
        """
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            if self._write_paused or self._fragmenting or self._in_turn >= _IN_ONE_TURN or not self._engine.writable:
                await self._turn(begins=True)
            self._write(Message(message))
        elif isinstance(message, AsyncIterable):
            await self._send_fragments(message)
        elif isinstance(message, Iterable) and not isinstance(message, dict):
            await self._send_fragments(_Each(iter(message)))
        else:
            raise TypeError(
                f"a message is a string, bytes, or an iterable of one of them, not {type(message).__name__}"
            )

    async def ping(self, payload: bytes | None = None) -> "asyncio.Future[float]":
        """Send a ping, of at most 125 octets.  Returns what is done with the latency in seconds when the pong comes.

        Raises :class:`ValueError` for the payload of a ping that waits for its pong.
        """
        await self._turn()
        if payload is None:
            payload = self._pings.payload()
        elif self._pings.is_waiting(payload):
            raise ValueError("a ping with this payload waits for its pong already")
        self._write(Ping(payload))
        waiter: asyncio.Future[float] = self._loop.create_future()
        self._pings.sent(payload, self._engine.now, waiter)
        return waiter

    async def pong(self, payload: bytes = b"") -> None:
        """Send a pong that nobody asked for, of at most 125 octets (RFC 6455 §5.5.3)."""
        await self._turn()
        self._write(Pong(payload))

    async def _turn(self, *, begins: bool = False) -> None:
        """Wait until there is room to send, and, for what ``begins`` a message, until no other is under way.

        Nothing is taken by having waited, so who is cancelled then leaves nothing behind.
        """
        engine = self._engine
        if self._in_turn >= _IN_ONE_TURN:
            self._in_turn = 0
            await asyncio.sleep(0)
        while engine.writable and (self._write_paused or (begins and self._fragmenting)):
            await woken(self._senders)
        while not engine.writable:
            if not engine.readable:
                raise self.closed_error()
            await woken(self._senders)  # which is in progress: then it is known how the other end has closed

    def _write(self, event: Message | Ping | Pong) -> None:
        self._in_turn += 1
        self._engine.now = self._loop.time()
        self._link.write(self._engine.send(event))

    async def _send_fragments(self, fragments: AsyncIterable[Data]) -> None:
        begun = False
        empty: Data = b""
        try:
            async for fragment in fragments:
                if not isinstance(fragment, (str, bytes, bytearray, memoryview)):
                    raise TypeError(f"a fragment is a string or bytes, not {type(fragment).__name__}")
                if not begun:
                    empty = "" if isinstance(fragment, str) else b""
                elif isinstance(fragment, str) != isinstance(empty, str):
                    raise TypeError("the fragments of a message are all strings, or all bytes")
                await self._turn(begins=not begun)
                self._write(Message(fragment, final=False))
                self._fragmenting = begun = True
            if begun:
                await self._turn()
                self._write(Message(empty))
        except BaseException:
            if begun:
                self.start_closing(_INTERNAL_ERROR, "a message could not be completed")
            raise
        finally:
            if begun:
                self._fragmenting = False
                wake(self._senders)

    # -- ends

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Close the connection, if that has not begun, and wait until the link is gone: ``timeouts.closing`` at most.

        What the other end sends until its Close can still be received.  Raises
        :class:`~interlock.http.errors.LocalProtocolError` for a code or reason that may not be sent.
        """
        self.start_closing(code, reason)
        await self.wait_closed()

    def start_closing(self, code: int | None = 1000, reason: str = "") -> None:
        """The same without waiting."""
        self._engine.now = self._loop.time()
        self._engine.close(code, reason)
        self._settle()

    def fail(self, code: int, reason: str = "") -> None:
        """Close because of something that the other end did; what it has sent and was not received is not read."""
        self._engine.now = self._loop.time()
        self._engine.fail(code, reason)
        self._settle()

    def abort(self, error: BaseException | None = None) -> None:
        """Let go of the link at once.  ``error``: why."""
        if not self._lost:
            if self.error is None:
                self.error = error
            self._link.abort()
            self.connection_lost(error)

    async def wait_closed(self) -> None:
        """Return when the link is gone."""
        while not self._lost:
            await woken(self._enders)

    def _settle(self) -> None:
        """Write what the engine has to say, do what it wants done, and tell those who wait."""
        if self._lost:
            return
        engine = self._engine
        link = self._link
        open_ = engine.writable
        if not self._write_paused or not open_:  # as long as it is open only a pong can wait, and of these the latest
            octets = engine.data_to_send()
            if octets:
                link.write(octets)
        if not open_:
            self._obey()
            if self._lost:
                return
            if self._blocked:
                self._go_on()
                return
        if self._blocked != self._read_paused:
            self._read_paused = self._blocked
            if self._blocked:
                link.pause_reading()
            else:
                link.resume_reading()
            self._pings.hold(self._read_paused or self._write_paused, self._loop.time())
            self._arm()
        if self._receivers and (self._inbox or not engine.readable):
            wake(self._receivers)

    def _obey(self) -> None:
        """Do what the engine wants done beside writing."""
        for action in self._engine.next_actions():
            if action is Action.START_CLOSING_TIMER:
                self._closing_at = self._loop.time() + self._timeouts.closing if self._timeouts.closing else NEVER
                self._closing_unsent = self._link.unsent()
            elif action is Action.STOP_CLOSING_TIMER:
                self._closing_at = NEVER
            elif action is Action.END_STREAM:
                self._link.end_stream()
            elif action is Action.TEAR_DOWN:
                self._write_size = self._link.unsent()
                self._write_wait.begin(deadlines.CLOSING, self._loop.time())
                self._link.close()
        self._pings.stop()
        if not self._lost:
            wake(self._senders)
            self._arm()

    # -- deadlines

    def _arm(self) -> None:
        """See to it that the timer does not fire later than the next deadline."""
        deadline = min(self._closing_at, self._write_wait.deadline(), self._pings.deadline())
        if deadline < self._timer_at and not self._lost:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        engine = self._engine
        now = self._loop.time()
        engine.now = now
        if self._write_wait.what != deadlines.APPLICATION:
            size = self._link.unsent()
            if size < self._write_size:
                self._write_wait.progress(self._write_size - size, now)
            self._write_size = size
        if self._write_wait.deadline() <= now:
            self.abort(TimeoutError("the peer takes too little of what is sent"))
        elif self._closing_at <= now:
            self._end_closing(now)
        elif self._pings.overdue(now):
            self.error = TimeoutError("the peer has not answered a ping in time")
            engine.fail(_INTERNAL_ERROR, "no answer to a ping")
            self._settle()
        elif self._pings.due(now):
            octets = engine.send(Ping(self._pings.probe(now)))
            self._link.write(octets)
        self._arm()

    def _end_closing(self, now: float) -> None:
        """The closing handshake has taken too long, unless the peer is still taking what was sent before our Close."""
        size = self._link.unsent()
        taken = self._closing_unsent - size
        self._closing_unsent = size
        if taken > 0 and taken >= self._timeouts.closing * self._timeouts.write_rate:
            self._closing_at = now + self._timeouts.closing
        else:
            self.abort(TimeoutError("the closing handshake has taken too long"))


@final
class _Each:
    """What an iterator gives, for ``async for``."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[Data]) -> None:
        self._iterator: Final = iterator

    def __aiter__(self) -> "_Each":
        return self

    async def __anext__(self) -> Data:
        for fragment in self._iterator:
            return fragment
        raise StopAsyncIteration
