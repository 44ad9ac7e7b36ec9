"""Closing one side of a connection only, so that the peer can still read our last octets (RFC 9112 §9.6)."""

import asyncio

__all__ = ["half_close"]


def half_close(transport: asyncio.WriteTransport) -> bool:
    """Close our side, as soon as all is sent.  Returns False where that cannot be, or the connection is gone already."""
    if not transport.can_write_eof():
        return False
    try:
        transport.write_eof()
    except OSError:
        return False
    return True
