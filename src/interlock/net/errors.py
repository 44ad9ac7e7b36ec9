"""What can go wrong between a stream and its peer, by what was being done: the names that httpcore and httpx know.

A peer that breaks the protocol is another matter: :class:`~interlock.http.errors.RemoteProtocolError`.
"""

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "NetworkError",
    "ReadError",
    "ReadTimeout",
    "TimeoutException",
    "WriteError",
    "WriteTimeout",
]


class TimeoutException(Exception):
    """Something has taken longer than it may."""


class ConnectTimeout(TimeoutException):
    """A connection was not there in time: name, TCP, or TLS."""


class ReadTimeout(TimeoutException):
    """The peer has sent nothing, or not enough, in time."""


class WriteTimeout(TimeoutException):
    """The peer has not taken what was sent in time."""


class NetworkError(Exception):
    """The network has failed, or the peer has broken off."""


class ConnectError(NetworkError):
    """There is no connection: no such name, nobody who listens, no TLS."""


class ReadError(NetworkError):
    """The connection was lost, or closed here, while reading."""


class WriteError(NetworkError):
    """The connection was lost, or closed here, while writing."""
