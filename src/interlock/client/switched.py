"""A stream that another protocol has taken over from HTTP/1.1 (RFC 9110 §7.8, §9.3.6)."""

import ssl
from typing import Any, Final

from interlock.net.errors import ConnectError
from interlock.net.stream import Stream

__all__ = ["SwitchedStream"]


class SwitchedStream(Stream):
    """``stream``, with the octets of the new protocol that were read along with the response in front of it."""

    __slots__ = ("_read_ahead", "_stream")

    def __init__(self, stream: Stream, read_ahead: bytes) -> None:
        self._stream: Final = stream
        self._read_ahead = read_ahead

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._read_ahead:
            block = self._read_ahead[:max_bytes]
            self._read_ahead = self._read_ahead[max_bytes:]
            return block
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def abort(self) -> None:
        self._stream.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        if self._read_ahead:
            self._stream.abort()
            raise ConnectError("the peer has sent something before the TLS handshake")
        return await self._stream.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._read_ahead:
            return True
        return self._stream.get_extra_info(info)
