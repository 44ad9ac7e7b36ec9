"""The connection scope that an ASGI application is given: HTTP and WebSocket (spec 2.5), the TLS extension (spec 0.2)."""

import ssl
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from weakref import WeakKeyDictionary

from interlock.http.events import Request
from interlock.net.exchange import PeerInfo

__all__ = ["Scope", "ScopeFactory", "split_target", "tls_extension"]

Scope = dict[str, Any]

_HTTP_VERSIONS: Final = {b"1.1": "1.1", b"1.0": "1.0", b"2": "2"}

#: The numbers that TLS itself gives its versions (RFC 8446 §4.1.2, RFC 5246 §6.2.1).
_TLS_VERSIONS: Final = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

#: OpenSSL's name of an attribute type -> the short name of RFC 4514 §3.
_ATTRIBUTE_TYPES: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


class ScopeFactory:
    """Makes the scopes of one worker's requests.

    ``root_path`` is where the application is mounted; ``state`` is what the lifespan left for requests, None if there
    is none: each scope gets a shallow copy.
    """

    __slots__ = ("_extensions", "_root_path", "_state", "_tls", "_websocket_extensions")

    def __init__(self, root_path: str, state: dict[str, Any] | None) -> None:
        self._root_path: Final = root_path
        self._state: Final = state
        self._extensions: Final[dict[str, Any]] = {
            "http.response.trailers": {},
            "http.response.early_hint": {},
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        }
        self._websocket_extensions: Final[dict[str, Any]] = {"websocket.http.response": {}}
        #: TLS connection -> its extension, which is the same for all its requests.
        self._tls: Final[WeakKeyDictionary[ssl.SSLObject, dict[str, Any]]] = WeakKeyDictionary()

    def http(self, request: Request, peer: PeerInfo) -> Scope:
        """The scope of one request."""
        scope = self._scope("http", request, peer, peer.scheme, self._extensions)
        scope["method"] = request.method.decode("ascii")
        return scope

    def websocket(self, request: Request, peer: PeerInfo, subprotocols: list[str]) -> Scope:
        """The scope of one WebSocket.  ``subprotocols``: those that the client offers, the preferred first."""
        scheme = "wss" if peer.scheme == "https" else "ws"
        scope = self._scope("websocket", request, peer, scheme, self._websocket_extensions)
        scope["subprotocols"] = subprotocols
        return scope

    def _scope(self, kind: str, request: Request, peer: PeerInfo, scheme: str, extensions: dict[str, Any]) -> Scope:
        raw_path, query = split_target(request.target)
        octets = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
        path = octets.decode("utf-8", "replace")
        if self._root_path and path.startswith("/"):
            path = self._root_path + path
        scope: Scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": _HTTP_VERSIONS[request.http_version],
            "scheme": scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self._root_path,
            "headers": _fields(request),
            "client": peer.client,
            "server": peer.server,
            "extensions": extensions.copy(),
        }
        if self._state is not None:
            scope["state"] = self._state.copy()
        if isinstance(peer.ssl_object, ssl.SSLObject):
            scope["extensions"]["tls"] = self._tls_of(peer.ssl_object)
        return scope

    def _tls_of(self, ssl_object: ssl.SSLObject) -> dict[str, Any]:
        known = self._tls.get(ssl_object)
        if known is None:
            known = self._tls[ssl_object] = tls_extension(ssl_object)
        return known


def _fields(request: Request) -> list[tuple[bytes, bytes]]:
    """The fields of a request; of HTTP/2 with all that it sent of Cookie in one (RFC 9113 §8.2.3)."""
    fields = request.headers.items_list()
    if request.http_version == b"2":
        crumbs = [value for name, value in fields if name == b"cookie"]
        if len(crumbs) > 1:
            at = next(index for index, field in enumerate(fields) if field[0] == b"cookie")
            fields = [field for field in fields if field[0] != b"cookie"]
            fields.insert(at, (b"cookie", b"; ".join(crumbs)))
    return fields


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The path and the query of a request target (RFC 9112 §3.2), as they were received.

    Of an absolute-form target only the path is given; ``*`` and the authority of a CONNECT stand for themselves.
    """
    path, _, query = target.partition(b"?")
    if path[:1] != b"/":
        _, absolute, rest = path.partition(b"://")
        if absolute:
            path = b"/" + rest.partition(b"/")[2]
    return path, query


def tls_extension(ssl_object: ssl.SSLObject) -> dict[str, Any]:
    """What the ASGI TLS extension says of a connection.

    ``server_cert`` is None: :mod:`ssl` does not tell which certificate was sent.
    """
    certificate = ssl_object.getpeercert(binary_form=True)
    cipher = ssl_object.cipher()
    name = cipher[0] if cipher else None
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)] if certificate else [],
        "client_cert_name": _distinguished_name(ssl_object) if certificate else None,
        # A certificate that cannot be verified ends the handshake, so there is never an error to tell of.
        "client_cert_error": None,
        "tls_version": _TLS_VERSIONS.get(ssl_object.version() or ""),
        "cipher_suite": next(
            (known["id"] & 0xFFFF for known in ssl_object.context.get_ciphers() if known["name"] == name), None
        ),
    }


def _distinguished_name(ssl_object: ssl.SSLObject) -> str:
    """The subject of the peer's certificate, as RFC 4514 writes it: the last relative name first."""
    subject: Any = (ssl_object.getpeercert() or {}).get("subject", ())
    return ",".join(_relative_name(attributes) for attributes in reversed(subject))


def _relative_name(attributes: Iterable[tuple[str, str]]) -> str:
    return "+".join(f"{_ATTRIBUTE_TYPES.get(name, name)}={_escaped(value)}" for name, value in attributes)


def _escaped(value: str) -> str:
    """An attribute's value with what RFC 4514 §2.4 wants escaped."""
    escaped = "".join(f"\\{c}" if c in '"+,;<>\\' else "\\00" if c == "\0" else c for c in value)
    if escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    return escaped
