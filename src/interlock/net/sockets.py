"""What all networks do to sockets: which address is tried next (RFC 8305), how a socket is made, and what it is ready for.

Looking names up, and waiting for a connection, is each network's own.
"""

import math
import select
import socket
import struct
from collections.abc import Iterable
from typing import Any, Final

from interlock.net.stream import SocketOption

__all__ = ["ATTEMPT_DELAY", "Address", "in_turn", "new_socket", "numeric", "peer_name", "ready", "reset_on_close"]

#: Seconds until the next address is tried beside those that have not answered yet (RFC 8305 §5).
ATTEMPT_DELAY: Final = 0.25

#: SO_LINGER on, for no time: closing sends a reset.
_RESET: Final = struct.pack("ii", 1, 0)

#: One result of ``socket.getaddrinfo``: family, kind of socket, protocol, canonical name, address.
Address = tuple[int, int, int, str, tuple[Any, ...]]


def numeric(host: str, port: int) -> list[Address]:
    """The address that ``host`` is, if it is one and no name; else none."""
    try:
        return list(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
        )
    except (OSError, UnicodeError):
        return []


def in_turn(addresses: Iterable[Address]) -> list[Address]:
    """The families by turns, each in the order of its addresses, and first the one that comes first (RFC 8305 §4)."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    longest = max(map(len, families.values()), default=0)
    return [each[index] for index in range(longest) for each in families.values() if index < len(each)]


def new_socket(address: Address, local_address: str | None, options: Iterable[SocketOption]) -> socket.socket:
    """A socket that never blocks, to connect to ``address``.  Raises :class:`OSError`."""
    sock = socket.socket(address[0], address[1], address[2])
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        if local_address is not None:
            sock.bind((local_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def peer_name(address: object) -> str:
    """What errors call a peer with this address: (host, port, ...), or the path of a unix socket."""
    if isinstance(address, tuple) and len(address) > 1:
        return f"[{address[0]}]:{address[1]}" if ":" in str(address[0]) else f"{address[0]}:{address[1]}"
    return str(address or "the peer")


def ready(sock: Any, *, writing: bool = False, timeout: float | None = 0.0) -> bool:
    """Wait until a read from ``sock``, or a write to it, would not block: None for ever, else at most so many seconds.

    Where an end or an error is there, or the socket is closed, it would not.
    """
    descriptor = sock.fileno()
    if descriptor < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        watched = [descriptor]
        return any(select.select(*([], watched) if writing else (watched, []), watched, timeout))
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(None if timeout is None else math.ceil(max(timeout, 0.0) * 1000)))


def reset_on_close(sock: Any) -> None:
    """Have the connection of ``sock`` end with a reset when it is closed, where its kind has such a thing."""
    if sock is not None and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
