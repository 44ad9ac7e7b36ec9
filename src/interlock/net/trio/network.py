"""trio as a network: how streams begin there, and how one waits; and any stream of trio's as a stream.

Nothing is read ahead.
"""

import contextlib
import math
import ssl
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import trio

from interlock.net.errors import connect_error, connect_timeout, read_error, read_timeout, write_error, write_timeout
from interlock.net.sockets import ATTEMPT_DELAY, peer_name, ready
from interlock.net.stream import Event, Network, SocketOption, Stream

__all__ = ["TrioNetwork", "TrioStream"]

T = TypeVar("T")

#: Seconds in which what has come is taken where there is no time to wait: trio looks at the clock first.
_AT_ONCE: Final = 0.001
#: There are no threads to keep apart.
_NO_MUTEX: Final[AbstractContextManager[object]] = contextlib.nullcontext()


class TrioStream(Stream):
    """Any stream of trio's.  ``peer``: what errors call the other end; its address if it is not given."""

    __slots__ = ("_closed", "_ended", "_peer", "_stream")

    def __init__(self, stream: trio.abc.Stream, peer: str = "") -> None:
        self._stream: Final = stream
        self._closed = False
        self._ended = False
        self._peer: Final = peer or _peer(stream)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._ended and not self._closed:  # TLS of trio's would break at an end that has no close_notify
            await trio.lowlevel.checkpoint()
            return b""
        try:
            with trio.move_on_after(math.inf if timeout is None else max(timeout, _AT_ONCE)):
                data = bytes(await self._stream.receive_some(max_bytes))
                self._ended = not data
                return data
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise read_error(self._peer, self._reason(error)) from error
        raise read_timeout(self._peer, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._closed:
            raise write_error(self._peer)
        if not buffer:
            return
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                await self._stream.send_all(buffer)
                return
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise write_error(self._peer, self._reason(error)) from error
        raise write_timeout(self._peer, timeout)

    async def send_eof(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream) and not self._closed:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_eof()

    async def aclose(self) -> None:
        self._closed = True
        with contextlib.suppress(trio.BrokenResourceError):
            await self._stream.aclose()

    def abort(self) -> None:
        if self._closed:
            return
        self._closed = True
        transport = _transport(self._stream)
        if isinstance(transport, trio.SocketStream):
            transport.socket.close()
        else:
            trio.lowlevel.spawn_system_task(_close_forcefully, transport)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        what = f"the TLS handshake with {self._peer}"
        try:
            # As everywhere with HTTP, an end without a close_notify is taken for an end.
            stream = trio.SSLStream(self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True)
            with trio.move_on_after(math.inf if timeout is None else timeout):
                await stream.do_handshake()
                return TrioStream(stream, self._peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.abort()
            raise connect_error(what, error.__cause__ or "the connection is closed") from (error.__cause__ or error)
        except (OSError, ValueError) as error:
            self.abort()
            raise connect_error(what, error) from error
        except BaseException:
            self.abort()
            raise
        self.abort()
        raise connect_timeout(what, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._stream if isinstance(self._stream, trio.SSLStream) else None
        transport = _transport(self._stream)
        if not isinstance(transport, trio.SocketStream):
            return None
        sock = transport.socket
        if info == "socket":
            return sock
        if info == "is_readable":
            return self._closed or self._pending() or ready(sock)
        if info in {"client_addr", "server_addr"}:
            try:
                return sock.getsockname() if info == "client_addr" else sock.getpeername()
            except OSError:  # it is closed
                return None
        return None

    def _reason(self, error: Exception) -> BaseException | None:
        """What is behind an error of trio's; None where the stream was closed here."""
        if self._closed or isinstance(error, trio.ClosedResourceError):
            return None
        return error.__cause__ or error

    def _pending(self) -> bool:
        """Whether TLS has octets that it has taken from the socket, and that nobody has read."""
        stream = self._stream
        while isinstance(stream, trio.SSLStream):
            with contextlib.suppress(trio.NeedHandshakeError):
                if stream.pending():
                    return True
            if stream._incoming.pending:  # records behind the one in hand; trio has no word for it
                return True
            stream = stream.transport_stream
        return False


class TrioEvent(Event):
    """Something to wait for."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: Final = trio.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self, timeout: float | None = None) -> bool:
        if not self._event.is_set():
            with trio.move_on_after(math.inf if timeout is None else timeout):
                await self._event.wait()
        return self._event.is_set()


class TrioNetwork(Network):
    """The run of trio's that it is called in."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        peer = peer_name((host, port))
        what = f"connecting to {peer}"
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                stream = await trio.open_tcp_stream(
                    host, port, happy_eyeballs_delay=ATTEMPT_DELAY, local_address=local_address
                )
                return _with_options(stream, peer, socket_options)
        except (OSError, UnicodeError, ValueError, OverflowError) as error:
            raise connect_error(what, _first(error)) from error
        raise connect_timeout(what, timeout)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] = ()
    ) -> Stream:
        what = f"connecting to {path}"
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                return _with_options(await trio.open_unix_socket(path), path, socket_options)
        except (OSError, ValueError) as error:
            raise connect_error(what, error) from error
        raise connect_timeout(what, timeout)

    def now(self) -> float:
        return trio.current_time()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(max(seconds, 0.0))

    def event(self) -> Event:
        return TrioEvent()

    def mutex(self) -> AbstractContextManager[object]:
        return _NO_MUTEX

    async def until(self, event: Event, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        error: BaseException | None = None

        async def meanwhile() -> None:
            nonlocal error
            try:
                await call()
            except Exception as raised:  # noqa: BLE001 - it is raised again
                error = raised  # which a nursery would put into a group
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(meanwhile)
            await event.wait()
            nursery.cancel_scope.cancel()
        if error is not None:
            raise error

    async def shielded(self, call: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T | None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
            return await call()
        return None


def _with_options(stream: trio.SocketStream, peer: str, options: Iterable[SocketOption]) -> TrioStream:
    try:
        for level, name, value in options:
            stream.setsockopt(level, name, value)
    except BaseException:
        stream.socket.close()
        raise
    return TrioStream(stream, peer)


def _transport(stream: trio.abc.Stream) -> trio.abc.Stream:
    """What is below all TLS."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream


def _peer(stream: trio.abc.Stream) -> str:
    transport = _transport(stream)
    if isinstance(transport, trio.SocketStream):
        with contextlib.suppress(OSError):
            return peer_name(transport.socket.getpeername())
    return "the peer"


async def _close_forcefully(stream: trio.abc.Stream) -> None:
    with contextlib.suppress(Exception):
        await trio.aclose_forcefully(stream)


def _first(error: BaseException) -> BaseException:
    """What failed first, where several addresses were tried: trio's own words name none of that."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else error
