"""Errors as httpx names them.  What an application's own content raises stays what it is."""

from typing import Final

import httpx

from interlock.client import errors as client_errors
from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.net import errors as net_errors

__all__ = ["TRANSLATED", "translated"]

#: By the class that is raised; of a class that is not here, by the nearest of its bases that is.
_CLASSES: Final[dict[type[Exception], type[httpx.TransportError]]] = {
    client_errors.PoolTimeout: httpx.PoolTimeout,
    client_errors.TooManyConnections: httpx.PoolTimeout,
    client_errors.ProxyError: httpx.ProxyError,
    client_errors.UnsupportedProtocol: httpx.UnsupportedProtocol,
    net_errors.ConnectTimeout: httpx.ConnectTimeout,
    net_errors.ReadTimeout: httpx.ReadTimeout,
    net_errors.WriteTimeout: httpx.WriteTimeout,
    net_errors.TimeoutException: httpx.TimeoutException,
    net_errors.ConnectError: httpx.ConnectError,
    net_errors.ReadError: httpx.ReadError,
    net_errors.WriteError: httpx.WriteError,
    net_errors.NetworkError: httpx.NetworkError,
    LocalProtocolError: httpx.LocalProtocolError,
    RemoteProtocolError: httpx.RemoteProtocolError,
    ProtocolError: httpx.ProtocolError,
}

#: What an ``except`` clause names.
TRANSLATED: Final = tuple(_CLASSES)


def translated(error: Exception) -> httpx.TransportError:
    """The error of httpx for ``error``, which is one of :data:`TRANSLATED`; to be raised from it."""
    for kind in type(error).__mro__:
        if kind in _CLASSES:
            return _CLASSES[kind](str(error))
    raise error  # pragma: no cover  it is none of TRANSLATED
