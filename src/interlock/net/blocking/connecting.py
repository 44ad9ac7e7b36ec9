"""Which of a host's addresses answers first (RFC 8305), for a thread that waits for it."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence

from interlock.net.blocking.deadline import remaining
from interlock.net.sockets import ATTEMPT_DELAY, Address, in_turn, new_socket, numeric
from interlock.net.stream import SocketOption

__all__ = ["connect_socket"]

_ON_ITS_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)}


def connect_socket(
    host: str, port: int, deadline: float, local_address: str | None, options: Sequence[SocketOption]
) -> socket.socket | None:
    """A socket that is connected, and never blocks; None where that took too long.

    Raises :class:`OSError` with why the first address failed.  How long a name takes is the system's to decide.
    """
    addresses = numeric(host, port) or in_turn(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    errors: list[OSError] = []
    with selectors.DefaultSelector() as selector:
        try:
            while addresses or selector.get_map():
                if addresses:
                    _begin(selector, addresses.pop(0), local_address, options, errors)
                next_at = time.monotonic() + ATTEMPT_DELAY
                while selector.get_map():
                    wait = remaining(deadline)
                    if wait == 0.0:
                        return None
                    if addresses:
                        pause = max(next_at - time.monotonic(), 0.0)
                        wait = pause if wait is None else min(wait, pause)
                    events = selector.select(wait)
                    for key, _ in events:
                        sock = selector.unregister(key.fileobj).fileobj
                        assert isinstance(sock, socket.socket)
                        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                        if not code:
                            return sock
                        sock.close()
                        errors.append(OSError(code, os.strerror(code)))
                    if addresses and (events or time.monotonic() >= next_at):
                        break
            raise errors[0]
        finally:
            for key in list(selector.get_map().values()):
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]


def _begin(
    selector: selectors.BaseSelector,
    address: Address,
    local_address: str | None,
    options: Sequence[SocketOption],
    errors: list[OSError],
) -> None:
    """Begin to connect to an address."""
    try:
        sock = new_socket(address, local_address, options)
    except OSError as error:
        errors.append(error)
        return
    code = sock.connect_ex(address[4])
    if code in _ON_ITS_WAY:
        selector.register(sock, selectors.EVENT_WRITE)
    else:
        sock.close()
        errors.append(OSError(code, os.strerror(code)))
