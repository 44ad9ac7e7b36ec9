"""HTTP on asyncio: the driver, and the set of connections that a server has."""

from interlock.net.asyncio.connections import ExchangeRecord
from interlock.net.asyncio.server import Connections

__all__ = ["Connections", "ExchangeRecord"]
