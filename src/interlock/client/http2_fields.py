"""Heads of requests as HTTP/2 has them, from what a caller asks for (RFC 9113 §8.2, §8.3, §8.5; RFC 8441 §4).

Pure: fields in, an event out.  What HTTP/1.1 says of a connection is dropped here; what is malformed is for the event
to refuse.  Which of the fields become pseudo-headers is the engine's to know, but for those that a caller gives as such.
"""

from typing import Any, Final

from interlock.client.heads import authority
from interlock.client.messages import Request
from interlock.h2 import Request as Head
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.fields import comma_list, octets_of
from interlock.http.names import CONNECTION_SPECIFIC, KNOWN_NAMES

__all__ = ["head_of"]

#: Fields that are not sent as they are.
_SPECIAL: Final = CONNECTION_SPECIFIC | {b"te", b"host", b"expect", b"content-length", b"priority"}

_EXPECT: Final = (b"expect", b"100-continue")


def head_of(request: Request, stream_id: int = 0) -> Head:
    """The head of ``request``.  Raises :class:`~interlock.http.errors.LocalProtocolError` where it is malformed.

    Dropped are the fields that belong to a connection of HTTP/1.1, those that Connection names, and all of TE but
    ``trailers`` (RFC 9113 §8.2.2).  Host, Content-Length, Expect and Priority are made where they are missing.
    """
    fields: list[Any] = []
    named: list[bytes] = []
    host = protocol = b""
    has_length = has_expect = has_priority = has_trailers = False
    for given in request.headers:
        written: Any = given[0]
        value: Any = given[1]
        name = KNOWN_NAMES.get(written) or octets_of(written, "field name").lower()
        if name[:1] == b":":
            if name == b":authority":
                host = octets_of(value, "field value")
            elif name == b":protocol":
                protocol = octets_of(value, "field value")
            else:
                raise LocalProtocolError(
                    f"{excerpt(name)} is made from the request, and may not be given (RFC 9113 §8.3)"
                )
            continue
        if name in _SPECIAL:
            if name == b"connection":
                named += comma_list(octets_of(value, "field value").lower())
                continue
            if name == b"host":
                host = host or octets_of(value, "field value")
                continue
            if name == b"te":
                has_trailers = has_trailers or b"trailers" in comma_list(octets_of(value, "field value").lower())
                continue
            if name in CONNECTION_SPECIFIC:
                continue
            has_length = has_length or name == b"content-length"
            has_expect = has_expect or name == b"expect"
            has_priority = has_priority or name == b"priority"
        fields.append((name, value))
    if named:
        fields = [field for field in fields if field[0] not in named]
    if has_trailers:
        fields.append((b"te", b"trailers"))
    content = request.content
    if isinstance(content, bytes) and content and not has_length:
        fields.append((b"content-length", b"%d" % len(content)))
    if request.expect_continue is not None and content and not has_expect:
        fields.append(_EXPECT)
    if request.priority is not None and not has_priority:
        fields.append((b"priority", request.priority))
    tunnel = request.method == b"CONNECT" and not protocol
    if not host:
        host = request.target if tunnel else authority(request.scheme, request.host, request.port)
    fields.insert(0, (b"host", host))
    return Head(
        method=request.method,
        headers=fields,
        target=request.target,
        http_version=b"2",
        stream_id=stream_id,
        scheme=request.scheme,
        protocol=protocol,
    )
