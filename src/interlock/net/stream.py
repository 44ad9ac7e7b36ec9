"""What a connection asks of a network, and nothing more: a stream of octets, and the few things beside it.

One interface for asyncio, trio and blocking sockets, so what stands on it is written once.  Its calls are coroutines
everywhere.  Over blocking sockets they never suspend, so :func:`run` is all that is needed there: it runs such a
coroutine to its end in the thread that calls it.

Times are in seconds, sizes in octets.  A timeout of None waits for ever.
"""

import ssl
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from mypy_extensions import mypyc_attr

__all__ = ["Event", "Network", "SocketOption", "Stream", "run"]

T = TypeVar("T")

#: What ``socket.setsockopt`` takes.
SocketOption = tuple[int, int, int | bytes]


@mypyc_attr(allow_interpreted_subclasses=True)
class Stream:
    """A stream of octets in both directions: TCP, TLS on top of it, or a unix socket.

    At most one task or thread reads at a time, and at most one writes.
    """

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, at least one octet of it and at most ``max_bytes``; b"" once the peer has ended its side.

        Raises :class:`~interlock.net.errors.ReadTimeout`, :class:`~interlock.net.errors.ReadError`.  Who is cancelled,
        or runs into the timeout, has taken nothing.
        """
        raise NotImplementedError

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Hand over all of ``buffer``, and wait until the transport is below its high-water mark.

        Raises :class:`~interlock.net.errors.WriteTimeout`, :class:`~interlock.net.errors.WriteError`.  Who is cancelled,
        or runs into the timeout, does not know how much of it went out: the stream is of no further use for writing.
        """
        raise NotImplementedError

    async def send_eof(self) -> None:
        """Close our direction only, behind what was written, where the stream can do that; else do nothing.

        With TLS it cannot.  Nothing is raised where the connection is gone.
        """

    async def aclose(self) -> None:
        """Close both directions; what was written before still goes out.  May be called again.

        What a peer goes on to send is answered with a reset, at which it may lose what it has not read: who cares reads
        to the end first (RFC 9112 §9.6).
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Close at once, and drop what has not gone out.  Never waits; may be called again, and from a cancelled task."""
        raise NotImplementedError

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Stream":
        """This stream with TLS on top, as a client; it takes the place of this one.

        Raises :class:`~interlock.net.errors.ConnectTimeout`, :class:`~interlock.net.errors.ConnectError`.  Where it
        fails, this stream is closed.
        """
        raise NotImplementedError

    def get_extra_info(self, info: str) -> Any:
        """``"ssl_object"``, ``"socket"``, ``"client_addr"`` (ours), ``"server_addr"`` (the peer's); None for what is not there.

        ``"is_readable"``: whether a read would not wait, since octets, an end or an error are there.
        ``"reads_at_once"``: whether a read of what is there does not suspend, and one that does may be closed.
        ``"cancelled_write_is_whole"``: whether, other than :meth:`write` says, all of a write goes out and others may
        follow, although who wrote was cancelled.
        """
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Event:
    """Something that happens once, and that others wait for."""

    def set(self) -> None:
        """It has happened.  From any thread where the network is a blocking one, else from any task of the loop."""
        raise NotImplementedError

    def is_set(self) -> bool:
        """Whether it has happened."""
        raise NotImplementedError

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened.  False if that took more than ``timeout`` seconds."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Network:
    """asyncio, trio, or sockets that block: how streams begin, and how one waits."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        """A connection to a host by its name or address, whichever of its addresses answers first (RFC 8305).

        Without Nagle's algorithm.  Raises :class:`~interlock.net.errors.ConnectTimeout`,
        :class:`~interlock.net.errors.ConnectError`.
        """
        raise NotImplementedError

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] = ()
    ) -> Stream:
        """A connection to a unix socket.  Raises as :meth:`connect_tcp` does."""
        raise NotImplementedError

    def now(self) -> float:
        """A clock that only goes forward."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        raise NotImplementedError

    def event(self) -> Event:
        """Something to wait for."""
        raise NotImplementedError

    def mutex(self) -> AbstractContextManager[object]:
        """What keeps threads apart, where there are threads; nothing is awaited while it is held."""
        raise NotImplementedError

    async def until(self, event: Event, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for ``event``, and run ``call`` meanwhile, which is cancelled when the event happens.

        Raises what ``call`` raises.  Where threads block, nobody can be cancelled: ``call`` is not run there.
        """
        raise NotImplementedError

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        """Run ``call`` to its end although who calls is cancelled, for at most ``seconds``; None if that was too long.

        Where the caller is cancelled meanwhile, or was before, that counts again afterwards.
        """
        raise NotImplementedError


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends, as all are that wait only for a blocking :class:`Network`.

    Raises :class:`RuntimeError` for one that does suspend.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine for a blocking network has waited for something else")
