"""HTTP on asyncio: the driver, and the set of connections that a server has."""

import asyncio
from typing import cast

from interlock.net.asyncio.connections import ConnectionRegistry, ExchangeRecord
from interlock.net.asyncio.http import HTTPProtocol

__all__ = ["Connections", "ExchangeRecord"]


class Connections(ConnectionRegistry):
    """All connections of a worker; :meth:`protocol` makes a new one."""

    def protocol(self) -> asyncio.Protocol:
        """A protocol factory, for :meth:`asyncio.loop.create_server`."""
        return cast(asyncio.Protocol, HTTPProtocol(self, self._loop))
