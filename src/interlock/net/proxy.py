"""HTTP proxies as a client sees them: where one is, and what asks it for a tunnel.  Pure: no socket.

RFC 9110 §9.3.6, §11.7.
"""

from typing import Final

from interlock.http.events import Request
from interlock.http.fields import RawFields
from interlock.net.urls import basic_credentials, split_url, url_credentials, url_host, url_port

__all__ = ["ProxyURL", "parse_proxy_url", "proxy_request"]


class ProxyURL:
    """Where a proxy is.  ``secure``: whether it is itself reached by TLS (https)."""

    __slots__ = ("credentials", "host", "port", "secure")

    def __init__(self, secure: bool, host: str, port: int, credentials: tuple[str, str] | None) -> None:
        self.secure: Final = secure
        self.host: Final = host
        self.port: Final = port
        self.credentials: Final = credentials

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The fields that it wants from who has the credentials of its URL (RFC 9110 §11.7.2)."""
        authorization = basic_credentials(self.credentials)
        return [] if authorization is None else [(b"Proxy-Authorization", authorization)]


def parse_proxy_url(url: str) -> ProxyURL:
    """What the URL of a proxy says, with ``http`` or ``https``.  Raises :class:`ValueError` where it is none."""
    split, secure = split_url(url, ("http", "https"))
    if split.path not in {"", "/"} or split.query or split.fragment:
        raise ValueError("a proxy's URL ends with its port")
    return ProxyURL(secure, url_host(split), url_port(split, 443 if secure else 80), url_credentials(split))


def proxy_request(host: str, port: int, proxy: ProxyURL, headers: RawFields = ()) -> Request:
    """The request that has ``proxy`` connect us to ``host``, an address without brackets or a name, at ``port``.

    RFC 9110 §9.3.6.  ``headers``: further fields.
    """
    name = f"[{host}]" if ":" in host else host
    target = f"{name}:{port}".encode("ascii")
    return Request(method=b"CONNECT", target=target, headers=[(b"Host", target), *proxy.fields, *headers])
