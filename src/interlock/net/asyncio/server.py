"""The connections of a server: a protocol factory for asyncio, and the set of what it has made."""

import asyncio
from typing import cast

from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.negotiation import NegotiatingProtocol

__all__ = ["Connections"]


class Connections(ConnectionRegistry):
    """All connections of a worker; :meth:`protocol` makes a new one."""

    def protocol(self) -> asyncio.Protocol:
        """A protocol factory, for :meth:`asyncio.loop.create_server`."""
        if "2" not in self.versions:
            return cast(asyncio.Protocol, HTTPProtocol(self, self._loop))
        return cast(asyncio.Protocol, NegotiatingProtocol(self, self._loop))
