"""The opening handshake: fields in, fields out (RFC 6455 §4; over HTTP/2 RFC 8441 §4, §5).

Both roles are here, and both versions of HTTP.  How the octets of a request and of a response are read and written is
the matter of the engines for HTTP; which extensions an end agrees to, that of ``deflate.py``.
"""

import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import Final, final

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.events import InformationalResponse, Request, Response
from interlock.http.fields import CHUNKED, UPGRADE, Headers, Octets, RawFields, comma_list, headers_of, octets_of
from interlock.http.octets import TCHAR, within
from interlock.http.status import reason
from interlock.ws.extensions import Extension, parse_extensions

__all__ = [
    "Opening",
    "accept_fields",
    "accept_key",
    "client_request",
    "is_websocket",
    "read_request",
    "read_response",
    "refusal_fields",
]

#: RFC 6455 §1.3: what is appended to a key before it is hashed.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: The version of the protocol (RFC 6455 §4.1).
_VERSION: Final = b"13"
#: Octets of the nonce that a key is made of (RFC 6455 §4.1).
_NONCE: Final = 16

#: What a handshake says by itself, beside all that begins with _WEBSOCKET: its caller may not.  There is no content.
_RESERVED: Final = frozenset((b"host", b"connection", b"upgrade", b"content-length", b"transfer-encoding"))
_WEBSOCKET: Final = b"sec-websocket-"

_UPGRADE: Final[list[tuple[bytes, bytes]]] = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]


def accept_key(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that answers ``key``, the value of Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False)


# -- the client


def client_request(
    host: bytes,
    target: bytes,
    *,
    key: bytes = b"",
    subprotocols: Sequence[str | bytes] = (),
    extensions: bytes = b"",
    origin: bytes = b"",
    headers: RawFields = (),
    http2: bool = False,
    scheme: bytes = b"https",
    stream_id: int = 0,
) -> Request:
    """The request that opens a WebSocket (RFC 6455 §4.1; RFC 8441 §5).

    ``host``: host and port, where that is not the scheme's default.  ``target``: path and query.  ``key``: the value of
    Sec-WebSocket-Key, a new one if it is not given.  ``subprotocols``: what is offered, the preferred first.
    ``extensions``: what is offered, as Sec-WebSocket-Extensions has it.  ``origin``: the value of Origin, if any.
    ``headers``: further fields.  With ``http2`` it is an extended CONNECT, which has ``scheme``, b"https" or b"http", and
    no key; ``stream_id`` is its stream.

    Raises :class:`LocalProtocolError` for what is malformed, and for a further field that the handshake has itself.
    """
    fields: list[tuple[Octets, Octets] | Sequence[Octets]] = [(b"Host", host)]
    if not http2:
        fields.extend(_UPGRADE)
        if not key:
            key = binascii.b2a_base64(os.urandom(_NONCE), newline=False)
        elif not _is_key(key):
            raise LocalProtocolError(f"{excerpt(key)} is not the base64 of 16 octets (RFC 6455 §4.1)")
        # A list, since no other request will have the same: tuples are kept for those that do.
        fields.append([b"Sec-WebSocket-Key", key])
    fields.append((b"Sec-WebSocket-Version", _VERSION))
    offered = _subprotocol_list(subprotocols)
    if offered:
        fields.append((b"Sec-WebSocket-Protocol", b", ".join(offered)))
    if extensions:
        parse_extensions([extensions])
        fields.append((b"Sec-WebSocket-Extensions", extensions))
    if origin:
        fields.append((b"Origin", origin))
    further = headers_of(headers)
    _refuse_reserved(further)
    if origin and further.get(b"origin") is not None:
        raise LocalProtocolError("Origin is given twice (RFC 6454 §7.3)")
    fields.extend(further.raw_items())
    return Request(
        method=b"CONNECT" if http2 else b"GET",
        target=target,
        headers=fields,
        http_version=b"2" if http2 else b"1.1",
        stream_id=stream_id,
        scheme=scheme if http2 else b"",
        protocol=b"websocket" if http2 else b"",
    )


def read_response(
    request: Request, response: InformationalResponse | Response, subprotocols: Sequence[str | bytes]
) -> tuple[str | None, list[Extension]]:
    """The subprotocol and the extensions that a server has accepted (RFC 6455 §4.1; RFC 8441 §5).

    ``request``: what :func:`client_request` gave.  ``response``: one that accepts, 101 or over HTTP/2 200 to 299.
    ``subprotocols``: what was offered.  Whether the extensions were offered is for their own modules to check.

    Raises :class:`LocalProtocolError` for a response that does not open the WebSocket.
    """
    headers = response.headers
    if request.http_version == b"2":
        if not 200 <= response.status_code <= 299:
            raise LocalProtocolError(f"status {response.status_code} opens no WebSocket (RFC 8441 §5)")
    else:
        if response.status_code != 101:
            raise LocalProtocolError(f"status {response.status_code} opens no WebSocket (RFC 6455 §4.1)")
        if response.http_version != b"1.1":
            raise LocalProtocolError("WebSocket needs HTTP/1.1, and HTTP/1.0 knows no 101 (RFC 9110 §15.2)")
        upgrade = headers.get_all(b"upgrade")
        if len(upgrade) != 1 or upgrade[0].lower() != b"websocket":
            raise LocalProtocolError(f"Upgrade is {_shown(upgrade)}, not websocket (RFC 6455 §4.1)")
        if not _has_token(headers, b"connection", b"upgrade"):
            raise LocalProtocolError("Connection does not say Upgrade (RFC 6455 §4.1)")
        accept = headers.get_all(b"sec-websocket-accept")
        if accept != [accept_key(request.headers.get(b"sec-websocket-key", b"") or b"")]:
            raise LocalProtocolError(f"Sec-WebSocket-Accept {_shown(accept)} is not the key's (RFC 6455 §4.1)")
    chosen = headers.get_all(b"sec-websocket-protocol")
    subprotocol: str | None = None
    if chosen:
        if len(chosen) > 1 or chosen[0] not in _subprotocol_list(subprotocols):
            raise LocalProtocolError(f"subprotocol {_shown(chosen)} is not one that was offered (RFC 6455 §4.1)")
        subprotocol = chosen[0].decode("ascii")
    return subprotocol, parse_extensions(headers.get_all(b"sec-websocket-extensions"))


# -- the server


@final
class Opening:
    """A valid request for a WebSocket, as a server has read it.  It must not be changed after it is made."""

    __slots__ = ("extensions", "http2", "key", "origin", "request", "subprotocols")

    def __init__(
        self,
        request: Request,
        key: bytes,
        subprotocols: list[str],
        extensions: list[Extension],
        origin: bytes | None,
        http2: bool,
    ) -> None:
        #: The request itself.
        self.request: Final = request
        #: The value of Sec-WebSocket-Key; b"" in HTTP/2, which has none.
        self.key: Final = key
        #: The subprotocols that the client offers, the preferred first.
        self.subprotocols: Final = subprotocols
        #: The extensions that the client offers, in order.
        self.extensions: Final = extensions
        #: The value of Origin, which browsers always send (RFC 6455 §10.2); None where there is none.
        self.origin: Final = origin
        #: Whether the request is an extended CONNECT of HTTP/2 (RFC 8441 §4).
        self.http2: Final = http2

    def __repr__(self) -> str:
        return (
            f"Opening(request={self.request!r}, key={self.key!r}, subprotocols={self.subprotocols!r}, "
            f"extensions={self.extensions!r}, origin={self.origin!r}, http2={self.http2!r})"
        )


def is_websocket(request: Request) -> bool:
    """Whether a request asks for a WebSocket.  If it does, :func:`read_request` tells whether it does so rightly."""
    if request.protocol:
        return request.protocol == b"websocket"
    return (
        bool(request.headers.flags & UPGRADE)
        and request.method == b"GET"
        and request.http_version == b"1.1"  # RFC 9110 §7.8: in 1.0 Upgrade is ignored
        and _has_token(request.headers, b"upgrade", b"websocket")
    )


def read_request(request: Request) -> Opening:
    """What a request for a WebSocket says (RFC 6455 §4.2.1; RFC 8441 §5).

    Raises :class:`LocalProtocolError` unless it is one.  Its ``error_status_hint`` is 405 for a method that is not GET,
    426 for a version that is not 13 (over HTTP/2, which has no Upgrade, 400), and else 400; :func:`refusal_fields` has
    the fields that belong to such a response.
    """
    headers = request.headers
    http2 = request.http_version == b"2"
    if http2:
        if request.method != b"CONNECT" or request.protocol != b"websocket":
            raise LocalProtocolError(
                f"no extended CONNECT for websocket, but {excerpt(request.protocol)} (RFC 8441 §5)"
            )
        if headers.content_length >= 0:  # which no DATA of the WebSocket would keep to
            raise LocalProtocolError("a CONNECT has no content (RFC 9110 §9.3.6)")
    else:
        if request.method != b"GET":
            raise LocalProtocolError(f"the method is {excerpt(request.method)}, not GET (RFC 6455 §4.2.1)", 405)
        if request.http_version != b"1.1":
            raise LocalProtocolError("WebSocket needs HTTP/1.1 (RFC 6455 §4.2.1)")
        if not _has_token(headers, b"upgrade", b"websocket"):
            raise LocalProtocolError("Upgrade does not say websocket (RFC 6455 §4.2.1)")
        if not _has_token(headers, b"connection", b"upgrade"):
            raise LocalProtocolError("Connection does not say Upgrade (RFC 6455 §4.2.1)")
        if headers.content_length > 0 or headers.flags & CHUNKED:
            raise LocalProtocolError("an opening handshake has no content (RFC 9110 §9.3.1)")
    version = headers.get_all(b"sec-websocket-version")
    if version != [_VERSION]:
        raise LocalProtocolError(
            f"Sec-WebSocket-Version is {_shown(version)}, not 13 (RFC 6455 §4.2.1)", 400 if http2 else 426
        )
    key = b""
    if not http2:
        keys = headers.get_all(b"sec-websocket-key")
        if len(keys) != 1 or not _is_key(keys[0]):
            raise LocalProtocolError(
                f"Sec-WebSocket-Key {_shown(keys)} is not the base64 of 16 octets (RFC 6455 §4.2.1)"
            )
        key = keys[0]
    origins = headers.get_all(b"origin")
    if len(origins) > 1:
        raise LocalProtocolError("more than one Origin (RFC 6454 §7.3)")
    return Opening(
        request,
        key,
        _read_subprotocols(headers.get_all(b"sec-websocket-protocol")),
        parse_extensions(headers.get_all(b"sec-websocket-extensions")),
        origins[0] if origins else None,
        http2,
    )


def refusal_fields(status: int, http2: bool = False) -> list[tuple[bytes, bytes]]:
    """The fields that a response has to have that refuses a handshake with ``status``, as :func:`read_request` hints.

    They name the version that we speak (RFC 6455 §4.2.2), the protocol to upgrade to (RFC 9110 §15.5.22), the method
    that is allowed (RFC 9110 §15.5.6).
    """
    version = (b"Sec-WebSocket-Version", _VERSION)
    if http2:
        return [version] if status == 400 else []
    if status == 426:
        return [*_UPGRADE, version]
    return [(b"Allow", b"GET")] if status == 405 else []


def accept_fields(
    opening: Opening,
    *,
    subprotocol: str | None = None,
    extensions: bytes = b"",
    headers: RawFields = (),
) -> InformationalResponse | Response:
    """The response that opens the WebSocket: 101 (RFC 6455 §4.2.2), over HTTP/2 200 (RFC 8441 §5).

    ``subprotocol``: one that the client offers, or None.  ``extensions``: what is accepted of those that it offers, as
    Sec-WebSocket-Extensions has it.  ``headers``: further fields.

    Raises :class:`LocalProtocolError` for what the client has not offered, for what is malformed, and for a further
    field that the handshake has itself.
    """
    fields: list[tuple[Octets, Octets] | Sequence[Octets]] = []
    if not opening.http2:
        fields.extend(_UPGRADE)
        # A list, since no other response will have the same: tuples are kept for those that do.
        fields.append([b"Sec-WebSocket-Accept", accept_key(opening.key)])
    if subprotocol is not None:
        if subprotocol not in opening.subprotocols:
            raise LocalProtocolError(
                f"subprotocol {subprotocol[:64]!r} is not one that the client offers: "
                f"{', '.join(opening.subprotocols)[:64] or 'it offers none'} (RFC 6455 §4.2.2)"
            )
        fields.append((b"Sec-WebSocket-Protocol", subprotocol))
    if extensions:
        offered = [extension.name for extension in opening.extensions]
        for extension in parse_extensions([extensions]):
            if extension.name not in offered:
                raise LocalProtocolError(f"extension {excerpt(extension.name)} is not offered (RFC 6455 §9.1)")
        fields.append((b"Sec-WebSocket-Extensions", extensions))
    further = headers_of(headers)
    _refuse_reserved(further)
    fields.extend(further.raw_items())
    if opening.http2:
        return Response(status_code=200, headers=fields, http_version=b"2", stream_id=opening.request.stream_id)
    return InformationalResponse(status_code=101, headers=fields, reason=reason(101))


# -- both


def _refuse_reserved(headers: Headers) -> None:
    """Raise for a field that only the handshake itself may have."""
    for name, _ in headers:
        if name in _RESERVED or name.startswith(_WEBSOCKET):
            raise LocalProtocolError(f"{excerpt(name)} is for the handshake to say (RFC 6455 §4.1, §4.2.2)")


def _has_token(headers: Headers, name: bytes, token: bytes) -> bool:
    """Whether the list that the fields called ``name`` make has ``token``, which is in lower case."""
    return any(token in comma_list(value.lower()) for value in headers.get_all(name))


def _is_key(key: bytes) -> bool:
    """Whether ``key`` is the base64 of 16 octets, in its canonical form (RFC 6455 §4.1, §4.2.1; RFC 4648 §3.5)."""
    try:
        nonce = binascii.a2b_base64(key)
    except binascii.Error:
        return False
    return len(nonce) == _NONCE and binascii.b2a_base64(nonce, newline=False) == key


def _subprotocol_list(subprotocols: Sequence[str | bytes]) -> list[bytes]:
    """Subprotocols that a caller gives, as octets."""
    if isinstance(subprotocols, (str, bytes)):
        raise TypeError(f"subprotocols have to be a sequence of them, not {subprotocols!r}")
    return _checked_subprotocols([octets_of(subprotocol, "subprotocol") for subprotocol in subprotocols])


def _read_subprotocols(values: list[bytes]) -> list[str]:
    """The subprotocols in the values of all Sec-WebSocket-Protocol fields of a request: 1#token (RFC 6455 §4.3)."""
    subprotocols: list[bytes] = []
    for value in values:
        subprotocols.extend(comma_list(value))
    if values and not subprotocols:
        raise LocalProtocolError("Sec-WebSocket-Protocol without a subprotocol (RFC 6455 §4.3)")
    return [subprotocol.decode("ascii") for subprotocol in _checked_subprotocols(subprotocols)]


def _checked_subprotocols(subprotocols: list[bytes]) -> list[bytes]:
    """``subprotocols``, if all are tokens and none is repeated (RFC 6455 §4.1)."""
    for subprotocol in subprotocols:
        if not subprotocol or not within(subprotocol, TCHAR):
            raise LocalProtocolError(f"subprotocol {excerpt(subprotocol)} is not a token (RFC 6455 §4.1)")
    if len(set(subprotocols)) != len(subprotocols):
        raise LocalProtocolError("a subprotocol is offered twice (RFC 6455 §4.1)")
    return subprotocols


def _shown(values: list[bytes]) -> str:
    return excerpt(b", ".join(values)) if values else "not there"
