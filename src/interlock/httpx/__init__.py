"""Transports for httpx: its clients, with connections and protocols from here.

    client = httpx.Client(transport=interlock.httpx.Transport(http2=True))

Needs httpx, which the extra ``interlock[httpx]`` brings.
"""

from interlock.httpx.transports import AsyncTransport, Transport

__all__ = ["AsyncTransport", "Transport"]
