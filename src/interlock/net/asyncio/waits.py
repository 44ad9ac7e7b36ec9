"""What a connection of HTTP/2 waits for, and for how long: the waits of the connection and of its streams, and one timer.

Here it is measured; what is done about a peer that is too slow is for :mod:`interlock.net.asyncio.http2_sender` to say.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from interlock.h2.connection import Connection
from interlock.http.limits import Timeouts
from interlock.net import deadlines
from interlock.net.asyncio.exchange import StreamExchange
from interlock.net.asyncio.unsent import unsent
from interlock.net.deadlines import Wait

__all__ = ["Waits"]


class Waits:
    """The waits of one connection.  ``due`` is called when at least one of them has become too long, with the time."""

    __slots__ = (
        "_connection",
        "_due",
        "_loop",
        "_stopped",
        "_timeouts",
        "_timer",
        "_timer_at",
        "_write_size",
        "frame",
        "idle",
        "leave",
        "receiving",
        "settings",
        "stalled",
        "unwanted",
        "write",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        connection: Connection,
        due: Callable[[float], None],
    ) -> None:
        self._loop: Final = loop
        self._timeouts: Final = timeouts
        self._connection: Final = connection
        self._due: Callable[[float], None] | None = due
        #: For the preface, for the rest of a frame, or, at the end, for the peer to close its side.
        self.frame: Final = Wait(timeouts)
        #: For the next request.
        self.idle: Final = Wait(timeouts)
        #: For the acknowledgement of our settings.
        self.settings: Final = Wait(timeouts)
        #: For the peer to hear that we leave, and then for what is in progress.
        self.leave: Final = Wait(timeouts)
        #: For the peer to take what is above the high-water mark, or all of it at the end.
        self.write: Final = Wait(timeouts)
        self._write_size = 0
        #: By stream: exchanges whose request is not complete, and those whose content the peer's windows hold.
        self.receiving: Final[dict[int, StreamExchange]] = {}
        self.stalled: Final[dict[int, StreamExchange]] = {}
        #: Streams whose response is complete before their request is, in the order in which they were: its rest is read
        #: and dropped for a while, since a client that is reset while it sends may lose the response.
        self.unwanted: Final[dict[int, Wait]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = deadlines.NEVER
        self._stopped = False

    def watch_body(self, exchange: StreamExchange) -> None:
        """Wait for more of a request's content, for as long as the peer can go on sending it."""
        if exchange.expecting or exchange.over or exchange.request.method == b"CONNECT":
            return  # it waits for us, or nobody for it, or it is no content, be the tunnel there or still to come
        connection = self._connection
        wait = exchange.body_wait
        now = self._loop.time()
        if connection.stream_waits_for(exchange.stream_id) != "body":
            if wait is not None:
                wait.pause(now)
            return
        if wait is None:
            exchange.body_wait = wait = Wait(self._timeouts)
            wait.begin(deadlines.BODY, now)
            wait.progress(exchange.unread, now)  # it has begun with what came with the head
        else:
            wait.resume(now)
        if exchange.stream_id == connection.data_frame_stream:
            octets = connection.partial_octets
            if octets != exchange.partial:
                wait.progress(octets - exchange.partial, now)
                exchange.partial = octets
        self.fire_by(wait.deadline())

    def watch_frame(self, now: float, *, news: bool) -> None:
        """Wait for the rest of the preface, or of a frame; ``news``: whether one was completed since the last look.

        An incomplete DATA frame is content, and waited for as such.
        """
        connection = self._connection
        wait = self.frame
        if not connection.preface_received:
            return  # which is waited for since the connection's start
        if not connection.in_frame or connection.data_frame_stream:
            wait.end()
        elif news or wait.what == deadlines.APPLICATION:
            wait.begin(deadlines.HEAD, now)
            self.fire_by(wait.deadline())

    def watch_idle(self, now: float) -> None:
        """Wait for the next request."""
        self.idle.begin(deadlines.IDLE, now)
        self.fire_by(self.idle.deadline())

    def watch_writing(self, what: int, transport: asyncio.WriteTransport) -> None:
        """Wait for the peer to take what the transport has."""
        self._write_size = unsent(transport)
        self.write.begin(what, self._loop.time())
        self.fire_by(self.write.deadline())

    def watch_stalls(self, exchanges: dict[int, StreamExchange]) -> None:
        """Wait for the peer to open its windows, where they hold what we have."""
        stalled = self._connection.stalled_streams()
        if not stalled and not self.stalled:
            return
        for stream_id in self.stalled.keys() - set(stalled):
            self.end_stall(self.stalled[stream_id])
        now = self._loop.time()
        for stream_id in stalled:
            exchange = exchanges.get(stream_id)
            if exchange is None or stream_id in self.stalled:
                continue
            self.stalled[stream_id] = exchange
            wait = exchange.stall
            if wait is None:
                exchange.stall = wait = Wait(self._timeouts)
                wait.begin(deadlines.WRITE, now)
            else:
                wait.resume(now)
            self._count_sent(exchange, wait, now)
            self.fire_by(wait.deadline())

    def end_stall(self, exchange: StreamExchange) -> None:
        """No window holds ``exchange`` now.  How slow its peer is altogether is remembered."""
        wait = exchange.stall
        if wait is not None:
            now = self._loop.time()
            self._count_sent(exchange, wait, now)
            if self.stalled.pop(exchange.stream_id, None) is not None:
                wait.pause(now)

    def _count_sent(self, exchange: StreamExchange, wait: Wait, now: float) -> None:
        sent = exchange.pending - self._connection.pending(exchange.stream_id)
        if sent != exchange.sent:
            wait.progress(sent - exchange.sent, now)
            exchange.sent = sent

    def watch_unwanted(self, stream_id: int) -> None:
        """Wait for the rest of a request that nobody wants."""
        wait = Wait(self._timeouts)
        wait.begin(deadlines.LINGER, self._loop.time())
        self.unwanted[stream_id] = wait
        self.fire_by(wait.deadline())

    def take_unwanted(self, now: float) -> list[int]:
        """The streams for whose rest we have waited long enough."""
        over = []
        for stream_id, wait in self.unwanted.items():
            if wait.deadline() > now:
                break
            over.append(stream_id)
        for stream_id in over:
            del self.unwanted[stream_id]
        return over

    def forget(self, stream_id: int) -> None:
        """Nothing is waited for on this stream."""
        self.receiving.pop(stream_id, None)
        self.stalled.pop(stream_id, None)

    def slow_senders(self, now: float) -> list[StreamExchange]:
        """Those whose request comes too slowly."""
        return [
            exchange
            for exchange in self.receiving.values()
            if exchange.body_wait is not None and not exchange.over and exchange.body_wait.deadline() <= now
        ]

    def slow_takers(self, now: float) -> list[StreamExchange]:
        """Those whose response is taken too slowly."""
        slow = []
        for exchange in self.stalled.values():
            stall = exchange.stall
            if stall is None:
                continue
            self._count_sent(exchange, stall, now)
            if stall.deadline() <= now:
                slow.append(exchange)
        return slow

    # -- the timer

    def arm(self) -> None:
        """See to it that the timer does not fire later than the next deadline."""
        deadline = min(
            self.frame.deadline(),
            self.idle.deadline(),
            self.settings.deadline(),
            self.leave.deadline(),
            self.write.deadline(),
        )
        for exchange in self.receiving.values():
            if exchange.body_wait is not None and not exchange.over:
                deadline = min(deadline, exchange.body_wait.deadline())
        for exchange in self.stalled.values():
            if exchange.stall is not None:
                deadline = min(deadline, exchange.stall.deadline())
        if self.unwanted:
            deadline = min(deadline, next(iter(self.unwanted.values())).deadline())
        self.fire_by(deadline)

    def fire_by(self, deadline: float) -> None:
        """See to it that the timer does not fire later than this."""
        if deadline < self._timer_at and not self._stopped:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._fire)

    def stop(self) -> None:
        """Nothing is waited for any more."""
        self._stopped = True
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Nothing is waited for but the end of what is being written."""
        for wait in (self.frame, self.idle, self.settings, self.leave):
            wait.end()
        self.unwanted.clear()

    def look_at_writing(self, transport: asyncio.WriteTransport, now: float) -> None:
        """Note how much the peer has taken since the last look."""
        if self.write.what != deadlines.APPLICATION:
            size = unsent(transport)
            if size < self._write_size:
                self.write.progress(self._write_size - size, now)
            self._write_size = size

    def _fire(self) -> None:
        self._timer = None
        self._timer_at = deadlines.NEVER
        if self._due is not None:
            self._due(self._loop.time())
        self.arm()
