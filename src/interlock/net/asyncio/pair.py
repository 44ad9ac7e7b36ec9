"""What ``asyncio.open_connection`` gives, and what ``asyncio.start_server`` hands over, as a stream."""

import asyncio
import contextlib
import ssl
from typing import Any, Final, final

from interlock.net.errors import connect_error, connect_timeout, read_error, read_timeout, write_error, write_timeout
from interlock.net.sockets import peer_name, ready
from interlock.net.stream import Stream

__all__ = ["PairStream"]

#: Seconds in which a peer has to take some of what is still to be sent when the stream is closed.
_LINGER: Final = 2.0
#: Seconds that asyncio gives to a TLS handshake, which has to be some: who asks for one has a timeout of their own.
_LONG: Final = 1e6

_EXTRA: Final = {
    "ssl_object": "ssl_object",
    "socket": "socket",
    "client_addr": "sockname",
    "server_addr": "peername",
}


@final
class PairStream(Stream):
    """A reader and a writer of asyncio's, which belong together.  ``peer``: as for errors; its address if not given."""

    __slots__ = ("_closed", "_peer", "_reader", "_writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str = "") -> None:
        self._reader: Final = reader
        self._writer: Final = writer
        self._peer: Final = peer or peer_name(writer.get_extra_info("peername"))
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._closed:
            raise read_error(self._peer)
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(max_bytes)
        except TimeoutError as error:
            if error.errno is not None:  # the system has a timeout of its own
                raise read_error(self._peer, error) from error
            raise read_timeout(self._peer, timeout) from None
        except OSError as error:
            raise read_error(self._peer, None if self._closed else error) from error
        if not data and self._closed:
            raise read_error(self._peer)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._closed or self._writer.is_closing():
            raise write_error(self._peer, None if self._closed else "the peer has closed the connection")
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            if error.errno is not None:
                raise write_error(self._peer, error) from error
            raise write_timeout(self._peer, timeout) from None
        except OSError as error:
            raise write_error(self._peer, None if self._closed else error) from error

    async def aclose(self) -> None:
        self._closed = True
        transport = self._writer.transport
        self._writer.close()
        unsent = transport.get_write_buffer_size()
        try:
            while True:
                try:
                    async with asyncio.timeout(_LINGER):
                        await self._writer.wait_closed()
                    return
                except TimeoutError:
                    left = transport.get_write_buffer_size()
                    if left >= unsent:
                        return
                    unsent = left
                except OSError:
                    return
        finally:
            transport.abort()

    def abort(self) -> None:
        self._closed = True
        self._writer.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        what = f"the TLS handshake with {self._peer}"
        try:
            if self._closed or self._writer.is_closing():
                raise connect_error(what, "the connection is closed")
            if self._unread():
                raise connect_error(what, "the peer has sent something before it")
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname, ssl_handshake_timeout=_LONG)
        except TimeoutError:
            self.abort()
            raise connect_timeout(what, timeout) from None
        except (OSError, ValueError) as error:
            self.abort()
            raise connect_error(what, error) from error
        except BaseException:
            self.abort()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            if self._closed or self._unread() or self._reader.at_eof() or self._reader.exception() is not None:
                return True
            sock = self._writer.get_extra_info("socket")
            return sock is None or ready(sock)
        if info == "cancelled_write_is_whole":
            return True  # the transport has all of it
        name = _EXTRA.get(info)
        return None if name is None else self._writer.get_extra_info(name)

    def _unread(self) -> bool:
        """Whether the reader has octets.  It has no public word for that."""
        with contextlib.suppress(AttributeError):
            return bool(self._reader._buffer)  # type: ignore[attr-defined]
        return False
