"""The connections of one worker: what they share, how many there are, and how they come to an end."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Final, Protocol

from interlock.http.events import Request
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits, Timeouts
from interlock.net.exchange import HandlerFactory, PeerInfo

__all__ = ["ConnectionRegistry", "ExchangeRecord", "Served"]


class Served(Protocol):
    """A connection, as far as the registry has to do with it."""

    def drain(self) -> None:
        """The server stops: close now if nothing runs, otherwise after the exchange in progress."""

    def abort(self) -> None:
        """Close at once."""


class ExchangeRecord:
    """What is known of an exchange when it is over, for the access log.

    ``request`` is None where none was understood, ``status`` 0 where no response was begun.  ``octets_sent``: of
    content.  ``started``: seconds since the Unix epoch.  ``duration``: seconds.  ``error``: why it failed, or "".
    """

    __slots__ = ("duration", "error", "octets_sent", "peer", "request", "started", "status")

    def __init__(
        self,
        peer: PeerInfo,
        request: Request | None,
        status: int,
        octets_sent: int,
        started: float,
        duration: float,
        error: str,
    ) -> None:
        self.peer: Final = peer
        self.request: Final = request
        self.status: Final = status
        self.octets_sent: Final = octets_sent
        self.started: Final = started
        self.duration: Final = duration
        self.error: Final = error


class ConnectionRegistry:
    """What all connections of a worker share, and the set of them."""

    def __init__(
        self,
        handler_factory: HandlerFactory,
        *,
        limits: Limits,
        timeouts: Timeouts,
        on_exchange_end: Callable[[ExchangeRecord], None] | None = None,
        add_defaults: Callable[[list[tuple[bytes, bytes]]], None] | None = None,
        obs_text_in_target: bool = False,
        versions: frozenset[str] = frozenset({"1"}),
        websocket: bool = False,
    ) -> None:
        """``handler_factory`` makes a handler for each request.  Has to be made where the event loop runs.

        ``on_exchange_end`` is told of each exchange that is over.  ``add_defaults`` appends fields to the responses
        that the driver makes itself, for requests that no application sees.  ``versions``: the major versions of HTTP
        that are spoken, of "1" and "2".  ``websocket``: whether handlers take requests for a WebSocket over HTTP/2, which
        says that it can be asked for (RFC 8441 §3).
        """
        self.handler_factory: Final = handler_factory
        self.limits: Final = limits
        self.timeouts: Final = timeouts
        self.on_exchange_end: Final = on_exchange_end
        self.add_defaults: Final = add_defaults
        self.versions: Final = versions
        self.websocket: Final = websocket
        self.leniency: Final = Leniency(obs_text_in_target=obs_text_in_target)
        self.log: Final = logging.getLogger("interlock.error")
        self.draining = False
        #: The thread that the event loop runs in.
        self.thread: Final = get_ident()
        self._loop: Final = asyncio.get_running_loop()
        self._connections: Final[set[Served]] = set()
        self._per_ip: Final[dict[str, int]] = {}
        self._empty: asyncio.Event | None = None
        self._calls: Final[deque[tuple[Callable[..., object], tuple[object, ...]]]] = deque()
        self._calls_due = False

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Served, ip: str) -> bool:
        """Count a new connection.  Returns whether the limits allow it."""
        self._connections.add(connection)
        count = self._per_ip.get(ip, 0) + 1
        if ip:
            self._per_ip[ip] = count
        limits = self.limits
        if limits.connections is not None and len(self._connections) > limits.connections:
            return False
        return limits.connections_per_ip is None or count <= limits.connections_per_ip

    def replace(self, connection: Served, successor: Served) -> None:
        """A connection that is counted has another driver now."""
        self._connections.discard(connection)
        self._connections.add(successor)

    def flooded(self, ip: str) -> bool:
        """Whether there are more than twice as many connections as the limits allow: then none gets an answer."""
        limits = self.limits
        if limits.connections is not None and len(self._connections) > 2 * limits.connections:
            return True
        return limits.connections_per_ip is not None and self._per_ip.get(ip, 0) > 2 * limits.connections_per_ip

    def remove(self, connection: Served, ip: str) -> None:
        """Count a connection off."""
        self._connections.discard(connection)
        if ip:
            count = self._per_ip.get(ip, 0) - 1
            if count > 0:
                self._per_ip[ip] = count
            else:
                self._per_ip.pop(ip, None)
        if not self._connections and self._empty is not None:
            self._empty.set()

    def report_refused(self, peer: PeerInfo, request: Request | None, status: int, octets: int, error: str) -> None:
        """An exchange is over that no application has seen: answered at once, with so many octets of content."""
        if self.on_exchange_end is not None:
            self.on_exchange_end(ExchangeRecord(peer, request, status, octets, time.time(), 0.0, error))

    def call_threadsafe(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        """Have ``callback(*args)`` called on the loop's thread.  Any thread may call; calls that meet share one wake-up.

        Raises :class:`RuntimeError` when the loop is closed.
        """
        self._calls.append((callback, args))
        if not self._calls_due:
            self._calls_due = True
            try:
                self._loop.call_soon_threadsafe(self._run_calls)
            except BaseException:
                self._calls_due = False
                raise

    def _run_calls(self) -> None:
        self._calls_due = False  # before the calls are taken: one that is added from now on wakes the loop again
        calls = self._calls
        while calls:
            callback, args = calls.popleft()
            try:
                callback(*args)
            except Exception:
                self.log.exception("a call from another thread failed")

    def drain(self) -> None:
        """Close idle connections, and the others as soon as their exchange is over."""
        self.draining = True
        for connection in list(self._connections):
            connection.drain()

    async def wait_closed(self) -> None:
        """Return when there is no connection left."""
        if self._connections:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def abort(self) -> None:
        """Close all connections at once, whatever they are doing."""
        for connection in list(self._connections):
            connection.abort()
