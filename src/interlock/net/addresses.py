"""In which order the addresses of a host are tried, and how soon the next one (RFC 8305): for who connects sockets.

Looking names up is the network's, and so are the sockets; what they have in common stands here.
"""

import socket
from collections.abc import Iterable
from typing import Any, Final

from interlock.net.stream import SocketOption

__all__ = ["ATTEMPT_DELAY", "Address", "in_turn", "new_socket", "numeric"]

#: Seconds until the next address is tried beside those that have not answered yet (RFC 8305 §5).
ATTEMPT_DELAY: Final = 0.25

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
