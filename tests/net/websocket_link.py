"""A WebSocket session over a link in memory, on a virtual clock, with an engine for the other end."""

import asyncio
import contextlib
import gc
from collections.abc import Coroutine, Iterator
from typing import Any

from tests.net.virtual_clock import EPOCH, VirtualClockLoop

from interlock import ws
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.ws import CLIENT, NEED_DATA, SERVER


class MemoryLink:
    """What is below a session.  What its peer does not take waits, and counts as unsent."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.loop = loop
        self.session: WebSocketSession | None = None
        self.high, self.low = 65536, 16384
        #: What the peer has taken, and what it has yet to.
        self.taken = bytearray()
        self.waiting = bytearray()
        #: Whether the peer takes what comes.
        self.taking = True
        self.reading = True
        self.pauses = 0
        #: What the session has had us do, in order, and when.
        self.done: list[tuple[str, float]] = []
        self._inbound: list[bytes] = []
        self._above = False
        self._gone = False

    # -- called by the session

    def write(self, data: bytes) -> None:
        assert data, "an empty write"
        assert not self.did("end_stream", "close", "abort"), "written after the end"
        self.waiting += data
        self._flush()
        if len(self.waiting) > self.high and not self._above:
            self._above = True
            assert self.session is not None
            self.session.pause_writing()

    def end_stream(self) -> None:
        self._do("end_stream")

    def close(self) -> None:
        self._do("close")
        self._flush()

    def abort(self) -> None:
        self._do("abort")
        self.waiting.clear()
        self.lose(None)

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False
        self.pauses += 1

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True
        self.loop.call_soon(self._deliver)

    def unsent(self) -> int:
        return len(self.waiting)

    # -- the other end

    def send(self, octets: bytes) -> None:
        """Send octets, which are received at once unless reading is paused; b"" ends the other side."""
        self._inbound.append(octets)
        self._deliver()

    def take(self, octets: int) -> None:
        """Take so much of what waits."""
        self.taken += self.waiting[:octets]
        del self.waiting[:octets]
        self._resume()

    def take_all(self) -> None:
        """Take everything from now on."""
        self.taking = True
        self._flush()

    def lose(self, error: Exception | None) -> None:
        """The link is gone."""
        if not self._gone:
            self._gone = True
            assert self.session is not None
            self.loop.call_soon(self.session.connection_lost, error)

    def did(self, *names: str) -> bool:
        return any(name in names for name, _ in self.done)

    # -- within

    def _do(self, what: str) -> None:
        assert not self._gone, f"{what} of what is gone"
        self.done.append((what, self.loop.time() - EPOCH))

    def _deliver(self) -> None:
        assert self.session is not None
        while self._inbound and self.reading and not self._gone:
            octets = self._inbound.pop(0)
            if octets:
                self.session.data_received(octets)
            else:
                self.session.eof_received()

    def _flush(self) -> None:
        if self.taking:
            self.taken += self.waiting
            self.waiting.clear()
        self._resume()
        if self.did("close") and not self.waiting:
            self.lose(None)

    def _resume(self) -> None:
        if self._above and len(self.waiting) <= self.low:
            self._above = False
            assert self.session is not None
            self.loop.call_soon(self.session.resume_writing)


class Pair:
    """A session and its peer, an engine, both open."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.loop = loop
        self.link: MemoryLink
        self.session: WebSocketSession
        self.peer: ws.Connection
        self.tasks: list[asyncio.Task[Any]] = []
        #: What the peer has been told, and the error that its engine raised.
        self.events: list[Any] = []

    def open(
        self,
        role: Any = SERVER,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        max_queue: int | None = 16,
        fragments: bool = False,
    ) -> None:
        """Open a session for ``role``."""
        engine = ws.Connection(role, limits=limits, fragments=fragments)
        engine.start()
        self.peer = ws.Connection(CLIENT if role is SERVER else SERVER, fragments=True)
        self.peer.start()
        self.link = MemoryLink(self.loop)
        self.session = WebSocketSession(
            engine,
            self.link,
            self.loop,
            limits=limits or Limits(),
            timeouts=timeouts or Timeouts(),
            max_queue=max_queue,
        )
        self.link.session = self.session

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Have the application do this beside all else, until it waits."""
        task = self.loop.create_task(coroutine)
        self.tasks.append(task)
        self.loop.settle()
        return task

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have the application do this, which must not wait for anything that is not there."""
        task = self.start(coroutine)
        assert task.done(), "it waits"
        return task.result()

    def say(self, *events: Any) -> None:
        """Have the peer send these, in one piece."""
        self.link.send(b"".join(self.peer.send(event) for event in events))
        self.loop.settle()

    def hear(self) -> list[Any]:
        """What the peer gets from what it has taken; it answers nothing."""
        octets = bytes(self.link.taken)
        self.link.taken.clear()
        if octets:
            self.peer.receive_data(octets)
        heard = []
        while (event := self.peer.next_event()) is not NEED_DATA:
            heard.append(event)
        self.events += heard
        return heard

    def answer(self) -> list[Any]:
        """The same, and what the peer's engine answers is sent."""
        heard = self.hear()
        octets = self.peer.data_to_send()
        if octets:
            self.link.send(octets)
        self.loop.settle()
        return heard

    def pass_time(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @property
    def now(self) -> float:
        """Seconds since the clock began."""
        return self.loop.time() - EPOCH


@contextlib.contextmanager
def pair() -> Iterator[Pair]:
    """A session on a virtual clock; at the end nothing may be left of it."""
    loop = VirtualClockLoop()
    try:
        made = Pair(loop)
        yield made
        for task in made.tasks:
            task.cancel()
        loop.settle()
        made.session.abort()
        loop.settle()
        assert loop.timers() == []
        assert asyncio.all_tasks(loop) == set()
        assert not made.session._receivers
        assert not made.session._senders
        assert not made.session._enders
        made.tasks.clear()
        gc.collect()
        assert loop.errors == []
    finally:
        loop.close()
