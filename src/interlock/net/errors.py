"""What can go wrong between a stream and its peer, by what was being done: the names that httpcore and httpx know.

A peer that breaks the protocol is another matter: :class:`~interlock.http.errors.RemoteProtocolError`.

The functions word the errors, so that they read the same over all networks.  What they return is for raising, and has its
cause: compiled code forgets what stands behind ``from``.
"""

from typing import TypeVar

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "NetworkError",
    "ReadError",
    "ReadTimeout",
    "TimeoutException",
    "WriteError",
    "WriteTimeout",
    "connect_error",
    "connect_timeout",
    "read_error",
    "read_timeout",
    "write_error",
    "write_timeout",
]


T = TypeVar("T", bound=BaseException)


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


def connect_timeout(what: str, seconds: float | None) -> ConnectTimeout:
    """``what``: the step and its other end, such as "the TLS handshake with example.com:443"."""
    return ConnectTimeout(f"{what} took longer than {_rounded(seconds)} seconds")


def connect_error(what: str, reason: object) -> ConnectError:
    """``what``: as for :func:`connect_timeout`.  ``reason``: the error behind it, or words."""
    return _caused(ConnectError(f"{what} failed: {_words(reason)}"), reason)


def read_timeout(peer: str, seconds: float | None) -> ReadTimeout:
    """``peer``: its address, as for all that follow."""
    return ReadTimeout(f"{peer} has sent nothing for {_rounded(seconds)} seconds")


def read_error(peer: str, reason: object = None) -> ReadError:
    """``reason``: the error behind it; None where the connection was closed here."""
    if reason is None:
        return ReadError(f"reading from {peer}: the connection was closed here")
    return _caused(ReadError(f"reading from {peer}: {_words(reason)}"), reason)


def write_timeout(peer: str, seconds: float | None) -> WriteTimeout:
    """The peer takes too little."""
    return WriteTimeout(f"{peer} has not taken what was sent within {_rounded(seconds)} seconds")


def write_error(peer: str, reason: object = None) -> WriteError:
    """``reason``: the error behind it; None where the connection was closed here."""
    if reason is None:
        return WriteError(f"writing to {peer}: the connection was closed here")
    return _caused(WriteError(f"writing to {peer}: {_words(reason)}"), reason)


def _rounded(seconds: float | None) -> float | None:
    """What was left of a longer wait has many digits."""
    return None if seconds is None else round(seconds, 3)


def _words(reason: object) -> str:
    return str(reason) or type(reason).__name__


def _caused(error: T, reason: object) -> T:
    if isinstance(reason, BaseException):
        error.__cause__ = reason
    return error
