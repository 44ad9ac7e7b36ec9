"""Who gets which connection: requests that wait, connections that are kept, and the limits of both.

The pool knows neither octets nor versions: it asks its connections how many requests they take.  It has no task of its
own.  Who makes a request also makes the connection for it, and what has become due is done when somebody comes by.
"""

import ssl
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from interlock.client.connecting import Connector, Key
from interlock.client.errors import ConnectionNotAvailable, PoolClosed, PoolTimeout, TooManyConnections
from interlock.client.messages import Connection, Request, Response
from interlock.client.proxy import Proxy
from interlock.http.leniency import STRICT, Leniency
from interlock.http.limits import Limits
from interlock.net.errors import ConnectError
from interlock.net.stream import Event, Network, SocketOption

__all__ = ["Pool"]

#: How often a request is given to a connection that then does not take it.
_MOST_ATTEMPTS: Final = 32
#: Seconds before a request is made again on a connection that has refused it, and goes on; then twice as long each time.
_REFUSED: Final = 0.01
_LONGEST_REFUSED: Final = 1.0


class Waiter:
    """A request that waits for a connection."""

    __slots__ = ("closed", "event", "member", "number", "origin")

    def __init__(self, origin: "Origin", event: Event, number: int) -> None:
        self.origin: Final = origin
        self.event: Final = event
        #: When it came: the oldest is served first.
        self.number: Final = number
        #: What it was given.
        self.member: Member | None = None
        self.closed = False


class Origin:
    """All connections that can serve the same requests, and the requests that wait for one."""

    __slots__ = ("idle", "key", "members", "multiplexes", "opening", "shared", "waiting")

    def __init__(self, key: Key, multiplexes: bool | None) -> None:
        self.key: Final = key
        #: Connections, those that are being made included.
        self.members = 0
        #: Those of HTTP/1.1 that are free, the latest last.
        self.idle: Final[list[Member]] = []
        #: Those of HTTP/2.
        self.shared: Final[list[Member]] = []
        #: Whether its connections take many requests; None where that has to be seen.
        self.multiplexes = multiplexes
        #: Connections being made that others wait for, since they may take many requests.
        self.opening = 0
        self.waiting: Final[OrderedDict[Waiter, None]] = OrderedDict()


class Member:
    """A connection of the pool, or the permission to make one."""

    __slots__ = ("connection", "gone", "origin", "pool", "probing", "reserved", "shared")

    def __init__(self, pool: "Pool", origin: Origin, probing: bool) -> None:
        self.pool: Final = pool
        self.origin: Final = origin
        self.connection: Connection | None = None
        #: Whether others wait for what it turns out to be.
        self.probing = probing
        #: Whether it takes many requests.
        self.shared = False
        #: Requests that were given it, and that it does not know of yet.
        self.reserved = 1
        self.gone = False

    def changed(self) -> None:
        """What the connection calls."""
        self.pool.changed(self)


class Pool:
    """Connections, and requests that are made on them.

    ``network``: where the connections are.  ``ssl_context``: for https; by default one that trusts what the system
    trusts.  ``http1``, ``http2``: what is spoken; over TLS the server chooses, and without it HTTP/2 is only spoken where
    ``http1`` is off (RFC 9113 §3.3).  ``max_connections``: in total; ``max_connections_per_host``: to one origin; None:
    no limit.  ``max_keepalive_connections``: idle ones that are kept, each for ``keepalive_expiry`` seconds.  ``proxy``:
    a :class:`Proxy`, or its URL.  ``uds``: the path of a unix socket that all connections go to.  ``local_address``: the
    address that they come from.  ``socket_options``: set on each socket.  ``retries``: further attempts to connect.
    ``limits``: what a server may make us hold; by default :data:`~interlock.client.connecting.RESPONSE_LIMITS`.
    ``leniency``: what is let pass.  ``max_waiting``: requests that may wait for a connection; None: as many as are made.

    Raises :class:`ValueError` for arguments that exclude each other, or are out of range.
    """

    def __init__(
        self,
        network: Network,
        *,
        ssl_context: ssl.SSLContext | None = None,
        http1: bool = True,
        http2: bool = True,
        max_connections: int | None = 100,
        max_connections_per_host: int | None = None,
        max_keepalive_connections: int | None = 20,
        keepalive_expiry: float | None = 5.0,
        proxy: Proxy | str | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
        retries: int = 0,
        limits: Limits | None = None,
        leniency: Leniency = STRICT,
        max_waiting: int | None = None,
    ) -> None:
        for limit in (max_connections, max_connections_per_host):
            if limit is not None and limit < 1:
                raise ValueError(f"a pool needs a connection at least, not {limit}")
        for number in (max_keepalive_connections, keepalive_expiry, retries, max_waiting):
            if number is not None and number < 0:
                raise ValueError(f"a limit of a pool must not be negative: {number}")
        self._network: Final = network
        self._mutex: Final = network.mutex()
        self._connector: Final = Connector(
            network,
            ssl_context=ssl_context,
            http1=http1,
            http2=http2,
            proxy=Proxy(proxy) if isinstance(proxy, str) else proxy,
            uds=uds,
            local_address=local_address,
            socket_options=socket_options,
            retries=retries,
            limits=limits,
            leniency=leniency,
        )
        self._most: Final = max_connections
        self._most_per_host: Final = max_connections_per_host
        self._most_idle: Final = max_keepalive_connections
        self._expiry: Final = None if keepalive_expiry is None else float(keepalive_expiry)
        self._most_waiting: Final = max_waiting
        self._closed = False
        self._origins: Final[dict[Key, Origin]] = {}
        #: All connections, those that are being made included.
        self._members: Final[set[Member]] = set()
        #: Those that have nothing to do, the longest first.
        self._idle: Final[OrderedDict[Member, None]] = OrderedDict()
        #: The origins that requests wait for, and how many do.
        self._queues: Final[set[Origin]] = set()
        self._waiting = 0
        self._number = 0

    async def send(self, request: Request) -> Response:
        """Make a request.

        Returns the head of its response; the content, and the connection with it, is the caller's until the response's
        ``exchange`` was read to its end or closed.

        Raises :class:`PoolTimeout`, :class:`TooManyConnections`, :class:`PoolClosed`,
        :class:`~interlock.client.errors.UnsupportedProtocol`, what :meth:`Connector.open` and :meth:`Connection.send` do.
        """
        key = self._connector.key(request)
        number = 0
        deadline: float | None = None
        attempts = 0
        while True:
            waiter: Waiter | None = None
            with self._mutex:
                if self._closed:
                    raise PoolClosed("the pool is closed")
                origin = self._origins.get(key)
                if origin is None:
                    origin = Origin(key, None if self._connector.may_multiplex(key) else False)
                    self._origins[key] = origin
                if not number:
                    self._number += 1
                    number = self._number
                member = None if origin.waiting else self._take(origin)
                if member is None:
                    waiter = self._enqueue(origin, number, first=not attempts)
            if waiter is not None:
                if deadline is None and request.timeouts.pool is not None:
                    deadline = self._network.now() + request.timeouts.pool
                member = await self._wait(waiter, deadline)
            assert member is not None
            connection = member.connection or await self._open(member, request)
            if member.shared:
                with self._mutex:
                    member.reserved -= 1
            else:
                member.reserved = 0
            try:
                return await connection.send(request)
            except ConnectionNotAvailable as error:
                self.changed(member)
                attempts += 1
                if attempts == _MOST_ATTEMPTS:
                    raise error.__cause__ or ConnectError(
                        f"no connection took the request in {attempts} attempts"
                    ) from error
            except BaseException:
                self.changed(member)
                raise
            if member.shared and (attempts > 1 or not connection.is_closed()):
                await self._network.sleep(min(_REFUSED * 2.0**attempts, _LONGEST_REFUSED))

    async def aclose(self) -> None:
        """Close all connections, and fail all requests."""
        with self._mutex:
            self._closed = True
            for origin in self._queues:
                for waiter in origin.waiting:
                    waiter.closed = True
                    waiter.event.set()
                origin.waiting.clear()
            self._queues.clear()
            self._waiting = 0
            connections = [member.connection for member in self._members if member.connection is not None]
        try:
            while connections:
                await connections[-1].aclose()
                connections.pop()
        finally:
            for connection in connections:
                connection.abort()
            with self._mutex:
                for member in list(self._members):
                    if member.connection is not None:
                        self._forget(member)

    def connections(self) -> list[Connection]:
        """The connections that there are."""
        with self._mutex:
            return [member.connection for member in self._members if member.connection is not None]

    # -- waiting

    def _enqueue(self, origin: Origin, number: int, *, first: bool) -> Waiter:
        """Have a request wait.  One that was given a connection before, in vain, keeps its turn."""
        if first and self._most_waiting is not None and self._waiting >= self._most_waiting:
            self._drop_if_empty(origin)
            raise TooManyConnections(f"no more than {self._most_waiting} requests may wait for a connection")
        waiter = Waiter(origin, self._network.event(), number)
        self._origins[origin.key] = origin
        origin.waiting[waiter] = None
        if not first:
            origin.waiting.move_to_end(waiter, last=False)
        self._queues.add(origin)
        self._waiting += 1
        return waiter

    def _dequeue(self, waiter: Waiter) -> None:
        origin = waiter.origin
        del origin.waiting[waiter]
        self._waiting -= 1
        if not origin.waiting:
            self._queues.discard(origin)
            self._drop_if_empty(origin)

    async def _wait(self, waiter: Waiter, deadline: float | None) -> Member:
        """What the request is given, in its turn."""
        try:
            timeout = None if deadline is None else max(0.0, deadline - self._network.now())
            await waiter.event.wait(timeout)
        except BaseException:
            with self._mutex:
                self._withdraw(waiter)
            raise
        with self._mutex:
            member = waiter.member
            if member is None:
                self._withdraw(waiter)
        if member is None:
            if waiter.closed:
                raise PoolClosed("the pool was closed")
            raise PoolTimeout("no connection became free in time")
        return member

    def _withdraw(self, waiter: Waiter) -> None:
        """The request waits no more; what it was given goes to others."""
        member = waiter.member
        if member is not None:
            member.reserved -= 1
            self._settle(member)
        elif not waiter.closed:
            self._dequeue(waiter)

    def _dispatch(self) -> None:
        """Give those who wait what there is, the oldest first."""
        while self._queues:
            for origin in sorted(self._queues, key=_oldest) if len(self._queues) > 1 else list(self._queues):
                member = self._take(origin)
                if member is not None:
                    waiter = next(iter(origin.waiting))
                    self._dequeue(waiter)
                    waiter.member = member
                    waiter.event.set()
                    break
            else:
                return

    # -- connections

    def _take(self, origin: Origin) -> Member | None:
        """A connection that has room for a request, or the permission to make one; None where one has to wait."""
        for member in origin.shared.copy() if origin.shared else ():
            connection = member.connection
            if connection is not None and connection.room() > member.reserved:
                if member in self._idle:
                    if not self._is_good(member, connection):
                        self._discard(member)
                        continue
                    del self._idle[member]
                member.reserved += 1
                return member
        while origin.idle:
            member = origin.idle.pop()
            del self._idle[member]
            connection = member.connection
            if connection is not None and self._is_good(member, connection):
                member.reserved = 1
                return member
            self._discard(member)
        if origin.opening:
            return None
        if self._most_per_host is not None and origin.members >= self._most_per_host:
            return None
        if self._most is not None and len(self._members) >= self._most:
            longest = self._longest_idle()
            if longest is None:
                return None
            self._discard(longest)
        member = Member(self, origin, origin.multiplexes is not False)
        if member.probing:
            origin.opening += 1
        origin.members += 1
        self._origins[origin.key] = origin  # it is none any more if its last connection was closed meanwhile
        self._members.add(member)
        return member

    def _is_good(self, member: Member, connection: Connection) -> bool:
        """Whether an idle connection can still be used."""
        return not self._is_stale(connection) and not connection.has_ended()

    def _is_stale(self, connection: Connection) -> bool:
        if self._expiry is None:
            return False
        since = connection.idle_since()
        return since is None or self._network.now() - since > self._expiry

    async def _open(self, member: Member, request: Request) -> Connection:
        """Make the connection that there is permission for."""
        try:
            connection, shared = await self._connector.open(request)
        except BaseException as error:
            with self._mutex:
                if isinstance(error, Exception):
                    # Those who waited for it may find out for themselves, and not one after the other.
                    member.origin.multiplexes = False
                self._forget(member)
                self._dispatch()
            raise
        with self._mutex:
            origin = member.origin
            closed = self._closed
            if closed:
                self._forget(member)
            else:
                member.connection = connection
                member.shared = shared
                connection.on_change = member.changed
                origin.multiplexes = shared
                if member.probing:
                    member.probing = False
                    origin.opening -= 1
                if shared:
                    origin.shared.append(member)
                self._dispatch()
        if closed:
            connection.abort()
            raise PoolClosed("the pool was closed")
        return connection

    def changed(self, member: Member) -> None:
        """A connection may take more than before, or has ended."""
        with self._mutex:
            self._settle(member)

    def _settle(self, member: Member) -> None:
        """Put a connection where it belongs, and let others have it."""
        if member.gone:
            return
        connection = member.connection
        if connection is None:
            if not member.reserved:  # nobody will make it
                self._forget(member)
        elif connection.is_closed():
            if not member.shared or connection.idle_since() is not None:
                self._discard(member)
            # otherwise it takes no more requests, and others still read from it
        elif not member.reserved and connection.idle_since() is not None:
            if not connection.room():
                self._discard(member)
            elif member not in self._idle:
                self._idle[member] = None
                if not member.shared:
                    member.origin.idle.append(member)
        if self._queues:
            self._dispatch()
        self._trim()

    def _trim(self) -> None:
        """Close idle connections that are too many, or too old."""
        while (longest := self._longest_idle()) is not None:
            connection = longest.connection
            too_many = self._most_idle is not None and len(self._idle) > self._most_idle
            if not too_many and connection is not None and not self._is_stale(connection):
                return
            self._discard(longest)

    def _longest_idle(self) -> Member | None:
        """Who has had nothing to do for the longest time."""
        while self._idle:
            longest = next(iter(self._idle))
            connection = longest.connection
            if (
                not longest.shared
                or connection is None
                or connection.is_closed()
                or connection.idle_since() is not None
            ):
                return longest
            del self._idle[longest]  # a thread has just begun to use it
        return None

    def _discard(self, member: Member) -> None:
        """Close an idle connection."""
        self._forget(member)
        if member.connection is not None:
            member.connection.retire()  # a thread may just begin to use it

    def _forget(self, member: Member) -> None:
        """A connection is gone, or will not be."""
        if member.gone:
            return
        member.gone = True
        origin = member.origin
        if member.connection is not None:
            member.connection.on_change = None
        if member.probing:
            origin.opening -= 1
        origin.members -= 1
        self._members.discard(member)
        if member in self._idle:
            del self._idle[member]
            if not member.shared:
                origin.idle.remove(member)
        elif not member.shared and member in origin.idle:
            origin.idle.remove(member)
        if member.shared:
            origin.shared.remove(member)
        self._drop_if_empty(origin)

    def _drop_if_empty(self, origin: Origin) -> None:
        """Nothing is kept of an origin that is not in use."""
        if not origin.members and not origin.waiting:
            self._origins.pop(origin.key, None)


def _oldest(origin: Origin) -> int:
    return next(iter(origin.waiting)).number
