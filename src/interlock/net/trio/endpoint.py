"""The two ends of a stream, as far as they have an address."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import trio

__all__ = ["Endpoint", "endpoint_of_listener", "endpoint_of_stream"]


class Endpoint:
    """One end of a TCP connection: ``address``, ``port``, and whether TLS runs over it (``is_ssl``)."""

    __slots__ = ("address", "is_ssl", "port")

    def __init__(self, address: str | int, port: int, is_ssl: bool) -> None:
        self.address: Final[IPv4Address | IPv6Address] = ip_address(address)
        self.port: Final = port
        self.is_ssl: Final = is_ssl

    @property
    def url(self) -> str:
        """The URL of a WebSocket here, without a path: ``ws://127.0.0.1:8000`` (RFC 6455 §3)."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        port = "" if self.port == (443 if self.is_ssl else 80) else f":{self.port}"
        return f"{'wss' if self.is_ssl else 'ws'}://{host}{port}"

    def __repr__(self) -> str:
        return f'Endpoint(address="{self.address}", port={self.port}, is_ssl={self.is_ssl})'


def endpoint_of_stream(stream: object, *, local: bool) -> Endpoint | str:
    """Our end of ``stream``, or the other one; its ``repr`` where it has no address."""
    transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if isinstance(transport, trio.SocketStream):
        try:
            address = transport.socket.getsockname() if local else transport.socket.getpeername()
        except OSError:  # the other end has gone already
            return repr(stream)
        return _endpoint(transport.socket, address, transport is not stream) or repr(stream)
    return repr(stream)


def endpoint_of_listener(listener: object) -> Endpoint | str:
    """Where ``listener`` listens; its ``repr`` where that is no address."""
    transport = listener.transport_listener if isinstance(listener, trio.SSLListener) else listener
    if isinstance(transport, trio.SocketListener):
        address = transport.socket.getsockname()
        return _endpoint(transport.socket, address, transport is not listener) or repr(listener)
    return repr(listener)


def _endpoint(sock: trio.socket.SocketType, address: Any, is_ssl: bool) -> Endpoint | None:
    """None for a socket of another family than IP's."""
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return None
    return Endpoint(address[0], address[1], is_ssl)
