"""What a client's caller is told, beside :mod:`interlock.net.errors` and the protocol errors of the engines."""

from interlock.net.errors import NetworkError, TimeoutException

__all__ = [
    "ConnectionNotAvailable",
    "ContentTooLarge",
    "PoolClosed",
    "PoolTimeout",
    "ProxyError",
    "TooManyConnections",
    "UnsupportedProtocol",
]


class PoolTimeout(TimeoutException):
    """No connection of the pool was free in time."""


class PoolClosed(RuntimeError):
    """The pool was closed, by its owner."""


class ProxyError(NetworkError):
    """The proxy does not connect us."""


class UnsupportedProtocol(Exception):
    """A URL of a scheme that is not spoken here, or without one."""


class ContentTooLarge(Exception):
    """The content of a response is more than is read as a whole."""


class TooManyConnections(Exception):
    """More requests wait for a connection than may."""


class ConnectionNotAvailable(Exception):
    """A connection takes no request now, and nothing of this one was sent: another one may take it.

    Raised to the pool, which knows what to do; a caller of the pool never sees it.
    """
