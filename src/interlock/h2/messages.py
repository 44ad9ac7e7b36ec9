"""Field lists to heads of messages and back (RFC 9113 §8.2, §8.3, §8.5; RFC 8441 §4).

What a decoder gives is validated here; the framing of HTTP/2 leaves nothing else to check.  A field is looked at once,
by :func:`mark`, when it is read, and not again when it comes out of the decoder's table.  What fields say together is
read from those that have a mark.
"""

from typing import Any, Final

from interlock.h2.errors import PROTOCOL_ERROR, StreamFault
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.events import InformationalResponse, Request, Response
from interlock.http.fields import EXPECT_UNKNOWN, Headers
from interlock.http.limits import Limits
from interlock.http.names import CONNECTION_SPECIFIC, KNOWN_NAMES
from interlock.http.octets import ALPHA, DIGIT, FIELD_VALUE, SCHEME, TCHAR, OctetSet, within
from interlock.http.target import check_authority, check_target

__all__ = [
    "mark",
    "read_request",
    "read_response",
    "read_trailers",
    "write_request",
    "write_response",
    "write_trailers",
]

#: RFC 9113 §8.2: the octets of a field name, which is in lower case.
_NAME: Final = OctetSet(bytes(octet for octet in TCHAR.members if not 0x41 <= octet <= 0x5A))

#: RFC 9110 §4.2: the schemes that cannot do without an authority.  Case does not matter (RFC 3986 §3.1).
_HTTP: Final = frozenset((b"http", b"https"))

# What a field is: the marks of :func:`mark`.
_PLAIN: Final = 0
_METHOD: Final = 1
_PATH: Final = 2
_SCHEME: Final = 3
_AUTHORITY: Final = 4
_PROTOCOL: Final = 5
_STATUS: Final = 6
_UNKNOWN: Final = 7
#: The pseudo-headers end here.  Their values are for who reads the head to check; all other values are good unless ...
_REGULAR: Final = 8
_INTERPRETED: Final = 8
_COOKIE: Final = 9
#: ... the mark is one from here on.
_BAD: Final = 10
_BAD_NAME: Final = 10
_BAD_VALUE: Final = 11
_BAD_TE: Final = 12
_FORBIDDEN: Final = 13


def _known_mark(name: bytes) -> int:
    if name in CONNECTION_SPECIFIC:
        return _FORBIDDEN
    if name == b"cookie":
        return _COOKIE
    return _INTERPRETED if name in (b"host", b"content-length", b"expect") else _PLAIN


#: Common names -> the marks of their fields, if the value is good.
_MARKS: Final = {name: _known_mark(name) for name in KNOWN_NAMES.values()} | {
    b":method": _METHOD,
    b":path": _PATH,
    b":scheme": _SCHEME,
    b":authority": _AUTHORITY,
    b":protocol": _PROTOCOL,
    b":status": _STATUS,
}

#: What a request line of HTTP/1.1 has beside method and target: " " and " HTTP/1.1" (RFC 9112 §3).
_AROUND_TARGET: Final = 10


def malformed(text: str) -> StreamFault:
    """The error for a malformed message (RFC 9113 §8.1.1)."""
    return StreamFault(PROTOCOL_ERROR, text)


def mark(name: bytes, value: bytes) -> int:
    """What has to be done with a field: 0 for one that is good, and means nothing here (RFC 9113 §8.2)."""
    kind = _MARKS.get(name, -1)
    if kind < 0:
        if name[:1] == b":":
            return _UNKNOWN
        if not name or not within(name, _NAME):
            return _BAD_NAME
        kind = _PLAIN
    elif 0 < kind < _REGULAR:
        return kind
    if value:
        first = value[0]
        last = value[-1]
        # RFC 9113 §8.2.1: neither other octets nor white space around the value.
        if first == 0x20 or first == 0x09 or last == 0x20 or last == 0x09 or not within(value, FIELD_VALUE):
            return _BAD_VALUE
    if name == b"te" and value.lower() != b"trailers":
        return _BAD_TE
    return kind


def _check_fields(fields: list[Any], marked: list[Any]) -> list[Any]:
    """Raise :class:`StreamFault` unless all are regular fields that may stand here; give those to be interpreted.

    ``marked``: those that have a mark, with it.  Several Cookie fields are made one, in the place of the first (RFC 9113
    §8.2.3).
    """
    interpreted: list[Any] = []
    cookies = 0
    for entry in marked:
        known: tuple[Any, int] = entry
        field, kind = known
        if kind == _COOKIE:
            cookies += 1
        elif kind == _INTERPRETED:
            interpreted.append(field)
        else:
            raise _bad_field(field[0], field[1], kind)
    if cookies > 1:
        _join_cookies(fields)
    return interpreted


def _bad_field(name: bytes, value: bytes, kind: int) -> StreamFault:
    if kind == _FORBIDDEN:
        return malformed(f"{excerpt(name)} has no place in HTTP/2 (RFC 9113 §8.2.2)")
    if kind == _BAD_TE:
        return malformed(f"TE is {excerpt(value)}, not trailers (RFC 9113 §8.2.2)")
    if kind == _BAD_VALUE:
        return malformed("an illegal field value (RFC 9113 §8.2.1)")
    if kind == _BAD_NAME:
        return malformed(f"illegal field name {excerpt(name)} (RFC 9113 §8.2.1)")
    return malformed(f"{excerpt(name)} behind other fields, or unknown (RFC 9113 §8.3)")


def _join_cookies(fields: list[Any]) -> None:
    crumbs = [index for index, field in enumerate(fields) if field[0] == b"cookie"]
    fields[crumbs[0]] = (b"cookie", b"; ".join([fields[index][1] for index in crumbs if fields[index][1]]))
    for index in reversed(crumbs[1:]):
        del fields[index]


def read_request(
    fields: list[Any], marked: list[Any], stream_id: int, limits: Limits, extended_connect: bool
) -> Request:
    """The Request that a field list makes.  Raises :class:`StreamFault` where it is malformed.

    ``marked``: those of the fields to which :func:`mark` gives something, with it.
    ``limits``: how many fields it may have beside its pseudo-headers, where several Cookie fields are one (RFC 9113
    §8.2.3), and how long a request line would be that says the same in HTTP/1.1.
    ``extended_connect``: whether we have offered SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).
    """
    method: bytes = b""
    scheme: bytes = b""
    path: bytes = b""
    authority: bytes = b""
    protocol: bytes = b""
    has_authority = False
    at = 0
    for entry in marked:
        known: tuple[Any, int] = entry
        field, kind = known
        if kind >= _REGULAR:
            break
        if fields[at] is not field:
            raise _bad_field(field[0], b"", kind)
        at += 1
        value: bytes = field[1]
        if kind == _METHOD:
            if method or not value or not within(value, TCHAR):
                raise malformed(f"bad or repeated :method {excerpt(value)} (RFC 9113 §8.3.1)")
            method = value
        elif kind == _PATH:
            if path or not value:
                raise malformed(f"empty or repeated :path {excerpt(value)} (RFC 9113 §8.3.1)")
            path = value
        elif kind == _SCHEME:
            if scheme or not value or not within(value, SCHEME) or not within(value[:1], ALPHA):
                raise malformed(f"bad or repeated :scheme {excerpt(value)} (RFC 9113 §8.3.1)")
            scheme = value
        elif kind == _AUTHORITY:
            if has_authority:
                raise malformed("repeated :authority (RFC 9113 §8.3)")
            authority = value
            has_authority = True
        elif kind == _PROTOCOL and extended_connect:
            if protocol or not value or not within(value, TCHAR):
                raise malformed(f"bad or repeated :protocol {excerpt(value)} (RFC 8441 §4)")
            protocol = value
        else:
            raise malformed(f"unknown pseudo-header {excerpt(field[0])} (RFC 9113 §8.3)")
    if not method:
        raise malformed("no :method (RFC 9113 §8.3.1)")
    tunnel = method == b"CONNECT" and not protocol
    if tunnel:
        if scheme or path or not authority:
            raise malformed("CONNECT has :authority, and neither :scheme nor :path (RFC 9113 §8.5)")
        path = authority
    elif not scheme or not path:
        raise malformed("no :scheme or no :path (RFC 9113 §8.3.1)")
    elif protocol and method != b"CONNECT":
        raise malformed(":protocol without CONNECT (RFC 8441 §4)")
    items = fields[at:]
    interpreted = _check_fields(items, marked[at:])
    if len(items) > limits.fields:
        raise StreamFault(PROTOCOL_ERROR, f"more than {limits.fields} fields", 431)
    if len(method) + len(path) + _AROUND_TARGET > limits.request_line:
        raise StreamFault(PROTOCOL_ERROR, f"a request line of more than {limits.request_line} octets", 414)
    try:
        if tunnel:
            check_target(method, path)
        elif path[0] == 0x2F or path == b"*":
            check_target(b"GET" if protocol else method, path)
        else:
            raise malformed(f":path {excerpt(path)} begins with no slash (RFC 9113 §8.3.1)")
        if authority:
            check_authority(authority)
        if interpreted or has_authority:
            items, interpreted = _with_host(items, interpreted, authority, has_authority)
        headers = Headers(_parsed=(items, items, interpreted))
    except LocalProtocolError as error:
        raise malformed(str(error)) from None
    if not headers.host and not tunnel and scheme.lower() in _HTTP:
        raise malformed("neither :authority nor Host (RFC 9113 §8.3.1)")
    if headers.host_count > 1:
        raise malformed("more than one Host (RFC 9113 §8.3.1)")
    if headers.flags & EXPECT_UNKNOWN:
        raise StreamFault(PROTOCOL_ERROR, "only Expect: 100-continue is understood (RFC 9110 §10.1.1)", 417)
    return Request(
        method=method,
        headers=(),
        target=path,
        http_version=b"2",
        stream_id=stream_id,
        scheme=scheme,
        protocol=protocol,
        _parsed=headers,
    )


def _with_host(
    items: list[Any], interpreted: list[Any], authority: bytes, has_authority: bool
) -> tuple[list[Any], list[Any]]:
    """The fields, and those to be interpreted, with Host made from :authority at their head (RFC 9113 §8.3.1)."""
    hosts = [field for field in interpreted if field[0] == b"host"]
    if not has_authority:
        for field in hosts:
            check_authority(field[1])
        return items, interpreted
    if hosts:
        for field in hosts:
            value: bytes = field[1]
            if value.lower() != authority.lower():
                raise malformed(f"Host {excerpt(value)} is not :authority (RFC 9113 §8.3.1)")
        if len(hosts) > 1:
            raise malformed("more than one Host (RFC 9110 §7.2)")
        items = [field for field in items if field[0] != b"host"]
        interpreted = [field for field in interpreted if field[0] != b"host"]
    host = (b"host", authority)
    return [host, *items], [host, *interpreted]


def read_response(fields: list[Any], marked: list[Any], stream_id: int) -> InformationalResponse | Response:
    """The head of a response that a field list makes.  Raises :class:`StreamFault` where it is malformed.

    ``marked``: as in :func:`read_request`.
    """
    name: bytes = fields[0][0] if fields else b""
    status: bytes = fields[0][1] if fields else b""
    if name != b":status" or len(status) != 3 or not within(status, DIGIT) or status[0] == 0x30:
        raise malformed(f"no :status of three digits, but {excerpt(name)} {excerpt(status)} (RFC 9113 §8.3.2)")
    items = fields[1:]
    interpreted = _check_fields(items, marked[1:])
    try:
        headers = Headers(_parsed=(items, items, interpreted))
    except LocalProtocolError as error:
        raise malformed(str(error)) from None
    code = int(status)
    if code == 101:
        raise malformed("101 in HTTP/2 (RFC 9113 §8.6)")
    if code < 200:
        return InformationalResponse(status_code=code, headers=headers, http_version=b"2", stream_id=stream_id)
    return Response(status_code=code, headers=headers, http_version=b"2", stream_id=stream_id)


def read_trailers(fields: list[Any], marked: list[Any]) -> Headers:
    """The trailer section that a field list makes.  Raises :class:`StreamFault` where it is malformed (RFC 9113 §8.1).

    ``marked``: as in :func:`read_request`.
    """
    interpreted = _check_fields(fields, marked)
    try:
        return Headers(trailers=True, _parsed=(fields, fields, interpreted))
    except LocalProtocolError as error:
        raise malformed(str(error)) from None


#: Status codes as pseudo-headers.
_STATUS_FIELDS: Final = {code: (b":status", b"%d" % code) for code in range(100, 1000)}


def _check_outgoing(headers: Headers) -> list[Any]:
    """The fields of a section that is to be sent.  Raises :class:`LocalProtocolError` for one that may not be."""
    items: list[Any] = headers.items_list()
    for field in items:
        name: bytes = field[0]
        if name in CONNECTION_SPECIFIC:
            raise LocalProtocolError(f"{excerpt(name)} has no place in HTTP/2 (RFC 9113 §8.2.2)")
        if name == b"te" and field[1] != b"trailers":
            raise LocalProtocolError("TE may say trailers and nothing else in HTTP/2 (RFC 9113 §8.2.2)")
    return items


def write_request(event: Request, scheme: bytes) -> list[Any]:
    """The field list of a request.  ``scheme`` is taken where the event has none.  Host becomes :authority."""
    items = _check_outgoing(event.headers)
    authority = event.headers.host
    if event.headers.host_count:
        items = [field for field in items if field[0] != b"host"]
    if event.method == b"CONNECT" and not event.protocol:
        return [(b":method", event.method), (b":authority", event.target), *items]
    if event.target[0] != 0x2F and event.target != b"*":
        raise LocalProtocolError(f"the target {excerpt(event.target)} is no path (RFC 9113 §8.3.1)")
    pseudo: list[Any] = [(b":method", event.method), (b":scheme", event.scheme or scheme), (b":path", event.target)]
    if authority:
        pseudo.insert(2, (b":authority", authority))
    if event.protocol:
        pseudo.append((b":protocol", event.protocol))
    pseudo.extend(items)
    return pseudo


def write_response(event: InformationalResponse | Response) -> list[Any]:
    """The field list of a response.  Its reason has no place in HTTP/2 (RFC 9113 §8.3.2)."""
    if event.status_code == 101:
        raise LocalProtocolError("101 has no place in HTTP/2 (RFC 9113 §8.6)")
    fields = _check_outgoing(event.headers)
    fields.insert(0, _STATUS_FIELDS[event.status_code])
    return fields


def write_trailers(headers: Headers) -> list[Any]:
    """The field list of a trailer section (RFC 9113 §8.1)."""
    return _check_outgoing(headers)
