"""TLS on top of any stream whose calls block, also of one that has TLS already.

OpenSSL's objects are not for two threads at once, and a thread that waits must not keep the other from its turn.  So TLS
runs in memory, under a lock, and nobody waits for the peer while holding that lock.
"""

import contextlib
import ssl
import threading
from typing import Any, Final

from interlock.net.blocking.deadline import deadline_after, remaining
from interlock.net.errors import (
    NetworkError,
    ReadTimeout,
    TimeoutException,
    WriteTimeout,
    connect_error,
    connect_timeout,
    read_error,
    read_timeout,
    write_error,
    write_timeout,
)
from interlock.net.stream import Stream

__all__ = ["BlockingTLSStream", "start_tls"]

#: Octets that are read from below at once: a few records.
_READ: Final = 65536
#: Octets that are encrypted at once.
_WRITE: Final = 262144


class BlockingTLSStream(Stream):
    """A client's TLS over ``below``.  ``peer``: what errors call the other end."""

    __slots__ = ("_below", "_closed", "_incoming", "_lock", "_outgoing", "_peer", "_sending", "_tls")

    def __init__(self, below: Stream, peer: str, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._below: Final = below
        self._peer: Final = peer
        self._incoming: Final = ssl.MemoryBIO()
        self._outgoing: Final = ssl.MemoryBIO()
        self._tls: Final = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        #: Who uses the three of them.
        self._lock: Final = threading.Lock()
        #: Who sends records, from where they are made to where they are out: they have an order.
        self._sending: Final = threading.Lock()
        self._closed = False

    async def handshake(self, timeout: float | None) -> None:
        """Agree with the peer.  Raises what the stream below raises, and :class:`ssl.SSLError`."""
        deadline = deadline_after(timeout)
        while True:
            try:
                with self._lock:
                    self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send_replies(deadline)
                await self._receive(deadline)
            except ssl.SSLError:
                with contextlib.suppress(NetworkError, TimeoutException):
                    await self._send_replies(deadline)  # which say what is wrong
                raise
            else:
                await self._send_replies(deadline)
                return

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if max_bytes < 1:
            raise ValueError(f"at least one octet has to be read, not {max_bytes}")
        deadline = deadline_after(timeout)
        try:
            while not self._closed:
                with contextlib.suppress(ssl.SSLWantReadError), self._lock:
                    return self._tls.read(max_bytes)
                with contextlib.suppress(NetworkError, TimeoutException):
                    await self._send_replies(deadline)
                await self._receive(deadline)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""  # as everywhere with HTTP, an end without a close_notify is taken for an end
        except ssl.SSLError as error:
            raise read_error(self._peer, error) from error
        except ReadTimeout:
            raise read_timeout(self._peer, timeout) from None
        raise read_error(self._peer)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadline = deadline_after(timeout)
        wait = remaining(deadline)
        if not self._sending.acquire(timeout=-1 if wait is None else wait):
            remaining(deadline)
            raise write_timeout(self._peer, timeout)
        try:
            view = memoryview(buffer)
            for start in range(0, len(view), _WRITE):
                with self._lock:
                    self._tls.write(view[start : start + _WRITE])
                await self._send(deadline)
        except ssl.SSLError as error:
            raise write_error(self._peer, None if self._closed else error) from error
        except WriteTimeout:
            raise write_timeout(self._peer, timeout) from None
        finally:
            self._sending.release()
        await self._send_replies(deadline)

    async def _send(self, deadline: float) -> None:
        """Send the records that are there; only who has ``_sending`` may."""
        with self._lock:
            records = self._outgoing.read()
        if records:
            await self._below.write(records, remaining(deadline))

    async def _send_replies(self, deadline: float) -> None:
        """Send what TLS has to say by itself.  If another thread is sending, it will do that behind its own."""
        while self._outgoing.pending and self._sending.acquire(blocking=False):
            try:
                await self._send(deadline)
            finally:
                self._sending.release()

    async def _receive(self, deadline: float) -> None:
        """Take what has come below, or its end."""
        records = await self._below.read(_READ, remaining(deadline))
        with self._lock:
            if records:
                self._incoming.write(records)
            else:
                self._incoming.write_eof()

    async def aclose(self) -> None:
        self._closed = True
        await self._below.aclose()

    def abort(self) -> None:
        self._closed = True
        self._below.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        return await start_tls(self, self._peer, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._tls
        if info == "is_readable":
            with self._lock:
                if self._tls.pending() or self._incoming.pending:
                    return True
        return self._below.get_extra_info(info)


async def start_tls(
    below: Stream, peer: str, context: ssl.SSLContext, server_hostname: str | None, timeout: float | None
) -> Stream:
    """``below`` with TLS on top, the handshake done: what :meth:`Stream.start_tls` is for streams that block."""
    what = f"the TLS handshake with {peer}"
    try:
        stream = BlockingTLSStream(below, peer, context, server_hostname)
        await stream.handshake(timeout)
    except TimeoutException:
        below.abort()
        raise connect_timeout(what, timeout) from None
    except (NetworkError, OSError, ValueError) as error:
        below.abort()
        raise connect_error(what, error) from error
    except BaseException:
        below.abort()
        raise
    return stream
