"""What a WebSocket on asyncio stands on, and the plainest of such links: a transport of its own."""

import asyncio
from typing import Final, Protocol, final

from interlock.net.asyncio.closing import close, half_close
from interlock.net.asyncio.unsent import unsent

__all__ = ["Link", "TransportLink"]


class Link(Protocol):
    """What is below a WebSocket: a transport, or one stream of HTTP/2.

    Who owns it calls the session's ``data_received``, ``eof_received``, ``connection_lost``, ``pause_writing`` and
    ``resume_writing``, as a transport calls its protocol.  After ``close`` and ``abort``, ``connection_lost`` has to come.
    """

    def write(self, data: bytes) -> None:
        """Send octets behind those of before."""

    def end_stream(self) -> None:
        """End our side, behind what was written; the other can go on."""

    def close(self) -> None:
        """Let go of the whole, behind what was written."""

    def abort(self) -> None:
        """Let go of the whole at once."""

    def pause_reading(self) -> None:
        """Receive nothing for now."""

    def resume_reading(self) -> None:
        """Receive again."""

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""


@final
class TransportLink:
    """A transport of asyncio as a link."""

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport: Final = transport

    def write(self, data: bytes) -> None:
        """Send octets behind those of before."""
        if not self._transport.is_closing():  # else the peer is gone, and it is about to be told
            self._transport.write(data)

    def end_stream(self) -> None:
        """End our side, behind what was written; with TLS the other side ends too, as that knows no half."""
        if not half_close(self._transport):
            self.close()

    def close(self) -> None:
        """Close the transport, behind what was written."""
        close(self._transport)

    def abort(self) -> None:
        """Close the transport at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def unsent(self) -> int:
        """Octets that were written and that the peer has not taken."""
        return unsent(self._transport)
