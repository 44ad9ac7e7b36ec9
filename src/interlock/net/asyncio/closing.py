"""How a connection ends: what says so in HTTP/1.1, and what the peer sees of it (RFC 9112 §9.6)."""

import asyncio

from interlock.http.events import Response
from interlock.http.fields import CLOSE
from interlock.net import sockets

__all__ = ["close", "final", "half_close", "reset_on_close"]


def final(response: Response) -> Response:
    """The response, with ``Connection: close``, since its connection will not be used again."""
    if response.headers.flags & CLOSE:
        return response
    return Response(
        status_code=response.status_code,
        headers=[*response.headers.raw_items(), (b"Connection", b"close")],
        reason=response.reason,
    )


def close(transport: asyncio.BaseTransport) -> None:
    """Close both sides, behind what was written.

    Asyncio lets go of what it has of TLS where a transport is closed again: then it cannot be aborted any more.
    """
    if not transport.is_closing():
        transport.close()


def half_close(transport: asyncio.WriteTransport) -> bool:
    """Close our side only, as soon as all is sent, so that the peer can still read our last octets.

    Returns False where that cannot be, or the connection is gone already.
    """
    if not transport.can_write_eof():
        return False
    try:
        transport.write_eof()
    except OSError:
        return False
    return True


def reset_on_close(transport: asyncio.WriteTransport) -> None:
    """Have the connection end with a reset when it is closed, where its kind has such a thing."""
    sockets.reset_on_close(transport.get_extra_info("socket"))
