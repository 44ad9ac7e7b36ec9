"""A stream that has left HTTP: what HTTP had read ahead comes first, and so does what it had still to send."""

import ssl
from typing import Any, Final

from interlock.http.limits import Timeouts
from interlock.net.errors import connect_error
from interlock.net.stream import Stream

__all__ = ["DetachedStream"]

#: Seconds that the peer has to take what was left to be sent, where nobody says how many.
_WRITE: Final = Timeouts().write


class DetachedStream(Stream):
    """``stream``, behind ``received`` when it is read, and behind ``unsent`` when anything is asked of it."""

    __slots__ = ("_received", "_stream", "_unsent")

    def __init__(self, stream: Stream, received: bytes, unsent: bytes) -> None:
        self._stream: Final = stream
        self._received = received
        self._unsent = unsent

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await self._send(timeout)
        if not self._received:
            return await self._stream.read(max_bytes, timeout)
        if max_bytes < 1:
            raise ValueError(f"at least one octet has to be read, not {max_bytes}")
        octets = self._received[:max_bytes]
        self._received = self._received[max_bytes:]
        return octets

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._send(timeout)
        await self._stream.write(buffer, timeout)

    async def _send(self, timeout: float | None) -> None:
        if self._unsent:
            unsent = self._unsent
            self._unsent = b""
            await self._stream.write(unsent, timeout)

    async def send_eof(self) -> None:
        await self._send(_WRITE)
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self._received = b""
        try:
            await self._send(_WRITE)
        finally:
            await self._stream.aclose()

    def abort(self) -> None:
        self._received = self._unsent = b""
        self._stream.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        if self._received:
            self.abort()
            raise connect_error("the TLS handshake", "the peer has sent something before it")
        await self._send(timeout)
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._received:
            return True
        return self._stream.get_extra_info(info)
